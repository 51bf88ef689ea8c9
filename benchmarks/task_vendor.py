"""A vendor of picture tasks that costs next to nothing: each task is done at the unix time that its prompt names.

python -m benchmarks.task_vendor PORT; GET /counts tells how many tasks it took and how often it was asked, GET /done
makes all of them done.
"""

import asyncio
import base64
import io
import itertools
import re
import sys
import time
from typing import Final, cast

import uvloop
from PIL import Image

from benchmarks.canned import whole

_DUE: Final = re.compile(rb"done at (\d+\.\d+)")
_CREATED: Final = b'{"code":"success","message":"","data":{"task_id":"%d-%b","status":"queued","progress":"0%%"}}'
_WORKING: Final = b'{"code":"success","message":"","data":{"task_id":"x","status":"in_progress","progress":"10%"}}'


def _done() -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 90)).save(encoded, "PNG")
    text = base64.b64encode(encoded.getvalue())
    return (
        b'{"code":"success","message":"","data":{"task_id":"x","status":"succeeded","progress":"100%",'
        b'"results":[{"b64_json":"' + text + b'"}]}}'
    )


class Vendor(asyncio.Protocol):
    """One connection."""

    numbers = itertools.count()
    created = 0
    polled = 0
    done = _done()
    all_done = False

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + length:
                return
            body, self._held = self._held[end + 4 : end + 4 + length], self._held[end + 4 + length :]
            self._transport.write(whole(self._answer(head, body)))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /counts"):
            return b'{"created":%d,"polled":%d}' % (Vendor.created, Vendor.polled)
        if head.startswith(b"GET /done"):
            Vendor.all_done = True
            return b"{}"
        if head.startswith(b"POST"):
            Vendor.created += 1
            due = _DUE.search(body)
            return _CREATED % (next(Vendor.numbers), due[1] if due else b"0.0")
        Vendor.polled += 1
        due_at = float(head.split(b" ", 2)[1].rpartition(b"-")[2])
        return Vendor.done if Vendor.all_done or time.time() >= due_at else _WORKING


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
