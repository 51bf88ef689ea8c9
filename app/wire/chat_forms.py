"""The two forms of a chat answer turned into each other: a vendor may answer a stream request whole, or the reverse."""

from collections.abc import Iterable
from typing import Final

from app.core.exchange import Json

_TOP: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
_ONCE: Final = frozenset({"role", "id", "type"})
"""Texts of a delta that are said whole, even if they are said again."""


def chunks_of(completion: dict[str, Json], *, shows_usage: bool) -> list[Json]:
    """A whole answer as a stream's chunks: for each choice what it says and how it ends, then the usage if asked."""
    head = {name: completion[name] for name in _TOP if name in completion} | {"object": "chat.completion.chunk"}
    chunks: list[Json] = []
    for choice in completion["choices"]:
        index, logprobs = choice.get("index", 0), {name: choice[name] for name in ("logprobs",) if name in choice}
        delta = _delta(choice.get("message") or {})
        chunks.append(head | {"choices": [{"index": index, "delta": delta, "finish_reason": None, **logprobs}]})
        end = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"}
        chunks.append(head | {"choices": [end]})
    if shows_usage and completion.get("usage") is not None:
        chunks.append(head | {"choices": [], "usage": completion["usage"]})
    return chunks


def completion_of(chunks: Iterable[dict[str, Json]]) -> dict[str, Json]:
    """A stream's chunks as one whole answer."""
    top: dict[str, Json] = {}
    choices: dict[int, dict[str, Json]] = {}
    usage: Json = None
    for chunk in chunks:
        top = {name: chunk[name] for name in _TOP if chunk.get(name) is not None} | top
        usage = chunk.get("usage") or usage
        for said in chunk.get("choices") or ():
            fresh = {"message": {"role": "assistant", "content": None}, "finish_reason": None}
            choice = choices.setdefault(_index(said, 0), fresh)
            _merge(choice["message"], said.get("delta") or said.get("message") or {})
            choice["finish_reason"] = said.get("finish_reason") or choice["finish_reason"]
            if isinstance(logprobs := said.get("logprobs"), dict):
                _merge(choice.setdefault("logprobs", {}), logprobs)
    listed = [{"index": index, **choices[index]} for index in sorted(choices)]
    answer = top | {"object": "chat.completion", "choices": listed}
    return answer if usage is None else answer | {"usage": usage}


def has_choices(document: Json) -> bool:
    """Whether it is an answer, or a chunk of one, that says something."""
    if not isinstance(document, dict) or document.get("error"):
        return False
    choices = document.get("choices")
    return isinstance(choices, list) and bool(choices) and all(isinstance(choice, dict) for choice in choices)


def _index(piece: dict[str, Json], position: int) -> int:
    index = piece.get("index")
    return index if type(index) is int else position


def _delta(message: dict[str, Json]) -> dict[str, Json]:
    """A message as one delta: its tool calls need an index there."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return message | {"tool_calls": [{"index": index} | call for index, call in enumerate(calls)]}


def _merge(into: dict[str, Json], delta: dict[str, Json]) -> None:
    """Adds a delta: texts are continued, lists with an index are merged item by item, all else is replaced."""
    for name, value in delta.items():
        if name == "tool_calls" and isinstance(value, list):
            _merge_calls(into.setdefault(name, []), value)
        elif name not in _ONCE and isinstance(value, str | list) and type(into.get(name)) is type(value):
            into[name] += value
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        elif value is not None or name not in into:
            into[name] = value


def _merge_calls(calls: list[dict[str, Json]], said: list[dict[str, Json]]) -> None:
    for position, piece in enumerate(said):
        index = _index(piece, position)
        while len(calls) <= index < len(calls) + 1_000:
            calls.append({})
        if 0 <= index < len(calls):
            _merge(calls[index], {name: value for name, value in piece.items() if name != "index"})
