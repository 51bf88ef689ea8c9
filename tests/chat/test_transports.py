"""Both transports of text chat carry the same bytes and tell the same failures; ours keeps its connections in order."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from app.core.exchange import Failure, VendorFailure
from app.upstream.http import HttpTransport
from app.upstream.through_httpx import HttpxTransport
from app.upstream.transport import VendorTransport
from app.upstream.waiting import REUSED_WITHIN_S, ChatTransport, Post, Waits
from tests.chat.vendor import CUT, Script, Vendor, streamed, whole

WAITS = Waits(connect_s=1, first_byte_s=0.3, idle_s=0.3, total_s=1.0)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield vendor
    server.close()


@pytest.fixture(params=["own", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[ChatTransport]:
    made: ChatTransport = HttpTransport()
    if request.param == "httpx":
        made = HttpxTransport(httpx.AsyncClient(transport=VendorTransport(), trust_env=False))
    yield made
    await made.aclose()


async def fetched(transport: ChatTransport, url: str, waits: Waits = WAITS) -> tuple[int, bytes]:
    arriving = await transport.post(Post(url + "/v1/x?y=1", "secret", b'{"a":1}'), waits)
    body = b""
    try:
        while (chunk := await arriving.chunk()) != b"":
            body += chunk or b""
    finally:
        arriving.close()
    return arriving.status, body


async def test_a_request_arrives_as_it_was_meant(transport: ChatTransport, vendor: Vendor) -> None:
    vendor.reply = lambda _: whole(b"fine", 201)
    assert await fetched(transport, vendor.url) == (201, b"fine")
    (received,) = vendor.received
    assert (received.path, received.body) == ("/v1/x?y=1", b'{"a":1}')
    assert received.headers["authorization"] == "Bearer secret"
    assert received.headers["host"] == vendor.url.removeprefix("http://")


@pytest.mark.parametrize(
    "script",
    [
        streamed(b"one", 0.05, b"two"),
        [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none", 0.05, b"two", CUT],
        [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", *streamed(b"onetwo")],
        [*[bytes([byte]) for byte in b"".join(part for part in streamed(b"one", b"two") if isinstance(part, bytes))]],
    ],
    ids=["chunked", "until it closes", "after early hints", "byte by byte"],
)
async def test_a_body_is_read_to_its_end_however_it_is_framed(
    transport: ChatTransport, vendor: Vendor, script: Script
) -> None:
    vendor.reply = lambda _: script
    assert await fetched(transport, vendor.url) == (200, b"onetwo")


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ([CUT], Failure.CUT),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none", CUT], Failure.CUT),
        ([*streamed(b"one")[:2], CUT], Failure.CUT),
        ([0.6], Failure.TIMED_OUT),
        ([*streamed(b"one")[:2], 0.6], Failure.TIMED_OUT),
        ([streamed(b"")[0], *[part for _ in range(40) for part in (b"1\r\nx\r\n", 0.05)]], Failure.TIMED_OUT),
    ],
    ids=["no head", "half a body", "half a stream", "silence", "silence in a body", "no end within the time"],
)
async def test_a_failure_says_whether_the_vendor_may_have_done_it(
    transport: ChatTransport, vendor: Vendor, script: Script, failure: Failure
) -> None:
    vendor.reply = lambda _: script
    with pytest.raises(VendorFailure) as raised:
        await fetched(transport, vendor.url)
    assert raised.value.failure is failure


async def test_a_vendor_that_thinks_in_the_middle_is_told_of_and_waited_for(
    transport: ChatTransport, vendor: Vendor
) -> None:
    vendor.reply = lambda _: streamed(b"one", 0.5, b"two")
    arriving = await transport.post(Post(vendor.url + "/v1/x", "secret", b"{}"), Waits(quiet_s=0.05))
    chunks = []
    while (chunk := await arriving.chunk()) != b"":
        chunks.append(chunk)
    arriving.close()
    assert (chunks[0], chunks[-1]) == (b"one", b"two")
    assert len(chunks) > 2
    assert set(chunks[1:-1]) == {None}


async def test_where_nobody_listens_nothing_was_sent(transport: ChatTransport) -> None:
    with pytest.raises(VendorFailure) as raised:
        await fetched(transport, "http://127.0.0.1:9")
    assert raised.value.failure is Failure.UNREACHABLE


async def connections(vendor: Vendor, transport: HttpTransport, scripts: list[Script]) -> list[tuple[int, bytes]]:
    answers = iter(scripts)
    vendor.reply = lambda _: next(answers)
    return [await fetched(transport, vendor.url) for _ in scripts]


async def test_a_connection_is_used_again_after_a_whole_answer_and_never_after_half_a_one(vendor: Vendor) -> None:
    seen = set()
    inner = vendor.serve

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.add(writer.get_extra_info("peername"))
        await inner(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    transport = HttpTransport()
    assert await connections(vendor, transport, [whole(b"1"), whole(b"2"), streamed(b"3"), whole(b"4")]) == [
        (200, b"1"), (200, b"2"), (200, b"3"), (200, b"4")
    ]  # fmt: skip
    assert len(seen) == 1
    vendor.reply = lambda _: streamed(b"some", 5.0)
    given_up = await transport.post(Post(vendor.url, "secret", b"{}"), WAITS)
    assert await given_up.chunk() == b"some"
    given_up.close()
    vendor.reply = lambda _: whole(b"5")
    assert await fetched(transport, vendor.url) == (200, b"5")
    assert len(seen) == 2
    await transport.aclose()
    server.close()


@pytest.mark.parametrize("kind", ["own", "httpx"])
@pytest.mark.parametrize(("keepalive_s", "expected"), [(60.0, 1), (0.0, 3)], ids=["soon", "too late"])
async def test_a_connection_that_was_idle_for_too_long_carries_no_call(
    vendor: Vendor, kind: str, keepalive_s: float, expected: int
) -> None:
    """Vendors close idle connections, and a call that meets the closing is cut: perhaps paid, never sent again (F4)."""
    assert REUSED_WITHIN_S < 5, "uvicorn, Node.js and Apache close idle connections after 5 s"
    transport: ChatTransport = HttpTransport(keepalive_s=keepalive_s)
    if kind == "httpx":
        pool = VendorTransport(keepalive_s=keepalive_s)
        transport = HttpxTransport(httpx.AsyncClient(transport=pool, trust_env=False))
    seen = set()
    inner = vendor.serve

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.add(writer.get_extra_info("peername"))
        await inner(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    vendor.reply = lambda _: whole(b"fine")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert [await fetched(transport, url) for _ in range(3)] == [(200, b"fine")] * 3
    assert len(seen) == expected
    await transport.aclose()
    server.close()


async def test_an_answer_that_nobody_asked_for_is_nobodys(vendor: Vendor) -> None:
    transport = HttpTransport()
    twice: Script = [b"".join(part for part in [*whole(b"mine"), *whole(b"stolen")] if isinstance(part, bytes))]
    assert await connections(vendor, transport, [twice, whole(b"next")]) == [(200, b"mine"), (200, b"next")]
    late = [*whole(b"mine"), 0.02, *whole(b"stolen")]
    first = await connections(vendor, transport, [late])
    await asyncio.sleep(0.06)  # noqa: TID251 -- the vendor's second answer arrives
    assert first + await connections(vendor, transport, [whole(b"next")]) == [(200, b"mine"), (200, b"next")]
    await transport.aclose()


async def test_a_reader_that_is_slow_holds_the_vendor_back_and_loses_nothing(vendor: Vendor) -> None:
    transport = HttpTransport()
    vendor.reply = lambda _: whole(b"x" * 5_000_000)
    arriving = await transport.post(Post(vendor.url, "secret", b"{}"), Waits(idle_s=5))
    await asyncio.sleep(0.2)  # noqa: TID251 -- the vendor sends as much as it can
    first = await arriving.chunk()
    assert first is not None
    assert len(first) < 1_000_000
    rest = b""
    while (chunk := await arriving.chunk()) != b"":
        rest += chunk or b""
    assert len(first) + len(rest) == 5_000_000
    await transport.aclose()


async def test_a_credential_that_would_break_the_head_is_not_sent(vendor: Vendor) -> None:
    transport = HttpTransport()
    with pytest.raises(VendorFailure) as raised:
        await transport.post(Post(vendor.url, "a\r\nx: y", b"{}"), WAITS)
    assert raised.value.failure is Failure.UNAUTHORIZED
    assert vendor.received == []


async def test_through_httpx_any_transport_serves() -> None:
    router = respx.Router()
    route = router.post("https://vendor.example/v1/x?y=1").respond(200, text="fine")
    transport = HttpxTransport(httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)))
    assert await fetched(transport, "https://vendor.example") == (200, b"fine")
    assert route.calls.last.request.headers["authorization"] == "Bearer secret"
    await transport.aclose()
