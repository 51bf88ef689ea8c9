"""Opens what records traces, where the environment names a collector; else nothing of OpenTelemetry is loaded."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from app.settings import SettingsInvalid

if TYPE_CHECKING:
    from app.gateway.tracing import Traces

PREFIX: Final = "OTEL_"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def open_traces(stack: AsyncExitStack, env: Mapping[str, str], *, tells_vendors: bool) -> "Traces | None":
    """What records traces and sends them by OTLP over HTTP; None when no collector is named, or traces are turned off.

    All OTEL_* variables are those of OpenTelemetry's specification. Raises: SettingsInvalid: the extra is missing.
    """
    if not wanted(env):
        return None
    # OpenTelemetry reads the process's own variables: those of `.env` are put there, without changing any.
    for name in env:
        if name.startswith(PREFIX):
            os.environ.setdefault(name, env[name])
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        from app.gateway.tracing import Traces  # noqa: PLC0415 - there only with the extra otel
    except ModuleNotFoundError as error:
        raise SettingsInvalid([f"{_named(env)}: install oneshape[otel] to record traces"]) from error
    resource = Resource.create(None if _names_service(env) else {"service.name": "oneshape"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    stack.push_async_callback(asyncio.to_thread, provider.shutdown)
    return Traces(provider, tells_vendors=tells_vendors)


def wanted(env: Mapping[str, str]) -> bool:
    """Whether traces are to be sent somewhere."""
    off = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or "none" in env.get("OTEL_TRACES_EXPORTER", "")
    return not off and any(env.get(name) for name in ENDPOINTS)


def _named(env: Mapping[str, str]) -> str:
    return next(name for name in ENDPOINTS if env.get(name))


def _names_service(env: Mapping[str, str]) -> bool:
    return bool(env.get("OTEL_SERVICE_NAME")) or "service.name=" in env.get("OTEL_RESOURCE_ATTRIBUTES", "")
