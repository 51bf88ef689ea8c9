"""Moving to PostgreSQL takes every row along as it is, or nothing; money can be moved on from there."""

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app.store import attempts, audit, catalog, chats, fleet, idempotency, ledger, media, outbox
from app.store.attempts import Attempt
from app.store.audit import Change
from app.store.catalog import Revision
from app.store.chats import Chat
from app.store.copy import CopyRefused, copy_database
from app.store.database import Database, Tx
from app.store.idempotency import Kept, Owner, Reply
from app.store.ledger import KeyBudget
from app.store.media import Media
from app.store.outbox import Delivery
from app.store.tables import metadata
from tests.store.rows import NOW, a_task, add_account, admit, hold_on_key

DOCUMENT = {"text": "Grüße, 图片 \u0000 🦊", "deep": [1, -2.5, 9_007_199_254_740_991, None, True]}


def fill(tx: Tx) -> None:
    """At least one row in every table, with values that two databases could see differently."""
    add_account(tx, units=10**15)
    for number in range(450):
        admit(tx, a_task(f"task_{number}", created_at=NOW + number / 7, user_metadata=DOCUMENT, text="a\0b\ud800"))
    hold_on_key(tx, "chat_1", 7, KeyBudget("key_1", 100, "day"))
    ledger.capture(tx, charge_id="chat_1", units=5, at=NOW, estimated=True)
    chats.record(tx, Chat("chat_1", "acc_1", "key_1", "gpt", "succeeded", NOW, NOW + 0.1, units=5))
    attempts.intend(tx, Attempt("att_1", "task_1", 0, 0, "v", "m", 1, NOW))
    picture = Media("med_1", "task_1", "acc_1", "output", 0, "image/png", "png", 1, 1, 3 * 2**31, "00", NOW, NOW)
    media.insert_all(tx, [picture])
    idempotency.claim(tx, account_id="acc_1", key="k", fingerprint="f", task_id="c", at=NOW, expires_at=NOW + 10**9)
    answer = Reply(200, {"a": "b"}, bytes(range(256)))
    idempotency.keep(tx, Kept(Owner("acc_1", "k", "c"), answer, 10**9), at=NOW)
    catalog.append(tx, Revision(1, "version: 1", "yaml", "ops", None, NOW))
    audit.record(tx, Change("aud_1", NOW, "admin", "create", "acc_1", None, DOCUMENT))
    fleet.heartbeat(tx, "prc_1", at=NOW)
    fleet.drain(tx, "v", actor="admin", at=NOW)
    outbox.enqueue(tx, Delivery("msg_1", "task_1", "acc_1", "e", "https://x.example", DOCUMENT, NOW, NOW))
    fill_vendors(tx)


def fill_vendors(tx: Tx) -> None:
    """The same in the tables about vendors."""
    for table, values in {
        "vendor_health": {
            "subject": "",
            "state": "open",
            "openings": 1,
            "until": NOW,
            "changed_at": NOW,
            "process": "p",
        },
        "vendor_places": {"process": "p", "places": 1, "wanted": 0, "until": NOW},
        "bills": {"id": "b", "digest": "d", "name": "n", "lines": 1, "units": 1, "actor": "a", "created_at": NOW},
        "bill_lines": {"bill_id": "b", "line": 1, "units": 1, "match": "unmatched", "reference": "r"},
        "probe_findings": {"vendor_model": "m", "at": NOW, "finding": DOCUMENT},
        "model_prices": {"model": "m", "n": 1, "revision": 1, "since": NOW, "price": DOCUMENT, "costs": DOCUMENT},
    }.items():
        of_vendor = {} if table == "model_prices" else {"vendor": "v"}
        tx.execute(metadata.tables[table].insert().values(**values, **of_vendor))


@pytest.fixture
async def filled_url(sqlite_url: str) -> str:
    source = await Database.open(sqlite_url)
    await source.write(fill)
    await source.close()
    return sqlite_url


def untold(_table: str, _rows: int) -> None:
    """Nobody listens."""


def counts(tx: Tx) -> dict[str, int]:
    return {
        table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in metadata.sorted_tables
    }


async def test_every_row_of_every_table_arrives_as_it_was(filled_url: str, postgresql_copy: str) -> None:
    told: dict[str, int] = {}
    copied = await copy_database(filled_url, postgresql_copy, told=told.__setitem__)
    target = await Database.open(postgresql_copy)
    arrived = await target.read(counts)
    changes = await target.read(audit.list_page)
    await target.close()
    assert copied.rows == told == arrived
    assert [name for name, rows in arrived.items() if rows == 0] == []
    assert arrived["tasks"] == 450
    assert copied.entries == arrived["ledger_entries"]
    assert (changes.items[0].before, changes.items[0].after) == (None, DOCUMENT)


async def test_the_ledger_goes_on_after_its_last_entry(filled_url: str, postgresql_copy: str) -> None:
    copied = await copy_database(filled_url, postgresql_copy, told=untold)
    target = await Database.open(postgresql_copy)
    entry = await target.write(
        lambda tx: ledger.grant(tx, account_id="acc_1", units=1, reason="r", actor="a", at=NOW + 9)
    )
    await target.close()
    assert entry.seq == copied.entries + 1


async def test_a_database_that_is_open_elsewhere_is_not_copied(filled_url: str, postgresql_copy: str) -> None:
    gateway = await Database.open(filled_url)
    with pytest.raises(CopyRefused, match="in use"):
        await copy_database(filled_url, postgresql_copy, told=untold)
    await gateway.close()
    await copy_database(filled_url, postgresql_copy, told=untold)


async def test_a_database_that_has_rows_is_never_written_to(filled_url: str, postgresql_copy: str) -> None:
    target = await Database.open(postgresql_copy)
    await target.write(lambda tx: add_account(tx, "acc_9"))
    with pytest.raises(CopyRefused, match="not empty"):
        await copy_database(filled_url, postgresql_copy, told=untold)
    assert (await target.read(counts))["tasks"] == 0
    await target.close()


async def test_l1_a_ledger_that_is_not_sound_is_told_and_not_copied(filled_url: str, postgresql_copy: str) -> None:
    source = await Database.open(filled_url)
    await source.write(lambda tx: tx.execute(text("UPDATE accounts SET balance_units = balance_units + 1")))
    await source.close()
    with pytest.raises(CopyRefused, match="L1: account acc_1"):
        await copy_database(filled_url, postgresql_copy, told=untold)


async def test_a_failure_half_way_leaves_the_target_empty(filled_url: str, postgresql_copy: str) -> None:
    def fail(table: str, _rows: int) -> None:
        if table == "tasks":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await copy_database(filled_url, postgresql_copy, told=fail)
    target = await Database.open(postgresql_copy)
    assert set((await target.read(counts)).values()) == {0}
    await target.close()


@pytest.mark.parametrize("given", ["missing file", "other way round"])
async def test_what_cannot_be_copied_is_said(given: str, postgresql_copy: str, tmp_path: Path) -> None:
    missing = f"sqlite+aiosqlite:///{tmp_path}/missing.db"
    source, target = (missing, postgresql_copy) if given == "missing file" else (postgresql_copy, missing)
    with pytest.raises(CopyRefused):
        await copy_database(source, target, told=untold)
    assert not (tmp_path / "missing.db").exists()


async def test_an_old_schema_is_migrated_first(postgresql_copy: str, tmp_path: Path) -> None:
    (tmp_path / "old.db").touch()
    with pytest.raises(CopyRefused, match="oneshape migrate"):
        await copy_database(f"sqlite+aiosqlite:///{tmp_path}/old.db", postgresql_copy, told=untold)
