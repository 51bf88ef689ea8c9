"""A provider that keeps its spans, and what is looked for in them. No fixtures."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.gateway.tracing import Traces


class Recorded:
    """Traces, and the spans that have ended."""

    def __init__(self, *, tells_vendors: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(provider, tells_vendors=tells_vendors)

    def of(self, trace_id: str, kind: SpanKind) -> list[ReadableSpan]:
        """The spans of a trace, the one that ended first before the others."""
        found = self._exporter.get_finished_spans()
        return [span for span in found if span.kind is kind and f"{_ids(span)[0]:032x}" == trace_id]

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """Every span."""
        return self._exporter.get_finished_spans()


def facts(span: ReadableSpan) -> Mapping[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})


def is_child(span: ReadableSpan, of: ReadableSpan) -> bool:
    """Whether one was begun under the other."""
    return span.parent is not None and span.parent.span_id == _ids(of)[1]


def _ids(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id
