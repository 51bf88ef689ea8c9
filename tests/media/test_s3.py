"""The bucket keeps the same promises as the directory, proven against a simulated S3 over a socket."""

import asyncio
import gc
import os
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from app.core.clock import Clock
from app.core.errors import NotFound, Overloaded
from app.core.media import Blob
from app.media.s3 import CHUNK_BYTES, PART_BYTES, PROVEN_S, S3MediaStore
from app.media.spool import Spool
from tests.support.buckets import BUCKET, CREDENTIALS

NAME = "med_0123456789abcdefghjkmnpqrs.png"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool", max_bytes=2**30)
    await spool.prepare()
    return spool


@pytest.fixture
def store(bucket_endpoint: str, spool: Spool) -> S3MediaStore:
    return S3MediaStore.at(
        f"s3://{BUCKET}/some/prefix", spool=spool, clock=Clock(), endpoint=bucket_endpoint, env=CREDENTIALS
    )


def bucket_at(endpoint: str) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=endpoint,
        access_key_id="key",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )


async def contents(store: S3MediaStore, name: str = NAME, *, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.read(name, start=start, length=length)])


async def test_what_is_put_is_read_again(store: S3MediaStore) -> None:
    data = PNG + os.urandom(3 * CHUNK_BYTES)
    await store.put(NAME, Blob.of(data))
    assert await contents(store) == data


async def test_a_large_spooled_file_arrives_whole_in_parts_with_the_type_of_its_bytes(
    store: S3MediaStore, tmp_path: Path, bucket_endpoint: str
) -> None:
    data = PNG + os.urandom(2 * PART_BYTES)
    (tmp_path / "spooled").write_bytes(data)
    await store.put(NAME, Blob(len(data), "", data[:64], path=tmp_path / "spooled"))
    assert await contents(store) == data
    answer = await obstore.get_async(bucket_at(bucket_endpoint), f"some/prefix/{NAME}")
    assert answer.attributes["Content-Type"] == "image/png"
    assert str(answer.meta["e_tag"]).strip('"').endswith("-3"), "an ETag of S3 tells how many parts there were"


async def test_a_picture_that_is_needed_here_is_a_file_for_as_long_as_it_is(store: S3MediaStore, spool: Spool) -> None:
    data = PNG + os.urandom(3 * CHUNK_BYTES)
    await store.put(NAME, Blob.of(data))
    held = [await store.blob(NAME, sha256=Blob.of(data).sha256)]
    size_bytes, head, path = held[0].size_bytes, held[0].head, held[0].path
    assert path is not None
    assert (size_bytes, head, path.read_bytes(), spool.bytes) == (len(data), data[:64], data, len(data))
    held.clear()
    async with asyncio.timeout(30):
        while path.exists():  # the client of S3 lets go of what it was awaited for a little later
            gc.collect()
            await Clock().sleep(0.01)
    assert (spool.bytes, (await spool.usage())[0]) == (0, 0)


async def test_bytes_that_are_not_those_that_were_stored_are_not_handed_out(store: S3MediaStore, spool: Spool) -> None:
    await store.put(NAME, Blob.of(PNG))
    with pytest.raises(Overloaded):
        await store.blob(NAME, sha256=Blob.of(b"other").sha256)
    assert (spool.bytes, (await spool.usage())[0]) == (0, 0)


@pytest.mark.parametrize(
    ("start", "length", "expected"), [(0, 3, b"abc"), (2, None, b"cdefg"), (5, 99, b"fg"), (1, 0, b"")]
)
async def test_a_range_is_read_from_its_start_for_its_length(
    store: S3MediaStore, start: int, length: int | None, expected: bytes
) -> None:
    await store.put(NAME, Blob.of(b"abcdefg"))
    assert await contents(store, start=start, length=length) == expected


async def test_objects_live_below_the_prefix_and_carry_the_type_of_their_bytes(
    store: S3MediaStore,
    bucket_endpoint: str,
) -> None:
    await store.put(NAME, Blob.of(PNG))
    answer = await obstore.get_async(bucket_at(bucket_endpoint), f"some/prefix/{NAME}")
    assert bytes(await answer.bytes_async()) == PNG
    assert answer.attributes["Content-Type"] == "image/png"


async def test_unknown_and_deleted_names_are_not_found_and_deleting_again_is_no_error(store: S3MediaStore) -> None:
    await store.put(NAME, Blob.of(b"x"))
    await store.delete(NAME)
    await store.delete(NAME)
    with pytest.raises(NotFound) as caught:
        await store.blob(NAME, sha256="")
    assert caught.value.code == "media_not_found"


@pytest.mark.parametrize(
    "name", ["../other/secret.png", "a/b.png", "..%2fa.png", "", "probe", "a.png\n", "A.png", "a\0.png"]
)
async def test_e67_a_name_that_we_did_not_make_is_unknown(store: S3MediaStore, name: str) -> None:
    with pytest.raises(NotFound):
        await contents(store, name)
    with pytest.raises(NotFound):
        await store.delete(name)


class HandClock(Clock):
    """A clock that a test moves."""

    at = 100.0

    def monotonic(self) -> float:
        return self.at


async def test_a_bucket_is_checked_by_writing_only_when_nothing_was_written_for_a_while(
    bucket_endpoint: str, spool: Spool
) -> None:
    clock, bucket, probe = HandClock(), bucket_at(bucket_endpoint), "checked/probe"
    store = S3MediaStore.at(
        f"s3://{BUCKET}/checked", spool=spool, clock=clock, endpoint=bucket_endpoint, env=CREDENTIALS
    )
    await asyncio.gather(*(store.check() for _ in range(3)))
    assert (await obstore.head_async(bucket, probe))["size"] == 1
    await obstore.delete_async(bucket, probe)
    await store.check()
    clock.at += PROVEN_S - 1
    await store.put(NAME, Blob.of(b"x"))
    clock.at += PROVEN_S - 1
    await store.check()
    with pytest.raises(FileNotFoundError):
        await obstore.head_async(bucket, probe)
    clock.at += 2
    await store.check()
    assert (await obstore.head_async(bucket, probe))["size"] == 1


@pytest.mark.parametrize("bucket", ["missing", BUCKET])
async def test_h97_a_bucket_that_is_gone_or_out_of_reach_is_our_fault_and_says_so(
    bucket_endpoint: str,
    bucket: str,
    spool: Spool,
) -> None:
    endpoint = bucket_endpoint if bucket == "missing" else "http://127.0.0.1:9"
    store = S3MediaStore.at(f"s3://{bucket}", spool=spool, clock=Clock(), endpoint=endpoint, env=CREDENTIALS)
    for attempt in (store.put(NAME, Blob.of(b"x")), store.check()):
        with pytest.raises(Overloaded) as caught:
            await attempt
        assert caught.value.code == "storage_unavailable"


@pytest.mark.parametrize("url", ["file:///media", "s3:///prefix", "s3:", "https://bucket/x", ""])
async def test_a_media_url_of_another_kind_is_refused_at_start(url: str, spool: Spool) -> None:
    with pytest.raises(ValueError):
        S3MediaStore.at(url, spool=spool, clock=Clock())


async def test_everything_below_the_prefix_is_listed_and_nothing_else(bucket_endpoint: str, spool: Spool) -> None:
    store, other = (
        S3MediaStore.at(
            f"s3://{BUCKET}/{prefix}", spool=spool, clock=Clock(), endpoint=bucket_endpoint, env=CREDENTIALS
        )
        for prefix in ("listed", "listed-too")
    )
    await other.put(NAME, Blob.of(b"another installation's"))
    await store.check()
    names = {f"med_{number}.png" for number in range(3)}
    for name in names:
        await store.put(name, Blob.of(b"x"))
    listed = [found async for page in store.stored() for found in page]
    assert {found.name for found in listed} == names
    assert all(found.at > 1_700_000_000 for found in listed)
