"""Text requests that were served: what they used, cost and were charged. Their money is in the ledger, by their id."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, insert, select

from app.store.tables import chats


@dataclass(frozen=True, slots=True)
class Chat:
    """One text request when it is over. `id` is its charge id; `vendor` None: no target was reached.

    `outcome` is `succeeded`, or the code of the error the client got. `units` is what was captured, `cost_units` what
    the vendor bills us, `exposure_units` what it may bill for an answer that never came.
    """

    id: str
    account_id: str
    key_id: str
    model: str
    outcome: str
    created_at: float
    finished_at: float
    vendor: str | None = None
    vendor_model: str | None = None
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    units: int = 0
    cost_units: int = 0
    exposure_units: int = 0


_INSERT: Final = insert(chats)


def record(tx: Connection, chat: Chat) -> None:
    """Adds it, in the transaction that captures or releases its hold."""
    tx.execute(_INSERT, asdict(chat))


def recorded(tx: Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of the ids whose request is over and on record."""
    return frozenset(tx.execute(select(chats.c.id).where(chats.c.id.in_(ids))).scalars())
