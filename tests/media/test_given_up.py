"""An answer that is given up leaves nothing big behind, however long its failure is looked at."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import httpx
import pytest

from app.core.catalog import Vendor
from app.core.clock import Clock
from app.core.exchange import Call, Exchange, Failure, Reply, VendorFailure
from app.media.spool import Spool
from app.upstream.client import CallLimits, VendorClient

LIMITS = CallLimits(reply_bytes=2**20, document_bytes=2**19)
BIG = 2**16


class Endless(httpx.AsyncByteStream):
    def __init__(self, piece: bytes) -> None:
        self._piece = piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"message":"'
        while True:
            yield self._piece
            await asyncio.sleep(0)  # noqa: TID251 - as a socket, it lets others run


def once() -> Exchange[Reply]:
    return (yield Call("/x", "GET"))


def held(trace: TracebackType | None) -> list[str]:
    """The large values in the frames of a traceback."""
    found: list[str] = []
    while trace is not None:
        values = trace.tb_frame.f_locals.items()
        found += [name for name, value in values if isinstance(value, bytes | bytearray) and len(value) >= BIG]
        trace = trace.tb_next
    return found


@pytest.mark.parametrize("piece", [b"many words " * 500, b" " * 5000])
async def test_f72_words_without_end_are_let_go_of_when_they_are_given_up(tmp_path: Path, piece: bytes) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=2**30)
    await spool.prepare()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless(piece)))
    client = VendorClient(transport, clock=Clock(), limits=LIMITS)
    vendor = Vendor("endless", "openai_images", "http://vendor.example")
    async with spool.folder() as folder:
        with pytest.raises(VendorFailure) as caught:
            await client.drive(once(), vendor, credential="k", open_sink=folder.open_sink)
    assert caught.value.failure is Failure.UNREADABLE
    assert held(caught.value.__traceback__) == []
