"""Text chat through the gateway and through whatever peers are installed, against one canned vendor, in turns.

The gateway runs as an operator runs it: `oneshape serve` on SQLite, a prepaid account, so that every request is
authenticated, held, captured and committed. Its answers and its ledger are checked afterwards.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.load import Plan
from benchmarks.peers import MODEL, Contestant, installed
from benchmarks.processes import GATEWAY_CORE, OTHERS_CORE, cpu_s, free_port, pinned, python, rss_mb, running

ADMIN_KEY = "adm-benchmark-9f2c7e41d8a6"
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
        p50_ms=_percentile(times, 0.5),
        p99_ms=_percentile(times, 0.99),
        first_p50_ms=_percentile(first, 0.5),
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
        gateway = stack.enter_context(_gateway(directory, vendor_port))
        peers = [gateway, *(stack.enter_context(start(directory, vendor_port, "canned-1")) for start in installed())]
        for one in peers:
            measure(one, seconds=1, stream=False)  # caches warm, connections open
        right = _table("whole answers", [vendor, *peers], rounds=rounds, seconds=seconds, stream=False)
        right &= _table(f"streams of {CHUNKS} words", [vendor, *peers], rounds=rounds, seconds=seconds, stream=True)
        right &= _latency(vendor, peers, seconds=max(seconds, 4))
        memory = (f"{one.name} {rss_mb(one.pid):.0f} MB" for one in peers if one.pid)
        print("\nmemory: " + ", ".join(memory))
        return right and _ledger_is_right(gateway)


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
        ratio = "" if name == "oneshape" else f"   oneshape is {ours / best.requests_s:.2f} of it"
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


@contextmanager
def _gateway(directory: Path, vendor_port: int) -> Iterator[Contestant]:
    port, catalog = free_port(), directory / "catalog.yaml"
    catalog.write_text(CATALOG.format(port=vendor_port))
    env = {
        "ONESHAPE_DATA_DIR": str(directory / "data"),
        "ONESHAPE_CATALOG": str(catalog),
        "ONESHAPE_ADMIN_KEY": ADMIN_KEY,
        "ONESHAPE_SECRET_KEY": "benchmark-4e0c85b1f7d24a39",
        "ONESHAPE_PORT": str(port),
    }
    command = python("-c", "from app.cli.main import app; app()", "serve")
    with running(command, core=GATEWAY_CORE, port=port, path="/healthz", env=env, log=directory / "gateway.log") as pid:
        key = _new_key(port)
        yield Contestant("oneshape", port, {"authorization": f"Bearer {key}"}, MODEL, pid)


def _new_key(port: int) -> str:
    with _admin(port) as admin:
        account = admin.post("/admin/accounts", json={"name": "bench", "billing": "prepaid"}).json()["id"]
        admin.post(f"/admin/accounts/{account}/grants", json={"units": 10**12, "reason": "bench"}).raise_for_status()
        made = admin.post("/admin/keys", json={"account_id": account, "name": "bench", "concurrency": 1000})
        key: str = made.raise_for_status().json()["key"]
        return key


def _ledger_is_right(gateway: Contestant) -> bool:
    """Every charge is in order, and each answer was charged once: a hold and a capture beside the grant."""
    with _admin(gateway.port) as admin:
        verification = admin.get("/admin/ledger/verify", timeout=120).json()
        usage = admin.get("/admin/usage").json()
    charges = (verification["entries"] - 1) // 2
    requests = sum(row["requests"] for row in usage.get("items", [usage]) if "requests" in row)
    print(f"ledger: {verification['entries']:,} entries, {charges:,} charges, {requests:,} requests on record")
    if verification["violations"]:
        print("\n".join(verification["violations"][:5]))
    return bool(verification["ok"]) and charges == requests


def _admin(port: int) -> httpx.Client:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, verify=False, timeout=30)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
