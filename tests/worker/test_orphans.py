"""A picture without a row is erased once it is old enough to be nobody's; every other picture stays."""

import os
from pathlib import Path

import pytest

from app.core.clock import Clock
from app.core.media import Blob
from app.media.local import LocalMediaStore
from app.media.s3 import S3MediaStore
from app.media.spool import Spool
from app.store import media
from app.store.database import Database, Tx
from app.store.media import Media
from app.worker.orphans import DAY_S, Orphans
from tests.store.rows import NOW, a_task, add_account, admit
from tests.support.buckets import BUCKET, CREDENTIALS, bucket_endpoint  # noqa: F401 - a fixture
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)

DEADLINE_S = 900
OLD = NOW + 1
LATER = NOW + DAY_S + DEADLINE_S + 10


class StillClock(Clock):
    def now(self) -> float:
        return LATER


@pytest.fixture
async def store(tmp_path: Path) -> LocalMediaStore:
    made = LocalMediaStore(tmp_path / "media", temporary=tmp_path / "temporary", min_free_bytes=0)
    await made.prepare()
    return made


async def stored_at(store: LocalMediaStore, media_id: str, at: float) -> None:
    name = f"{media_id}.png"
    await store.put(name, Blob.of(b"picture"))
    path = (await store.blob(name, sha256="")).path
    assert path is not None
    os.utime(path, (at, at))


async def names(store: LocalMediaStore) -> set[str]:
    return {found.name for page in [part async for part in store.stored()] for found in page}


def a_row(tx: Tx, media_id: str, *, erased_at: float | None = None) -> None:
    admit(tx, a_task(f"task_{media_id}"))
    values = {"mime": "image/png", "extension": "png", "width": 1, "height": 1, "size_bytes": 7, "sha256": "00"}
    row = Media(
        id=media_id,
        task_id=f"task_{media_id}",
        account_id="acc_1",
        role="output",
        position=0,
        created_at=NOW,
        expires_at=NOW + 10**6,
        erased_at=erased_at,
        **values,  # type: ignore[arg-type]  # spelled short
    )
    media.insert_all(tx, [row])


async def test_an_old_picture_without_a_row_is_erased_and_every_other_stays(
    database: Database,  # noqa: F811 - the fixture
    store: LocalMediaStore,
) -> None:
    def rows(tx: Tx) -> None:
        add_account(tx, units=100)
        a_row(tx, "med_known")
        a_row(tx, "med_erased", erased_at=NOW)

    await database.write(rows)
    await stored_at(store, "med_known", OLD)
    await stored_at(store, "med_erased", OLD)
    await stored_at(store, "med_orphan", OLD)
    await stored_at(store, "med_young", LATER - DAY_S - DEADLINE_S + 1)
    sweeper = Orphans(database, store, clock=StillClock(), task_deadline_s=DEADLINE_S)
    assert await sweeper.sweep() == 2
    assert await names(store) == {"med_known.png", "med_young.png"}
    assert await sweeper.sweep() == 0


async def test_pictures_older_than_the_database_are_not_its_own_to_erase(
    database: Database,  # noqa: F811 - the fixture
    store: LocalMediaStore,
) -> None:
    await database.write(add_account)
    await stored_at(store, "med_before", NOW - 1)
    assert await Orphans(database, store, clock=StillClock(), task_deadline_s=DEADLINE_S).sweep() == 0


async def test_an_empty_database_erases_nothing(
    database: Database,  # noqa: F811 - the fixture
    store: LocalMediaStore,
) -> None:
    await stored_at(store, "med_somebodys", OLD)
    assert await Orphans(database, store, clock=StillClock(), task_deadline_s=DEADLINE_S).sweep() == 0


class Tomorrow(Clock):
    def now(self) -> float:
        return super().now() + DAY_S + DEADLINE_S + 60


async def test_an_orphan_in_a_bucket_is_erased_as_one_in_a_directory(
    database: Database,  # noqa: F811 - the fixture
    bucket_endpoint: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=2**20)
    url = f"s3://{BUCKET}/{database.dialect}"
    bucket = S3MediaStore.at(url, spool=spool, clock=Clock(), endpoint=bucket_endpoint, env=CREDENTIALS)
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: a_row(tx, "med_known"))
    for media_id in ("med_known", "med_orphan"):
        await bucket.put(f"{media_id}.png", Blob.of(b"picture"))
    assert await Orphans(database, bucket, clock=Clock(), task_deadline_s=DEADLINE_S).sweep() == 0
    assert await Orphans(database, bucket, clock=Tomorrow(), task_deadline_s=DEADLINE_S).sweep() == 1
    assert [found.name async for page in bucket.stored() for found in page] == ["med_known.png"]
