"""One small request per simulated vendor, and where its pictures are found in an ordinary answer."""

import re
from dataclasses import dataclass
from typing import Any, Final

import httpx

from app.core.media import decode_base64
from app.sandbox.orders import VendorName
from tests.sandbox.support import HandClock

TASKS: Final = "/uniall/v1/images/tasks"
CHAT_VENDORS: Final[tuple[VendorName, ...]] = ("uniall", "infinityblue")
_HALF_K: Final = {"google": {"image_config": {"image_size": "0.5K"}}}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the vendor told it: a URL, or base64 text with the mime type beside it if there was one."""

    url: str | None = None
    base64: str | None = None


def request_of(vendor: VendorName, prompt: str, *, stream: bool = False) -> tuple[str, dict[str, Any]]:
    """Path and body; pictures of half a K, so that tests are quick."""
    messages = [{"role": "user", "content": prompt}]
    match vendor:
        case "uniall":
            return "/uniall/v1/chat/completions", {"model": "NanoBanana2-0.5K", "messages": messages, "stream": stream}
        case "uniall-tasks":
            return TASKS, {"model": "NanoBanana2-0.5K", "prompt": prompt}
        case "infinityblue":
            body = {"model": "nanobanana_2", "messages": messages, "stream": stream, "extra_body": _HALF_K}
            return "/infinityblue/v1/chat/completions", body
        case "ccapi":
            return "/ccapi//v1/images/generations", {"model": "nano-banana-2-0.5k", "prompt": prompt}
        case "google":
            action = "streamGenerateContent?alt=sse" if stream else "generateContent"
            config = {"imageConfig": {"imageSize": "512"}}
            body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}
            return f"/google/v1beta/models/gemini-3.1-flash-image:{action}", body
        case "openai":
            body = {"model": "gpt-image-2", "prompt": prompt, "size": "512x512", "n": 1 if stream else 2}
            return "/openai/v1/images/generations", {**body, "stream": stream}
        case "openai-chat":
            counted = {"stream_options": {"include_usage": True}} if stream else {}
            body = {"model": "gpt-4o-mini", "messages": messages, "stream": stream, **counted}
            return "/openai/v1/chat/completions", body


async def ask(
    client: httpx.AsyncClient, vendor: VendorName, prompt: str, *, stream: bool = False, clock: HandClock | None = None
) -> httpx.Response:
    """The vendor's answer; with a clock, a task's answer is the one of a poll after its time."""
    path, body = request_of(vendor, prompt, stream=stream)
    answer = await client.post(path, json=body)
    if vendor == "uniall-tasks" and clock is not None:
        clock.time += 60
        answer = await client.get(f"{TASKS}/{answer.json()['data']['task_id']}")
    return answer


def pictures_in(vendor: VendorName, answer: Any) -> list[Shown]:
    """Where the vendor's page says that pictures are."""
    match vendor:
        case "uniall":
            return [_uri(uri) for uri in answer["media"]["outputs"]]
        case "uniall-tasks":
            url = answer["data"]["result_url"]
            return [_uri(url)] if url else []
        case "infinityblue":
            content = answer["choices"][0]["message"]["content"] if answer["choices"] else ""
            return [_uri(uri) for uri in re.findall(r"!\[image\]\((.+?)\)(?:\n|$)", content, re.DOTALL)]
        case "google":
            parts = [part for one in answer["candidates"] for part in one["content"].get("parts", [])]
            inline = [Shown(base64=part["inlineData"]["data"]) for part in parts if "inlineData" in part]
            return inline + [Shown(url=part["fileData"]["fileUri"]) for part in parts if "fileData" in part]
        case _:
            return [Shown(item.get("url"), item.get("b64_json")) for item in answer["data"]]


async def bytes_of(client: httpx.AsyncClient, shown: Shown) -> bytes:
    """Fetched or decoded as leniently as the gateway does."""
    if shown.url is not None:
        return (await client.get(shown.url)).content
    assert shown.base64 is not None
    return decode_base64(shown.base64) or b""


def _uri(uri: str) -> Shown:
    if uri.startswith("data:"):
        return Shown(base64=uri.partition(",")[2])
    return Shown(url=uri)
