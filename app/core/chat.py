"""The waist for text: the few fields the gateway acts on; everything else passes as it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A text chat request. `body` is the client's own document; only `model` and `stream_options` are ever changed in it."""

    model: str
    body: Mapping[str, Any]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
