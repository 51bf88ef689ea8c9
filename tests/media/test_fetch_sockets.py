"""The same promises on real sockets: canaries that must hear nothing, servers that misbehave (fault-cases D47-D56)."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core.clock import Clock
from app.core.errors import InvalidRequest
from app.media.door import Door, Patience
from app.media.fetch import Fetcher, FetchFailed, FetchLimits
from app.media.guard import AddressPolicy, Resolver, SystemResolver, parse_url
from app.media.transport import ExactTransport
from tests.media.fetching import Names, PatientClock, Sinks

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

QUICK = FetchLimits(max_bytes=100_000, total_s=0.5, patience=Patience(connect_s=0.3, idle_s=0.3, pool_s=0.3))


class Server:
    """A listener that counts who comes, keeps what they say, and behaves as told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.connections = 0
        self.heard = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heard += await reader.readuntil(b"\r\n\r\n")
            await self._behaviour(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def says(*answer: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in answer:
            writer.write(part)

    return behave


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def listening(
    behaviour: Behaviour, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(behaviour)
    listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def fetching(
    *allowed: str, resolver: Resolver | None = None, limits: FetchLimits = QUICK, verify: ssl.SSLContext | None = None
) -> AsyncIterator[Fetcher]:
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(ExactTransport(verify=verify))
        door = Door(AddressPolicy(allowed), resolver=resolver or Names(), transport=transport)
        yield Fetcher(door, clock=PatientClock(), inputs=limits, results=limits)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "localhost", "localhost."),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("ok\\@127.0.0.1", "user@127.0.0.1", "127.0.0.1#@ok", "①②⑦.⓪.⓪.①", "127.0.0.1%00.a.example", "127.0.0.1\t"),
    ],
)
async def test_d47_to_d50_a_denied_url_makes_no_connection_at_all(host: str) -> None:
    resolver = SystemResolver()
    async with listening(says(whole(b"x"))) as canary, fetching(resolver=resolver) as fetcher:
        for url in (f"http://{host}:{canary.port}/", f"https://{host}:{canary.port}/"):
            with pytest.raises(InvalidRequest):
                await fetcher.fetch_input(url, Sinks(), param="image")
            with pytest.raises(FetchFailed):
                await fetcher.fetch_result(url, Sinks())
    resolver.close()
    assert canary.connections == 0


async def test_d52_a_redirect_to_another_inside_address_makes_no_connection_there() -> None:
    async with listening(says(whole(b"secret")), host="127.0.0.2") as canary:
        location = f"Location: http://127.0.0.2:{canary.port}/\r\n".encode()
        answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + location + b"\r\n"
        async with listening(says(answer)) as server, fetching("127.0.0.1/32") as fetcher:
            with pytest.raises(InvalidRequest) as caught:
                await fetcher.fetch_input(f"http://127.0.0.1:{server.port}/", Sinks(), param="image")
    assert caught.value.code == "image_url_not_allowed"
    assert (server.connections, canary.connections) == (1, 0)


async def test_d53_a_name_that_turns_inside_after_the_check_is_still_the_checked_address() -> None:
    names = Names({"a.example": [["127.0.0.1"], ["127.0.0.2"]]})
    async with listening(says(whole(b"ok"))) as server, fetching("127.0.0.0/8", resolver=names) as fetcher:
        blob = await fetcher.fetch_input(f"http://a.example:{server.port}/x", Sinks(), param="image")
    assert blob.data == b"ok"
    assert names.asked == ["a.example"]
    assert f"host: a.example:{server.port}\r\n".encode() in server.heard.lower()


async def test_the_path_and_query_arrive_as_they_were_written() -> None:
    async with listening(says(whole(b"ok"))) as server, fetching("127.0.0.1/32") as fetcher:
        target = "/a%2Fb/%7Ex//y?s=a%2Bb%2F%3D&t=%20+&%e4"
        await fetcher.fetch_input(f"http://127.0.0.1:{server.port}{target}", Sinks(), param="image")
    assert server.heard.startswith(f"GET {target} HTTP/1.1\r\n".encode())


async def test_d56_no_proxy_no_netrc_and_no_cookie_of_the_machine_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    cookie = whole(b"ok", b"Set-Cookie: a=b; Path=/")
    async with listening(says(whole(b"proxied"))) as proxy, listening(says(cookie)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with fetching("127.0.0.1/32") as fetcher:
            for _ in range(2):
                await fetcher.fetch_input(f"http://127.0.0.1:{server.port}/", Sinks(), param="image")
    assert proxy.connections == 0
    for header in (b"authorization", b"cookie", b"proxy"):
        assert header not in server.heard.lower()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        writer.write(b"x")
        await writer.drain()
        await Clock().sleep(0.1)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()


MISBEHAVIOURS: dict[str, Behaviour] = {
    "one byte now and then": trickle,
    "never answers": silence,
    "no length, no end": endless,
    "100-continue flood": flood,
    "hangs up": says(),
    "cut body": says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"),
    "cut chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nfive!"),
    "HTTP/0.9": says(b"picture"),
    "not HTTP": says(b"\x00\x01\x02\x03SSH-2.0-OpenSSH\r\n\r\n"),
    "endless header": says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000),
    "a million headers": says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n"),
    "negative length": says(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nfive!"),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nfive!"),
    "gzip": says(whole(b"\x1f\x8b\x08\0", b"Content-Encoding: gzip")),
    "too long": says(whole(bytes(100_001))),
    "TLS alert": says(b"\x15\x03\x01\x00\x02\x02\x28"),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_d55_however_the_server_misbehaves_it_is_a_failed_download_and_nothing_is_kept(name: str) -> None:
    sinks = Sinks()
    async with listening(MISBEHAVIOURS[name]) as server, fetching("127.0.0.1/32") as fetcher:
        with pytest.raises(InvalidRequest) as caught:
            await fetcher.fetch_input(f"http://127.0.0.1:{server.port}/", sinks, param="image")
    assert caught.value.code == "failed_to_download_image"
    assert "closed" not in sinks.states
    assert "open" not in sinks.states


async def test_downloads_that_are_given_up_leave_the_door_open_for_others() -> None:
    async with listening(silence) as deaf, listening(says(whole(b"ok"))) as server, fetching("127.0.0.1/32") as fetcher:
        waiting = [
            asyncio.create_task(fetcher.fetch_input(f"http://127.0.0.1:{deaf.port}/", Sinks(), param="image"))
            for _ in range(150)  # more than the transport's connections
        ]
        while deaf.connections < 100:
            await Clock().sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for _ in range(10):
            blob = await fetcher.fetch_input(f"http://127.0.0.1:{server.port}/", Sinks(), param="image")
            assert blob.data == b"ok"


async def test_d57_a_post_brings_its_body_and_follows_no_redirect() -> None:
    async with listening(says(whole(b"x")), host="127.0.0.2") as canary:
        moved = b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: http://127.0.0.2:%d/\r\n\r\n" % canary.port

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.heard += await reader.readexactly(7)
            writer.write(moved)

        async with listening(behave) as server, ExactTransport() as transport:
            door = Door(AddressPolicy(["127.0.0.0/8"]), resolver=Names(), transport=transport)
            url = parse_url(f"http://127.0.0.1:{server.port}/hook")
            async with door.send(
                "POST", url, headers={"Content-Type": "text/plain"}, content=b"payload", patience=QUICK.patience
            ) as response:
                assert response.status_code == 307
    assert server.heard.startswith(b"POST /hook HTTP/1.1\r\n")
    assert server.heard.endswith(b"\r\n\r\npayload")
    assert b"content-length: 7\r\n" in server.heard.lower()
    assert canary.connections == 0


async def test_d54_plain_text_at_a_tls_port_and_a_closed_port_are_failed_downloads() -> None:
    async with listening(says(whole(b"x"))) as server, fetching("127.0.0.1/32") as fetcher:
        with pytest.raises(FetchFailed):
            await fetcher.fetch_result(f"https://127.0.0.1:{server.port}/", Sinks())
    async with fetching("127.0.0.1/32") as fetcher:
        with pytest.raises(FetchFailed):
            await fetcher.fetch_result(f"http://127.0.0.1:{server.port}/", Sinks())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for a.example that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "a.example.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


async def test_d53_tls_is_checked_against_the_name_though_the_connection_goes_to_the_address(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    names = Names({host: [["127.0.0.1"]] for host in ("a.example", "b.example")})
    async with (
        listening(says(whole(b"ok")), tls=tls) as server,
        fetching("127.0.0.1/32", resolver=names, verify=trusting) as fetcher,
    ):
        blob = await fetcher.fetch_input(f"https://a.example:{server.port}/", Sinks(), param="image")
        with pytest.raises(InvalidRequest):
            await fetcher.fetch_input(f"https://b.example:{server.port}/", Sinks(), param="image")
    assert blob.data == b"ok"
    assert asked == ["a.example", "b.example"]


async def test_d55_a_certificate_that_nobody_vouches_for_is_a_failed_download(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    names = Names({"a.example": [["127.0.0.1"]]})
    async with listening(says(whole(b"ok")), tls=tls) as server, fetching("127.0.0.1/32", resolver=names) as fetcher:
        with pytest.raises(InvalidRequest) as caught:
            await fetcher.fetch_input(f"https://a.example:{server.port}/", Sinks(), param="image")
    assert caught.value.code == "failed_to_download_image"
    assert server.heard == b""
