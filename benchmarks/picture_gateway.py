"""A gateway and its vendor of big pictures as processes of their own, and how much the gateway's takes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx

from benchmarks.meanwhile import Meanwhile
from benchmarks.processes import free_port

ROOT: Final = Path(__file__).resolve().parent.parent
ADMIN_KEY: Final = "adm-3tY8wQ5nZ1xV6bR9"
ADMIN: Final = {"authorization": f"Bearer {ADMIN_KEY}"}
DIALECTS: Final = ("openai_images", "chat_images", "gemini", "image_tasks")
MODELS: Final = (*DIALECTS, "chat_events", "by_url")
"""A model for each dialect, for a vendor that streams, and for one that answers with a link."""
KEPT: Final = 48
"""How many pictures stay: more than are on their way at once, and those that are looked at afterwards."""
BUCKET: Final = {
    "ONESHAPE_MEDIA_URL": "s3://pictures",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}
NONE: Final[Mapping[str, str]] = MappingProxyType({})
_CATALOG: Final = """\
version: 1
currency: USD
vendors:
  openai_images: {{dialect: openai_images, base_url: "{url}", api_keys: [k-1], concurrency: 64}}
  chat_images: {{dialect: chat_images, base_url: "{url}", api_keys: [k-1], concurrency: 64}}
  gemini: {{dialect: gemini, base_url: "{url}/gemini", api_keys: [k-1], concurrency: 64}}
  image_tasks:
    dialect: image_tasks
    base_url: "{url}"
    api_keys: [k-1]
    concurrency: 64
    options: {{tasks_path: /tasks, poll_seconds: 0.1}}
  chat_events:
    dialect: chat_images
    base_url: "{url}/events"
    api_keys: [k-1]
    concurrency: 64
    options: {{stream: true}}
  by_url: {{dialect: openai_images, base_url: "{url}/url", api_keys: [k-1], concurrency: 64}}
{others}models:
"""
_OTHER: Final = '  {0}: {{dialect: openai_images, base_url: "{1}", api_keys: [k-1], concurrency: 64}}\n'
_MODEL: Final = '  - {{id: {0}, kind: image, price: {{per_image: "0.05"}}, targets: [{{vendor: {0}, model: big}}]}}\n'


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway at `port`; `key` is a client's, `media` where it keeps pictures."""

    port: int
    vendor_port: int
    pid: int
    key: str
    media: Path

    def get(self, path: str) -> Any:
        """An operator's question."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=ADMIN, timeout=120, trust_env=False).json()

    def counts(self) -> Any:
        """What the vendor saw."""
        return httpx.get(f"http://127.0.0.1:{self.vendor_port}/counts", trust_env=False).json()

    def rss_mb(self) -> float:
        """Resident memory now, file maps included."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most resident memory since `forget_peak`, as the kernel saw it."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begins to look for the peak anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Processor seconds so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise KeyError(name)


class Retention(Meanwhile):
    """Erases all but the newest pictures meanwhile: a gateway that has been up for long erases as many as it stores,
    and its machine writes into memory that it has used before. Memory that the host of a virtual machine has to give
    first costs 22 to 30 ms of processor time for a picture of 12 MB, where it is 2 otherwise (November 2026).
    """

    def __init__(self, media: Path) -> None:
        self._media = media
        super().__init__()

    def run(self) -> None:
        """Looks twenty times a second."""
        while not self.ended.wait(0.05):
            stored = list(self._media.glob("??/*"))
            for old in sorted(stored, key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
                old.unlink()


@contextmanager
def running(directory: Path, *, in_bucket: bool = False, others: Mapping[str, str] = NONE) -> Iterator[Gateway]:
    """Starts both, the gateway pinned to one core and everything else to the others where that can be done.

    `in_bucket`: it keeps its pictures in a bucket, which is started too. `others`: more models, each with a vendor of
    its name at that URL.
    """
    vendor_port, bucket_port, port = free_port(), free_port(), free_port()
    all_cpus = os.sched_getaffinity(0)
    gateway_cpus, other_cpus = _cpus()
    os.sched_setaffinity(0, other_cpus)
    catalog = _CATALOG.format(
        url=f"http://127.0.0.1:{vendor_port}/v1", others="".join(_OTHER.format(*other) for other in others.items())
    )
    (directory / "catalog.yaml").write_text(catalog + "".join(map(_MODEL.format, (*MODELS, *others))))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONESHAPE_")} | {
        "PYTHONPATH": str(ROOT),
        "ONESHAPE_DATA_DIR": str(directory),
        "ONESHAPE_CATALOG": str(directory / "catalog.yaml"),
        "ONESHAPE_ADMIN_KEY": ADMIN_KEY,
        "ONESHAPE_SECRET_KEY": "9d1c7f3e5b8a42f6a0e4c2d8b6f19a37",
        "ONESHAPE_ALLOW_PRIVATE_NETWORKS": "127.0.0.0/8",
        "ONESHAPE_KEY_CONCURRENCY": "64",
        "ONESHAPE_MIN_FREE_DISK_MB": "0",
        "ONESHAPE_LOG_LEVEL": "warning",
    }
    if in_bucket:
        environment |= {**BUCKET, "ONESHAPE_MEDIA_S3_ENDPOINT": f"http://127.0.0.1:{bucket_port}"}
    with ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("wb"))
        helpers = [("benchmarks.picture_vendor", vendor_port)]
        helpers += [("benchmarks.picture_bucket", bucket_port)] if in_bucket else []
        for module, helper_port in helpers:
            command = [sys.executable, "-m", module, str(helper_port)]
            helper = stack.enter_context(_process(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE))
            assert helper.stdout is not None
            helper.stdout.readline()
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
        serving = stack.enter_context(_process(command, cwd=directory, env=environment, stdout=log, stderr=log))
        os.sched_setaffinity(serving.pid, gateway_cpus)
        _wait_until_ready(port, serving, directory / "log")
        try:
            yield Gateway(port, vendor_port, serving.pid, _new_key(port), directory / "media")
        finally:
            os.sched_setaffinity(0, all_cpus)


@contextmanager
def _process(command: list[str], **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cpus() -> tuple[set[int], set[int]]:
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[0]}, set(cpus[1:]) or {cpus[0]}


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"the gateway ended:\n{log.read_text()}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit(f"the gateway is not ready:\n{log.read_text()}")


def _new_key(port: int) -> str:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/admin", headers=ADMIN, timeout=30, trust_env=False) as admin:
        account = admin.post("/accounts", json={"name": "bench", "billing": "prepaid"}).raise_for_status().json()["id"]
        grant = {"units": 10**12, "reason": "benchmark"}
        admin.post(f"/accounts/{account}/grants", json=grant).raise_for_status()
        made = admin.post("/keys", json={"account_id": account, "name": "bench"}).raise_for_status().json()
    return str(made["key"])
