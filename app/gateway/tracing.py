"""Traces by OpenTelemetry: a span for each request, and under it one for each vendor that was called for it.

Attributes are those of the semantic conventions for HTTP and generative AI, and ours under `oneshape.`. They are names
and numbers: no prompt, no key, no picture, no address of a client. Only a process that records traces imports this.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.catalog import Target
from app.core.tracing import PLACE, VendorSpan

SCOPE: Final = "oneshape"
HEADER: Final = "traceparent"
WELL: Final = frozenset({"delivered", "wrong"})
"""Outcomes of which the vendor has no failure to tell."""
_W3C: Final = TraceContextTextMapPropagator()
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Traces:
    """Records spans with a provider, which is its opener's. `tells_vendors`: their calls carry the trace's place."""

    def __init__(self, provider: TracerProvider, *, tells_vendors: bool = False) -> None:
        self._tracer: Tracer = provider.get_tracer(SCOPE)
        self._tells_vendors = tells_vendors

    @contextmanager
    def request(self, method: str, place: str | None) -> Iterator["RequestSpan"]:
        """A request that is served, until the block ends. `place`: the client's `traceparent`, if it sent one."""
        span = self._tracer.start_span(method, context=_context(place), kind=SpanKind.SERVER)
        span.set_attribute("http.request.method", method)
        before = PLACE.set(_place_of(span))
        try:
            yield RequestSpan(span)
        finally:  # What is raised is not recorded: its words may hold what a client sent.
            PLACE.reset(before)
            span.end()

    def calling(self, target: Target) -> VendorSpan:
        """See `app.core.tracing.Calling`."""
        return _CalledVendor(self._tracer, target, tells_vendor=self._tells_vendors)


class RequestSpan:
    """One request that is served."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """The trace's id, as it is searched for."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def answered(self, method: str, route: str | None, status: int, facts: Mapping[str, str | int | None]) -> None:
        """How it was answered. `route`: the path as it is declared; `facts`: attributes, where they are known."""
        if route is not None:
            self._span.update_name(f"{method} {route}")
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attributes({name: value for name, value in facts.items() if value is not None})


class _CalledVendor:
    """See `VendorSpan`."""

    __slots__ = ("_span", "headers")

    def __init__(self, tracer: Tracer, target: Target, *, tells_vendor: bool) -> None:
        vendor, text = target.vendor, target.vendor.dialect == "openai_chat"
        operation = "chat" if text else "generate_content"
        where = urlsplit(vendor.base_url)
        self._span = tracer.start_span(
            f"{operation} {target.model}",
            context=_context(PLACE.get()),
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": vendor.name,
                "gen_ai.request.model": target.model,
                "gen_ai.output.type": "text" if text else "image",
                "server.address": where.hostname or "",
                "server.port": where.port or (80 if where.scheme == "http" else 443),
                "oneshape.dialect": vendor.dialect,
            },
        )
        place = _place_of(self._span) if tells_vendor else None
        self.headers: Mapping[str, str] = _NONE if place is None else {HEADER: place}

    def of_task(self, task_id: str) -> None:
        """See `VendorSpan`."""
        self._span.set_attribute("oneshape.task_id", task_id)

    def answered(self, *, model: str | None = None, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """See `VendorSpan`."""
        if model is not None:
            self._span.set_attribute("gen_ai.response.model", model)
        if input_tokens or output_tokens:
            self._span.set_attribute("gen_ai.usage.input_tokens", input_tokens)
            self._span.set_attribute("gen_ai.usage.output_tokens", output_tokens)

    def end(self, outcome: str, *, status: int | None = None) -> None:
        """See `VendorSpan`. What is told after the first time changes nothing."""
        if not self._span.is_recording():
            return
        self._span.set_attribute("oneshape.outcome", outcome)
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if outcome not in WELL:
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _context(place: str | None) -> Context:
    """Where a `traceparent` says that one is; one that says nothing, or nothing valid, begins a trace."""
    return _W3C.extract({} if place is None else {HEADER: place}, context=Context())


def _place_of(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"
