"""Ends what a process that died held for text requests. What was relayed of them died with it, so nobody is charged;
what the vendor may bill is on record as exposure (L5, L12).
"""

from collections.abc import Collection
from typing import Final

import structlog

from app.core.clock import Clock
from app.store import bookings, fleet
from app.store.bookings import Hold, Settlement
from app.store.chats import Chat
from app.store.database import Database, Tx
from app.store.fleet import Process

log = structlog.get_logger(__name__)

LONGEST_S: Final = 6 * 3600.0
"""No text takes longer: three vendors with the longest patience that the catalog allows take half of it."""
LOOK_ROUND_S: Final = 3600.0
"""How often it is looked for holds of processes that left in good order and could not write to the end."""
OUTCOME: Final = "interrupted"


class LostTexts:
    """Looks for processes that are silent, and for what they held.

    A process counts as gone when it has been silent for `silent_s`, and is found so again half of that later: after the
    database itself was away everybody seems silent, until they beat again.
    """

    def __init__(self, database: Database, *, clock: Clock, silent_s: float) -> None:
        self._database = database
        self._clock = clock
        self._silent_s = silent_s
        self._seen: dict[Process, float] = {}
        self._ended: frozenset[Process] = frozenset()
        self._look_round_at = clock.monotonic() + silent_s

    async def end(self) -> int:
        """Releases all that gone processes held. Answers 0: nothing is left for a sweep to ask for again.

        Raises: Overloaded (storage_unavailable).
        """
        at, now = self._clock.now(), self._clock.monotonic()
        silent = await self._database.read(lambda tx: fleet.silent(tx, at=at, seconds=self._silent_s))
        self._seen = {process: self._seen.get(process, now) for process in silent}
        gone = {process for process, since in self._seen.items() if now - since >= self._silent_s / 2}
        if gone <= self._ended and now < self._look_round_at:
            return 0
        lost = await self._lost({process.id for process in gone}, at)
        ended = sum([await self._release(hold, at) for hold in lost])
        self._ended, self._look_round_at = frozenset(gone), now + LOOK_ROUND_S
        if ended:
            log.warning("texts.interrupted", requests=ended)
        return 0

    async def _lost(self, gone: Collection[str], at: float) -> list[Hold]:
        """Open holds of processes that are gone, or that said goodbye: the young ones may be of one not yet known."""
        present = {process.id for process in await self._database.read(fleet.processes)} - set(gone)
        since, before = at - LONGEST_S, at - self._silent_s

        def is_lost(hold: Hold) -> bool:
            if hold.work is None:  # made by an older version
                return hold.at < at - LONGEST_S / 2
            return hold.work.process not in present

        def open_and_lost(tx: Tx) -> list[Hold]:
            return [hold for hold in bookings.open_holds(tx, since=since, before=before) if is_lost(hold)]

        return await self._database.read(open_and_lost)

    async def _release(self, hold: Hold, at: float) -> bool:
        """Whether it was still to be ended: its process may live after all, and another sweeper sees the same."""
        work = hold.work
        chat = Chat(
            id=hold.charge_id,
            account_id=hold.account_id,
            key_id=hold.key.key_id,
            model=work.model if work else "",
            outcome=OUTCOME,
            created_at=hold.at,
            finished_at=at,
            vendor=work.vendor if work else None,
            vendor_model=work.vendor_model if work else None,
            exposure_units=work.exposure_units if work else 0,
        )
        return await self._database.write(lambda tx: bookings.end_lost(tx, Settlement(chat, hold, held=True)))
