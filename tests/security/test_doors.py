"""Hostile bodies, names and links at the real doors: refused as the contract says, and for nothing (A, B, C, E)."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.security.sockets import connected
from tests.support.gateway import ADMIN_KEY, Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS = "/v1/images/generations"
GOOD = {"model": "nano-banana", "prompt": "a fox"}
MB = 2**20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("doors"), wrong_keys_per_minute=10_000) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link(gateway: Running) -> str:
    """A signed link to a picture."""
    async with gateway.client() as client:
        url: str = (await client.post(GENERATIONS, json=GOOD)).json()["data"][0]["url"]
        return url


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("path", "cap"),
    [
        (GENERATIONS, 32 * MB),
        ("/v1/images/tasks", 32 * MB),
        ("/v1/chat/completions", 20 * MB),
        ("/admin/keys", MB // 4),
    ],
)
async def test_a_length_above_the_cap_is_413_before_the_body(gateway: Running, path: str, cap: int) -> None:
    """B14: a length of 10 GB is refused by its number; the connection ends."""
    key = ADMIN_KEY if path.startswith("/admin") else gateway.key
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    for size in (cap + 1, 10_000 * MB):
        async with connected(gateway.url) as socket:
            await socket.send(head.encode() + b"Content-Length: %d\r\n\r\n{" % size)
            answer = await socket.answer()
            assert (answer.status, answer.error["code"], answer.headers["connection"]) == (
                413,
                "request_too_large",
                "close",
            )
            assert await socket.rest() == b""


async def test_a_body_without_a_length_is_cut_at_the_cap(gateway: Running) -> None:
    """B14."""
    head = f"POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
    async with connected(gateway.url) as socket:
        await socket.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            await socket.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert (await socket.answer()).status == 413
        assert await socket.rest() == b""


@pytest.mark.parametrize("path", [GENERATIONS, "/v1/images/tasks", "/v1beta/models/nano-banana:generateContent"])
async def test_a_body_of_words_is_cut_long_before_one_of_pictures(gateway: Running, path: str) -> None:
    """B14: words stay in memory, and pictures do not."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gateway.key}\r\n"
    async with connected(gateway.url) as socket:
        await socket.send(head.encode() + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            await socket.send(b"100000\r\n" + b"words, ".ljust(MB) + b"\r\n")
        answer = await socket.answer()
        assert (answer.status, b"may be anything but images" in answer.body) == (413, True)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "gzip, identity", "x"])
@pytest.mark.parametrize("path", [GENERATIONS, "/v1/images/edits", "/v1/images/tasks", "/v1/chat/completions"])
async def test_compressed_bodies_are_415_and_never_unpacked(gateway: Running, path: str, coding: str) -> None:
    """B15: sixteen kilobytes that would become sixteen megabytes."""
    bomb = gzip.compress(b" " * 16 * MB)
    async with gateway.client() as client:
        headers = {"content-encoding": coding, "content-type": "application/json"}
        answer = await client.post(path, content=bomb, headers=headers)
    assert code(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b" " * (2 * MB) + b"{}",
        b'{"model":"nano-banana","prompt":"%b"}' % (b"a" * 2 * MB),
        b'{"prompt":"%b' % (b"a" * MB),
    ],
    ids=["2 MiB of spaces", "2 MiB prompt", "prompt without end"],
)
async def test_large_nothings_are_400(gateway: Running, body: bytes) -> None:
    """B18."""
    async with gateway.client() as client:
        answer = await client.post(GENERATIONS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "model",
    [
        "a\r\nX: y",
        "../admin",
        "a?b",
        "a#b",
        "%00",
        "a" * 100_000,
        "{{7*7}}",
        "*",
        "nano-banana%",
        "nano_banan_",
        "\u202e",
    ],
)
async def test_a_model_that_is_none_is_404_wherever_it_is_named(gateway: Running, model: str) -> None:
    """B25: neither a pattern nor a path nor a header."""
    async with gateway.client() as client:
        by_body = await client.post(GENERATIONS, json={**GOOD, "model": model})
        by_path = await client.get("/v1/models/" + "".join(f"%{byte:02X}" for byte in model.encode())[:6000])
    assert code(by_body) == (404, "model_not_found")
    assert len(by_body.content) < 300, "a long name is told in part"
    assert by_path.status_code == 404


@pytest.mark.parametrize("field", ["is_admin", "role", "owner", "spent", "secret", "hint", "revoked_at", "account"])
@pytest.mark.parametrize("path", ["/admin/accounts", "/admin/keys"])
async def test_fields_that_are_not_for_setting_are_refused_by_name(gateway: Running, path: str, field: str) -> None:
    """A5."""
    body: dict[str, Any] = {"name": "x", field: True}
    if path.endswith("keys"):
        body["account_id"] = gateway.account_id
    async with gateway.client(headers={"authorization": f"Bearer {ADMIN_KEY}"}) as admin:
        before = (await admin.get(path)).json()
        answer = await admin.post(path, json=body)
        assert code(answer) == (400, "unsupported_parameter")
        assert answer.json()["error"]["param"] == field
        assert (await admin.get(path)).json() == before


async def test_no_route_lets_a_client_make_or_change_a_key(gateway: Running) -> None:
    """A6."""
    async with gateway.client() as client:
        mine = {"account_id": gateway.account_id, "name": "more", "budget": None, "models": None}
        assert (await client.post("/admin/keys", json=mine)).status_code == 403
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            assert (await client.request(method, "/v1/account", json=mine)).status_code == 405


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("bytes=0-0", 206),
        ("bytes=-1", 206),
        ("bytes=-0", 416),
        ("bytes=5-2", 416),
        ("bytes=99999999999-", 416),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(1500)), 200),
        ("bytes=0-99999999999999999999999999", 206),
        ("lines=0-1", 200),
        ("bytes=", 200),
    ],
)
async def test_ranges_are_cheap_whatever_is_asked(gateway: Running, link: str, given: str, status: int) -> None:
    """C41: many ranges are answered whole."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(link, headers={"range": given})
    assert answer.status_code == status, answer.headers


async def test_a_picture_cannot_act_in_a_browser(gateway: Running, link: str) -> None:
    """E65."""
    async with httpx.AsyncClient() as client:
        headers = (await client.get(link)).headers
    assert headers["content-type"] in ("image/png", "image/jpeg", "image/webp")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["content-disposition"].startswith("inline; filename=")
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "change",
    [("exp=", "exp=9"), ("sig=", "sig=A"), ("/med_", "/med_0"), ("?", "x?"), ("exp=", "x="), ("sig=", "s=")],
    ids="".join,
)
async def test_a_link_that_was_changed_opens_nothing(gateway: Running, link: str, change: tuple[str, str]) -> None:
    """A12."""
    async with httpx.AsyncClient() as client:
        assert (await client.get(link)).status_code == 200
        assert code(await client.get(link.replace(*change, 1))) == (403, "invalid_signature")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "..\\x", "%00", "med_x", "a" * 5000])
async def test_no_name_leads_out_of_the_media_store(gateway: Running, name: str) -> None:
    """E67."""
    async with connected(gateway.url) as socket:
        await socket.send(f"GET /v1/media/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await socket.answer()).status in (403, 404)


async def test_nothing_of_all_this_was_charged(gateway: Running) -> None:
    """Of all the requests above, one drew a picture."""
    async with gateway.client() as client:
        account = json.loads((await client.get("/v1/account")).content)
    assert account["usage"]["images"] <= 1
    assert account["held_units"] == 0
