"""Google's generateContent as the wire facts describe it (sections 4.2 to 4.8)."""

import base64
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types

from tests.sandbox.support import events, looks, looks_base64

PRO = "/google/v1beta/models/gemini-3-pro-image"
MUG = "/samples/mug.png"


def body(*parts: dict[str, Any], **image_config: str) -> dict[str, Any]:
    shown = [{"text": "place this mug on a red table"}, *parts]
    return {"contents": [{"role": "user", "parts": shown}], "generationConfig": {"imageConfig": image_config}}


async def test_pro_thinks_in_text_and_a_draft_before_the_picture(client: httpx.AsyncClient) -> None:
    answer = (await client.post(f"{PRO}:generateContent", json=body(aspectRatio="16:9", imageSize="2K"))).json()
    (candidate,) = answer["candidates"]
    thought, draft, text, final = candidate["content"]["parts"]
    assert thought["thought"] is True
    assert draft["thought"] is True
    assert looks_base64(draft["inlineData"]["data"]) == ("JPEG", (1376, 768))
    assert text == {"text": "Here it is."}
    assert "thought" not in final
    assert looks_base64(final["inlineData"]["data"]) == ("PNG", (2752, 1536))
    assert final["thoughtSignature"]
    usage = answer["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in parts)
    assert (answer["modelVersion"], candidate["finishReason"]) == ("gemini-3-pro-image", "STOP")


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # the SDK's own
async def test_the_official_sdk_reads_the_answer_and_the_stream(base: str, client: httpx.AsyncClient) -> None:
    mug = await client.get(MUG)
    sdk = genai.Client(api_key="sandbox-test", http_options=types.HttpOptions(base_url=f"{base}/google"))
    shown: Any = ["a mug", types.Part.from_bytes(data=mug.content, mime_type="image/png")]
    answer = await sdk.aio.models.generate_content(model="gemini-nano-banana-2.1", contents=shown)
    pictures = [part.inline_data.data for part in answer.parts or [] if part.inline_data and part.inline_data.data]
    assert [looks(picture) for picture in pictures] == [("PNG", (1024, 1024))]
    stream = await sdk.aio.models.generate_content_stream(model="gemini-3-pro-image", contents="a mug")
    chunks = [chunk async for chunk in stream]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False, False, False, True]
    await sdk.aio.aclose()


async def test_a_stream_without_sse_is_one_json_array(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{PRO}:streamGenerateContent", json=body())
    assert [len(chunk["candidates"][0]["content"]["parts"]) for chunk in answer.json()] == [1, 1, 1, 1]


async def test_a_stream_has_no_names_comments_or_done(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{PRO}:streamGenerateContent?alt=sse", json=body())
    assert len(events(answer)) == 4
    assert all(line.startswith(b"data: {") for line in answer.content.split(b"\n") if line)


@pytest.mark.parametrize("spelling", ["camel", "snake", "url-safe", "file"])
async def test_references_come_in_both_casings_and_alphabets(client: httpx.AsyncClient, spelling: str) -> None:
    mug = (await client.get(MUG)).content
    text = base64.b64encode(mug).decode()
    part: dict[str, Any] = {
        "camel": {"inlineData": {"mimeType": "image/png", "data": text}},
        "snake": {"inline_data": {"mime_type": "image/png", "data": text}},
        "url-safe": {"inlineData": {"mime_type": "image/png", "data": base64.urlsafe_b64encode(mug).decode()}},
        "file": {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://cdn.example/table.jpg"}},
    }[spelling]
    assert (await client.post(f"{PRO}:generateContent", json=body(part))).status_code == 200
    label = "cdn.example" if spelling == "file" else "inline"
    assert (await client.get("/_calls")).json()["calls"][0]["order"]["references"] == [label]


@pytest.mark.parametrize(
    ("model", "change", "status", "name"),
    [
        ("gemini-3-pro-image", {"imageConfig": {"imageSize": "2k"}}, 400, "INVALID_ARGUMENT"),
        ("gemini-3-pro-image", {"imageConfig": {"imageSize": "512"}}, 400, "INVALID_ARGUMENT"),
        ("gemini-3-pro-image", {"imageConfig": {"aspectRatio": "1:8"}}, 400, "INVALID_ARGUMENT"),
        ("gemini-3-pro-image", {"imageConfig": {"outputMimeType": "image/png"}}, 400, "INVALID_ARGUMENT"),
        ("gemini-3-pro-image", {"candidateCount": 2}, 400, "INVALID_ARGUMENT"),
        ("gemini-2.5-flash-image", {"imageConfig": {"imageSize": "1K"}}, 500, "INTERNAL"),
        ("gemini-9-image", {}, 404, "NOT_FOUND"),
    ],
)
async def test_google_refuses_in_its_own_shape(
    client: httpx.AsyncClient, model: str, change: dict[str, Any], status: int, name: str
) -> None:
    request = {**body(), "generationConfig": change}
    answer = await client.post(f"/google/v1beta/models/{model}:generateContent", json=request)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, name)


async def test_unknown_names_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{PRO}:generateContent", json={**body(), "n": 2})).status_code == 400


async def test_an_earlier_picture_of_the_model_needs_its_signature(client: httpx.AsyncClient) -> None:
    text = base64.b64encode((await client.get(MUG)).content).decode()
    part: dict[str, Any] = {"inlineData": {"mimeType": "image/png", "data": text}}
    turns = [{"role": "model", "parts": [part]}, {"role": "user", "parts": [{"text": "bigger"}]}]
    assert (await client.post(f"{PRO}:generateContent", json={"contents": turns})).status_code == 400
    part["thoughtSignature"] = "c2ln"
    assert (await client.post(f"{PRO}:generateContent", json={"contents": turns})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"x-goog-api-key": "sandbox-a", "authorization": ""}, "", 200),
        ({"authorization": "Bearer sandbox-a"}, "", 200),
        ({"authorization": ""}, "?key=sandbox-a", 200),
        ({"authorization": ""}, "", 401),
        ({"authorization": "", "x-goog-api-key": "AIza"}, "", 401),
    ],
)
async def test_keys_come_in_three_places(
    client: httpx.AsyncClient, headers: dict[str, str], query: str, status: int
) -> None:
    answer = await client.post(f"{PRO}:generateContent{query}", json=body(), headers=headers)
    assert answer.status_code == status


async def test_models_are_listed_in_googles_shape(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/google/v1beta/models")).json()["models"]
    name = "models/gemini-nano-banana-2.1"
    assert name in {model["name"] for model in listed}
    assert (await client.get(f"/google/v1/{name}")).json()["name"] == name
