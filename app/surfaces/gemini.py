"""Gemini's generateContent as clients of image models speak it: contents in, candidates with inline pictures out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from app.core.catalog import match_key
from app.core.errors import GatewayError, InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageAnswer, ImageRequest, ImageUsage, ServedImage, Turn, Warning
from app.core.media import Blobs
from app.core.settle import says_nothing
from app.wire.fields import read_image_fields, without_pictures
from app.wire.gemini import error_body, snake_keys
from app.wire.openai import base64_of, oneshape
from app.wire.references import References, picture_at, picture_in_base64
from app.wire.said import shown, snake, unknown_parameter

PARTS_MAX: Final = 2_000
"""Parts in all contents together (fault-cases B20)."""

_ELSEWHERE = frozenset({"contents", "system_instruction"})
_IGNORED = frozenset({"tools", "tool_config", "safety_settings", "cached_content", "labels", "service_tier", "store"})
_PART_KNOWN = frozenset({"text", "inline_data", "file_data", "thought", "thought_signature"})
_PART_DATA = ("text", "inline_data", "file_data")
_SETTLED = frozenset({"model", "stream", "response_format"})
_ROLES: Final[Mapping[str | None, Literal["system", "user", "assistant"]]] = {
    None: "user",
    "user": "user",
    "model": "assistant",
    "system": "system",
}


def parse(model: str, body: Mapping[str, Json], blobs: Blobs, *, stream: bool) -> ImageRequest:
    """An order for pictures to the model in the path: the texts of the last user content are the prompt.

    Pictures are answered inline, so `response_format` is always base64.

    Raises:
        InvalidRequest: a field is wrong, fields contradict each other, or `contents` hold no prompt.
    """
    _demand_one_model(model, body.get("model"))
    rest = {key: value for key, value in body.items() if snake(key) not in _SETTLED}
    request = read_image_fields({**rest, "model": model}, elsewhere=_ELSEWHERE, ignored=_IGNORED)
    said = snake_keys(body)
    reader = _Reader(References(blobs))
    reader.references.earlier = True  # The system's pictures come before the prompt.
    system = reader.content(said.get("system_instruction"), "systemInstruction", role="system")
    turns = [] if system is None else [system]
    turns += reader.contents(said.get("contents"))
    return replace(
        request,
        prompt=turns[-1].text,
        history=tuple(turn for turn in turns[:-1] if turn.text),
        inputs=reader.references.inputs,
        response_format="b64_json",
        stream=stream,
        warnings=(
            *request.warnings,
            *_unheeded(body, stream=stream),
            *reader.references.warnings,
            *reader.warnings,
        ),
    )


def render(answer: ImageAnswer) -> Json:
    """The body of a finished request: a candidate for each picture, the vendor's text in the first."""
    return {
        "candidates": [_candidate(answer, index, served) for index, served in enumerate(answer.images)],
        **_about(answer),
    }


def render_stream(answer: ImageAnswer) -> list[Json]:
    """The documents of a finished streamed request: one for each picture, usage with the last, no end mark."""
    last = len(answer.images) - 1
    return [
        {
            "candidates": [_candidate(answer, index, served)],
            **(_about(answer) if index == last else _name(answer)),
        }
        for index, served in enumerate(answer.images)
    ]


def render_error(error: GatewayError) -> Json:
    """The body of a failed request, and the data that ends a stream that failed after it began."""
    return error_body(error)


def _demand_one_model(path: str, said: Json) -> None:
    if said is not None and (not isinstance(said, str) or match_key(said) != match_key(path)):
        raise InvalidRequest(
            f"'model' says {shown(said)}, but the path says {shown(path)}.",
            code="conflicting_parameters",
            param="model",
        )


def _unheeded(body: Mapping[str, Json], *, stream: bool) -> list[Warning]:
    """What the path and this API have settled, where the body says otherwise."""
    settled = {"stream": stream, "response_format": "b64_json"}
    other = [key for key, value in body.items() if snake(key) in settled and value not in (None, settled[snake(key)])]
    warnings = [
        Warning("ignored", key, f"'{key}' does nothing here: the path and this API settle it.") for key in other
    ]
    config = snake_keys(body).get("generation_config")
    if isinstance(config, dict) and without_pictures(snake_keys(config).get("response_modalities")):
        param = "generationConfig.responseModalities"
        warnings.append(Warning("ignored", param, f"'{param}' leaves pictures out, but this model draws."))
    return warnings


class _Reader:
    """Reads contents one after another, gathering their pictures."""

    def __init__(self, references: References) -> None:
        self.references = references
        self.warnings: list[Warning] = []
        self._parts = 0

    def contents(self, contents: Json) -> list[Turn]:
        """The turns up to the last user's, which is the prompt."""
        listed = [contents] if isinstance(contents, dict) else contents
        if not isinstance(listed, list) or not listed:
            raise _no_prompt()
        end = _end(listed)
        turns: list[Turn | None] = []
        for index, content in enumerate(listed[:end]):
            self.references.earlier = index < end - 1
            turns.append(self.content(content, f"contents[{index}]"))
        for index in range(end, len(listed)):
            self.warnings.append(Warning("ignored", f"contents[{index}]", "It comes after the last user's."))
        if not turns or turns[-1] is None or says_nothing(turns[-1].text):
            raise _no_prompt()
        return [turn for turn in turns if turn is not None]

    def content(self, content: Json, param: str, *, role: Literal["system"] | None = None) -> Turn | None:
        """One content as a turn; None when there is none. `role` overrides the content's own."""
        if content is None:
            return None
        if role is not None and isinstance(content, str):
            return Turn(role, self.references.plain(content, param), param)
        if not isinstance(content, dict):
            raise InvalidRequest(f"'{param}' must be an object, not {shown(content)}.", param=param)
        said, parts = content.get("role"), content.get("parts")
        if said is not None and said not in ("user", "model", "system"):
            raise InvalidRequest(f"'{param}.role' must be user or model.", param=f"{param}.role")
        if not isinstance(parts, list | dict):
            raise InvalidRequest(f"'{param}.parts' must be an array.", param=f"{param}.parts")
        listed = parts if isinstance(parts, list) else [parts]
        texts = [self._part(part, f"{param}.parts[{index}]") for index, part in enumerate(listed)]
        return Turn(role or _ROLES[said], "\n".join(text for text in texts if text), param)

    def _part(self, part: Json, param: str) -> str:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise InvalidRequest(f"At most {PARTS_MAX} parts are allowed.", param=param)
        if not isinstance(part, dict):
            raise InvalidRequest(f"'{param}' must be an object, not {shown(part)}.", param=param)
        said = snake_keys(part)
        unknown = [key for key in said if key not in _PART_KNOWN]
        self.warnings += [unknown_parameter(f"{param}.{key}") for key in unknown]
        if said.get("thought") is True:
            return ""  # A model's own draft, sent back by a client that keeps whole contents.
        if len(given := [name for name in _PART_DATA if name in said]) > 1:
            raise InvalidRequest(
                f"'{param}' has both '{given[0]}' and '{given[1]}'; one is allowed.",
                code="conflicting_parameters",
                param=param,
            )
        match said:
            case {"inline_data": dict() as data}:
                self._inline(snake_keys(data), f"{param}.inlineData")
            case {"file_data": dict() as data}:
                self._file(snake_keys(data), f"{param}.fileData")
            case {"text": str(text)}:
                return self.references.plain(text, f"{param}.text")
            case _:
                raise InvalidRequest(f"'{param}' must have one of text, inlineData and fileData.", param=param)
        return ""

    def _inline(self, data: Mapping[str, Json], param: str) -> None:
        self.references.add(picture_in_base64(data.get("data"), f"{param}.data", self.references.blobs))

    def _file(self, data: Mapping[str, Json], param: str) -> None:
        place = f"{param}.fileUri"
        if not isinstance(uri := data.get("file_uri"), str):
            raise InvalidRequest(f"'{place}' must be a text.", code="invalid_image_url", param=place)
        self.references.add(picture_at(uri, place, self.references.blobs))


def _end(contents: list[Json]) -> int:
    """How many contents there are up to the last user's, that one included; all, when one of them is no content."""
    for index in range(len(contents), 0, -1):
        match contents[index - 1]:
            case {"role": "model" | "system"} | None:
                continue
            case _:
                return index
    return 0


def _no_prompt() -> InvalidRequest:
    return InvalidRequest(
        "'contents' must have a user content with text: it is the prompt.",
        code="missing_required_parameter",
        param="contents",
    )


def _candidate(answer: ImageAnswer, index: int, served: ServedImage) -> Json:
    text: list[Json] = [{"text": answer.text}] if answer.text and index == 0 else []
    picture = {"inlineData": {"mimeType": served.image.mime, "data": base64_of(served)}}
    return {"index": index, "content": {"role": "model", "parts": [*text, picture]}, "finishReason": "STOP"}


def _name(answer: ImageAnswer) -> dict[str, Json]:
    return {"modelVersion": answer.model, "responseId": answer.task_id}


def _about(answer: ImageAnswer) -> dict[str, Json]:
    return {"usageMetadata": _usage(answer.usage), **_name(answer), "oneshape": oneshape(answer)}


def _usage(usage: ImageUsage) -> Json:
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens,
        "totalTokenCount": usage.total_tokens,
    }
