"""Idempotency-Key, SDK retries and Prefer over real sockets: a repeat is answered as the first was, and is free."""

import asyncio
import base64
from typing import Any

import httpx
import openai
import pytest

from app.store import ledger_verify
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
TASKS = "/v1/images/tasks"
GEMINI = "/v1beta/models/nano-banana@ccapi:generateContent"
SLOW = "@uniall-tasks"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "nano-banana@ccapi", "messages": [{"role": "user", "content": "PROMPT"}]},
    GENERATIONS: {"model": "nano-banana@ccapi", "prompt": "PROMPT"},
    TASKS: {"model": "nano-banana@ccapi", "prompt": "PROMPT"},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "PROMPT"}]}]},
}


def body_for(path: str, prompt: str, **said: Any) -> dict[str, Any]:
    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(part) for key, part in value.items()}
        if isinstance(value, list):
            return [put(part) for part in value]
        return prompt if value == "PROMPT" else value

    return {**put(BODIES[path]), **said}


async def calls_for(gateway: Running, prompt: str) -> int:
    return sum(call["order"].get("prompt") == prompt for call in await gateway.paid_calls())


def told(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """All of an answer but what belongs to one transmission: its date and its request's own id."""
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "x-request-id")}
    return response.status_code, headers, response.content


@pytest.mark.parametrize("path", BODIES)
async def test_f4_g87_twenty_at_once_with_one_key_are_one_call_and_twenty_equal_answers(
    gateway: Running, path: str
) -> None:
    prompt = f"twenty {path}"
    async with gateway.client(headers={"idempotency-key": prompt}) as client:
        answers = await asyncio.gather(*(client.post(path, json=body_for(path, prompt)) for _ in range(20)))
        later = await client.post(path, json=body_for(path, prompt))
    assert answers[0].status_code in (200, 202), answers[0].text
    assert all(told(answer) == told(answers[0]) for answer in (*answers, later))
    if path == TASKS:
        await client_wait(gateway, answers[0])
    assert await calls_for(gateway, prompt) == 1
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


async def client_wait(gateway: Running, response: httpx.Response) -> None:
    async with gateway.client() as client:
        await client.get(f"{response.headers['location']}?wait=20")


@pytest.mark.parametrize("path", [CHAT, GENERATIONS])
async def test_a_stream_is_repeated_byte_for_byte_with_its_base64(gateway: Running, path: str) -> None:
    prompt = f"streamed {path}"
    said = body_for(path, prompt, stream=True)
    async with gateway.client(headers={"idempotency-key": prompt, "oneshape-image-style": "data"}) as client:
        first, second = [await client.post(path, json=said) for _ in range(2)]
    assert first.content == second.content
    assert len(first.content) > 10_000
    assert await calls_for(gateway, prompt) == 1


async def test_a_form_is_the_same_when_its_fields_and_files_are(gateway: Running) -> None:
    async with gateway.client() as client:
        url = (await client.post(GENERATIONS, json=body_for(GENERATIONS, "a picture to edit"))).json()["data"][0]["url"]
        picture = (await client.get(url)).content
        form = {"model": "nano-banana@ccapi", "prompt": "edited once"}
        keyed = {"idempotency-key": "a form"}
        answers = [
            await client.post(EDITS, data=form, files={"image": (name, picture, "image/png")}, headers=keyed)
            for name in ("one.png", "other.png")
        ]
        other = await client.post(
            EDITS, data=form, files={"image": ("one.png", picture + b"\0", "image/png")}, headers=keyed
        )
    assert answers[0].status_code == 200, answers[0].text
    assert told(answers[0]) == told(answers[1])
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert await calls_for(gateway, "edited once") == 1


async def test_a_body_is_compared_by_its_values_and_its_pictures_bytes(gateway: Running) -> None:
    async with gateway.client(headers={"idempotency-key": "values"}) as client:
        url = (await client.post(GENERATIONS, json=body_for(GENERATIONS, "source"))).json()["data"][0]["url"]
        picture = base64.b64encode((await client.get(url)).content).decode()
        client.headers["idempotency-key"] = "values and pictures"
        uri = f"data:image/png;base64,{picture}"
        first = await client.post(GENERATIONS, json={"model": "nano-banana@ccapi", "prompt": "values", "image": uri})
        turned = await client.post(GENERATIONS, json={"image": uri, "prompt": "values", "model": "nano-banana@ccapi"})
        other = await client.post(
            GENERATIONS,
            json={"image": f"{uri[:-8]}AAAAAAA=", "prompt": "values", "model": "nano-banana@ccapi"},
        )
    assert told(first) == told(turned)
    assert other.status_code in (400, 422)
    assert other.json()["error"]["code"] == "idempotency_key_reused"


async def test_g87_a_key_with_another_body_is_refused_and_must_not_be_retried(gateway: Running) -> None:
    async with gateway.client(headers={"idempotency-key": "reused"}) as client:
        await client.post(GENERATIONS, json=body_for(GENERATIONS, "the first"))
        response = await client.post(GENERATIONS, json=body_for(GENERATIONS, "another"))
    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert response.headers["x-should-retry"] == "false"
    assert await calls_for(gateway, "another") == 0


async def test_g87_another_accounts_same_key_is_another_key(gateway: Running) -> None:
    stranger = await gateway.new_key()
    prompt = "two accounts"
    for secret in (gateway.key, stranger):
        headers = {"idempotency-key": "shared words", "authorization": f"Bearer {secret}"}
        async with gateway.client(headers=headers) as client:
            assert (await client.post(GENERATIONS, json=body_for(GENERATIONS, prompt))).status_code == 200
    assert await calls_for(gateway, prompt) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut".encode("latin-1").decode("latin-1")])
async def test_g87_a_key_that_is_empty_too_long_or_not_printable_is_refused(gateway: Running, key: str) -> None:
    async with gateway.client() as client:
        response = await client.post(
            GENERATIONS,
            json=body_for(GENERATIONS, "never"),
            headers={b"idempotency-key": key.encode("latin-1")},
        )
    assert (response.status_code, response.json()["error"]["code"]) == (400, "idempotency_key_invalid")


async def test_g87_a_refused_request_leaves_its_key_free(gateway: Running) -> None:
    async with gateway.client(headers={"idempotency-key": "refused first"}) as client:
        refused = await client.post(GENERATIONS, json=body_for(GENERATIONS, "free", n=99))
        served = await client.post(GENERATIONS, json=body_for(GENERATIONS, "free"))
    assert (refused.status_code, served.status_code) == (400, 200)


@pytest.mark.parametrize("fault", ["server_error", "hang_up", "moderation_400", "empty_data", "rate_limited"])
async def test_g87_an_error_after_work_began_is_repeated_too(gateway: Running, fault: str) -> None:
    prompt = f"fails [fault:{fault}]"
    async with gateway.client(headers={"idempotency-key": prompt}) as client:
        first, second = [
            await client.post(GENERATIONS, json=body_for(GENERATIONS, prompt, model="nano-banana@ccapi"))
            for _ in range(2)
        ]
    assert first.status_code >= 400
    assert told(first) == told(second)
    assert await calls_for(gateway, prompt) <= 1


async def test_g91_an_sdks_own_retry_joins_what_it_repeats(gateway: Running) -> None:
    prompt = "sent again by an SDK"
    async with gateway.client() as client:
        said = body_for(GENERATIONS, prompt, model="nano-banana@uniall-tasks")
        tries = []
        for count in ("0", "1", "2"):
            sent = client.post(GENERATIONS, json=said, headers={"x-stainless-retry-count": count})
            tries.append(asyncio.create_task(sent))
            await gateway.services.clock.sleep(0.05)
        answers = await asyncio.gather(*tries)
    assert all(told(answer) == told(answers[0]) for answer in answers)
    assert await calls_for(gateway, prompt) == 1


async def test_g91_a_client_that_loses_patience_and_retries_pays_once(gateway: Running) -> None:
    prompt = "slow for this client"
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=4, timeout=0.6) as sdk:
        answer = await sdk.images.generate(model="nano-banana@uniall-tasks", prompt=prompt)
    assert answer.data
    assert await calls_for(gateway, prompt) == 1


async def test_two_deliberate_requests_of_an_sdk_are_two(gateway: Running) -> None:
    prompt = "asked twice"
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as sdk:
        await sdk.images.generate(model="nano-banana@ccapi", prompt=prompt)
        await sdk.images.generate(model="nano-banana@ccapi", prompt=prompt)
    assert await calls_for(gateway, prompt) == 2


@pytest.mark.parametrize("path", [CHAT, GENERATIONS, GEMINI])
@pytest.mark.parametrize("preference", ["respond-async", "wait=0", "respond-async, wait=0"])
async def test_a_client_that_would_rather_not_wait_gets_the_tasks_envelope(
    gateway: Running, path: str, preference: str
) -> None:
    async with gateway.client() as client:
        response = await client.post(
            path.replace("@ccapi", SLOW),
            json=body_for(path, "later", model=f"nano-banana{SLOW}"),
            headers={"prefer": preference},
        )
        assert response.status_code == 202
        assert response.headers["preference-applied"] == preference
        assert response.json()["data"]["status"] == "in_progress"
        done = await client.get(f"{response.headers['location']}?wait=20")
    assert done.json()["data"]["status"] == "succeeded"


async def test_a_request_that_is_done_in_the_time_preferred_is_answered_as_ever(gateway: Running) -> None:
    async with gateway.client() as client:
        response = await client.post(GENERATIONS, json=body_for(GENERATIONS, "soon"), headers={"prefer": "wait=20"})
    assert (response.status_code, len(response.json()["data"])) == (200, 1)
