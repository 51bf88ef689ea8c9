"""Text chat at the waist: the body as it came, the few fields we act on, and how many tokens a request may use."""

import re
from dataclasses import dataclass
from typing import Final

from app.core.pricing import TokenUsage

PICTURE_TOKENS_MAX: Final = 50_000
"""What one picture may count as: gpt-4o-mini's largest, 2,833 + 8 × 5,667, is the highest that vendors publish."""
OUTPUT_TOKENS_MAX: Final = 16_384
"""What an answer is held for when neither the client nor the model says how long it may become."""
BYTES_PER_TOKEN: Final = 4
"""The usual mean of English text, for estimates only."""

_INLINE: Final = re.compile(rb'"data:[^"\\,]{1,100};base64,([^"]*+)"')
_PICTURE: Final = b'"image_url"'


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A text request. `body` is the client's JSON object, byte for byte; the rest is what we act on.

    `shows_usage`: the client asked for the usage chunk of a stream. `max_output_tokens` is of one choice; None: not
    said.
    """

    model: str
    body: bytes
    stream: bool = False
    shows_usage: bool = False
    stream_options: bool = False
    max_output_tokens: int | None = None
    choices: int = 1


def usage_at_most(request: ChatRequest, model_max_output_tokens: int | None) -> TokenUsage:
    """No request uses more: no token is shorter than a byte, and every choice may become as long as allowed."""
    per_choice = request.max_output_tokens or model_max_output_tokens or OUTPUT_TOKENS_MAX
    text_bytes, pictures = _measure(request.body)
    return TokenUsage(text_bytes + pictures * PICTURE_TOKENS_MAX, per_choice * request.choices)


def usage_estimated(request: ChatRequest, output_tokens: int) -> TokenUsage:
    """What a request probably used, where the vendor does not say."""
    text_bytes, pictures = _measure(request.body)
    return TokenUsage(-(-text_bytes // BYTES_PER_TOKEN) + pictures * 1_000, output_tokens)


def _measure(body: bytes) -> tuple[int, int]:
    """How many bytes of text and how many pictures."""
    named = body.count(_PICTURE)
    if not named:
        return len(body), 0
    inline_bytes = sum(match.end(1) - match.start(1) for match in _INLINE.finditer(body))
    return len(body) - inline_bytes, -(-named // 2)  # Each part names it as its type and as its key.
