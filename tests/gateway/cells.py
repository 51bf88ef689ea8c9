"""The cells of the promise of one API: 5 client routes × 4 image dialects × {text, image input} × {url, base64}.

Every cell is a request over a real socket to the gateway, answered by a simulated vendor that speaks its own page. The
sandbox's log tells what the vendor understood: the pixels asked for and the references that arrived.
"""

import base64
import io
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from tests.support.gateway import Running

DIALECTS = {
    "chat_images": "nano-banana-pro-1k@infinityblue",
    "openai_images": "nano-banana-pro-1k@ccapi",
    "image_tasks": "nano-banana-pro-1k@uniall-tasks",
    "gemini": "nano-banana-pro-1k@google",
}
TALL = (768, 1376)  # 9:16 at 1K (wire-facts 4.3)
RATIO = "9:16"
PROMPT = "a lighthouse"


def reference() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 30, 60)).save(buffer, "PNG")
    return buffer.getvalue()


REFERENCE = reference()
DATA_URI = "data:image/png;base64," + base64.b64encode(REFERENCE).decode()


async def chat(client: httpx.AsyncClient, model: str, *, with_image: bool, inline: bool) -> bytes:
    parts: list[dict[str, Any]] = [{"type": "text", "text": PROMPT}]
    if with_image:
        parts.append({"type": "image_url", "image_url": {"url": DATA_URI}})
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": parts}]}
    body["extra_body"] = {"google": {"image_config": {"aspect_ratio": RATIO}}}
    if inline:
        body["response_format"] = "b64_json"
    answer = await answered(await client.post("/v1/chat/completions", json=body))
    return await taken(client, answer["choices"][0]["message"]["images"][0]["image_url"]["url"], inline=inline)


async def generations(client: httpx.AsyncClient, model: str, *, with_image: bool, inline: bool) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "prompt": PROMPT,
        "aspect_ratio": RATIO,
        **({"image": DATA_URI} if with_image else {}),
    }
    answer = await answered(await client.post("/v1/images/generations", json={**body, **asked(inline)}))
    return await item(client, answer["data"][0], inline=inline)


async def edits(client: httpx.AsyncClient, model: str, *, with_image: bool, inline: bool) -> bytes:
    """An edit always has a picture: one by form, and without `with_image` one by JSON."""
    if with_image:
        form = {"model": model, "prompt": PROMPT, "aspect_ratio": RATIO, **asked(inline)}
        files = [("image[]", ("a.png", REFERENCE, "image/png"))]
        response = await client.post("/v1/images/edits", data=form, files=files)
    else:
        body = {"model": model, "prompt": PROMPT, "aspect_ratio": RATIO, "images": [{"image_url": DATA_URI}]}
        response = await client.post("/v1/images/edits", json={**body, **asked(inline)})
    return await item(client, (await answered(response))["data"][0], inline=inline)


async def tasks(client: httpx.AsyncClient, model: str, *, with_image: bool, inline: bool) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "prompt": PROMPT,
        "aspect_ratio": RATIO,
        **({"image": DATA_URI} if with_image else {}),
    }
    created = await client.post("/v1/images/tasks", json={**body, **asked(inline)})
    assert created.status_code == 202, created.text
    task = (await answered(await client.get(created.headers["location"], params={"wait": 30})))["data"]
    assert (task["status"], task["progress"]) == ("succeeded", "100%")
    assert (await taken(client, task["result_url"], inline=False))[:2] in (b"\x89P", b"\xff\xd8")
    return await item(client, task["results"][0], inline=inline)


async def gemini(client: httpx.AsyncClient, model: str, *, with_image: bool, inline: bool) -> bytes:
    """Gemini's answers are always inline; the second way to ask is the stream."""
    parts: list[dict[str, Any]] = [{"text": PROMPT}]
    if with_image:
        parts.append({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(REFERENCE).decode()}})
    body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": {"imageConfig": {"aspectRatio": RATIO}}}
    headers = {"x-goog-api-key": client.headers["authorization"].removeprefix("Bearer ")}
    action = "generateContent" if inline else "streamGenerateContent"
    answer = await answered(await client.post(f"/v1beta/models/{model}:{action}", json=body, headers=headers))
    document = answer if inline else answer[0]
    pictures = [part for part in document["candidates"][0]["content"]["parts"] if "inlineData" in part]
    return base64.b64decode(pictures[0]["inlineData"]["data"], validate=True)


Ask = Callable[..., Awaitable[bytes]]
ROUTES: dict[str, Ask] = {"chat": chat, "generations": generations, "edits": edits, "tasks": tasks, "gemini": gemini}


def asked(inline: bool) -> dict[str, str]:
    return {"response_format": "b64_json" if inline else "url"}


async def answered(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text[:500]
    return response.json()


async def item(client: httpx.AsyncClient, one: dict[str, Any], *, inline: bool) -> bytes:
    assert ("b64_json" in one, "url" in one) == (inline, not inline)
    return base64.b64decode(one["b64_json"], validate=True) if inline else await taken(client, one["url"], inline=False)


async def taken(client: httpx.AsyncClient, url: str, *, inline: bool) -> bytes:
    if inline:
        return base64.b64decode(url.partition(";base64,")[2], validate=True)
    response = await client.get(url)
    assert response.status_code == 200
    return response.content


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of the table. `inline`: base64 is asked for; on Gemini's route, which has no links, no stream is."""

    route: str
    dialect: str
    with_image: bool
    inline: bool


def cells() -> Iterator[Cell]:
    """All 80."""
    for route in ROUTES:
        for dialect in DIALECTS:
            for with_image in (False, True):
                for inline in (False, True):
                    yield Cell(route, dialect, with_image, inline)


async def picture_of(gateway: Running, cell: Cell) -> tuple[int, int]:
    """Asks for the cell's picture, and decodes it: its pixels. Raises: AssertionError, when the answer is another."""
    before = len(await gateway.paid_calls())
    async with gateway.client() as client:
        ask, model = ROUTES[cell.route], DIALECTS[cell.dialect]
        data = await ask(client, model, with_image=cell.with_image, inline=cell.inline)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        size = picture.size
    calls = (await gateway.paid_calls())[before:]
    arrived = [len(call["order"]["references"]) for call in calls]
    assert arrived == [int(cell.with_image or cell.route == "edits")], f"references at the vendor: {arrived}"
    assert PROMPT in str(calls[0]["order"]["prompt"])
    return size
