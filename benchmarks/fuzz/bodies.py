"""Mutated requests on every surface, by a client whose account is empty: whatever gets through ends at the till.

So every answer is a refusal, and afterwards there must be no ledger entry, no vendor call and no file.
"""

import asyncio
import random
from typing import Any, Final

import httpx

from app.store import ledger
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.mutations import NAMES, VALUES, mutated_bytes, mutated_document
from tests.support.gateway import Running

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE: Final[dict[str, Any]] = {"model": "nano-banana-pro", "prompt": "a fox", "n": 2, "aspect_ratio": "16:9"}
CHAT: Final[dict[str, Any]] = {
    "model": "nano-banana",
    "stream": True,
    "messages": [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a fox"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
    ],
    "extra_body": {"google": {"image_config": {"aspect_ratio": "16:9", "image_size": "1K"}}},
}
GEMINI: Final[dict[str, Any]] = {
    "contents": [
        {"role": "user", "parts": [{"text": "a fox"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}
    ],
    "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"}},
}
SEEDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("/v1/images/generations", IMAGE | {"response_format": "b64_json", "output_format": "png", "stream": False}),
    ("/v1/images/generations", IMAGE | {"image": [f"data:image/png;base64,{PNG}"], "metadata": {"a": "b"}}),
    ("/v1/images/edits", IMAGE | {"images": [{"image_url": f"data:image/png;base64,{PNG}"}], "size": "1024x1024"}),
    ("/v1/images/tasks", IMAGE | {"webhook_url": "https://hooks.example/x", "task_type": "text2image"}),
    ("/v1/chat/completions", CHAT),
    (
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
    ),
    ("/v1beta/models/nano-banana:generateContent", GEMINI),
    ("/v1/models/nano-banana:streamGenerateContent?alt=sse", GEMINI),
)
BOUNDARY: Final = b"fuzz-boundary"
FORM: Final = (
    b"".join(
        b'--fuzz-boundary\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % part
        for part in (
            (b"model", b"", b"nano-banana"),
            (b"prompt", b"", b"a fox"),
            (b"image[]", b'; filename="a.png"\r\nContent-Type: image/png', b"\x89PNG\r\n\x1a\n" + b"\0" * 60),
        )
    )
    + b"--fuzz-boundary--\r\n"
)
FORM_SPLICES: Final = (
    b"--fuzz-boundary",
    b"\r\n",
    b'name="',
    b'filename="../../x"',
    b"\0",
    b"--" + b"a" * 300,
    b"\r\n\r\n",
)
QUERIES: Final = ("/v1/images/tasks?limit={}", "/v1/images/tasks?after={}", "/v1/images/tasks/{}", "/v1/models/{}",
                  "/v1/media/{}?exp=1&sig=x", "/v1beta/models?pageSize={}", "/v1/images/tasks?status={}")  # fmt: skip


async def run(gateway: Running, *, cases: int, seed: int, at_once: int = 8) -> Figures:
    """Sends so many requests with a key that has no money. What may not be is in `problems`."""
    figures, key = Figures("bodies", seed), await gateway.new_key(grant_units=0)
    calls, entries = len(await gateway.paid_calls()), await _entries(gateway)
    numbers = iter(range(cases))

    async def one_by_one(client: httpx.AsyncClient) -> None:
        for number in numbers:
            try:
                answer = await _send(client, random.Random(f"{seed}/{number}"))
            except httpx.TransportError as error:
                figures.problems.append(f"bodies {seed}/{number}: {error!r}")
                continue
            case = f"bodies {seed}/{number} {answer.request.method} {answer.request.url.raw_path[:80]!r}"
            figures.judge(case, answer.status_code, answer.content)
            if answer.request.method == "POST" and answer.status_code < 400:
                figures.problems.append(f"{case}: {answer.status_code} without money")

    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        await asyncio.gather(*(one_by_one(client) for _ in range(at_once)))
    if (now := await _entries(gateway)) != entries:
        figures.problems.append(f"bodies {seed}: {now - entries} ledger entries for refused requests")
    if (paid := len(await gateway.paid_calls())) != calls:
        figures.problems.append(f"bodies {seed}: {paid - calls} vendor calls for refused requests")
    return figures


async def _send(client: httpx.AsyncClient, rng: random.Random) -> httpx.Response:
    kind = rng.random()
    if kind < 0.1:
        return await client.get(rng.choice(QUERIES).format(_word(rng)))
    if kind < 0.25:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        return await client.post("/v1/images/edits", content=mutated_bytes(rng, FORM, FORM_SPLICES), headers=headers)
    path, seed = rng.choice(SEEDS)
    headers = {"content-type": "application/json"}
    if rng.random() < 0.1:
        headers[rng.choice(("oneshape-strict", "oneshape-image-style", "idempotency-key", "prefer"))] = _word(rng)
    return await client.post(path, content=mutated_document(rng, seed), headers=headers)


def _word(rng: random.Random) -> str:
    """A text that fits into a header or a URL; httpx quotes what it must."""
    word = str(rng.choice((*NAMES, *VALUES)))[:2000]
    return word.encode("ascii", "ignore").decode().translate(dict.fromkeys((*range(32), 127))).strip()


async def _entries(gateway: Running) -> int:
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, limit=1))
    return page.items[0].seq if page.items else 0
