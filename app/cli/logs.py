"""Sets up logging, once, at the start of a process: one JSON object or one readable line per event, on stderr.

What a line may say is decided here for all of them, ours and libraries': see `safe`.
"""

import logging
import sys
from typing import BinaryIO, Literal

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from app.cli.log_lines import first_line, safe
from app.settings import Settings, environment, unknown_settings


def start_logging(settings: Settings) -> None:
    """Logs as the settings say; the first lines are about settings that are none, since a misspelt one does nothing."""
    set_up_logging(level=settings.log_level, form=settings.log_format)
    log = structlog.get_logger(__name__)
    for name in unknown_settings(environment()):
        log.warning("setting.unknown", setting=name)


def set_up_logging(*, level: str, form: Literal["json", "console"], to: BinaryIO | None = None) -> None:
    """Events of `level` and above go `to` a stream, by default stderr; those of libraries too, from info on."""
    out = to or sys.stderr.buffer
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = _json if form == "json" else _Console(colors=out.isatty())
    structlog.configure(
        processors=[*shared, safe, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[first_line, structlog.stdlib.ProcessorFormatter.remove_processors_meta, safe, render, _text],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries tell more than we may keep when they debug: statements with their values, whole URLs.
    root.setLevel(max(number, logging.INFO))
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _json(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
    return orjson.dumps(event)


def _text(logger: WrappedLogger, name: str, line: EventDict | bytes) -> str:
    assert isinstance(line, bytes)
    return line.decode()


class _Console:
    """For people: the time, the level, the event, and what belongs to it."""

    def __init__(self, *, colors: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=colors)

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        if "exception" in event:
            event["exception"] = "\n".join(event["exception"])
        return self._render(logger, name, event).encode()


class _Handler(logging.Handler):
    """Writes where our own events are written, whole lines at a time."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        self._out.write(self.format(record).encode() + b"\n")
        self._out.flush()
