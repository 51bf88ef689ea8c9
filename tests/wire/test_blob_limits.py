"""Broken, endless and oversized pictures are refused as they arrive and leave nothing behind (fault-cases F72-F74)."""

from pathlib import Path

import pytest

from app.core.media import Blob
from app.wire.blobs import (
    BlobTooLarge,
    DocumentTooLarge,
    InvalidBase64,
    Lifter,
    LiftError,
    SpoolSink,
    TooManyBlobs,
    TruncatedBlob,
)
from tests.wire.lifting import MemorySink, lift, lifter, picture, text_of

TEXT = text_of(picture(1, 6_000))


def refuse(stream: bytes, error: type[LiftError], *, chunk_bytes: int = 1_000, **limits: int) -> list[MemorySink]:
    """Feeds the stream until it is refused; returns the sinks opened for it."""
    sinks: list[MemorySink] = []
    with pytest.raises(error):
        feed_all(lifter(sinks, **limits), stream, chunk_bytes)
    return sinks


def feed_all(lifting: Lifter, stream: bytes, chunk_bytes: int) -> None:
    for at in range(0, len(stream), chunk_bytes):
        lifting.feed(stream[at : at + chunk_bytes])
    lifting.close()


@pytest.mark.parametrize("chunk_bytes", [1, 1_000, 1_000_000])
@pytest.mark.parametrize(
    "text",
    [
        TEXT[:5_001] + "!" + TEXT[5_001:],
        TEXT[:5_001] + "ä" + TEXT[5_001:],
        TEXT[:5_000] + "==" + TEXT[5_000:],
        TEXT[:5_001] + "=" + TEXT[5_001:],
        TEXT[:5_002] + "==" + TEXT[5_002:],
        TEXT + "=",
        TEXT[:-1] + "==",
        TEXT[:-2] + "===",
        TEXT[:-2] + "\\u003d=\\u003d",
        TEXT[:-3],
        TEXT[:-3] + "=",
        TEXT[:5_000] + "\x00" + TEXT[5_000:],
    ],
)
def test_f74_what_is_not_base64_is_refused_and_its_picture_given_up(text: str, chunk_bytes: int) -> None:
    sinks = refuse(f'{{"b64_json":"{text}"}}'.encode(), InvalidBase64, chunk_bytes=chunk_bytes)
    assert [(sink.was_closed, sink.was_aborted) for sink in sinks] == [(False, True)]


def test_f74_after_a_mark_only_what_can_end_a_link_ends_a_picture() -> None:
    refuse(f'"![](data:image/png;base64,{TEXT[:5_000]}!{TEXT[5_000:]})"'.encode(), InvalidBase64)
    assert lift(f'"data:image/png;base64,{TEXT},"'.encode())[0] == b'"data:image/png;base64,blob:5f3a:0,"'


@pytest.mark.parametrize("end", ["", "=", "\\", "\\u00", "\\n", " "])
def test_f73_a_stream_that_ends_inside_a_picture_is_refused(end: str) -> None:
    sinks = refuse(f'{{"b64_json":"{TEXT[:-2]}{end}'.encode(), TruncatedBlob)
    assert [(sink.was_closed, sink.was_aborted) for sink in sinks] == [(False, True)]


def test_f72_an_endless_document_is_cut_at_its_limit() -> None:
    assert refuse(b"[" + b'{"a":1},' * 20_000, DocumentTooLarge, max_document_bytes=100_000) == []
    assert refuse(b'{"a":"' + b"QUJD" * 40_000, DocumentTooLarge, max_document_bytes=100_000) == []
    assert refuse(b'{"a":"' + b" " * 200_000, DocumentTooLarge, max_document_bytes=100_000) == []
    assert refuse(b'{"a":"x', DocumentTooLarge, max_document_bytes=6) == []


def test_pictures_do_not_count_as_document() -> None:
    lifting = lifter([], max_document_bytes=20)
    assert lifting.feed(f'{{"a":"{TEXT}"}}'.encode()) + lifting.close() == b'{"a":"blob:5f3a:0"}'


def test_f72_an_endless_picture_is_cut_at_its_limit() -> None:
    endless = b'"data:image/png;base64,' + b"QUJD" * 40_000
    sinks = refuse(endless, BlobTooLarge, max_blob_bytes=50_000)
    assert sinks[0].was_aborted
    assert 49_000 < sum(map(len, sinks[0].pieces)) <= 50_000
    assert len(lift(f'"{TEXT}"'.encode())[1][0]) == 6_000
    refuse(f'"{TEXT}"'.encode(), BlobTooLarge, max_blob_bytes=5_999)


def test_f74_more_pictures_than_allowed_are_refused() -> None:
    sinks = refuse(f'["{TEXT}","{TEXT}","{TEXT}"]'.encode(), TooManyBlobs, max_blobs=2)
    assert [sink.was_closed for sink in sinks] == [True, True]


def test_a_refused_picture_leaves_no_file_behind(tmp_path: Path) -> None:
    lifting = Lifter(lambda: SpoolSink(tmp_path), "n", max_document_bytes=1_000, max_blob_bytes=100_000, max_blobs=2)
    lifting.feed(f'"{TEXT}'.encode())
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(InvalidBase64):
        lifting.feed(b"!")
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_is_given_up_leaves_no_file_behind(tmp_path: Path) -> None:
    lifting = Lifter(lambda: SpoolSink(tmp_path), "n", max_document_bytes=1_000, max_blob_bytes=100_000, max_blobs=2)
    lifting.feed(f'["{TEXT}","{TEXT}'.encode())
    lifting.abort()
    lifting.abort()
    kept = lifting.blobs.decode("blob:n:0")
    assert kept is not None
    assert list(tmp_path.iterdir()) == [kept.path]


class FullDisk(MemorySink):
    def write(self, data: bytes) -> None:
        raise OSError("no space left on device")

    def close(self) -> Blob:
        raise OSError("no space left on device")


def test_a_disk_that_is_full_is_the_callers_to_hear_of() -> None:
    sink = FullDisk()
    lifting = Lifter(lambda: sink, "n", max_document_bytes=1_000, max_blob_bytes=100_000, max_blobs=2)
    with pytest.raises(OSError, match="no space"):
        lifting.feed(f'"{TEXT}'.encode())
    assert sink.was_aborted


def test_a_placeholder_of_another_document_means_nothing() -> None:
    lifting = lifter([])
    lifting.feed(f'["{TEXT}","blob:other:0","blob:5f3a:1"]'.encode())
    assert lifting.blobs.decode("blob:5f3a:0") is not None
    assert lifting.blobs.decode("blob:other:0") is None
    assert lifting.blobs.decode("blob:5f3a:1") is None
