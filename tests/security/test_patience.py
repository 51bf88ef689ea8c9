"""Patience that ends: silent connections, trickled heads and bodies, slow readers; and honest clients beside them."""

import asyncio
import socket as sockets
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from app.core.clock import Clock
from tests.security.sockets import HEAD, PATIENCE_S, QUICK, Socket, ask, connected, witnessed

CLOCK = Clock()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n"
LENIENT = replace(QUICK, body_idle_s=30.0, body_s=30.0)


async def trickle(connection: Socket, byte: bytes) -> None:
    """Writes a byte, ten times a second, until somebody ends it."""
    while not connection.reader.at_eof():
        await connection.send(byte)
        await CLOCK.sleep(0.02)


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    """C43, M1."""
    async with witnessed() as (url, _), connected(url) as connection:
        assert await connection.rest() == b""


async def test_bytes_that_begin_no_request_do_not_keep_a_connection_open() -> None:
    """C43: llhttp skips empty lines, and uvicorn's keep-alive timer is ended by any byte."""
    async with witnessed(keep_alive_s=1) as (url, _), connected(url) as connection:
        await connection.send(HEAD)
        assert (await connection.answer()).status == 200
        await connection.send(b"\r\n")
        assert await connection.rest() == b""


async def test_an_idle_connection_is_kept_for_the_keep_alive_time_alone() -> None:
    async with witnessed(keep_alive_s=1) as (url, _), connected(url) as connection:
        for _ in range(2):
            await connection.send(HEAD)
            assert (await connection.answer()).status == 200
        assert await connection.rest() == b""


@pytest.mark.parametrize("served_before", [0, 1])
async def test_a_trickled_head_is_408(served_before: int) -> None:
    """C44, M1: the deadline is for the whole head; bytes do not move it. The same for a later request."""
    async with witnessed() as (url, witness), connected(url) as connection:
        for _ in range(served_before):
            await connection.send(HEAD)
            await connection.answer()
        await connection.send(b"GET / HTTP/1.1\r\nX: ")
        async with asyncio.TaskGroup() as group:
            trickling = group.create_task(trickle(connection, b"a"))
            await connection.refused(408, "request_timeout")
            trickling.cancel()
    assert witness.seen == ["/v1/models", "/v1/models answered"][: 2 * served_before]


async def test_a_body_that_stops_is_408_and_its_request_ends() -> None:
    """C45, M1."""
    async with witnessed() as (url, witness), connected(url) as connection:
        await connection.send(POST % 100 + b"half")
        await connection.refused(408, "request_timeout")
    assert witness.left == ["/v1/chat/completions"]


@pytest.mark.parametrize("head", [POST % 100_000, POST.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked")])
async def test_a_body_below_the_minimum_rate_is_408(head: bytes) -> None:
    """C45: never idle, but too slow."""
    piece = b"a" if b"Length" in head else b"1\r\na\r\n"
    async with witnessed(replace(QUICK, body_s=30.0)) as (url, witness), connected(url) as connection:
        await connection.send(head)
        async with asyncio.TaskGroup() as group:
            trickling = group.create_task(trickle(connection, piece))
            await connection.refused(408, "request_timeout")
            trickling.cancel()
    assert witness.left == ["/v1/chat/completions"]


async def test_a_body_has_a_deadline_whatever_its_rate() -> None:
    """C45."""
    limits = replace(QUICK, body_rate=0)
    async with witnessed(limits) as (url, _), connected(url) as connection:
        await connection.send(POST % 100_000)
        async with asyncio.TaskGroup() as group:
            trickling = group.create_task(trickle(connection, b"a"))
            await connection.refused(408, "request_timeout")
            trickling.cancel()


async def test_a_body_in_time_is_served_however_it_is_cut() -> None:
    async with witnessed() as (url, _), connected(url) as connection:
        await connection.send(POST % 300_000)
        for _ in range(30):
            await connection.send(b"a" * 10_000)
        assert b'"size": 300000' in (await connection.answer()).body
        await connection.send(HEAD)
        assert (await connection.answer()).status == 200


async def test_an_answer_before_the_body_is_whole_arrives_and_is_the_last() -> None:
    """B14: 413 while 4 MiB are being sent; closing at once would reset the connection and lose the answer."""
    async with witnessed(replace(LENIENT, linger_s=1.0)) as (url, _), connected(url) as connection:
        early = POST.replace(b"/v1/chat/completions", b"/early") % 64_000_000
        sending = asyncio.create_task(connection.send(early + b"a" * 4_194_304))
        await CLOCK.sleep(0.2)
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert await connection.rest() == b""
        sending.cancel()


async def test_a_request_that_thinks_is_not_cut_off() -> None:
    """Deadlines are for receiving: an answer may take longer than all of them."""
    limits = replace(QUICK, header_s=0.05, body_idle_s=0.05, body_s=0.1, write_idle_s=0.05)
    async with witnessed(limits) as (url, witness), connected(url) as connection:
        await connection.send(POST.replace(b"/v1/chat/completions", b"/slow") % 2 + b"{}")
        asyncio.get_running_loop().call_later(0.5, witness.finish.set)
        assert (await connection.answer()).status == 200


async def test_a_reader_that_does_not_read_is_cut_off_and_the_application_goes_on() -> None:
    """C46: what does not fit into the socket waits in the application, not in memory."""
    async with witnessed() as (url, witness):
        witness.answer = b"x" * 20_000_000
        place = urlsplit(url)
        with sockets.create_connection((place.hostname, place.port)) as raw:
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            raw.sendall(HEAD)
            async with asyncio.timeout(5):
                while "/v1/models answered" not in witness.seen:
                    await CLOCK.sleep(0.02)
    assert witness.seen[-1] == "/v1/models answered"


async def test_a_slow_reader_that_goes_on_reading_gets_everything() -> None:
    """C46: slow is not dead."""
    async with witnessed() as (url, witness), connected(url) as connection:
        witness.answer = b"x" * 8_000_000
        await connection.send(HEAD)
        await connection.reader.readuntil(b"\r\n\r\n")
        got = 0
        while got < 8_000_000:
            got += len(await connection.reader.read(400_000))
            await CLOCK.sleep(0.03)
        assert got == 8_000_000


async def test_one_connection_too_many_costs_the_longest_silent_one() -> None:
    """C43: connections that ask nothing never keep out one that does; running requests are never ended."""
    limits = replace(QUICK, header_s=30.0, connections=4)
    async with witnessed(limits) as (url, witness), connected(url) as busy:
        await busy.send(HEAD.replace(b"/v1/models", b"/slow"))
        async with connected(url) as first, connected(url) as second, connected(url) as third:
            await third.send(HEAD)
            assert (await third.answer()).status == 200
            assert (await ask(url, HEAD)).status == 200
            assert await first.rest() == b""
            await second.send(HEAD)
            assert (await second.answer()).status == 200
        witness.finish.set()
        assert (await busy.answer()).status == 200


async def test_when_every_connection_is_at_work_a_new_one_is_told_so() -> None:
    limits = replace(QUICK, header_s=30.0, connections=1)
    async with witnessed(limits) as (url, witness), connected(url) as busy:
        await busy.send(HEAD.replace(b"/v1/models", b"/slow"))
        while not witness.seen:
            await CLOCK.sleep(0.01)
        async with connected(url) as late:
            answer = await late.refused(503, "overloaded")
            assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("true", "5")
        witness.finish.set()
        assert (await busy.answer()).status == 200


async def test_a_server_that_leaves_answers_what_was_asked_and_waits_for_nobody_else() -> None:
    """M2, H99: a half-sent request kept uvicorn alive for minutes after SIGTERM."""
    async with AsyncExitStack() as clients:
        async with asyncio.timeout(PATIENCE_S), witnessed(replace(LENIENT, header_s=30.0), grace_s=1) as (url, witness):
            half, silent, asked = [await clients.enter_async_context(connected(url)) for _ in range(3)]
            await half.send(POST % 100 + b"half")
            await asked.send(HEAD.replace(b"/v1/models", b"/slow"))
            while len(witness.seen) < 2:
                await CLOCK.sleep(0.01)
            asyncio.get_running_loop().call_later(0.2, witness.finish.set)
        assert await silent.rest() == b""
        assert (await asked.answer()).status == 200
        assert await asked.rest() == b""
