"""The same bytes read by the gateway and by h11, a stricter reader: what both take must be the same (C37, C38)."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import h11

from app.cli.serving import serving
from app.web.patience import ConnectionLimits
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.smuggling import HIDDEN
from benchmarks.fuzz.witness import BEGUN, Witness, digest

ANSWER_S = 0.12
"""How long an answer is waited for: none is a refusal's, which is what most of these get."""


async def run(requests: list[bytes], *, limits: ConnectionLimits, seed: int, at_once: int = 8) -> Figures:
    """Sends each on a connection of its own; `at_once` servers of one witness each."""
    figures, numbers = Figures("straight", seed), iter(range(len(requests)))

    async def one_by_one() -> None:
        witness = Witness()
        async with serving(witness, limits=limits, keep_alive_s=1) as url:
            for number in numbers:
                witness.seen.clear()
                figures.statuses[await _status(url, requests[number])] += 1
                figures.cases += 1
                if problem := difference(witness.seen, list(_by_h11(requests[number]))):
                    figures.problems.append(f"straight {seed}/{number}: {problem}: {requests[number][:200]!r}")

    await asyncio.gather(*(one_by_one() for _ in range(at_once)))
    return figures


def difference(seen: list[tuple[str, str]], also: list[tuple[str, str]]) -> str | None:
    """What the gateway saw otherwise. h11 may have stopped before it, at something that it refuses."""
    whole = [each for each in seen if each[1] != BEGUN]
    if any(ours != theirs for ours, theirs in zip(whole, also, strict=False)):
        return f"the gateway read {whole}, and h11 {also}"
    paths = [path for path, _ in also]
    hidden = [path for path, _ in seen if path.startswith(HIDDEN) and path not in paths]
    return f"{hidden} was found" if hidden else None


def _by_h11(data: bytes) -> Iterator[tuple[str, str]]:
    """The requests in the bytes, up to what h11 refuses or misses."""
    connection, answer = h11.Connection(h11.SERVER), h11.Response(status_code=200, headers=[("content-length", "0")])
    connection.receive_data(data)
    connection.receive_data(b"")
    with suppress(h11.ProtocolError):
        while isinstance(request := connection.next_event(), h11.Request):
            body = b""
            while isinstance(part := connection.next_event(), h11.Data):
                body += bytes(part.data)
            if not isinstance(part, h11.EndOfMessage):
                return
            yield request.target.decode("latin-1"), digest(body)
            for event in (answer, h11.EndOfMessage()):
                connection.send(event)
            connection.start_next_cycle()


async def _status(url: str, request: bytes) -> int:
    """The first status that was answered; 0: none."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    received = b""
    with suppress(TimeoutError, ConnectionError):
        writer.write(request)
        async with asyncio.timeout(ANSWER_S):
            while piece := await reader.read(65536):
                received += piece
    writer.close()
    return int(received[9:12] or b"0")
