"""How fast pictures are lifted out of vendor JSON on one core, and how much memory that takes.

Run by hand: python benchmarks/blobs.py
"""

import argparse
import base64
import hashlib
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.wire.blobs import Lifter, SpoolSink, encode_chunks

PICTURE = b"\x89PNG\r\n\x1a\n" + os.urandom(12 * 1024 * 1024)
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "escaped slashes": lambda text: text.replace(b"/", b"\\/"),
    "escaped plus": lambda text: text.replace(b"+", b"\\u002B"),
    "url-safe": lambda text: text.replace(b"+", b"-").replace(b"/", b"_"),
    "lines of 76": lambda text: b"\\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
}


def lift(document: bytes, chunk_bytes: int, directory: Path) -> None:
    """One document, fed in chunks; fails when the picture is not what was put in."""
    lifter = Lifter(
        lambda: SpoolSink(directory), "bench", max_document_bytes=1 << 20, max_blob_bytes=1 << 26, max_blobs=1
    )
    rest = b"".join(lifter.feed(document[at : at + chunk_bytes]) for at in range(0, len(document), chunk_bytes))
    blob = lifter.blobs.decode("blob:bench:0")
    assert rest + lifter.close() == b'{"data":[{"b64_json":"blob:bench:0"}]}'
    assert blob is not None
    assert blob.path is not None
    assert blob.sha256 == hashlib.sha256(PICTURE).hexdigest()
    blob.path.unlink()


def main() -> None:
    """Prints MB/s of JSON, less the time of checking, and the most memory that was in use at once."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--directory", type=Path, default=None, help="where pictures are spooled (default: a new one)")
    chosen = options.parse_args()
    started = time.perf_counter()
    for _ in range(chosen.rounds):
        hashlib.sha256(PICTURE).hexdigest()
    checking_s = (time.perf_counter() - started) / chosen.rounds
    print(f"sha256 alone: {len(PICTURE) / checking_s / 1e6:,.0f} MB/s of picture")
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        for name, spell in SPELLINGS.items():
            document = b'{"data":[{"b64_json":"' + spell(base64.b64encode(PICTURE)) + b'"}]}'
            for chunk_bytes in (16 << 10, 64 << 10, 256 << 10, 1 << 20):
                started = time.perf_counter()
                for _ in range(chosen.rounds):
                    lift(document, chunk_bytes, Path(directory))
                each_s = (time.perf_counter() - started) / chosen.rounds - checking_s
                tracemalloc.start()
                lift(document, chunk_bytes, Path(directory))
                peak_bytes = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                speed = f"{len(document) / each_s / 1e6:7,.0f} MB/s"
                print(f"{name:16} chunks of {chunk_bytes >> 10:5} KiB {speed}  peak {peak_bytes / 1024:7,.0f} KiB")
        started = time.perf_counter()
        pieces = (PICTURE[at : at + 65_536] for at in range(0, len(PICTURE), 65_536))
        sent_bytes = sum(map(len, encode_chunks(pieces)))
        print(f"encode           chunks of    64 KiB {sent_bytes / (time.perf_counter() - started) / 1e6:7,.0f} MB/s")


if __name__ == "__main__":
    main()
