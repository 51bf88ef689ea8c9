"""A PostgreSQL server of the campaign's own, which it may end as a loss of power does: what was not flushed is lost."""

import asyncio
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.errors import Overloaded
from app.store.database import Database
from benchmarks.campaign.replicas import seen
from benchmarks.processes import free_port

NAME: Final = "postgres"
UNFLUSHED: Final = {"wal_writer_delay": "10s"}
"""Nobody flushes what no commit waits for: what may be lost, is."""
START_S: Final = 60.0
_DEBIAN: Final = Path("/usr/lib/postgresql")
_UNPRIVILEGED: Final = "postgres"
"""Who runs it where we are root, whom it refuses to be run by."""


@dataclass(slots=True)
class Server:
    """Listens at `port` of this machine; anybody here may do anything with its database `NAME`."""

    programs: Path
    directory: Path
    port: int
    process: Process | None = None

    @property
    def url(self) -> str:
        """Its database, as the settings name one."""
        return f"postgresql+asyncpg://{NAME}@127.0.0.1:{self.port}/{NAME}"

    async def start(self) -> None:
        """Starts it, after a crash as well, and waits until it answers."""
        told = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", **UNFLUSHED}
        options = [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
        self.process = await _run(self.programs / "postgres", "-D", str(self.directory), *options)
        assert await seen(self._answers, within_s=START_S), "the server does not answer"

    async def crash(self) -> None:
        """Ends it at once: what was committed and not flushed is lost, as are all connections."""
        await self._end(signal.SIGQUIT)

    async def stop(self) -> None:
        """Ends it in order."""
        await self._end(signal.SIGINT)

    async def _answers(self) -> bool:
        with suppress(Overloaded):
            await (await Database.open(self.url, pool_size=1)).close()
            return True
        return False

    async def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            await self.process.wait()
            self.process = None


@asynccontextmanager
async def server() -> AsyncIterator[Server | None]:
    """An empty server that runs until the block is left; None where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="oneshape-server-") as name:
        directory = _own_directory(Path(name))
        made = await _run(
            programs / "initdb", "-D", str(directory), "-U", NAME, "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        assert await made.wait() == 0, "initdb failed"
        opened = Server(programs, directory, free_port())
        await opened.start()
        try:
            yield opened
        finally:
            await opened.stop()


def _own_directory(parent: Path) -> Path:
    directory = parent / "data"
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        parent.chmod(0o711)
        shutil.chown(directory, _UNPRIVILEGED, _UNPRIVILEGED)
    return directory


def _programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian puts them, the newest."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    versions = sorted((path for path in _DEBIAN.glob("*/bin/initdb")), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


async def _run(program: Path, *arguments: str) -> Process:
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    return await asyncio.create_subprocess_exec(
        str(program), *arguments, user=user, stdout=DEVNULL, stderr=DEVNULL, cwd="/", start_new_session=True
    )
