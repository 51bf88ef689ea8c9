"""What a text request costs while the ledger, the keys and the models grow: it must stay about the same.

Processor time per request, not requests per second: it is what growth would cost, whatever else the machine does.
"""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import orjson

from app.core.ids import new_id, new_ordered_id
from benchmarks.gateway import Gateway, gateway
from benchmarks.peers import MODEL, Contestant
from benchmarks.processes import OTHERS_CORE, free_port, python, running
from benchmarks.text import CATALOG, CHUNKS, measure

ENTRIES: Final = 1_000_000
KEYS: Final = 10_000
MODELS: Final = 1_000
UNITS: Final = 9
DAY_S: Final = 86_400.0
_MODEL: Final = """  - id: model-{0}
    kind: chat
    max_output_tokens: 4096
    aliases: [also-{0}]
    price: {{per_1m_input_tokens: "0.15", per_1m_output_tokens: "0.60"}}
    targets: [{{vendor: canned, model: canned-1}}]
"""


def compare(*, quick: bool, rounds: int, seconds: float) -> bool:
    """Prints the costs; whether the answers and the ledger were right."""
    entries = ENTRIES // 20 if quick else ENTRIES
    with tempfile.TemporaryDirectory(prefix="oneshape-bench-") as name, ExitStack() as stack:
        directory, vendor_port = Path(name), free_port()
        command = python("-m", "benchmarks.canned", str(vendor_port), str(CHUNKS))
        small = CATALOG.format(port=vendor_port)
        large = small + "".join(map(_MODEL.format, range(MODELS - 1)))
        new, grown = directory / "new", directory / "grown"
        new.mkdir()
        grown.mkdir()
        stack.enter_context(
            running(command, core=OTHERS_CORE, port=vendor_port, path="/counts", log=directory / "vendor.log")
        )
        serving = stack.enter_context(gateway(new, small))
        turns = _Turns(_contestant(serving, serving.new_key()), rounds, seconds)
        print(f"\ncost of a text request as things grow, in turns with a new gateway\n{'':28}{'new':>11}{'grown':>11}")
        with gateway(grown, small) as serving:
            key = serving.new_key()
        _grow_ledger(grown, entries)
        with gateway(grown, small) as serving:
            turns.take(f"{entries:,} ledger entries", serving, key)
        _grow_keys(grown)
        with gateway(grown, small) as serving:
            turns.take(f"and {KEYS:,} keys", serving, key)
        with gateway(grown, large) as serving:
            turns.take(f"and {MODELS:,} models", serving, key)
            verified = serving.verified()
        print(f"most: {max(turns.growth):+.0%}; bar within 15 %")
        print(f"ledger: {verified['entries']:,} entries, {'right' if verified['ok'] else 'WRONG'}")
        return bool(verified["ok"]) and turns.right


class _Turns:
    """A new gateway and a grown one asked in turns, so that whatever else the machine does hits both alike."""

    def __init__(self, new: Contestant, rounds: int, seconds: float) -> None:
        self._new = new
        self._rounds = rounds
        self._seconds = seconds
        self.growth: list[float] = []
        self.right = True

    def take(self, name: str, serving: Gateway, key: str) -> None:
        """Prints the processor time per request of both, each in its best round."""
        both = (self._new, _contestant(serving, key))
        for one in both:
            measure(one, seconds=1, stream=False)  # caches warm, connections open
        taken = [[measure(one, seconds=self._seconds, stream=False) for one in both] for _ in range(self._rounds)]
        new_us, grown_us = (min(figures.cpu_us for figures in each) for each in zip(*taken, strict=True))
        self.growth.append(grown_us / new_us - 1 if new_us else 0.0)
        self.right &= not any(figures.wrong or figures.unanswered for turn in taken for figures in turn)
        print(
            f"{name:28}{new_us:8,.0f} µs{grown_us:8,.0f} µs{self.growth[-1]:+8.0%}{serving.rss_mb():8.0f} MB",
            flush=True,
        )


def _contestant(serving: Gateway, key: str) -> Contestant:
    return Contestant("oneshape", serving.port, {"authorization": f"Bearer {key}"}, MODEL, serving.pid)


def _grow_ledger(directory: Path, entries: int) -> None:
    """So many entries of the same account and key, as if they had been made in the days before, with their requests."""
    with closing(sqlite3.connect(directory / "data" / "oneshape.db")) as db, db:
        account_id, key_id = db.execute("SELECT account_id, id FROM keys").fetchone()
        charges = entries // 2
        start = time.time() - DAY_S
        ids = [new_ordered_id("chatcmpl", start + DAY_S * number / charges) for number in range(charges)]
        db.executemany(
            "INSERT INTO ledger_entries (account_id, key_id, charge_id, kind, units, hold_units, price, estimated, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            _entries(ids, account_id, key_id, start),
        )
        db.executemany(
            "INSERT INTO chats (id, account_id, key_id, model, vendor, vendor_model, outcome, input_tokens,"
            " cached_input_tokens, output_tokens, estimated, units, cost_units, exposure_units, created_at,"
            " finished_at)"
            " VALUES (?, ?, ?, 'public-model', 'canned', 'canned-1', 'succeeded', 20, 0, 9, 0, ?, 0, 0, ?, ?)",
            ((id_, account_id, key_id, UNITS, start, start) for id_ in ids),
        )
        db.execute("UPDATE accounts SET balance_units = balance_units - ? WHERE id = ?", (charges * UNITS, account_id))


def _entries(ids: list[str], account_id: str, key_id: str, at: float) -> Iterator[tuple[object, ...]]:
    price = orjson.dumps({"per_1m_input_tokens": 150_000, "per_1m_output_tokens": 600_000}).decode()
    for id_ in ids:
        yield account_id, key_id, id_, "hold", 2_500, None, price, at
        yield account_id, key_id, id_, "capture", UNITS, 2_500, None, at


def _grow_keys(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "data" / "oneshape.db")) as db, db:
        account_id = db.execute("SELECT account_id FROM keys").fetchone()[0]
        db.executemany(
            "INSERT INTO keys (id, account_id, name, secret_hash, hint, chat_image_style, created_at)"
            " VALUES (?, ?, 'grown', ?, 'sk-x', 'markdown', ?)",
            ((new_id("key"), account_id, new_id("key"), time.time()) for _ in range(KEYS)),
        )
