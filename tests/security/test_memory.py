"""B14, section 5: with most of its memory in use a process begins no work, with nearly all takes no body."""

import asyncio
import random
from pathlib import Path

import httpx
import pytest

from app.core.clock import Clock
from app.core.errors import Overloaded
from app.gateway.metrics import Metrics
from app.gateway.services import LoadLimits
from app.web.load import Load
from app.web.memory import Memory
from tests.metrics.scraping import AS_ADMIN
from tests.support.gateway import running_gateway

MB = 2**20
CLOCK = Clock()


def kernel(root: Path, files: dict[str, str]) -> Path:
    """A directory with the kernel's files."""
    machine = {"proc/meminfo": "MemTotal: 1024000 kB\nMemFree: 5 kB\n", "proc/self/statm": "9 0 1 1 0 1 0\n"}
    for name, content in (machine | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def group(name: str, limit: int | str, used: int, *, cached: int = 0, version: int = 2) -> dict[str, str]:
    """The files of one control group."""
    if version == 1:
        top = f"sys/fs/cgroup/memory/{name}"
        return {
            f"{top}/memory.limit_in_bytes": str(limit),
            f"{top}/memory.usage_in_bytes": str(used),
            f"{top}/memory.stat": f"cache 1\ntotal_active_file {cached}\ntotal_inactive_file 0\n",
        }
    top = f"sys/fs/cgroup/{name}"
    stat = f"anon 5\ninactive_file {cached}\nactive_file 0\nslab 7\n"
    return {f"{top}/memory.max": str(limit), f"{top}/memory.current": str(used), f"{top}/memory.stat": stat}


def test_of_a_container_its_limit_counts_and_cached_files_do_not(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n"} | group("", 1000 * MB, 900 * MB, cached=400 * MB)
    assert Memory.of_this_process(root=kernel(tmp_path, files)).fullness() == pytest.approx(0.5)


def test_the_tightest_of_the_groups_around_a_service_counts(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/system.slice/oneshape.service\n"}
    files |= group("system.slice", 1000 * MB, 900 * MB) | group("system.slice/oneshape.service", 500 * MB, 100 * MB)
    files |= group("", "max", 9)
    assert Memory.of_this_process(root=kernel(tmp_path, files)).fullness() == pytest.approx(0.9)


def test_the_older_kind_of_groups_counts_where_there_is_one(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "9:cpu:/x\n4:memory:/docker/abc\n0::/\n"}
    files |= group("docker/abc", 1000 * MB, 800 * MB, cached=100 * MB, version=1)
    files |= group("", 9223372036854771712, 5, version=1)
    assert Memory.of_this_process(root=kernel(tmp_path, files)).fullness() == pytest.approx(0.7)


def test_a_group_that_is_mounted_as_the_top_is_found(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "4:memory:/docker/abc\n"} | group("", 1000 * MB, 600 * MB, version=1)
    assert Memory.of_this_process(root=kernel(tmp_path, files)).fullness() == pytest.approx(0.6)


def test_without_a_limit_the_process_is_measured_against_the_machine_or_the_setting(tmp_path: Path) -> None:
    root = kernel(tmp_path, {"proc/self/statm": f"999999 {125 * MB // 4096} 1 1 0 1 0\n"})
    assert Memory.of_this_process(root=root).fullness() == pytest.approx(0.125)
    assert Memory.of_this_process(250 * MB, root=root).fullness() == pytest.approx(0.5)


def test_where_the_kernel_tells_nothing_nothing_is_full(tmp_path: Path) -> None:
    assert Memory.of_this_process(root=tmp_path).fullness() == 0


def test_this_process_has_used_some_of_its_memory() -> None:
    assert 0 < Memory.of_this_process().fullness() < 1.5


async def ticked(load: Load, fullness: float) -> None:
    """Waits until the load has seen it."""
    async with asyncio.timeout(30):
        while load.memory != fullness:
            await CLOCK.sleep(0.02)


async def test_no_work_is_begun_above_85_percent_and_no_body_taken_above_95_until_it_is_less_again() -> None:
    full = [0.0]
    load = Load(LoadLimits(lag_s=60), rng=random.Random(7), metrics=Metrics(), memory=lambda: full[0])
    await load.enter(b"a")
    load.leave()
    for full[0] in (0.86, 0.96, 0.84):
        load.demand_room(0) if load.memory < 0.9 else None
        await ticked(load, full[0])
        if full[0] > 0.85:
            with pytest.raises(Overloaded):
                await load.enter(b"a")
        if full[0] > 0.95:
            with pytest.raises(Overloaded):
                load.hold(1)
            with pytest.raises(Overloaded):
                load.demand_room(1)
        else:
            load.demand_room(1)
            load.hold(1)
    await load.enter(b"a")


async def test_a_process_without_memory_says_503_and_still_tells_how_it_is(tmp_path: Path) -> None:
    """The limit is below what any process needs, so this one is full from its first measurement on."""
    async with running_gateway(tmp_path, max_memory_mb=128) as gateway, gateway.client() as client:
        waste = bytearray(128 * MB)
        body = {"model": "nano-banana", "prompt": "a fox"}
        async with asyncio.timeout(60):
            while (refused := await client.post("/v1/images/generations", json=body)).status_code == 200:
                await CLOCK.sleep(0.1)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert refused.headers["x-should-retry"] == "true"
        assert 5 <= int(refused.headers["retry-after"]) <= 30
        async with httpx.AsyncClient(base_url=gateway.url, headers=AS_ADMIN) as admin:
            text = (await admin.get("/metrics")).text
        (ratio,) = (line.split()[1] for line in text.splitlines() if line.startswith("oneshape_memory_ratio "))
        assert float(ratio) > 0.95
        assert (await client.get("/v1/models")).status_code == 200
        assert len(waste) == 128 * MB
