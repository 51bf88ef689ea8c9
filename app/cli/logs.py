"""Sets up logging, once, at the start of a process: one JSON object or one coloured line per event, on stderr."""

import logging
import sys
from typing import Literal

import structlog


def set_up_logging(*, level: str, form: Literal["json", "console"]) -> None:
    """Events of `level` and above; libraries' logs go the same way. A newline in a value cannot forge a line (H100)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelName(level.upper()), logging.INFO))
    # It logs every URL in full, and URLs carry credentials.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # It warns of every malformed form that a client sends.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
