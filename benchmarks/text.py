"""Text chat through the gateway and through whatever peers are installed, against one canned vendor, in turns.

The gateway runs as an operator runs it: `oneshape serve` on SQLite, a prepaid account, so that every request is
authenticated, held, captured and committed. Its answers and its ledger are checked afterwards.
"""

import json
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway import Gateway, gateway
from benchmarks.load import Plan
from benchmarks.peers import MODEL, Contestant, installed
from benchmarks.processes import OTHERS_CORE, cpu_s, free_port, pinned, python, rss_mb, running

CHUNKS = 100
WHOLE = '"content":"Hello there! How can I help you today?"'
WORD = '"content":" word"'
"""What every answer must say, and every stream so many times."""
CATALOG = """
version: 1
currency: USD
vendors:
  canned: {{dialect: openai_chat, base_url: "http://127.0.0.1:{port}/v1", api_keys: ["canned"], concurrency: 1000}}
models:
  - id: public-model
    kind: chat
    max_output_tokens: 4096
    price: {{per_1m_input_tokens: "0.15", per_1m_output_tokens: "0.60"}}
    targets: [{{vendor: canned, model: canned-1}}]
"""
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello, what can you do for me today?"},
    ],
    "temperature": 0.7,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round measured."""

    requests_s: float
    events_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    cpu_us: float
    requests: int
    wrong: int
    unanswered: int


def measure(contestant: Contestant, *, seconds: float, stream: bool, rate: float = 0.0) -> Figures:
    """One round: 32 connections as fast as they can, or at a steady rate."""
    body = json.dumps({**BODY, "stream": True} if stream else BODY, separators=(",", ":"))
    must = {f'"model":"{contestant.says_model}"': 1, **({WORD: CHUNKS} if stream else {WHOLE: 1})}
    plan = Plan(contestant.port, body, headers=contestant.headers, seconds=seconds, rate=rate, must_contain=must)
    before = cpu_s(contestant.pid) if contestant.pid else 0.0
    run = subprocess.run(
        pinned(python("-m", "benchmarks.load"), OTHERS_CORE),
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(run.stdout)
    used_s = cpu_s(contestant.pid) - before if contestant.pid else 0.0
    times, first, done = sorted(result["times_ms"]), sorted(result["first_ms"]), max(result["requests"], 1)
    if result["wrong"] or result["unanswered"]:
        print(
            f"  {contestant.name}: {result['wrong']} wrong answers, {result['unanswered']} not answered in time, "
            f"such as {result['example'][:300]!r}"
        )
    return Figures(
        requests_s=result["requests"] / result["seconds"],
        events_s=result["events"] / result["seconds"],
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
        first_p50_ms=percentile(first, 0.5),
        cpu_us=used_s / done * 1e6,
        requests=result["requests"],
        wrong=result["wrong"],
        unanswered=result["unanswered"],
    )


def compare(*, rounds: int, seconds: float) -> bool:
    """Runs everything, prints the tables; whether all answers and the ledger were right."""
    with tempfile.TemporaryDirectory(prefix="oneshape-bench-") as name, ExitStack() as stack:
        directory, vendor_port = Path(name), free_port()
        command = python("-m", "benchmarks.canned", str(vendor_port), str(CHUNKS))
        stack.enter_context(
            running(command, core=OTHERS_CORE, port=vendor_port, path="/counts", log=directory / "vendor.log")
        )
        vendor = Contestant("the vendor itself", vendor_port, says_model="canned-1")
        serving = stack.enter_context(gateway(directory, CATALOG.format(port=vendor_port)))
        peers = [
            contestant_of(serving),
            *(stack.enter_context(start(directory, vendor_port, "canned-1")) for start in installed()),
        ]
        for one in peers:
            measure(one, seconds=1, stream=False)  # caches warm, connections open
        right = _table("whole answers", [vendor, *peers], rounds=rounds, seconds=seconds, stream=False)
        right &= _table(f"streams of {CHUNKS} words", [vendor, *peers], rounds=rounds, seconds=seconds, stream=True)
        right &= _latency(vendor, peers, seconds=max(seconds, 4))
        memory = (f"{one.name} {rss_mb(one.pid):.0f} MB" for one in peers if one.pid)
        print("\nmemory: " + ", ".join(memory))
        return right and _ledger_is_right(serving)


def _table(title: str, contestants: list[Contestant], *, rounds: int, seconds: float, stream: bool) -> bool:
    """Rounds in turns, so that whatever else the machine does hits all alike; the best round of each counts."""
    taken: dict[str, list[Figures]] = {one.name: [] for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            taken[one.name].append(measure(one, seconds=seconds, stream=stream))
    print(
        f"\n{title}, 32 connections\n{'':20}{'requests/s':>11}{'events/s':>11}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'CPU µs/request':>16}"
    )
    ours = max(figures.requests_s for figures in taken["oneshape"])
    for name, all_figures in taken.items():
        best = max(all_figures, key=lambda figures: figures.requests_s)
        cpu = min(figures.cpu_us for figures in all_figures)
        ratio = "" if name == "oneshape" else "   answered nothing in time"
        if ratio and best.requests_s:
            ratio = f"   oneshape is {ours / best.requests_s:.2f} of it"
        events = f"{best.events_s:11,.0f}" if stream else f"{'':11}"
        print(
            f"{name:20}{best.requests_s:11,.0f}{events}{best.p50_ms:8.2f}{best.p99_ms:8.2f}"
            f"{f'{cpu:16,.0f}' if cpu else ' ' * 16}{ratio}"
        )
    wrong = any(figures.wrong for all_figures in taken.values() for figures in all_figures)
    return not wrong and not any(figures.unanswered for figures in taken["oneshape"])


def _latency(vendor: Contestant, peers: list[Contestant], *, seconds: float) -> bool:
    right = True
    print("\nadded time at 50 requests/s, ms\n" + f"{'':20}{'p50':>8}{'p99':>8}{'first event p50':>18}")
    for stream in (False, True):
        base = measure(vendor, seconds=seconds, stream=stream, rate=50)
        for one in peers:
            figures = measure(one, seconds=seconds, stream=stream, rate=50)
            right &= not figures.wrong and not (one is peers[0] and figures.unanswered)  # a peer may be too slow
            added = [figures.p50_ms - base.p50_ms, figures.p99_ms - base.p99_ms]
            first = f"{figures.first_p50_ms - base.first_p50_ms:18.2f}" if stream else ""
            print(f"{one.name + (' (streamed)' if stream else ''):20}{added[0]:8.2f}{added[1]:8.2f}{first}")
    return right


def contestant_of(serving: Gateway) -> Contestant:
    """The gateway with a key of its own."""
    return Contestant("oneshape", serving.port, {"authorization": f"Bearer {serving.new_key()}"}, MODEL, serving.pid)


def _ledger_is_right(serving: Gateway) -> bool:
    """Every charge is in order, and each answer was charged once: a hold and a capture beside the grant."""
    verification, requests = serving.verified(), serving.requests()
    charges = (verification["entries"] - 1) // 2
    print(f"ledger: {verification['entries']:,} entries, {charges:,} charges, {requests:,} requests on record")
    return bool(verification["ok"]) and charges == requests


def percentile(ordered: list[float], share: float) -> float:
    """The value that this share of all is not above; 0 where there is none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
