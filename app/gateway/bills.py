"""Imports vendors' bills and says of each line what work of ours it is for. A file counts once."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from app.core.attempt import AttemptState
from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.ids import new_id
from app.gateway.bill_reading import BilledLine, read_bill
from app.store import audit, bills
from app.store.bills import Bill, BillLine, Match, Matches, Work
from app.store.database import Database, Tx
from app.store.sql import Page

LINES_AT_ONCE: Final = 1_000
"""Lines per transaction, so that nobody's request waits for a whole bill."""


@dataclass(frozen=True, slots=True)
class BillView:
    """A bill and how its lines match. `repeated`: it had been imported before, and nothing was changed."""

    bill: Bill
    matches: Matches
    repeated: bool = False


class Bills:
    """What operators do with bills. `vendors` names those of the catalog; `actor` is who does it."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        vendors: Callable[[], Awaitable[Collection[str]]],
        actor: str = "admin",
    ) -> None:
        self._database = database
        self._clock = clock
        self._vendors = vendors
        self._actor = actor

    async def take_in(self, vendor: str, name: str, content: bytes) -> BillView:
        """Imports a file, which is called `name`. The same bytes again change nothing.

        Raises: NotFound: no such vendor; BillInvalid, with all that is wrong.
        """
        if vendor not in await self._vendors() and not await self._database.read(
            lambda tx: bills.has_worked(tx, vendor)
        ):
            raise NotFound(f"There is no vendor {vendor!r}.")
        lines = await asyncio.to_thread(read_bill, content)
        bill = Bill(
            id=new_id("bill"),
            vendor=vendor,
            digest=hashlib.sha256(content).hexdigest(),
            name=name,
            lines=len(lines),
            units=sum(line.units for line in lines),
            actor=self._actor,
            created_at=self._clock.now(),
        )
        begun = await self._database.write(lambda tx: bills.begin(tx, bill))
        if begun.finished_at is None:
            await self._write(begun, await self._matched(begun, lines))
        view = await self.view(begun.id)
        return BillView(view.bill, view.matches, repeated=begun.finished_at is not None)

    async def view(self, bill_id: str) -> BillView:
        """One bill. Raises: NotFound."""
        bill, found = await self._database.read(lambda tx: (bills.get(tx, bill_id), bills.matches(tx, bill_id)))
        if bill is None:
            raise NotFound("There is no such bill.")
        return BillView(bill, found)

    async def index(self, *, vendor: str | None = None, after: str | None = None, limit: int = 20) -> Page[Bill]:
        """Bills, newest first."""
        return await self._database.read(lambda tx: bills.list_page(tx, vendor=vendor, after=after, limit=limit))

    async def lines(
        self, bill_id: str, *, match: Match | None = None, after: str | None = None, limit: int = 20
    ) -> Page[BillLine]:
        """Lines of a bill, in order. Raises: NotFound."""
        await self.view(bill_id)
        return await self._database.read(
            lambda tx: bills.lines_page(tx, bill_id, match=match, after=after, limit=limit)
        )

    async def withdraw(self, bill_id: str) -> BillView:
        """Forgets a bill that should not have been imported; answers what it was. Raises: NotFound."""
        view = await self.view(bill_id)
        change = self._change("bill.withdrawn", view.bill, before=True)

        def unit(tx: Tx) -> None:
            if bills.remove(tx, bill_id):
                audit.record(tx, change)

        await self._database.write(unit)
        return view

    async def _matched(self, bill: Bill, lines: Sequence[BilledLine]) -> list[BillLine]:
        named = {line.reference for line in lines if line.reference is not None}
        works = await self._database.read(lambda tx: bills.works_named(tx, bill.vendor, named))
        ids = {work.id for work in works.values()}
        billed = await self._database.read(lambda tx: bills.billed_before(tx, ids, beside=bill.id))
        matched = []
        for line in lines:
            work = works.get(line.reference) if line.reference is not None else None
            matched.append(_line(bill, line, work, repeated=work is not None and work.id in billed))
            if work is not None:
                billed.add(work.id)
        return matched

    async def _write(self, bill: Bill, lines: Sequence[BillLine]) -> None:
        for first in range(0, len(lines), LINES_AT_ONCE):
            await self._database.write(partial(bills.add_lines, lines=lines[first : first + LINES_AT_ONCE]))
        change = self._change("bill.imported", bill, before=False)

        def unit(tx: Tx) -> None:
            bills.finish(tx, bill.id, at=change.at)
            audit.record(tx, change)

        await self._database.write(unit)

    def _change(self, action: str, bill: Bill, *, before: bool) -> audit.Change:
        told = {"vendor": bill.vendor, "name": bill.name, "lines": bill.lines, "units": bill.units}
        return audit.Change(
            new_id("aud"),
            self._clock.now(),
            self._actor,
            action,
            bill.id,
            before=told if before else None,
            after=None if before else told,
        )


def _line(bill: Bill, line: BilledLine, work: Work | None, *, repeated: bool) -> BillLine:
    return BillLine(
        bill_id=bill.id,
        line=line.line,
        vendor=bill.vendor,
        at=line.at,
        model=line.model,
        reference=line.reference,
        quantity=line.quantity,
        units=line.units,
        match=_match(line, work, repeated=repeated),
        attempt_id=None if work is None else work.id,
        expected_units=None if work is None else work.cost_units,
    )


def _match(line: BilledLine, work: Work | None, *, repeated: bool) -> Match:
    if line.reference is None:
        return "total"
    if work is None:
        return "unmatched"
    if repeated:
        return "repeated"
    if work.state == AttemptState.UNKNOWN:
        return "unknown"
    return "matched" if work.cost_units == line.units else "differs"
