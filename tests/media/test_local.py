"""The local store keeps what it is given, whole or not at all, and leads nowhere but into its own directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import NotFound, Overloaded
from app.core.media import Blob
from app.media.local import CHUNK_BYTES, LocalMediaStore

NAME = "med_0123456789abcdefghjkmnpqrs.png"


@pytest.fixture
async def store(tmp_path: Path) -> LocalMediaStore:
    store = LocalMediaStore(tmp_path / "media", temporary=tmp_path / "media" / "temporary", min_free_bytes=0)
    await store.prepare()
    return store


async def contents(store: LocalMediaStore, name: str = NAME, *, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.read(name, start=start, length=length)])


def visible(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


async def test_what_is_put_is_read_again(store: LocalMediaStore) -> None:
    data = os.urandom(3 * CHUNK_BYTES + 7)
    await store.put(NAME, Blob.of(data))
    assert await contents(store) == data
    blob = await store.blob(NAME, sha256="5f3a")
    assert (blob.size_bytes, blob.sha256, blob.head) == (len(data), "5f3a", data[:64])
    assert blob.path is not None
    assert blob.path.read_bytes() == data


@pytest.mark.parametrize(
    ("start", "length", "expected"), [(0, 3, b"abc"), (2, None, b"cdefg"), (5, 99, b"fg"), (9, 1, b""), (1, 0, b"")]
)
async def test_a_range_is_read_from_its_start_for_its_length(
    store: LocalMediaStore, start: int, length: int | None, expected: bytes
) -> None:
    await store.put(NAME, Blob.of(b"abcdefg"))
    assert await contents(store, start=start, length=length) == expected


async def test_a_spooled_file_is_taken_over_without_copying_and_outlives_its_spool(
    store: LocalMediaStore, tmp_path: Path
) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(b"picture")
    await store.put(NAME, Blob(7, "", b"picture", path=spooled))
    stored = (await store.blob(NAME, sha256="")).path
    assert stored is not None
    assert stored.samefile(spooled)
    spooled.unlink()
    assert await contents(store) == b"picture"


async def test_a_spooled_file_on_another_file_system_is_copied(store: LocalMediaStore) -> None:
    elsewhere = Path("/dev/shm") / f"oneshape-{os.getpid()}"
    try:
        elsewhere.write_bytes(b"picture")
    except OSError:
        pytest.skip("there is no second file system here")
    try:
        await store.put(NAME, Blob(7, "", b"picture", path=elsewhere))
    finally:
        elsewhere.unlink()
    assert await contents(store) == b"picture"


async def test_the_same_name_again_replaces_and_leaves_nothing_behind(store: LocalMediaStore, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(b"second")
    await store.put(NAME, Blob.of(b"first"))
    await store.put(NAME, Blob(6, "", b"second", path=spooled))
    await store.put(NAME, Blob(6, "", b"second", path=spooled))
    assert await contents(store) == b"second"
    assert len(visible(tmp_path / "media")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "..\\secret.png",
        "a\0.png",
        "a/b.png",
        ".png",
        "a.svg",
        "a.png\n",
        "A.png",
        "a.png.exe",
        "é.png",
        "",
        "a" * 300 + ".png",
    ],
)
async def test_e67_a_name_that_we_did_not_make_is_unknown(store: LocalMediaStore, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        await contents(store, name)
    assert caught.value.code == "media_not_found"
    with pytest.raises(NotFound):
        await store.blob(name, sha256="")
    with pytest.raises(NotFound):
        await store.delete(name)


async def test_e67_a_link_in_the_store_is_not_followed(store: LocalMediaStore, tmp_path: Path) -> None:
    await store.put(NAME, Blob.of(b"x"))
    stored = (await store.blob(NAME, sha256="")).path
    assert stored is not None
    stored.unlink()
    stored.symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        await contents(store)
    with pytest.raises(NotFound):
        await store.blob(NAME, sha256="")


async def test_unknown_and_deleted_names_are_not_found_and_deleting_again_is_no_error(store: LocalMediaStore) -> None:
    await store.put(NAME, Blob.of(b"x"))
    await store.delete(NAME)
    await store.delete(NAME)
    with pytest.raises(NotFound):
        await contents(store)


async def test_e69_a_download_that_runs_while_the_file_is_erased_gets_all_of_it(store: LocalMediaStore) -> None:
    data = os.urandom(2 * CHUNK_BYTES)
    await store.put(NAME, Blob.of(data))
    reading = store.read(NAME)
    first = await anext(reading)
    await store.delete(NAME)
    assert first + b"".join([chunk async for chunk in reading]) == data


async def test_h97_a_media_directory_that_is_gone_is_not_made_anew_by_a_put(
    store: LocalMediaStore, tmp_path: Path
) -> None:
    (tmp_path / "media").rename(tmp_path / "unmounted")
    for attempt in (store.put(NAME, Blob.of(b"x")), store.check()):
        with pytest.raises(Overloaded) as caught:
            await attempt
        assert caught.value.code == "storage_unavailable"
    assert not (tmp_path / "media").exists()


async def test_h97_a_disk_with_too_little_room_is_told_before_anything_is_paid(tmp_path: Path) -> None:
    store = LocalMediaStore(tmp_path / "media", temporary=tmp_path / "media" / "temporary", min_free_bytes=1 << 60)
    await store.prepare()
    with pytest.raises(Overloaded) as caught:
        await store.check()
    assert caught.value.code == "storage_unavailable"


async def test_h97_a_healthy_directory_passes_the_check_and_keeps_no_probe(
    store: LocalMediaStore, tmp_path: Path
) -> None:
    await store.check()
    assert visible(tmp_path / "media") == []


WRITES_TOO_MUCH = """
import asyncio, resource, sys
from pathlib import Path
from app.core.errors import Overloaded
from app.core.media import Blob
from app.media.local import LocalMediaStore

async def main():
    store = LocalMediaStore(Path(sys.argv[1]), temporary=Path(sys.argv[1]) / "temporary", min_free_bytes=0)
    await store.prepare()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        await store.put("med_x.png", Blob.of(bytes(2 << 20)))
    except Overloaded as error:
        print(error.code)

asyncio.run(main())
"""


def test_h97_a_write_that_fails_half_way_is_told_and_leaves_no_half_file(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WRITES_TOO_MUCH, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
    )
    assert ran.stdout.strip() == "storage_unavailable"
    assert visible(tmp_path) == []


async def test_everything_stored_is_listed_and_nothing_else(store: LocalMediaStore, tmp_path: Path) -> None:
    names = {f"med_{number}.png" for number in range(20)}
    for name in names:
        await store.put(name, Blob.of(b"x"))
    (tmp_path / "media" / "temporary" / "med_half.png").write_bytes(b"x")
    (tmp_path / "media" / "notes.txt").write_bytes(b"an operator's")
    listed = [found async for page in store.stored() for found in page]
    assert {found.name for found in listed} == names
    assert all(abs(found.at - (tmp_path / "media").stat().st_mtime) < 60 for found in listed)
