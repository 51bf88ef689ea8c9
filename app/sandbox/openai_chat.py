"""A small text model behind OpenAI's chat API: it repeats what it was told, so that answers can be foretold."""

import re
import uuid
from dataclasses import dataclass
from typing import Final, Literal

import orjson
from starlette.responses import Response

from app.sandbox import openai_images
from app.sandbox.delivery import Event
from app.sandbox.desk import Visit
from app.sandbox.reading import Json, flag_at, object_at, text_at, whole_number_at
from app.sandbox.refusals import Refusal, json_response
from app.sandbox.usage import spoiled_usage

MODELS: Final = ("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini", "gpt-4.1", "gpt-5-mini", "gpt-5", "sandbox-text")
_TOKENS_MAX: Final = 1_000_000
_PIECE: Final = re.compile(r"\s*\S+|\s+$")

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: pieces of text, one token each, or one call of a tool."""

    pieces: tuple[str, ...]
    finish: Finish
    tool: str | None = None

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


async def complete(visit: Visit) -> Response:
    """`POST /v1/chat/completions`."""
    body = visit.json_body()
    model = text_at(body, "model", required=True)
    if model not in MODELS:
        raise Refusal(404, f"The model `{model}` does not exist.", code="model_not_found", param="model")
    texts = _texts(body)
    reply = _reply(body, texts)
    choices = whole_number_at(body, "n", default=1, allowed=range(1, 9))
    asked_stream = flag_at(body, "stream")
    if "stream_options" in body and not asked_stream:
        raise Refusal(400, "stream_options needs stream.", param="stream_options")
    if (instead := await visit.admit(model=model, prompt=texts[-1])) is not None:
        return instead
    usage = _usage(texts, len(reply.pieces) * choices)
    base: Json = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": visit.now_s, "model": model}
    if visit.streams(asked_stream):
        counted = flag_at(object_at(body, "stream_options"), "include_usage")
        return visit.delivery.events(_events(base, reply, choices, usage if counted else None, visit.faults))
    told: list[Json] = [
        {"index": index, "message": _message(reply), "finish_reason": reply.finish, "logprobs": None}
        for index in range(choices)
    ]
    answer = {**base, "object": "chat.completion", "choices": told, "usage": usage}
    return visit.delivery.whole(spoiled_usage(answer, visit.faults))


async def list_models(visit: Visit) -> Response:
    """`GET /v1/models`: text and image models."""
    names = (*MODELS, *openai_images.MODELS)
    data = [{"id": name, "object": "model", "created": 1_790_000_000, "owned_by": "sandbox"} for name in names]
    return json_response({"object": "list", "data": data})


def _texts(body: Json) -> list[str]:
    """The text of each message. Raises Refusal (400) when there is none."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages must be a non-empty array.", param="messages")
    texts = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise Refusal(400, "Every message needs a role.", param="messages")
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        texts.append(" ".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text")))
    return texts


def _reply(body: Json, texts: list[str]) -> Reply:
    tool = _tool_to_call(body)
    if tool is not None:
        return Reply((orjson.dumps({"echo": texts[-1]}).decode(),), "tool_calls", tool)
    said = f"You said: {texts[-1]}"
    if object_at(body, "response_format").get("type") in ("json_object", "json_schema"):
        said = orjson.dumps({"echo": texts[-1]}).decode()
    pieces = tuple(_PIECE.findall(said))
    old = whole_number_at(body, "max_tokens", default=_TOKENS_MAX, allowed=range(1, _TOKENS_MAX + 1))
    limit = whole_number_at(body, "max_completion_tokens", default=old, allowed=range(1, _TOKENS_MAX + 1))
    return Reply(pieces[:limit], "length" if len(pieces) > limit else "stop")


def _tool_to_call(body: Json) -> str | None:
    """The first function offered, unless none may be called or a tool has just answered."""
    messages, tools = body["messages"], body.get("tools")
    assert isinstance(messages, list)
    if not isinstance(tools, list) or body.get("tool_choice") == "none" or messages[-1]["role"] == "tool":
        return None
    names = [str(object_at(tool, "function").get("name")) for tool in tools if isinstance(tool, dict)]
    return names[0] if names else None


def _message(reply: Reply) -> Json:
    if reply.tool is None:
        return {"role": "assistant", "content": reply.text, "refusal": None}
    function = {"name": reply.tool, "arguments": reply.text}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_sandbox", "type": "function", "function": function}],
    }


def _events(base: Json, reply: Reply, choices: int, usage: Json | None, faults: frozenset[str]) -> list[Event]:
    """A role chunk, one chunk per piece, the finish, and the counts in a chunk of their own when asked for."""
    base = {**base, "object": "chat.completion.chunk"}
    beside: Json = {} if usage is None else {"usage": None}
    events = []
    for index in range(choices):
        opening: Json = {"role": "assistant", "content": "" if reply.tool is None else None}
        choices_told = [_choice(index, delta, None) for delta in (opening, *_deltas(reply))]
        choices_told.append(_choice(index, {}, reply.finish))
        events += [Event({**base, "choices": [choice], **beside}) for choice in choices_told]
    if usage is not None:
        events.append(Event(spoiled_usage({**base, "choices": [], "usage": usage}, faults)))
    return events


def _choice(index: int, delta: Json, finish: Finish | None) -> Json:
    return {"index": index, "delta": delta, "finish_reason": finish}


def _deltas(reply: Reply) -> list[Json]:
    if reply.tool is None:
        return [{"content": piece} for piece in reply.pieces]
    half = len(reply.text) // 2
    first = {"name": reply.tool, "arguments": ""}
    opening: Json = {"index": 0, "id": "call_sandbox", "type": "function", "function": first}
    rest: list[Json] = [
        {"index": 0, "function": {"arguments": text}} for text in (reply.text[:half], reply.text[half:])
    ]
    return [{"tool_calls": [call]} for call in (opening, *rest)]


def _usage(texts: list[str], completion_tokens: int) -> Json:
    """A word is a token, and each message costs three more."""
    prompt_tokens = sum(len(text.split()) + 3 for text in texts)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
