"""What happens on the line to a vendor: cut at any byte, TLS that proves nothing, names that are gone (F73, F84)."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core.attempt import AttemptState
from app.store import attempts, ledger, ledger_verify
from app.upstream.transport import VendorTransport
from tests.security.painter import PRICE_UNITS, Painter, Shelf, answer, catalog, painting, png
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS: Final = "/v1/images/generations"
WHOLE: Final = answer(png())
HEAD: Final = WHOLE.index(b"\r\n\r\n") + 4
BASE64: Final = WHOLE.index(b"b64_json") + 12


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Painter, Painter, Shelf]]:
    """A gateway with two vendors; of the first, failures are not remembered."""
    async with painting() as first, painting() as second:
        shelf = Shelf(catalog(first.url, second.url))
        directory = tmp_path_factory.mktemp("lines")
        async with running_gateway(directory, source=shelf, breaker_failures=1000) as gateway:
            yield gateway, first, second, shelf


async def outcome(gateway: Running, model: str = "picture") -> tuple[httpx.Response, list[tuple[str, int]], list[Any]]:
    """The answer to one request, what the ledger says of it, and its attempts' states."""
    async with gateway.client() as client:
        response = await client.post(GENERATIONS, json={"model": model, "prompt": "a fox"})
    task_id = response.headers["oneshape-task-id"]
    entries = (await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=task_id))).items
    tried = await gateway.services.database.read(lambda tx: attempts.list_for_task(tx, task_id))
    return response, [(e.kind, e.units) for e in entries if e.kind != "hold"], [a.state for a in tried]


@pytest.mark.parametrize(
    "at",
    [0, 9, HEAD - 3, HEAD, HEAD + 1, HEAD + 20, BASE64, BASE64 + 50, len(WHOLE) - 40, len(WHOLE) - 1],
)
async def test_f73_an_answer_that_is_cut_is_unknown_free_and_never_asked_for_again(
    world: tuple[Running, Painter, Painter, Shelf], at: int
) -> None:
    gateway, first, second, _ = world
    first.reply, before = WHOLE[:at], (first.calls, second.calls)
    response, booked, states = await outcome(gateway)
    assert (response.status_code, response.json()["error"]["type"]) == (502, "upstream_error"), response.text
    assert response.headers["x-should-retry"] == "false"
    assert booked == [("release", PRICE_UNITS)]
    assert states == [AttemptState.UNKNOWN]
    assert (first.calls, second.calls) == (before[0] + 1, before[1])


async def test_f73_an_answer_that_ends_with_its_last_byte_is_a_picture(
    world: tuple[Running, Painter, Painter, Shelf],
) -> None:
    gateway, first, _, _ = world
    first.reply = WHOLE
    response, booked, states = await outcome(gateway)
    assert response.status_code == 200, response.text
    assert booked == [("capture", PRICE_UNITS)]
    assert states == [AttemptState.ACCEPTED]


def certificate(directory: Path, *, until_days: int = 36_500, name: str = "127.0.0.1") -> Path:
    """A file with a key and a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address(name))] if name[0].isdigit() else [x509.DNSName(name)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=until_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def serving_with(file: Path) -> ssl.SSLContext:
    """The context of a server that shows this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_f84_a_vendor_that_nobody_vouches_for_is_told_nothing_and_the_next_one_serves(
    world: tuple[Running, Painter, Painter, Shelf], tmp_path: Path
) -> None:
    gateway, _, second, shelf = world
    async with painting(tls=serving_with(certificate(tmp_path))) as impostor:
        await in_force(gateway, shelf, catalog(impostor.url, second.url))
        before = second.calls
        response, booked, states = await outcome(gateway)
        assert response.status_code == 200, response.text
        assert booked == [("capture", PRICE_UNITS)]
        assert states == [AttemptState.REFUSED, AttemptState.ACCEPTED]
        assert (impostor.calls, second.calls) == (0, before + 1)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("sound", {}),
        ("expired", {"until_days": 365}),
        ("of another host", {"name": "elsewhere.example"}),
        ("of an old version", {}),
    ],
)
async def test_f84_a_certificate_counts_while_it_is_valid_and_for_its_own_host(
    tmp_path: Path, kind: str, said: dict[str, Any]
) -> None:
    """The authority is trusted here, so that nothing else can be what is refused."""
    file = certificate(tmp_path, **said)
    tls = serving_with(file)
    if kind == "of an old version":
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    trusting = ssl.create_default_context(cafile=str(file))
    async with painting(tls=tls) as painter, VendorTransport(verify=trusting) as transport:
        request = httpx.Request("POST", painter.url, content=b"{}", extensions={"timeout": {"connect": 5, "read": 5}})
        if kind == "sound":
            assert (await transport.handle_async_request(request)).status_code == 200
        else:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request)
        assert painter.calls == int(kind == "sound")


async def test_f84_a_vendor_whose_name_is_gone_was_provably_not_asked(
    world: tuple[Running, Painter, Painter, Shelf],
) -> None:
    gateway, _, second, shelf = world
    await in_force(gateway, shelf, catalog("http://no-such-vendor.invalid/v1", second.url))
    response, booked, states = await outcome(gateway)
    assert response.status_code == 200, response.text
    assert states == [AttemptState.REFUSED, AttemptState.ACCEPTED]
    response, booked, states = await outcome(gateway, "of-the-first")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_vendor_available")
    assert booked == [("release", PRICE_UNITS)]
    assert states == [AttemptState.REFUSED]


async def test_f84_the_proxy_of_the_environment_never_hears_of_a_vendor(
    world: tuple[Running, Painter, Painter, Shelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, first, second, shelf = world
    async with painting() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        await in_force(gateway, shelf, catalog(first.url, second.url))
        assert (await outcome_without_proxy(gateway)).status_code == 200
        assert proxy.calls == 0


async def outcome_without_proxy(gateway: Running) -> httpx.Response:
    """One request by a client that does not look at the environment either."""
    async with gateway.client(trust_env=False) as client:
        return await client.post(GENERATIONS, json={"model": "picture", "prompt": "a fox"})


async def in_force(gateway: Running, shelf: Shelf, text: str) -> None:
    """Puts a catalog on the shelf and waits until it rules."""
    shelf.put(text)
    for _ in range(600):
        if gateway.services.catalog().revision == shelf.number:
            return
        await gateway.services.clock.sleep(0.05)
    raise AssertionError("the catalog did not come into force")


async def test_after_all_of_this_the_ledger_is_clean(world: tuple[Running, Painter, Painter, Shelf]) -> None:
    gateway = world[0]
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()
    assert (await gateway.services.accounts.get(gateway.account_id)).held_units == 0
