"""How one sandbox behaves: its speed, its limits, its clock. Not the operator's settings of the gateway."""

from dataclasses import dataclass, field
from pathlib import Path

from app.core.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Options of one simulated world.

    `latency_s` passes before any answer, `chunk_s` between two events of a stream; `task_seconds` is how long an
    image task takes from creation to success. `log_path` names a file of fsynced JSON lines, one per call.
    """

    latency_s: float = 0.0
    chunk_s: float = 0.0
    task_seconds: float = 1.0
    files_max_bytes: int = 512 * 1024 * 1024
    calls_max: int = 100_000
    log_path: Path | None = None
    clock: Clock = field(default_factory=Clock)
