"""The ledger against a model of a few lines, through any history Hypothesis can think of (fault-cases F6)."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from sqlalchemy import make_url

from app.core.errors import InsufficientQuota, InvalidRequest
from app.store import accounts, keys, ledger
from app.store.ledger import AlreadyResolved, CaptureExceedsHold, KeyBudget, period_of
from app.store.ledger_verify import verify
from app.store.sqlite_engine import create_sqlite_engine
from app.store.tables import metadata
from tests.store.rows import NOW, add_account

AMOUNTS = st.integers(0, 60)
BUDGETS = {"none": KeyBudget("key_1"), "day": KeyBudget("key_1", 50, "day"), "total": KeyBudget("key_1", 200, "total")}
DAY_S = 86_400


class Ledger(RuleBasedStateMachine):
    """The real ledger on a real file, and beside it what it must say."""

    charges = Bundle("charges")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        url = make_url(f"sqlite:///{Path(self.directory.name) / 'ledger.db'}")
        self.engine = create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=("synchronous = OFF",))
        with self.engine.begin() as tx:
            metadata.create_all(tx)
            add_account(tx)
        self.now = NOW
        self.balance = 0
        self.open: dict[str, tuple[int, str | None]] = {}
        self.spent: dict[str, int] = {}
        self.made = 0

    def teardown(self) -> None:
        self.engine.dispose()
        self.directory.cleanup()

    def run(self, verb: Any, *expected: type[Exception], **values: Any) -> type[Exception] | None:
        """Runs one verb in its own transaction; which expected error it raised, if any."""
        try:
            with self.engine.begin() as tx:
                verb(tx, at=self.now, **values)
        except expected as error:
            return type(error)
        return None

    @property
    def available(self) -> int:
        return self.balance - sum(units for units, _ in self.open.values())

    def left(self, period: str, budget: int) -> int:
        held = sum(units for units, held_in in self.open.values() if held_in == period)
        return budget - held - self.spent.get(period, 0)

    @rule(units=AMOUNTS)
    def grant(self, units: int) -> None:
        refused = self.run(ledger.grant, InvalidRequest, account_id="acc_1", units=units, reason="t", actor="t")
        assert (refused is None) == (units > 0)
        self.balance += units

    @rule(units=st.integers(-60, 60))
    def adjust(self, units: int) -> None:
        refused = self.run(ledger.adjust, InvalidRequest, account_id="acc_1", units=units, reason="t", actor="t")
        assert (refused is None) == (units != 0 and self.available + units >= 0)
        self.balance += units if refused is None else 0

    @rule(target=charges, units=AMOUNTS, budget=st.sampled_from(sorted(BUDGETS)))
    def hold(self, units: int, budget: str) -> str:
        self.made += 1
        charge_id, key = f"charge_{self.made}", BUDGETS[budget]
        period = None if key.period is None else period_of(key.period, self.now)
        fits = units <= self.available and (period is None or units <= self.left(period, key.units or 0))
        refused = self.run(
            ledger.hold, InsufficientQuota, charge_id=charge_id, account_id="acc_1", key=key, units=units, price={}
        )
        assert (refused is None) == fits
        if refused is None:
            self.open[charge_id] = (units, period)
        return charge_id

    @rule(charge_id=charges, units=AMOUNTS)
    def capture(self, charge_id: str, units: int) -> None:
        errors = (AlreadyResolved, CaptureExceedsHold, ledger.UnknownCharge)
        refused = self.run(ledger.capture, *errors, charge_id=charge_id, units=units)
        held, period = self.open.get(charge_id, (-1, None))
        assert (refused is None) == (units <= held)
        if refused is None:
            del self.open[charge_id]
            self.balance -= units
            if period is not None:
                self.spent[period] = self.spent.get(period, 0) + units

    @rule(charge_id=charges)
    def release(self, charge_id: str) -> None:
        refused = self.run(ledger.release, AlreadyResolved, ledger.UnknownCharge, charge_id=charge_id, reason="t")
        assert (refused is None) == (charge_id in self.open)
        self.open.pop(charge_id, None)

    @rule()
    def sleep_until_tomorrow(self) -> None:
        self.now += DAY_S

    @invariant()
    def the_counters_are_the_models(self) -> None:
        with self.engine.connect() as tx:
            account = accounts.get(tx, "acc_1")
            assert account is not None
            assert (account.balance_units, account.available_units) == (self.balance, self.available)
            for period in {"total", period_of("day", self.now)}:
                found = keys.spending(tx, "key_1", period)
                assert found.spent_units == self.spent.get(period, 0)
                assert found.held_units == sum(units for units, held_in in self.open.values() if held_in == period)
            # create_all makes no triggers: their absence is the one thing that verify may say here.
            assert [violation for violation in verify(tx).violations if not violation.startswith("L6")] == []


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
