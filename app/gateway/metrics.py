"""What this process counts while it works, for Prometheus. What can be asked at any time instead, such as queues and
breakers, is read when somebody looks: see `gauges`.

Labels are bounded: surfaces, kinds and outcomes are closed sets, models and vendors are those of the catalog. What a
client sends is never a label (fault-cases H100).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from app.core.task import TaskStatus
from app.gateway.shared_metrics import add_up

REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
ATTEMPT_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
LAG_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
NO_MODEL: Final = "none"


class _LoadGauges:
    """What a process has taken on. Of processes that share a socket: the sum of the living, of memory the fullest."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, told: str, of_all: Literal["livesum", "livemax"] = "livesum") -> Gauge:
            return Gauge(f"oneshape_{name}", told, multiprocess_mode=of_all, registry=registry)

        self.running = gauge("requests_running", "Requests at work.")
        self.waiting = gauge("requests_waiting", "Requests that wait for a place.")
        self.body_bytes = gauge("body_bytes", "Bytes of bodies in memory.")
        self.memory = gauge("memory_ratio", "Memory in use, of what this process may have.", "livemax")


class Metrics:
    """One process's counters, in a registry of their own."""

    def __init__(self, shared: Path | None = None) -> None:
        """`shared`: the folder of those that share this process's socket (see `shared_metrics`)."""
        self._shared = shared
        registry = self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "oneshape_requests",
            "Requests answered, by surface, what kind of model they asked for, the model, and the class of the status.",
            ("surface", "kind", "model", "status"),
            registry=registry,
        )
        self._request_s = Histogram(
            "oneshape_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("surface", "kind"),
            buckets=REQUEST_S,
            registry=registry,
        )
        self._attempts = Counter(
            "oneshape_attempts",
            "Pieces of work that vendors were called for, by what came of them.",
            ("vendor", "outcome"),
            registry=registry,
        )
        self._attempt_s = Histogram(
            "oneshape_attempt_duration_seconds",
            "From calling a vendor to what came of it, polling included.",
            ("vendor",),
            buckets=ATTEMPT_S,
            registry=registry,
        )
        self._tasks = Counter("oneshape_tasks_ended", "Image tasks that ended here.", ("status",), registry=registry)
        self._pictures = Counter(
            "oneshape_pictures_delivered", "Pictures stored and charged.", ("model",), registry=registry
        )
        self._units = Counter("oneshape_units_captured", "Units charged to clients.", ("kind",), registry=registry)
        self._refused = Counter(
            "oneshape_connections_refused",
            "Connections that were refused or ended before any request reached the application, by status or reason.",
            ("reason",),
            registry=registry,
        )
        self._removed = Counter(
            "oneshape_records_removed", "Old records that were removed, by table.", ("table",), registry=registry
        )
        self._lag_s = Histogram(
            "oneshape_event_loop_lag_seconds",
            "How late the event loop was, ten times a second while requests are at work.",
            buckets=LAG_S,
            registry=registry,
        )
        self._load = _LoadGauges(registry)
        # Looking a labelled series up costs more than counting in it: each is looked up once.
        self._of_request: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}
        self._of_attempt: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._text_units = self._units.labels("chat")
        for status in TaskStatus:
            if status.terminal:
                self._tasks.labels(status.value)

    def request(self, surface: str, kind: str, model: str, status: int, *, seconds: float) -> None:
        """A request was answered. `model`: a model of the catalog, or `NO_MODEL`."""
        key = (surface, kind, model, status // 100)
        series = self._of_request.get(key)
        if series is None:
            count = self._requests.labels(surface, kind, model, f"{status // 100}xx")
            series = self._of_request[key] = (count, self._request_s.labels(surface, kind))
        series[0].inc()
        series[1].observe(seconds)

    def attempt(self, vendor: str, outcome: str, seconds: float) -> None:
        """A vendor was called, and this came of it: `delivered`, `wrong`, or the name of a failure."""
        series = self._of_attempt.get((vendor, outcome))
        if series is None:
            series = (self._attempts.labels(vendor, outcome), self._attempt_s.labels(vendor))
            self._of_attempt[(vendor, outcome)] = series
        series[0].inc()
        series[1].observe(seconds)

    def task_ended(self, status: TaskStatus, *, model: str = "", pictures: int = 0, units: int = 0) -> None:
        """A task has ended, and that is committed. `model` is needed where there are pictures."""
        self._tasks.labels(status.value).inc()
        if pictures:
            self._pictures.labels(model).inc(pictures)
            self._units.labels("image").inc(units)

    def texts_charged(self, units: Iterable[int]) -> None:
        """Text requests were charged, and that is committed."""
        self._text_units.inc(sum(units))

    def refused(self, reason: str) -> None:
        """A connection was ended: `reason` is a status, or a word of the protocol's few."""
        self._refused.labels(reason).inc()

    def removed(self, records: Mapping[str, int]) -> None:
        """So many records of each table were removed, and that is committed."""
        for table, count in records.items():
            self._removed.labels(table).inc(count)

    def told(self) -> bytes:
        """Everything as text, of all processes behind the socket."""
        return generate_latest(self.registry if self._shared is None else add_up(self._shared))

    def loaded(self, *, running: int, waiting: int, body_bytes: int, memory: float) -> None:
        """What is at work now, what waits for a place, bytes of bodies, and how full the memory is, 0 to 1."""
        self._load.running.set(running)
        self._load.waiting.set(waiting)
        self._load.body_bytes.set(body_bytes)
        self._load.memory.set(memory)

    def lagged(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag_s.observe(seconds)
