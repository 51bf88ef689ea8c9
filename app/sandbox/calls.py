"""The witness: which calls the simulated vendors accepted, and so would have charged for."""

import asyncio
import hashlib
import os
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.core.clock import Clock
from app.sandbox.orders import VendorName
from app.sandbox.refusals import json_response


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST as a vendor saw it. `paid` is false for what it refused; `outcome` is ok, refused or the faults played.

    `attempt` is the caller's `x-oneshape-attempt` header; `order` says what the vendor understood (pixels, ratio, n…).
    """

    ordinal: int
    at: float
    vendor: VendorName
    model: str
    paid: bool
    outcome: str
    status: int
    attempt: str | None
    body_sha256: str
    order: dict[str, object]


class CallLog:
    """A bounded list of calls, and with a path also a file that is fsynced before the vendor goes on."""

    def __init__(self, *, clock: Clock, max_calls: int, path: Path | None) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=max_calls)
        self._path = path
        self._ordinal = 0
        self._writing = asyncio.Lock()

    async def record(
        self,
        vendor: VendorName,
        request: Request,
        body: bytes,
        *,
        paid: bool,
        outcome: str,
        status: int = 200,
        model: str = "",
        order: dict[str, object] | None = None,
    ) -> None:
        """Adds a call. When it returns, the line is on disk if there is a disk."""
        self._ordinal += 1
        call = Call(
            ordinal=self._ordinal,
            at=self._clock.now(),
            vendor=vendor,
            model=model,
            paid=paid,
            outcome=outcome,
            status=status,
            attempt=request.headers.get("x-oneshape-attempt"),
            body_sha256=hashlib.sha256(body).hexdigest(),
            order=order or {},
        )
        self._calls.append(call)
        if self._path is not None:
            async with self._writing:
                await asyncio.to_thread(_append, self._path, orjson.dumps(asdict(call)) + b"\n")

    async def show(self, request: Request) -> Response:
        """`GET /_calls`: the paid calls, oldest first; `?all=true` adds the refused ones; `?vendor=` filters."""
        everything = request.query_params.get("all") == "true"
        vendor = request.query_params.get("vendor")
        calls = [asdict(call) for call in self._calls if (everything or call.paid) and vendor in (None, call.vendor)]
        return json_response({"calls": calls, "count": len(calls)})

    async def clear(self, request: Request) -> Response:
        """`DELETE /_calls`: forgets them; ordinals go on."""
        del request
        self._calls.clear()
        return Response(status_code=204)


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as log:
        log.write(line)
        log.flush()
        os.fsync(log.fileno())
