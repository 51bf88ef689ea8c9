"""Spooled bytes live exactly as long as the request that needs them."""

from pathlib import Path

import pytest

from app.core.errors import Overloaded
from app.media.spool import Spool

MAX_BYTES = 100


def below(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@pytest.fixture
async def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool", max_bytes=MAX_BYTES)
    await spool.prepare()
    return spool


async def test_a_requests_bytes_can_be_read_until_it_is_done_and_are_gone_then(spool: Spool, tmp_path: Path) -> None:
    async with spool.folder() as folder:
        sink = folder.open_sink()
        sink.write(b"picture")
        blob = sink.close()
        assert blob.path is not None
        assert blob.path.read_bytes() == b"picture"
        folder.open_sink().write(b"half a pict")
    assert below(tmp_path / "spool") == []


async def test_they_are_gone_after_a_failure_too(spool: Spool, tmp_path: Path) -> None:
    async def fail() -> None:
        async with spool.folder() as folder:
            folder.open_sink().close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert below(tmp_path / "spool") == []


async def test_one_request_that_is_done_leaves_anothers_bytes_alone(spool: Spool) -> None:
    one, other = spool.folder(), spool.folder()
    one.open_sink().close()
    blob = other.open_sink().close()
    await one.release()
    await one.release()
    assert blob.path is not None
    assert blob.path.read_bytes() == b""
    await other.release()


async def test_a_request_without_pictures_makes_no_folder(spool: Spool, tmp_path: Path) -> None:
    async with spool.folder():
        assert below(tmp_path / "spool") == []


async def test_h97_a_spool_that_cannot_be_written_is_our_fault_and_says_so(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").rmdir()
    with pytest.raises(Overloaded) as caught:
        spool.folder().open_sink()
    assert caught.value.code == "storage_unavailable"


async def test_a_full_spool_admits_nobody_and_still_takes_what_was_paid_for(spool: Spool) -> None:
    paid = spool.admit()
    sink = paid.open_sink()
    sink.write(b"x" * MAX_BYTES)
    with pytest.raises(Overloaded) as refused:
        spool.admit()
    assert (refused.value.code, refused.value.should_retry) == ("overloaded", True)
    assert refused.value.retry_after_s is not None
    sink.write(b"more of the same picture")
    assert spool.folder().open_sink().close().size_bytes == 0
    await paid.release()
    assert spool.bytes == 0
    await spool.admit().release()


async def test_bytes_of_all_kinds_are_counted_until_their_folder_is_released(spool: Spool) -> None:
    one, other = spool.folder(), spool.folder()
    one.open_sink().write(b"picture")
    file = one.open_file()
    file.write(b"any")
    file.write(bytearray(b"thing"))
    other.open_sink().write(b"!")
    assert spool.bytes == len("pictureanything!")
    assert await file.read() == b"anything"
    await one.release()
    await one.release()
    assert spool.bytes == 1
    await other.release()
