"""PostgreSQL: a pool of connections, one transaction per unit of work, and limits on how long anything may take."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import orjson
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.store.columns import to_json

T = TypeVar("T")

TRIES_MAX: Final = 4
OVERFLOW: Final = 5
POOL_WAIT_S: Final = 2.0
READY_S: Final = 3.0
"""For a connection that answers. A network that swallows packets must not hold requests until TCP gives up (F8)."""
UNIT_S: Final = 15.0
"""For a unit of work, above the server's own limits; see `sql.allow_long`."""
LIMITS_MS: Final = {
    "statement_timeout": "10000",
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "10000",
}
"""Fault-cases section 5, row PostgreSQL."""

_RETRIED: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected: rolled back by the server


class PostgresqlBackend:
    """A PostgreSQL database behind a pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._running: set[asyncio.Task[object]] = set()

    @classmethod
    async def open(cls, url: URL, *, pool_size: int, own_clock: bool) -> "PostgresqlBackend":
        """Connects once, to fail early. Raises: SQLAlchemy's errors, OSError."""
        engine = create_postgresql_engine(url, pool_size=pool_size, limits=LIMITS_MS).execution_options(
            database_clock=own_clock
        )
        backend = cls(engine)
        await backend.read(lambda tx: tx.exec_driver_sql("SELECT 1").scalar_one())
        return backend

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs a unit in its own task, which the caller's cancellation does not reach (SQLAlchemy #8145, #12076)."""
        task = asyncio.get_running_loop().create_task(self._write(unit, flush))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs a query on one snapshot."""
        task = asyncio.get_running_loop().create_task(self._read(query))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for what is running and closes the pool."""
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """A connection that answers. Raises: TimeoutError, also within the block, when it is held for too long."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(READY_S) as deadline, self._engine.connect() as connection:

            def prolong(seconds: float) -> None:
                deadline.reschedule(loop.time() + seconds)

            prolong(UNIT_S)
            yield await connection.execution_options(prolong=prolong)

    async def _write(self, unit: Callable[[Connection], T], flush: bool) -> T:
        for left in reversed(range(TRIES_MAX)):
            try:
                async with self._connected() as connection, connection.begin():
                    if not flush:
                        await connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
                    return await connection.run_sync(unit)
            except DBAPIError as error:
                if not left or sqlstate(error) not in _RETRIED:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _read(self, query: Callable[[Connection], T]) -> T:
        async with self._connected() as opened:
            connection = await opened.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return await connection.run_sync(query)


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's five-character code of an error."""
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code


def create_postgresql_engine(url: URL, *, pool_size: int, limits: dict[str, str]) -> AsyncEngine:
    """An engine whose sessions have those limits."""
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=OVERFLOW,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,
        connect_args={"timeout": READY_S, "server_settings": {"application_name": "oneshape", **limits}},
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )
