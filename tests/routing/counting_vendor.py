"""A vendor of texts on a real socket that counts how many requests it has at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.clock import Clock

ANSWER = (
    b'{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)


class CountingVendor:
    """Answers each request after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._clock = Clock()
        self.url = ""
        self.now = 0
        self.most = 0
        self.answered = 0

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split()[0])
                await reader.readexactly(length)
                self.now += 1
                self.most = max(self.most, self.now)
                await self._clock.sleep(self._seconds)
                self.now -= 1
                self.answered += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ")
                writer.write(b"%d\r\n\r\n%b" % (len(ANSWER), ANSWER))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def counting_vendor(seconds: float) -> AsyncIterator[CountingVendor]:
    """Runs one on a free port."""
    vendor = CountingVendor(seconds)
    server = await asyncio.start_server(vendor.serve_one, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield vendor
    finally:
        server.close()
