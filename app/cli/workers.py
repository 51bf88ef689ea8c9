"""Several serving processes on one machine behind one socket: started, replaced and stopped together.

They share nothing but the socket, the database and the folder of their metrics. Requests are taken by whichever process
is free, and one that ends loses no connection that still waits to be taken.
"""

import asyncio
import os
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Final

import structlog

from app.core.clock import Clock
from app.gateway.shared_metrics import FOLDER, forget_process

log = structlog.get_logger(__name__)

SETTLED_S: Final = 10.0
"""A process that ends within this could not start: another one would not either."""


class Workers:
    """`count` processes that run `command` with `--fd`, until a signal or a failed start."""

    def __init__(
        self, command: Sequence[str], listener: socket.socket, *, count: int, clock: Clock, folder: Path
    ) -> None:
        """`folder`: empty, and theirs, for the numbers that they add up."""
        self._folder = folder
        self._command = command
        self._listener = listener
        self._count = count
        self._clock = clock
        self._alive: set[Process] = set()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self) -> int:
        """Returns when all have ended: 0 when they were told to and ended in order, else 1."""
        loop = asyncio.get_running_loop()
        for signal in (SIGTERM, SIGINT):
            loop.add_signal_handler(signal, self._stop, signal)
        try:
            await asyncio.gather(*(self._keep() for _ in range(self._count)))
        finally:
            for signal in (SIGTERM, SIGINT):
                loop.remove_signal_handler(signal)
        return int(self._failed)

    async def _keep(self) -> None:
        """One place: its process, and those that replace it."""
        while not self._stopping.is_set():
            started_at = self._clock.monotonic()
            process = await self._start()
            self._alive.add(process)
            if self._stopping.is_set():
                _send(process, SIGTERM)
            code = await process.wait()
            self._alive.discard(process)
            forget_process(self._folder, process.pid)
            self._ended(process, code, lived_s=self._clock.monotonic() - started_at)

    async def _start(self) -> Process:
        """In a session of its own: Ctrl-C is for us, and passed on once. Its standard input tells it that we live."""
        descriptor = self._listener.fileno()
        return await asyncio.create_subprocess_exec(
            *self._command,
            "--fd",
            str(descriptor),
            stdin=PIPE,
            pass_fds=(descriptor,),
            start_new_session=True,
            env={**os.environ, FOLDER: str(self._folder)},
        )

    def _ended(self, process: Process, code: int, *, lived_s: float) -> None:
        if self._stopping.is_set():
            self._failed = self._failed or code not in (0, -SIGTERM)
            return
        log.error("workers.ended", pid=process.pid, code=code, lived_s=round(lived_s, 1))
        if lived_s < SETTLED_S:
            self._failed = True
            self._stop(SIGTERM)

    def _stop(self, signal: Signals) -> None:
        """Passes the signal on. Our end of the socket is closed, or connections would wait there for nobody."""
        self._stopping.set()
        self._listener.close()
        for process in self._alive:
            _send(process, signal)


def _send(process: Process, signal: Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        process.send_signal(signal)
