"""Recomputes every invariant of money from the entries and the evidence beside them; changes nothing.

Each rule is a query for what breaks it, written once for both databases. A row is the subject and then what was found.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, text

from app.store.sql import allow_long
from app.store.tables import accounts, ledger_entries

LONG_S: Final = 600
VIOLATIONS_MAX: Final = 100
"""Rows listed per rule: one broken rule must not fill the answer."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked and what is wrong; `violations` are sentences for an operator, each with the rule's id."""

    entries: int
    accounts: int
    violations: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.violations


def verify(tx: Connection) -> Verification:
    """Checks the whole ledger on one snapshot; run it with `Database.read`. Millions of entries may take minutes."""
    allow_long(tx, seconds=LONG_S)
    found = [
        message.format(*row)
        for rule, message in RULES
        for row in tx.execute(text(rule).bindparams(most=VIOLATIONS_MAX)).all()
    ]
    triggers = tx.execute(text(_TRIGGERS[tx.dialect.name])).scalar_one()
    if triggers < 2:
        found.append("L6: the triggers that refuse changes of the ledger are missing")
    return Verification(
        entries=tx.execute(select(func.count()).select_from(ledger_entries)).scalar_one(),
        accounts=tx.execute(select(func.count()).select_from(accounts)).scalar_one(),
        violations=tuple(found),
    )


_TRIGGERS: Final = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_entries'",
    "postgresql": "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'ledger_entries'::regclass AND NOT tgisinternal"
    " AND tgenabled <> 'D'",
}

RULES: Final[tuple[tuple[str, str], ...]] = (
    (
        """
        SELECT a.id, a.balance_units, coalesce(e.balance, 0), a.held_units, coalesce(e.held, 0)
        FROM accounts a LEFT JOIN (
            SELECT account_id,
                sum(CASE kind WHEN 'grant' THEN units WHEN 'adjust' THEN units WHEN 'capture' THEN -units ELSE 0 END)
                    AS balance,
                sum(CASE kind WHEN 'hold' THEN units ELSE -coalesce(hold_units, 0) END) AS held
            FROM ledger_entries GROUP BY account_id
        ) e ON e.account_id = a.id
        WHERE a.balance_units <> coalesce(e.balance, 0) OR a.held_units <> coalesce(e.held, 0)
        ORDER BY a.id LIMIT :most
        """,
        "L1: account {0} has a balance of {1} units where its entries make {2}, and holds {3} where they make {4}",
    ),
    (
        """
        SELECT id, held_units, balance_units FROM accounts
        WHERE billing = 'prepaid' AND held_units > balance_units ORDER BY id LIMIT :most
        """,
        "L2: prepaid account {0} holds {1} units of a balance of {2}",
    ),
    (
        """
        SELECT coalesce(p.key_id, e.key_id) AS key_id, coalesce(p.period, e.period),
            coalesce(p.held_units, 0), coalesce(e.held, 0), coalesce(p.spent_units, 0), coalesce(e.spent, 0)
        FROM (
            SELECT key_id, period FROM key_periods
            UNION SELECT key_id, period FROM ledger_entries WHERE period IS NOT NULL
        ) k
        LEFT JOIN key_periods p ON p.key_id = k.key_id AND p.period = k.period
        LEFT JOIN (
            SELECT key_id, period,
                sum(CASE kind WHEN 'hold' THEN units ELSE -coalesce(hold_units, 0) END) AS held,
                sum(CASE kind WHEN 'capture' THEN units ELSE 0 END) AS spent
            FROM ledger_entries WHERE period IS NOT NULL GROUP BY key_id, period
        ) e ON e.key_id = k.key_id AND e.period = k.period
        WHERE coalesce(p.held_units, 0) <> coalesce(e.held, 0) OR coalesce(p.spent_units, 0) <> coalesce(e.spent, 0)
        ORDER BY 1, 2 LIMIT :most
        """,
        "L1: key {0} holds {2} units in {1} where its entries make {3}, and has spent {4} where they make {5}",
    ),
    (
        """
        SELECT charge_id, count(*) FROM ledger_entries WHERE kind IN ('capture', 'release')
        GROUP BY charge_id HAVING count(*) > 1 ORDER BY charge_id LIMIT :most
        """,
        "L3: charge {0} was resolved {1} times",
    ),
    (
        """
        SELECT charge_id, count(*) FROM ledger_entries WHERE kind = 'hold'
        GROUP BY charge_id HAVING count(*) > 1 ORDER BY charge_id LIMIT :most
        """,
        "L7: charge {0} was held {1} times",
    ),
    (
        """
        SELECT charge_id, units, hold_units FROM ledger_entries
        WHERE kind = 'capture' AND units > hold_units ORDER BY seq LIMIT :most
        """,
        "L4: charge {0} captured {1} units of {2} held",
    ),
    (
        """
        SELECT r.charge_id, r.seq FROM ledger_entries r
        LEFT JOIN ledger_entries h ON h.charge_id = r.charge_id AND h.kind = 'hold'
        WHERE r.kind IN ('capture', 'release') AND (
            h.seq IS NULL OR h.seq > r.seq OR h.units <> r.hold_units OR h.account_id <> r.account_id
            OR coalesce(h.key_id, '') <> coalesce(r.key_id, '')
        ) ORDER BY r.seq LIMIT :most
        """,
        "L1: charge {0} was resolved by entry {1}, which does not match a hold before it",
    ),
    (
        """
        SELECT r.charge_id, r.period, h.period FROM ledger_entries r
        JOIN ledger_entries h ON h.charge_id = r.charge_id AND h.kind = 'hold'
        WHERE r.kind IN ('capture', 'release') AND coalesce(h.period, '') <> coalesce(r.period, '')
        ORDER BY r.seq LIMIT :most
        """,
        "L15: charge {0} was resolved in the period {1}, but held in {2}",
    ),
    (
        """
        SELECT seq, units FROM ledger_entries
        WHERE abs(units) > 9007199254740991 OR (units < 0 AND kind <> 'adjust') OR units <> round(units)
        ORDER BY seq LIMIT :most
        """,
        "L13: entry {0} is of {1} units",
    ),
    (
        """
        SELECT t.id, t.units, coalesce(c.units, 0) FROM tasks t
        LEFT JOIN ledger_entries c ON c.charge_id = t.id AND c.kind = 'capture'
        WHERE t.units <> coalesce(c.units, 0) ORDER BY t.id LIMIT :most
        """,
        "L16: task {0} says {1} units, but {2} were captured",
    ),
    (
        """
        SELECT t.id, t.hold_units, coalesce(h.units, -1) FROM tasks t
        LEFT JOIN ledger_entries h ON h.charge_id = t.id AND h.kind = 'hold'
        WHERE h.seq IS NULL OR h.units <> t.hold_units ORDER BY t.id LIMIT :most
        """,
        "L1: task {0} was admitted with a hold of {1} units; the ledger's is {2} (-1: none)",
    ),
    (
        """
        SELECT t.id, t.status, coalesce(r.kind, 'open') FROM tasks t
        LEFT JOIN ledger_entries r ON r.charge_id = t.id AND r.kind IN ('capture', 'release')
        WHERE (t.finished_at IS NULL) <> (r.seq IS NULL) ORDER BY t.id LIMIT :most
        """,
        "L5: task {0} is {1}, but its charge is {2}",
    ),
    (
        """
        SELECT t.id, t.units, t.images_delivered, t.price_units FROM tasks t
        WHERE t.units <> t.price_units * t.images_delivered AND t.finished_at IS NOT NULL ORDER BY t.id LIMIT :most
        """,
        "L8: task {0} was charged {1} units for {2} images at {3}",
    ),
    (
        """
        SELECT t.id, t.units, coalesce(m.stored, 0), coalesce(a.delivered, 0), t.images_delivered FROM tasks t
        LEFT JOIN (SELECT task_id, count(*) AS stored FROM media WHERE role = 'output' GROUP BY task_id) m
            ON m.task_id = t.id
        LEFT JOIN (
            SELECT task_id, sum(images_delivered) AS delivered FROM attempts WHERE state = 'accepted' GROUP BY task_id
        ) a ON a.task_id = t.id
        WHERE t.units > 0
            AND (coalesce(m.stored, 0) < t.images_delivered OR coalesce(a.delivered, 0) < t.images_delivered)
        ORDER BY t.id LIMIT :most
        """,
        "L8: task {0} was charged {1} units with {2} stored and {3} accepted images, and says it delivered {4}",
    ),
    (
        """
        SELECT task_id, slot, count(*) FROM attempts WHERE state IN ('sent', 'accepted', 'unknown')
        GROUP BY task_id, slot HAVING count(*) > 1 ORDER BY task_id, slot LIMIT :most
        """,
        "L11: task {0}, call {1}, was possibly accepted {2} times",
    ),
    (
        """
        SELECT t.id, t.units, coalesce(c.units, 0) FROM chats t
        LEFT JOIN ledger_entries c ON c.charge_id = t.id AND c.kind = 'capture'
        WHERE t.units <> coalesce(c.units, 0) ORDER BY t.id LIMIT :most
        """,
        "L16: chat {0} says {1} units, but {2} were captured",
    ),
)
