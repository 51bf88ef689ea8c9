"""What pictures that are none do to memory: sixteen at once of each kind, from vendors and from clients.

python -m benchmarks.hostile_pictures; fails when one is answered otherwise than it should be, or the ledger is wrong.
"""

import asyncio
import base64
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.picture_gateway import Gateway, running
from benchmarks.picture_load import Pulse
from benchmarks.picture_vendor import picture, shaped
from benchmarks.processes import free_port

CONNECTIONS: Final = 16
PIECE_BYTES: Final = 1 << 18
TEN_GB: Final = 10 * 2**30
BAR: Final = "bars: memory <= +96 MB; /healthz p99 <= 100 ms"
_SOURCE: Final = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class Case:
    """A body that is not what it says. `length`: what is declared, none for chunks; `statuses`: what clients see."""

    body: Callable[[], Iterator[bytes]]
    length: int | None
    statuses: frozenset[int]


def vendors() -> dict[str, Case]:
    """Answers. What comes of them is the vendor's fault, and charged to nobody."""
    whole = shaped("/images", 0, base64.b64encode(picture()))
    before, text = whole.split(b"iVBOR", 1)[0], base64.b64encode(picture()[:-1])
    fault = frozenset({502})
    return {
        "a picture without end": Case(lambda: _endless(before, text), None, fault),
        "words without end": Case(lambda: _endless(b'{"message":"', b"many words " * 24_000), None, fault),
        "ten GB of space": Case(lambda: _endless(b"{", b" " * PIECE_BYTES), TEN_GB, fault),
        "nesting without end": Case(lambda: _endless(b"[", b"[" * PIECE_BYTES), None, fault),
        "base64 with a ! at its end": Case(lambda: _cut(whole[:-5] + b"!" + whole[-4:]), len(whole), fault),
        # Cut off, it may have been paid for: unknown, which is a 504.
        "half of what was declared": Case(lambda: _cut(whole[: len(whole) // 2]), len(whole), frozenset({502, 504})),
        "half a picture": _whole(shaped("/images", 0, base64.b64encode(picture()[: len(picture()) // 2])), fault),
        "a bomb of 50,000 x 50,000": _whole(shaped("/images", 0, base64.b64encode(_bomb())), fault),
    }


def clients() -> dict[str, Case]:
    """Bodies. They are refused before anything is held or any vendor asked."""
    before = b'{"model":"openai_images","prompt":"a fox","image":"' + _SOURCE.encode()
    text, refused = base64.b64encode(picture()), frozenset({400})
    spoilt, half = before + text[:-5] + b"!" + text[-4:] + b'"}', len(before) + len(text) // 2
    return {
        "a picture without end": Case(lambda: _endless(before, text[:-4]), None, frozenset({413})),
        "words without end": Case(lambda: _endless(b'{"prompt":"', b"many words " * 24_000), None, frozenset({413})),
        "ten GB declared": Case(lambda: _endless(before, text), TEN_GB, frozenset({413})),
        "base64 with a ! at its end": _whole(spoilt, refused),
        "half of what was declared": Case(lambda: _cut((before + text)[:half]), len(before + text), frozenset({0})),
        "half a picture": _whole(before + base64.b64encode(picture()[:4_000_000]) + b'"}', frozenset({200, 400})),
        "a bomb of 50,000 x 50,000": _whole(before + base64.b64encode(_bomb()) + b'"}', refused),
    }


def _whole(body: bytes, statuses: frozenset[int]) -> Case:
    return Case(lambda: _cut(body), len(body), statuses)


def _cut(body: bytes) -> Iterator[bytes]:
    return (body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES))


def _endless(first: bytes, again: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield from _cut(again)


@cache
def _bomb() -> bytes:
    """It says 50,000 by 50,000 pixels, which are 7.5 GB for who decodes them, and has the first 450 MB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(15_000_100)) for _ in range(30)) + packer.flush()
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def _send(writer: asyncio.StreamWriter, case: Case) -> None:
    """The body, as long as somebody takes it."""
    with suppress(ConnectionError):
        for piece in case.body():
            writer.write(piece if case.length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()


def _framing(case: Case) -> bytes:
    return b"transfer-encoding: chunked" if case.length is None else b"content-length: %d" % case.length


async def _ask(gateway: Gateway, case: Case) -> int:
    """Sends a request with the case as its body; the status, or 0 when there was no answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {gateway.key}\r\n"
    writer.write(head.encode() + b"content-type: application/json\r\n" + _framing(case) + b"\r\n\r\n")
    sending = asyncio.ensure_future(_send(writer, case))
    answering = asyncio.ensure_future(reader.readline())
    await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done() and case.statuses == {0}:
        writer.close()  # a client that leaves in the middle
    with suppress(ConnectionError):
        line = await answering
        sending.cancel()
        writer.close()
        return int(line.split()[1]) if line else 0
    return 0


async def _measure(gateway: Gateway, name: str, sent: Case, statuses: frozenset[int]) -> bool:
    """Prints the row of sixteen at once; whether all were answered as they should be."""
    idle_mb = gateway.rss_mb()
    gateway.forget_peak()
    with Pulse(gateway.port) as pulse:
        seen = await asyncio.gather(*(_ask(gateway, sent) for _ in range(CONNECTIONS)))
    right = set(seen) <= statuses
    print(
        f"{name:44} {gateway.peak_mb() - idle_mb:+7,.0f} MB {pulse.percentile_ms(0.99):7.1f} ms  "
        f"{sorted(set(seen))}{'' if right else ' WRONG'}",
        flush=True,
    )
    return right


def _drawing(name: str) -> Case:
    """A request that the vendor of this name answers."""
    return _whole(b'{"model":"%b","prompt":"a fox"}' % name.encode(), frozenset())


async def run(gateway: Gateway, vendor_port: int) -> bool:
    """Prints all rows; whether everything was right."""
    faults = vendors()
    names = list(faults)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            case = faults[names[int(head.split(b"/")[1])]]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b\r\n\r\n" % _framing(case))
            await _send(writer, case)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", vendor_port):
        print(f"{'':44} {'memory':>10} {'healthz p99':>11}")
        right = True
        for place, (name, case) in enumerate(faults.items()):
            asked = _drawing(f"hostile_{place}")
            right = await _measure(gateway, f"vendors: {name}", asked, case.statuses) and right
        for name, case in clients().items():
            right = await _measure(gateway, f"clients: {name}", case, case.statuses) and right
    print(BAR)
    verified = gateway.get("/admin/ledger/verify")
    print(f"the ledger: {verified}")
    return right and bool(verified["ok"])


def main() -> int:
    """Runs all; 1 when something was wrong."""
    vendor_port = free_port()
    others = {f"hostile_{place}": f"http://127.0.0.1:{vendor_port}/{place}" for place in range(len(vendors()))}
    with tempfile.TemporaryDirectory() as data, running(Path(data), others=others) as gateway:
        return 0 if uvloop.run(run(gateway, vendor_port)) else 1


if __name__ == "__main__":
    sys.exit(main())
