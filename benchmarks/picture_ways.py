"""How a client asks for big pictures, or sends one, and makes sure that what comes back is the vendor's."""

import base64
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from benchmarks.picture_gateway import DIALECTS, MODELS, Gateway
from benchmarks.picture_load import Answer, Ask, Connection
from benchmarks.picture_vendor import picture, reference

SURFACES: Final = ("generations", "chat", "tasks", "gemini")
STREAMED: Final = ("generations", "chat", "gemini")
FORM: Final = "edits, form"


@dataclass(frozen=True, slots=True)
class Way:
    """How one picture is asked for and read: `mb` go by each time, `ask` does it and tells the URLs it was given."""

    name: str
    mb: float
    ask: Callable[[Connection], Coroutine[Any, Any, list[str]]]


class Shop:
    """Asks a gateway for pictures on every surface. Raises: ValueError, when what comes is not the vendor's picture."""

    def __init__(self, gateway: Gateway) -> None:
        self._headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        self._text = base64.b64encode(picture())

    async def draw(
        self, connection: Connection, *, surface: str, model: str, inline: bool, stream: bool = False
    ) -> list[str]:
        """A picture of a prompt; its URLs, or none when it was in the answer."""
        fields: dict[str, Any] = {"response_format": "b64_json" if inline else "url"}
        answer = await self._asked(connection, surface, model, fields, stream=stream)
        if not inline:
            return _urls(answer)
        _demand(answer.status == 200 and answer.carries(self._text), answer)
        return []

    async def look(self, connection: Connection, urls: Iterator[str]) -> list[str]:
        """A stored picture by its link."""
        parts = urlsplit(next(urls))
        answer = await connection.ask(Ask("GET", f"{parts.path}?{parts.query}"))
        _demand(answer.is_all(picture()), answer)
        return []

    async def edit(self, connection: Connection, *, model: str) -> list[str]:
        """Sends the reference picture as a form."""
        head = b"".join(
            b'--b0\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
            for field in ((b"model", model.encode()), (b"prompt", b"a fox"))
        )
        head += b'--b0\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n'
        head += b"content-type: image/png\r\n\r\n"
        headers = {**self._headers, "content-type": "multipart/form-data; boundary=b0"}
        body = (head, reference(), b"\r\n--b0--\r\n")
        return _urls(await connection.ask(Ask("POST", "/v1/images/edits", headers, body)))

    async def draw_after(self, connection: Connection, *, surface: str, model: str) -> list[str]:
        """Sends the reference picture as base64, in a data URI where the surface takes one."""
        answer = await self._asked(connection, surface, model, {"image": reference_text()})
        if surface != "gemini":
            return _urls(answer)
        _demand(answer.status == 200 and b'"inlineData"' in answer.body, answer)
        return []

    async def _asked(
        self, connection: Connection, surface: str, model: str, fields: dict[str, Any], *, stream: bool = False
    ) -> Answer:
        path, body = _request(surface, model, fields, stream=stream)
        answer = await connection.ask(Ask("POST", path, self._headers, body))
        if surface != "tasks":
            return answer
        _demand(answer.status == 202, answer)
        task_id = answer.document()["data"]["task_id"]
        return await connection.ask(Ask("GET", f"/v1/images/tasks/{task_id}?wait=60", self._headers))


def ways(gateway: Gateway, *, quick: bool) -> list[Way]:
    """Every surface over one dialect, and every dialect under one surface."""
    pairs = [(surface, "openai_images") for surface in SURFACES]
    pairs += [] if quick else [("generations", dialect) for dialect in DIALECTS[1:]]
    return _drawn(gateway, [*pairs, ("generations", "by_url")])


def all_ways(gateway: Gateway) -> list[Way]:
    """Every surface, answered whole and streamed, over every dialect, a vendor of streams and one that gives links."""
    shop = Shop(gateway)
    streamed = [
        Way(
            f"{surface}, streamed <- {model}, base64",
            _picture_mb(model),
            partial(shop.draw, surface=surface, model=model, inline=True, stream=True),
        )
        for model in MODELS
        for surface in STREAMED
    ]
    return _drawn(gateway, [(surface, model) for model in MODELS for surface in SURFACES]) + streamed


def uploads(gateway: Gateway, *, quick: bool) -> list[Way]:
    """Reference pictures by form and by data URI, to vendors that take forms, JSON or inline data."""
    pairs = [
        (FORM, "openai_images"),
        ("chat", "chat_images"),
        ("generations", "openai_images"),
        ("tasks", "image_tasks"),
    ]
    return _sent(gateway, pairs[:2] if quick else pairs)


def all_uploads(gateway: Gateway) -> list[Way]:
    """Reference pictures on every surface, to every dialect."""
    return _sent(gateway, [(surface, model) for model in DIALECTS for surface in (FORM, *SURFACES)])


@cache
def reference_text() -> bytes:
    """The reference picture in base64, shared by all who send it."""
    return base64.b64encode(reference())


def _drawn(gateway: Gateway, pairs: Sequence[tuple[str, str]]) -> list[Way]:
    shop = Shop(gateway)
    return [
        Way(
            f"{surface} <- {model}, {'base64' if inline else 'url'}",
            _picture_mb(model),
            partial(shop.draw, surface=surface, model=model, inline=inline),
        )
        for surface, model in pairs
        for inline in (False, True)
        if inline or surface != "gemini"
    ]


def _sent(gateway: Gateway, pairs: Sequence[tuple[str, str]]) -> list[Way]:
    shop, form_mb, json_mb = Shop(gateway), len(reference()) / 1e6, len(reference_text()) / 1e6
    return [
        Way(f"upload: {surface} -> {model}", form_mb, partial(shop.edit, model=model))
        if surface == FORM
        else Way(
            f"upload: {surface}, base64 -> {model}", json_mb, partial(shop.draw_after, surface=surface, model=model)
        )
        for surface, model in pairs
    ]


def _picture_mb(model: str) -> float:
    """What a vendor sends for one picture: base64, unless it answers with a link."""
    return len(picture()) * (1 if model == "by_url" else 4 / 3) / 1e6


def _request(surface: str, model: str, fields: dict[str, Any], *, stream: bool) -> tuple[str, Sequence[bytes]]:
    """Path and body. A picture among the fields stays a part of its own, shared by all who send it."""
    image = fields.pop("image", None)
    hole = None if image is None else "@"
    content: Any = "a fox"
    if surface == "gemini":
        parts: list[Any] = [{"text": "a fox"}]
        if hole:
            parts.append({"inlineData": {"mimeType": "image/png", "data": hole}})
        document: Any = {"contents": [{"role": "user", "parts": parts}]}
        path = f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
    elif surface == "chat":
        if hole:
            content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": hole}}]
        document = {"model": model, "messages": [{"role": "user", "content": content}], "stream": stream, **fields}
        path = "/v1/chat/completions"
    else:
        document = {"model": model, "prompt": content, "stream": stream, **fields, **({"image": hole} if hole else {})}
        path = f"/v1/images/{surface}"
    before, _, after = orjson.dumps(document).partition(b'"@"')
    if image is None:
        return path, (before,)
    prefix = b'"' if surface == "gemini" else b'"data:image/png;base64,'
    return path, (before + prefix, image, b'"' + after)


def _urls(answer: Answer) -> list[str]:
    """The pictures' URLs in an answer of any surface."""
    _demand(answer.status == 200, answer)
    document = answer.document()
    if "choices" in document:
        return list(document["media"]["outputs"])
    found = document["data"]
    if isinstance(found, dict):
        _demand(found["status"] == "succeeded", answer)
        return [one["url"] for one in found["results"]]
    return [one["url"] for one in found]


def _demand(true: bool, answer: Answer) -> None:
    if not true:
        raise ValueError(f"a wrong answer, status {answer.status}: {answer.body[:500]!r}")
