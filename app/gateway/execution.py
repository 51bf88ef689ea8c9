"""Does admitted works to their end: drawn, then settled, whether anybody waits or not."""

import asyncio

import structlog

from app.core.errors import GatewayError, InternalError, Overloaded
from app.gateway.blame import answer_for
from app.gateway.dispatch import Dispatcher
from app.gateway.settlement import Settlement
from app.gateway.work import Cancelled, Work
from app.media.spool import SpoolFolder
from app.store.tasks import LeaseLost

log = structlog.get_logger(__name__)


class Execution:
    """Owns the works of this process while they are done."""

    def __init__(self, *, dispatcher: Dispatcher, settlement: Settlement) -> None:
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._running: set[asyncio.Task[None]] = set()
        self.given_up: set[tuple[str, str]] = set()
        """Task ids and lease tokens of works whose end could not be written: the heartbeat ends their leases."""

    def begin(self, work: Work, folder: SpoolFolder) -> "asyncio.Task[None]":
        """Sets a work going. `folder` is released when it is done."""
        doing = asyncio.create_task(self.complete(work, folder), name=work.task_id)
        self._running.add(doing)
        doing.add_done_callback(self._ended)
        return doing

    async def complete(self, work: Work, folder: SpoolFolder) -> None:
        """Whatever happens, it ends in a settlement. Cancelled: nothing is settled, and another owner goes on later.

        Raises: Overloaded when not even that could be written; the task then is taken over like a dead process's.
        """
        try:
            await self._settle(work, folder)
        except LeaseLost:
            log.warning("task.lease_lost", task_id=work.task_id)
        except Overloaded:
            self.given_up.add((work.task_id, work.lease_token))
            raise
        finally:
            await folder.release()

    async def drain(self) -> None:
        """Waits for every work that was begun."""
        while self._running:
            await asyncio.wait(self._running)

    async def _settle(self, work: Work, folder: SpoolFolder) -> None:
        try:
            drawn = await self._dispatcher.draw(work, folder)
            if not drawn.images:
                raise answer_for(drawn.failures, task_id=work.task_id, hidden=_hidden(work))
            await self._settlement.succeed(work, drawn)
        except Cancelled:
            await self._settlement.cancel(work)
        except Overloaded:
            raise  # our database or store, not the vendor: what it has accepted is polled on when they are back (L5)
        except GatewayError as error:
            log.info("task.failed", task_id=work.task_id, code=error.code)
            await self._settlement.fail(work.task_id, work.account_id, error, lease_token=work.lease_token)
        except LeaseLost:
            raise
        except Exception as bug:
            log.error("task.broken", task_id=work.task_id, exc_info=bug)
            opaque = InternalError("Something went wrong on our side.", should_retry=False, task_id=work.task_id)
            await self._settlement.fail(work.task_id, work.account_id, opaque, lease_token=work.lease_token)

    def _ended(self, doing: "asyncio.Task[None]") -> None:
        self._running.discard(doing)
        if not doing.cancelled() and (error := doing.exception()) is not None:
            log.error("task.not_settled", task_id=doing.get_name(), exc_info=error)


def _hidden(work: Work) -> tuple[str, ...]:
    stops = (*work.stops, *(one.stop for one in work.past if one.stop is not None))
    words = {word for stop in stops for word in (stop.vendor.name, stop.vendor.base_url, *stop.vendor.api_keys)}
    return tuple(words | {stop.target.model for stop in stops})
