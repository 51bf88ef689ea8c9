"""Framing on a real socket: what two servers could read in two ways is refused in our shape and reaches no route."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.security.sockets import HEAD, Witness, ask, connected, witnessed

pytestmark = pytest.mark.asyncio(loop_scope="module")

Server = tuple[str, Witness]
LINE = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "C37 length and chunks": LINE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "C37 chunks and length": LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "C37 two lengths": LINE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "C37 same length twice": LINE + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "C37 list of lengths": LINE + b"Content-Length: 1, 1\r\n\r\na",
    "C37 negative length": LINE + b"Content-Length: -1\r\n\r\n",
    "C37 signed length": LINE + b"Content-Length: +1\r\n\r\na",
    "C37 length beyond 64 bits": LINE + b"Content-Length: 18446744073709551616\r\n\r\n",
    "C37 xchunked": LINE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "C37 gzip, chunked": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "C37 chunked twice": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "C37 chunked in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
    "C37 chunk of 2^64": CHUNKED + b"10000000000000000\r\n",
    "C37 chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "C37 negative chunk": CHUNKED + b"-1\r\n",
    "C37 trailer": CHUNKED + b"1\r\na\r\n0\r\nHost: other\r\n\r\n",
    "C38 no Host": b"GET / HTTP/1.1\r\n\r\n",
    "C38 two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "C38 folded header": HEAD[:-2] + b"X: a\r\n b\r\n\r\n",
    "C38 bare line feeds": HEAD.replace(b"\r\n", b"\n"),
    "C38 one bare line feed": HEAD[:-2] + b"X: a\n\r\n",
    "C38 bare carriage return": HEAD[:-2] + b"X: a\rY: b\r\n\r\n",
    "C38 NUL in a value": HEAD[:-2] + b"X: a\0b\r\n\r\n",
    "C38 NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "C38 space before the colon": HEAD[:-2] + b"X : a\r\n\r\n",
    "C38 absolute target": b"GET http://other/v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "C38 asterisk target": b"OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "M4 target that is no path": b"GET @evil.example HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "M4 fragment in the target": b"GET /v1/models#x HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "C38 raw UTF-8 in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "C40 HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "C40 HTTP/2.0 in words": HEAD.replace(b"HTTP/1.1", b"HTTP/2.0"),
    "C40 TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "C40 another protocol": b"EHLO gateway\r\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_server() -> AsyncIterator[Server]:
    async with witnessed() as running:
        yield running


@pytest.fixture
def server(one_server: Server) -> Server:
    """The server of all tests here, with nothing seen yet."""
    one_server[1].forget()
    return one_server


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_could_be_read_in_two_ways_is_400_and_reaches_nobody(server: Server, case: str) -> None:
    """C37, C38, C40, M4."""
    url, witness = server
    async with connected(url) as socket:
        await socket.send(MALFORMED[case])
        await socket.refused(400, "invalid_value")
    assert not any("answered" in seen for seen in witness.seen)


@pytest.mark.parametrize(
    "host",
    [b"", b"x/?", b"x/admin#", b"a b", b"user@x", b"x:port", b"x:123456", b"[::1", b"x\\y", b"x,y", b"-x", b"\xff"],
)
async def test_a_host_that_is_no_host_is_400(server: Server, host: bytes) -> None:
    """A4: such a Host once led around a prefix check (CVE-2026-48710)."""
    url, witness = server
    async with connected(url) as socket:
        await socket.send(HEAD.replace(b"gateway", host))
        await socket.refused(400, "invalid_value")
    assert witness.seen == []


@pytest.mark.parametrize("host", [b"gateway", b"gw.example:8443", b"127.0.0.1:8080", b"[::1]:8080", b"a_b.svc"])
async def test_real_hosts_are_served(server: Server, host: bytes) -> None:
    url, _ = server
    assert (await ask(url, HEAD.replace(b"gateway", host))).status == 200


async def test_a_health_check_in_http_1_0_needs_no_host(server: Server) -> None:
    url, _ = server
    assert (await ask(url, b"GET /healthz HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
async def test_tunnels_and_echoes_are_405(server: Server, method: bytes) -> None:
    """C40."""
    target = b"other:443" if method == b"CONNECT" else b"/"
    url, witness = server
    async with connected(url) as socket:
        await socket.send(method + b" " + target + b" HTTP/1.1\r\nHost: other\r\n\r\n")
        await socket.refused(405, "method_not_allowed")
    assert witness.seen == []


async def test_an_offer_to_upgrade_is_declined_by_an_ordinary_answer(server: Server) -> None:
    """C40: clients offer h2c beside a whole request; the request counts, and nothing after it."""
    url, witness = server
    async with connected(url) as socket:
        await socket.send(HEAD[:-2] + UPGRADE + b"\r\n" + HEAD)
        answer = await socket.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await socket.rest() == b""
    assert witness.seen == ["/v1/models", "/v1/models answered"]


async def test_an_offer_to_upgrade_with_a_body_is_refused_and_its_body_never_lost(server: Server) -> None:
    """C40: the parser skips the body of an upgrade, which would be served as an empty one."""
    url, witness = server
    async with connected(url) as socket:
        await socket.send(LINE + UPGRADE + b"Content-Length: 2\r\n\r\n{}")
        await socket.refused(400, "invalid_value")
    assert witness.seen == []


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/v1/chat/completions", {"error"}),
        (b"/v1/images/tasks", {"code", "message", "data", "error"}),
        (b"/v1beta/models/x:generateContent", {"error"}),
    ],
)
async def test_a_refusal_of_the_framing_has_the_shape_of_its_surface(
    server: Server, path: bytes, shape: set[str]
) -> None:

    url, _ = server
    answer = await ask(url, b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
    told = json.loads(answer.body)
    assert set(told) == shape
    assert (answer.status, "status" in told["error"]) == (400, path.startswith(b"/v1beta"))


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 70_000, 414),
        (HEAD[:-2] + b"X: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (HEAD[:-2] + b"X: " + b"a" * 4_194_304, 431),
        (HEAD[:-2] + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n", 431),
        (HEAD[:-2] + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n", 431),
        (HEAD[:-2] + b"a" * 40_000, 431),
    ],
    ids=["long line", "endless line", "long header", "4 MiB header", "200 headers", "20,000 headers", "endless name"],
)
async def test_heads_that_are_too_large_are_refused_while_they_arrive(server: Server, case: bytes, status: int) -> None:
    """C39, M3."""
    url, witness = server
    async with connected(url) as socket:
        sending = asyncio.create_task(socket.send(case))
        await socket.refused(status, "request_too_large")
        await sending
    assert witness.seen == []


async def test_the_largest_allowed_head_is_served(server: Server) -> None:
    """C39: 8 KiB of target, and headers up to 32 KiB in all."""
    long = b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n"
    many = b"".join(b"X-%02d: %b\r\n" % (n, b"a" * 230) for n in range(98))
    url, _ = server
    assert (await ask(url, long + many + b"\r\n")).status == 200


@pytest.mark.parametrize(
    "garbage", [b"1;" + b"e" * 1_048_576, b"0\r\nX: " + b"e" * 1_048_576], ids=["extension", "trailer"]
)
async def test_framing_that_carries_nothing_is_not_read_for_ever(server: Server, garbage: bytes) -> None:
    """C37: an extension or trailer of 1 MiB."""
    url, _ = server
    async with connected(url) as socket:
        sending = asyncio.create_task(socket.send(CHUNKED + b"1\r\na\r\n" + garbage))
        await socket.refused(400, "invalid_value")
        await sending


async def test_tiny_chunks_are_a_body_like_any_other(server: Server) -> None:
    body = b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    url, _ = server
    assert b'"size": 20000' in (await ask(url, CHUNKED + body)).body


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """C40."""
    requests = [HEAD.replace(b"/v1/models", b"/%d" % n) for n in range(10)]
    url, _ = server
    async with connected(url) as socket:
        await socket.send(b"".join(requests))
        paths = [(await socket.answer()).body.split(b'"')[3] for _ in requests]
    assert paths == [b"/%d" % n for n in range(10)]


async def test_a_thousand_pipelined_requests_are_answered_in_order_until_the_connection_closes(server: Server) -> None:
    """C40."""
    url, witness = server
    async with connected(url) as socket:
        await socket.send(HEAD * 1000)
        rest = await socket.rest()
    answers = rest.count(b"HTTP/1.1 200")
    assert 1 <= answers <= 20
    assert witness.seen.count("/v1/models answered") == answers


async def test_a_malformed_request_does_not_cost_the_one_before_its_answer(server: Server) -> None:
    url, witness = server
    async with connected(url) as socket:
        await socket.send(HEAD.replace(b"/v1/models", b"/slow") + b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        witness.finish.set()
        assert (await socket.answer()).status == 200
        assert await socket.rest() == b""
