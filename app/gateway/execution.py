"""Does admitted works to their end: drawn, then settled, whether anybody waits or not.

A work that only waits for its vendors, and whose client does not, is put away: what is left of it here is what `polls`
keeps and what has been drawn so far. When there is news it is read from its row again (ADR 16).
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from app.core.errors import GatewayError, InternalError, Overloaded
from app.gateway.blame import answer_for
from app.gateway.dispatch import Dispatcher, together
from app.gateway.polls import Answer, Polls
from app.gateway.rebuild import Rebuilder
from app.gateway.settlement import Settlement
from app.gateway.waiting import Waiting
from app.gateway.work import Cancelled, Drawn, Work
from app.media.spool import SpoolFolder
from app.store.tasks import LeaseLost

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _PutAway:
    """A task that this process owns and only waits for. `drawn`: what has come of it so far; `coming`: how much is
    being taken in; `hidden`: what no message to its client may carry.
    """

    task_id: str
    lease_token: str
    account_id: str
    hidden: tuple[str, ...]
    drawn: Drawn
    coming: int = 0


class Execution:
    """Owns the works of this process while they are done."""

    def __init__(self, *, dispatcher: Dispatcher, settlement: Settlement, polls: Polls, rebuilder: Rebuilder) -> None:
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._polls = polls
        self._rebuilder = rebuilder
        self._running: set[asyncio.Task[None]] = set()
        self._put_away: dict[str, _PutAway] = {}
        self._leaving = False
        self.given_up: set[tuple[str, str]] = set()
        """Task ids and lease tokens of works whose end could not be written: the heartbeat ends their leases."""

    @property
    def put_away(self) -> int:
        """How many works only wait for their vendors, without anybody who waits here."""
        return len(self._put_away)

    def begin(self, work: Work, folder: SpoolFolder) -> "asyncio.Task[None]":
        """Sets a work going that somebody waits for. `folder` is released when it is done."""
        doing = asyncio.create_task(self._complete(work, folder), name=work.task_id)
        self._running.add(doing)
        doing.add_done_callback(self._ended)
        return doing

    async def undertake(self, work: Work, folder: SpoolFolder) -> None:
        """Does a work that nobody waits for, until it is settled or put away. `folder` stays the caller's.

        Whatever happens, it ends in a settlement. Cancelled: nothing is settled, and another owner goes on later.
        Raises: Overloaded when not even that could be written; the task then is taken over like a dead process's.
        """
        await self._to_its_end(work, self._undertake(work, folder))

    def let_go(self) -> None:
        """From now on nothing is waited for that nobody here waits for: others go on with it when the leases end."""
        self._leaving = True
        for put_away in [*self._put_away.values()]:
            if not put_away.coming:
                self._forget(put_away)

    async def drain(self) -> None:
        """Waits for every work that was begun, and for the news that are being taken in."""
        while self._running:
            await asyncio.wait(self._running)

    async def _complete(self, work: Work, folder: SpoolFolder) -> None:
        """Raises: Overloaded, as `undertake` does."""
        try:
            await self._to_its_end(work, self._draw_and_settle(work, folder))
        finally:
            await folder.release()

    async def _draw_and_settle(self, work: Work, folder: SpoolFolder) -> None:
        drawn = await self._dispatcher.draw(work, folder)
        if drawn.waiting:
            take = partial(self._dispatcher.take, work)
            come = await together(self._polls.answer(waiting, take) for waiting in drawn.waiting)
            drawn = replace(drawn, waiting=()) + come
        await self._settle(work, drawn, _hidden(work))

    async def _undertake(self, work: Work, folder: SpoolFolder) -> None:
        drawn = await self._dispatcher.draw(work, folder)
        if not drawn.waiting:
            await self._settle(work, drawn, _hidden(work))
            return
        put_away = _PutAway(work.task_id, work.lease_token, work.account_id, _hidden(work), drawn)
        if (before := self._put_away.get(work.task_id)) is not None:
            self._forget(before)  # it was lost, and is ours again
        self._put_away[work.task_id] = put_away
        if self._leaving:
            self._forget(put_away)
        for waiting in put_away.drawn.waiting:
            self._polls.add(waiting, partial(self._news, put_away))

    async def _news(self, put_away: _PutAway, waiting: Waiting, answer: Answer, folder: SpoolFolder) -> None:
        """Goes on with a work that was put away: there is an answer."""
        with self._drained():
            try:
                await self._to_its_end(put_away, self._take(put_away, waiting, answer, folder))
            except Overloaded as error:
                log.error("task.not_settled", task_id=put_away.task_id, exc_info=error)

    async def _take(self, put_away: _PutAway, waiting: Waiting, answer: Answer, folder: SpoolFolder) -> None:
        put_away.coming += 1
        try:
            work = await self._rebuilder.again(put_away.task_id, put_away.lease_token)
            come = await self._dispatcher.take(work, waiting, answer, folder)
            put_away.drawn = put_away.drawn.without(waiting) + come
        except BaseException:
            self._forget(put_away)
            raise
        finally:
            put_away.coming -= 1
        if not put_away.drawn.waiting:
            self._forget(put_away)
            await self._settle(work, put_away.drawn, put_away.hidden)
        elif self._leaving and not put_away.coming:
            self._forget(put_away)

    def _forget(self, put_away: _PutAway) -> None:
        for waiting in put_away.drawn.waiting:
            self._polls.remove(waiting)
            waiting.trial.close()
        put_away.drawn = replace(put_away.drawn, waiting=())
        if self._put_away.get(put_away.task_id) is put_away:
            del self._put_away[put_away.task_id]

    async def _settle(self, work: Work, drawn: Drawn, hidden: tuple[str, ...]) -> None:
        if drawn.images:
            await self._settlement.succeed(work, drawn)
        elif drawn.broken is not None:
            raise drawn.broken
        else:
            raise answer_for(drawn.failures, task_id=work.task_id, hidden=hidden)

    async def _to_its_end(self, owned: Work | _PutAway, doing: Awaitable[None]) -> None:
        try:
            await self._settled(owned, doing)
        except LeaseLost:
            log.warning("task.lease_lost", task_id=owned.task_id)
        except Overloaded:
            self.given_up.add((owned.task_id, owned.lease_token))
            raise

    async def _settled(self, owned: Work | _PutAway, doing: Awaitable[None]) -> None:
        task_id, account_id, lease_token = owned.task_id, owned.account_id, owned.lease_token
        try:
            await doing
        except Cancelled:
            await self._settlement.cancel(task_id, account_id, lease_token=lease_token)
        except Overloaded:
            raise  # our database or store, not the vendor: what it has accepted is polled on when they are back (L5)
        except GatewayError as error:
            log.info("task.failed", task_id=task_id, code=error.code)
            await self._settlement.fail(task_id, account_id, error, lease_token=lease_token)
        except LeaseLost:
            raise
        except Exception as bug:
            log.error("task.broken", task_id=task_id, exc_info=bug)
            opaque = InternalError("Something went wrong on our side.", should_retry=False, task_id=task_id)
            await self._settlement.fail(task_id, account_id, opaque, lease_token=lease_token)

    @contextmanager
    def _drained(self) -> Iterator[None]:
        """What `drain` waits for."""
        doing = asyncio.current_task()
        assert doing is not None
        self._running.add(doing)
        try:
            yield
        finally:
            self._running.discard(doing)

    def _ended(self, doing: "asyncio.Task[None]") -> None:
        self._running.discard(doing)
        if not doing.cancelled() and (error := doing.exception()) is not None:
            log.error("task.not_settled", task_id=doing.get_name(), exc_info=error)


def _hidden(work: Work) -> tuple[str, ...]:
    stops = (*work.stops, *(one.stop for one in work.past if one.stop is not None))
    words = {word for stop in stops for word in (stop.vendor.name, stop.vendor.base_url, *stop.vendor.api_keys)}
    return tuple(words | {stop.target.model for stop in stops})
