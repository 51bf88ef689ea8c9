"""One claim per account and key, whoever races for it (L7, G87)."""

import asyncio
from functools import partial

import pytest

from app.store import idempotency
from app.store.database import Database
from app.store.idempotency import Claimed, Kept, Owner, Record, Reply
from tests.store.rows import NOW, add_account

DAY_S = 86_400
MINE = Owner("acc_1", "k", "task_1")
NOTHING = Kept(MINE, Reply(200, {}, None), DAY_S)


@pytest.fixture
async def open_keys(database: Database) -> Database:
    """A database with two accounts."""
    await database.write(add_account)
    await database.write(lambda tx: add_account(tx, "acc_2"))
    return database


async def claim(
    database: Database, fingerprint: str = "f1", *, account_id: str = "acc_1", task_id: str = "task_1", at: float = NOW
) -> Claimed | Record:
    return await database.write(
        partial(
            idempotency.claim,
            account_id=account_id,
            key="k",
            fingerprint=fingerprint,
            task_id=task_id,
            at=at,
            expires_at=at + DAY_S,
        )
    )


async def test_g87_of_20_parallel_duplicates_one_claims_and_all_others_see_it(open_keys: Database) -> None:
    answers = await asyncio.gather(*(claim(open_keys, task_id=f"task_{number}") for number in range(20)))
    (winner,) = [number for number, answer in enumerate(answers) if isinstance(answer, Claimed)]
    seen = {answer.task_id for answer in answers if isinstance(answer, Record)}
    assert seen == {f"task_{winner}"}


async def test_a_duplicate_sees_the_first_body_and_its_answer_byte_for_byte(open_keys: Database) -> None:
    await claim(open_keys)
    first = await claim(open_keys, "another body")
    assert isinstance(first, Record)
    assert (first.state, first.fingerprint) == ("running", "f1")
    kept = Kept(MINE, Reply(200, {"a": "b"}, b'{"x": "\xc3\xa9"}'), DAY_S)
    assert await open_keys.write(partial(idempotency.keep, kept=kept, at=NOW))
    done = await claim(open_keys)
    assert isinstance(done, Record)
    assert (done.state, done.status, done.headers, done.body) == ("done", 200, {"a": "b"}, b'{"x": "\xc3\xa9"}')


async def test_keys_are_per_account(open_keys: Database) -> None:
    assert isinstance(await claim(open_keys), Claimed)
    assert isinstance(await claim(open_keys, account_id="acc_2"), Claimed)


async def test_a_key_is_free_again_after_its_time(open_keys: Database) -> None:
    await claim(open_keys)
    assert isinstance(await claim(open_keys, at=NOW + DAY_S - 1), Record)
    assert isinstance(await claim(open_keys, at=NOW + DAY_S), Claimed)


async def test_a_claim_whose_work_never_started_is_dropped_and_a_finished_one_is_not(open_keys: Database) -> None:
    drop = partial(idempotency.drop, owner=MINE)
    await claim(open_keys)
    await open_keys.write(drop)
    assert await open_keys.read(lambda tx: idempotency.get(tx, account_id="acc_1", key="k")) is None
    await claim(open_keys)
    await open_keys.write(partial(idempotency.keep, kept=NOTHING, at=NOW))
    await open_keys.write(drop)
    assert isinstance(await claim(open_keys), Record)


async def test_l7_a_claim_lives_as_long_as_it_is_renewed_and_who_lost_it_can_neither_keep_nor_drop_it(
    open_keys: Database,
) -> None:
    await claim(open_keys)
    await open_keys.write(partial(idempotency.renew, owner=MINE, at=NOW, seconds=60))
    assert isinstance(await claim(open_keys, task_id="task_2", at=NOW + 59), Record)
    assert isinstance(await claim(open_keys, task_id="task_2", at=NOW + 60), Claimed)
    assert not await open_keys.write(partial(idempotency.keep, kept=NOTHING, at=NOW + 61))
    await open_keys.write(partial(idempotency.drop, owner=MINE))
    left = await claim(open_keys, task_id="task_3", at=NOW + 62)
    assert isinstance(left, Record)
    assert (left.task_id, left.state) == ("task_2", "running")


async def test_old_records_are_removed_a_few_at_a_time(open_keys: Database) -> None:
    await claim(open_keys)
    await claim(open_keys, account_id="acc_2")
    assert await open_keys.write(lambda tx: idempotency.expire(tx, at=NOW, limit=9)) == 0
    assert await open_keys.write(lambda tx: idempotency.expire(tx, at=NOW + DAY_S, limit=1)) == 1
    assert await open_keys.write(lambda tx: idempotency.expire(tx, at=NOW + DAY_S, limit=9)) == 1
