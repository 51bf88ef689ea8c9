"""PostgreSQL: a pool of connections, one transaction per unit of work or per group of them, and limits on how long
anything may take.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from app.core.clock import Clock
from app.store.account_group import BATCH_MAX, AccountGroup
from app.store.columns import to_json
from app.store.gather import Gather
from app.store.tries import TRIES_MAX, disconnected, undone

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

OVERFLOW: Final = 5
POOL_WAIT_S: Final = 2.0
READY_S: Final = 3.0
"""For a connection that answers. A network that swallows packets must not hold requests until TCP gives up (F8)."""
IDLE_S: Final = 1.0
"""A connection that was not used for so long is asked whether it is still there."""
UNIT_S: Final = 15.0
"""For a unit of work, above the server's own limits; see `sql.allow_long`."""
LIMITS_MS: Final = {
    "statement_timeout": "10000",
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "10000",
}
"""Fault-cases section 5, row PostgreSQL."""

FLUSH: Final = "SELECT pg_logical_emit_message(true, 'oneshape', '')"
"""A transaction that changes nothing and is flushed when it commits, and with it the log up to there."""

_CLOCK: Final = Clock()  # the machine's: connections age, whatever time it is for the units


class PostgresqlBackend:
    """A PostgreSQL database behind a pool."""

    def __init__(self, engine: "AsyncEngine", *, pool_size: int) -> None:
        self._engine = engine
        # Groups of many accounts wait here for a connection, not in the pool, where waiting ends in a 503 after 2 s.
        self._groups = asyncio.Semaphore(pool_size)
        self._running: set[asyncio.Task[object]] = set()
        self._gathers: dict[str, Gather] = {}

    @classmethod
    async def open(cls, url: URL, *, pool_size: int, own_clock: bool) -> "PostgresqlBackend":
        """Connects once, to fail early. Raises: SQLAlchemy's errors, OSError."""
        engine = create_postgresql_engine(url, pool_size=pool_size, limits=LIMITS_MS).execution_options(
            database_clock=own_clock
        )
        backend = cls(engine, pool_size=pool_size)
        await backend.read(lambda tx: tx.exec_driver_sql("SELECT 1").scalar_one())
        return backend

    async def write(self, unit: Callable[[Connection], T], *, flush: bool, account_id: str | None) -> T:
        """Runs a unit in its own task, which the caller's cancellation does not reach (SQLAlchemy #8145, #12076)."""
        if account_id is not None:
            return await self._gather_of(account_id).write(unit, flush=flush)
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
        for gather in tuple(self._gathers.values()):
            await gather.close()
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    def _gather_of(self, account_id: str) -> Gather:
        """Where the account's units wait; it is there as long as any does."""
        gather = self._gathers.get(account_id)
        if gather is None:
            group = AccountGroup(account_id, self._group_transaction)
            gather = Gather(group.run, most=BATCH_MAX, then=lambda: self._gathers.pop(account_id))
            self._gathers[account_id] = gather
        return gather

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[AsyncConnection]":
        """A connection that answers. Raises: TimeoutError, also within the block, when it is held for too long."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(READY_S) as deadline, self._engine.connect() as connection:

            def prolong(seconds: float) -> None:
                deadline.reschedule(loop.time() + seconds)

            prolong(UNIT_S)
            yield await connection.execution_options(prolong=prolong)

    @asynccontextmanager
    async def _transaction(self, flush: bool) -> "AsyncIterator[AsyncConnection]":
        flush_later = asyncio.Event()
        async with self._connected() as connection:
            async with connection.begin():
                if not flush:
                    await connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
                yield await connection.execution_options(flush_later=flush_later.set if flush else None)
            if flush_later.is_set():
                await _flush(connection)

    @asynccontextmanager
    async def _group_transaction(self, flush: bool) -> "AsyncIterator[AsyncConnection]":
        async with self._groups, self._transaction(flush) as connection:
            yield connection

    async def _write(self, unit: Callable[[Connection], T], flush: bool) -> T:
        for left in reversed(range(TRIES_MAX)):
            committing = False
            try:
                async with self._transaction(flush) as connection:
                    value = await connection.run_sync(unit)
                    committing = True
                return value
            except DBAPIError as error:
                if not left or committing or not undone(error):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _read(self, query: Callable[[Connection], T]) -> T:
        for left in reversed(range(TRIES_MAX)):
            try:
                async with self._connected() as opened:
                    connection = await opened.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                    return await connection.run_sync(query)
            except DBAPIError as error:
                if not left or not disconnected(error):
                    raise
        raise AssertionError("the last try returns or raises")


async def _flush(connection: "AsyncConnection") -> None:
    """By the driver itself, in one round trip: with SQLAlchemy around it this took most of a millisecond."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.execute(FLUSH)
    except Exception as error:
        raise ConnectionError("what was committed may not be on the disk") from error


def create_postgresql_engine(url: URL, *, pool_size: int, limits: dict[str, str]) -> "AsyncEngine":
    """An engine whose sessions have those limits, and whose idle connections are asked before they are used.

    SQLAlchemy's own ping asks at every use, with a transaction around the question: three round trips for a unit of
    work that may need four. A connection that broke within the last second fails what is tried next, which is undone
    and tried again.
    """
    # It loads SQLAlchemy's whole ORM: 6 MB that a process on SQLite does without.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=OVERFLOW,
        pool_timeout=POOL_WAIT_S,
        connect_args={"timeout": READY_S, "server_settings": {"application_name": "oneshape", **limits}},
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: object, record: Any) -> None:
        record.info["used_at"] = _CLOCK.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: object) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or _CLOCK.monotonic() - used_at < IDLE_S:
            return
        try:
            connection.run_async(lambda driver: driver.execute(""))
        except Exception as error:
            raise DisconnectionError from error

    return engine
