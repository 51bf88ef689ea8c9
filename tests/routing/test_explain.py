"""`POST /admin/explain`: the truth about a request, and nothing sent for it."""

from typing import Any

import httpx
import pytest

from app.sandbox.vendors import CREDENTIAL
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "nano-banana-pro-2k"
PICTURE = "https://pictures.example/cat.png"
INLINE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "a cat"}]}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/images/generations": {"model": MODEL, "prompt": "a cat", "aspect_ratio": "16:9"},
    "/v1/images/edits": {"model": MODEL, "prompt": "a cat", "image": PICTURE},
    "/v1/images/tasks": {"model": MODEL, "prompt": "a cat"},
    "/v1/chat/completions": {"model": MODEL, "messages": [{"role": "user", "content": "a cat"}]},
    f"/v1beta/models/{MODEL}:generateContent": GEMINI,
    f"/v1/models/{MODEL}:streamGenerateContent": GEMINI,
}


async def explained(admin: httpx.AsyncClient, path: str, body: dict[str, Any], **said: Any) -> Any:
    response = await admin.post("/admin/explain", json={"path": path, "body": body, **said})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("path", BODIES)
async def test_every_image_path_is_explained_and_nothing_is_sent(
    gateway: Running, admin: httpx.AsyncClient, path: str
) -> None:
    before = await gateway.paid_calls()
    told = await explained(admin, path, BODIES[path])
    assert (told["model"], told["hold_units"], told["refusal"]) == (MODEL, 134_000, None)
    assert [target["order"] for target in told["targets"]] == [1, 2, 3, None, None]
    assert [target["vendor"] for target in told["targets"]][:3] == ["uniall-tasks", "infinityblue", "ccapi"]
    assert [target["first_chance"] for target in told["targets"]] == [0.75, 0.25, 0, 0, 0]
    assert all(target["request"]["url"].startswith(gateway.sandbox_url) for target in told["targets"])
    assert await gateway.paid_calls() == before


@pytest.mark.parametrize("path", BODIES)
async def test_secrets_are_masked(admin: httpx.AsyncClient, path: str) -> None:
    response = await admin.post("/admin/explain", json={"path": path, "body": BODIES[path]})
    assert CREDENTIAL not in response.text
    headers = [target["request"]["headers"] for target in response.json()["targets"]]
    assert {name: one[name] for one in headers for name in ("authorization", "x-goog-api-key") if name in one} == {
        "authorization": "Bearer ***",
        "x-goog-api-key": "***",
    }


async def test_the_request_is_the_vendors_to_the_letter(gateway: Running, admin: httpx.AsyncClient) -> None:
    """ccapi's page: the double slash, the ratio at the top, the picture in `image`."""
    told = await explained(admin, "/v1/images/generations", {**BODIES["/v1/images/generations"], "image": PICTURE})
    request = next(target["request"] for target in told["targets"] if target["vendor"] == "ccapi")
    assert request["method"] == "POST"
    assert request["url"] == gateway.sandbox_url + "/ccapi//v1/images/generations"
    expected = {"model": "nano-banana-pro-2k", "prompt": "a cat", "aspect_ratio": "16:9", "image": PICTURE}
    assert expected.items() <= request["body"].items()


async def test_pictures_are_told_and_not_shown(admin: httpx.AsyncClient) -> None:
    told = await explained(admin, "/v1/images/generations", {"model": MODEL, "prompt": "a", "image": INLINE})
    bodies = str([target["request"]["body"] for target in told["targets"]])
    assert "iVBORw0KGgo" not in bodies
    assert bodies.count("<base64 of 70 bytes>") == 5


async def test_a_url_is_not_fetched_where_a_vendor_takes_bytes_only(admin: httpx.AsyncClient) -> None:
    told = await explained(admin, "/v1/images/generations", {"model": MODEL, "prompt": "a", "image": PICTURE})
    google = next(target["request"]["body"] for target in told["targets"] if target["vendor"] == "google")
    assert google["contents"][0]["parts"][1]["inlineData"]["data"] == f"<base64 of the picture at {PICTURE}>"


async def test_a_ratio_that_a_target_does_not_draw_is_its_reason(admin: httpx.AsyncClient) -> None:
    body = {"model": "nano-banana-2-1k", "prompt": "a", "aspect_ratio": "1:8"}
    told = await explained(admin, "/v1/images/generations", body)
    reasons = {target["vendor"]: target["reason"] for target in told["targets"]}
    assert reasons == {
        "ccapi": None,
        "google": None,
        "uniall-tasks": "ratio_not_drawn",
        "uniall-chat": "ratio_not_drawn",
        "infinityblue": "ratio_not_drawn",
    }


async def test_several_pictures_are_several_calls_and_one_hold(admin: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "a", "n": 3}
    told = await explained(admin, "/v1/images/generations", body)
    assert told["hold_units"] == 3 * 134_000
    assert {target["calls"] for target in told["targets"]} == {3}


async def test_what_would_be_ignored_is_a_warning_of_the_target(admin: httpx.AsyncClient) -> None:
    body = {"model": MODEL, "prompt": "a", "quality": "high"}
    told = await explained(admin, "/v1/images/generations", body)
    assert {warning["param"] for target in told["targets"] for warning in target["warnings"]} == {"quality"}


async def test_text_is_explained_with_its_ceiling(gateway: Running, admin: httpx.AsyncClient) -> None:
    models = [model for model in gateway.services.catalog().models.values() if model.kind == "chat"]
    body = {"model": models[0].id, "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]}
    told = await explained(admin, "/v1/chat/completions", body)
    assert told["kind"] == "chat"
    assert told["hold_units"] > 0
    request = told["targets"][0]["request"]
    assert request["url"].endswith("/chat/completions")
    assert request["body"]["messages"] == body["messages"]


async def test_a_key_that_may_not_use_the_model_is_told_as_its_client_would_be(
    gateway: Running, admin: httpx.AsyncClient
) -> None:
    key = {"account_id": gateway.account_id, "name": "narrow", "models": ["nano-banana"]}
    key_id = (await admin.post("/admin/keys", json=key)).json()["id"]
    question = {"path": "/v1/images/generations", "body": BODIES["/v1/images/generations"], "key_id": key_id}
    response = await admin.post("/admin/explain", json=question)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "model_not_allowed")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/nothing", {"model": MODEL, "prompt": "a"}, "path"),
        ("/v1/images/generations", {"model": MODEL, "prompt": "a", "aspect_ratio": "5:1"}, "aspect_ratio"),
        ("/v1/images/generations", {"model": "nobody", "prompt": "a"}, "model"),
    ],
)
async def test_what_a_client_would_be_refused_is_refused_alike(
    admin: httpx.AsyncClient, path: str, body: dict[str, Any], param: str
) -> None:
    response = await admin.post("/admin/explain", json={"path": path, "body": body})
    assert response.status_code in (400, 404)
    assert response.json()["error"]["param"] == param
