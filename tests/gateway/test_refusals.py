"""What is refused is refused for nothing: the contract's error, no vendor called, no ledger entry, no file left."""

# ruff: noqa: E501 -- a table is read by its rows

from typing import Any

import pytest

from app.store import ledger
from tests.support.gateway import Running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], scope="module"),
]

GENERATIONS = "/v1/images/generations"
CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "nano-banana-pro-2k", "prompt": "a cube"}
SAID: dict[str, Any] = {"model": "nano-banana-pro-2k", "messages": [{"role": "user", "content": "a cube"}]}
PNG_URL = "data:image/png;base64,bm90IGEgcGljdHVyZQ=="

REFUSED = [
    ("unknown model", GENERATIONS, {**GOOD, "model": "no-such-model"}, 404, "model_not_found", "model"),
    ("no model", GENERATIONS, {"prompt": "a cube"}, 400, "missing_required_parameter", "model"),
    ("no prompt", GENERATIONS, {"model": GOOD["model"]}, 400, "missing_required_parameter", "prompt"),
    ("empty prompt", GENERATIONS, {**GOOD, "prompt": "  "}, 400, "missing_required_parameter", "prompt"),
    ("B24 unseen", GENERATIONS, {**GOOD, "prompt": "\u200b\u202e\ufeff"}, 400, "missing_required_parameter", "prompt"),
    ("long prompt", GENERATIONS, {**GOOD, "prompt": "x" * 32_001}, 400, "invalid_value", "prompt"),
    ("unknown ratio", GENERATIONS, {**GOOD, "aspect_ratio": "9:21"}, 400, "invalid_value", "aspect_ratio"),
    ("unknown format", GENERATIONS, {**GOOD, "output_format": "tiff"}, 400, "invalid_value", "output_format"),
    ("unknown resolution", GENERATIONS, {**GOOD, "resolution": "3K"}, 400, "invalid_value", "resolution"),
    ("other resolution", GENERATIONS, {**GOOD, "resolution": "4K"}, 400, "conflicting_parameters", "resolution"),
    ("family without it", GENERATIONS, {**GOOD, "model": "nano-banana-pro", "resolution": "0.5K"}, 400, "invalid_value", "resolution"),
    ("size far off", GENERATIONS, {**GOOD, "size": "2000x500"}, 400, "invalid_value", "size"),
    ("size against ratio", GENERATIONS, {**GOOD, "size": "1024x1024", "aspect_ratio": "16:9"}, 400, "conflicting_parameters", "aspect_ratio"),
    ("two spellings differ", GENERATIONS, {**GOOD, "aspect_ratio": "1:1", "--aspect_ratio": "16:9"}, 400, "conflicting_parameters", None),
    ("n too large", GENERATIONS, {**GOOD, "n": 11}, 400, "invalid_value", "n"),
    ("n zero", GENERATIONS, {**GOOD, "n": 0}, 400, "invalid_value", "n"),
    ("n a string", GENERATIONS, {**GOOD, "n": "2"}, 400, "invalid_value", "n"),
    ("n true", GENERATIONS, {**GOOD, "n": True}, 400, "invalid_value", "n"),
    ("image and images", GENERATIONS, {**GOOD, "image": PNG_URL, "images": [PNG_URL]}, 400, "conflicting_parameters", None),
    ("not a picture", GENERATIONS, {**GOOD, "image": PNG_URL}, 400, "invalid_image", None),
    ("a file URL", GENERATIONS, {**GOOD, "image": "file:///etc/passwd"}, 400, "invalid_image_url", None),
    ("a metadata URL", GENERATIONS, {**GOOD, "image": "http://169.254.169.254/x"}, 400, "image_url_not_allowed", "image"),
    ("task_type against image", GENERATIONS, {**GOOD, "task_type": "image2image"}, 400, "conflicting_parameters", "task_type"),
    ("a mask", GENERATIONS, {**GOOD, "mask": PNG_URL, "image": PNG_URL}, 400, None, None),
    ("compression of png", GENERATIONS, {**GOOD, "output_format": "png", "output_compression": 5}, 400, "conflicting_parameters", "output_compression"),
    ("no messages", CHAT, {"model": SAID["model"]}, 400, "missing_required_parameter", "messages"),
    ("messages empty", CHAT, {**SAID, "messages": []}, 400, None, "messages"),
    ("unknown model in chat", CHAT, {**SAID, "model": "no-such-model"}, 404, "model_not_found", "model"),
    ("ratio in extra_body", CHAT, {**SAID, "extra_body": {"google": {"image_config": {"aspect_ratio": "7:1"}}}}, 400, "invalid_value", None),
    ("extra_body a list", CHAT, {**SAID, "extra_body": []}, 400, "invalid_value", "extra_body"),
]  # fmt: skip


async def traces(gateway: Running) -> tuple[int, int, list[str]]:
    """Entries in the ledger, calls at the vendors, files in the spool."""
    entries = await gateway.services.database.read(lambda tx: ledger.entries(tx, limit=100))
    spooled = [str(path) for path in gateway.directory.rglob("spool/*")]
    return len(entries.items), len(await gateway.paid_calls()), spooled


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_a_wrong_request_is_refused_and_leaves_no_trace(
    gateway: Running, path: str, body: dict[str, Any], status: int, code: str | None, param: str | None
) -> None:
    before = await traces(gateway)
    async with gateway.client() as client:
        response = await client.post(path, json=body)
    error = response.json()["error"]
    assert response.status_code == status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")
    assert error["type"] == "invalid_request_error"
    if code is not None:
        assert error["code"] == code
    if param is not None:
        assert error["param"] == param
    assert await traces(gateway) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"model":"a","model":"b"}',
        b'{"n":NaN}',
        b'{"prompt":"\\ud800"}',
        b"\xff\xfe{}",
    ],
)
async def test_malformed_json_is_invalid_json(gateway: Running, body: bytes) -> None:
    before = await traces(gateway)
    async with gateway.client(headers={"content-type": "application/json"}) as client:
        response = await client.post(GENERATIONS, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
    assert await traces(gateway) == before


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "missing_api_key"),
        ({"authorization": "Bearer sk-wrong"}, 401, "invalid_api_key"),
        ({"authorization": "Basic c2std3Jvbmc="}, 401, "missing_api_key"),
        ({"authorization": "Bearer ' OR 1=1--"}, 401, "invalid_api_key"),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"oneshape-strict": "maybe"}, 400, "invalid_value"),
        ({"oneshape-image-style": "jpeg"}, 400, "invalid_value"),
    ],
)
async def test_a_request_with_wrong_headers_is_refused(
    gateway: Running, headers: dict[str, str], status: int, code: str
) -> None:
    before = await traces(gateway)
    async with gateway.client(headers=headers) as client:
        response = await client.post(CHAT, json=SAID)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert await traces(gateway) == before


async def test_an_empty_balance_is_402_and_says_what_is_needed(gateway: Running) -> None:
    key = await gateway.new_key(grant_units=133_999)
    before = await traces(gateway)
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        response = await client.post(GENERATIONS, json=GOOD)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (402, "insufficient_quota", "insufficient_balance")
    assert "134000" in error["message"]
    assert response.headers["x-should-retry"] == "false"
    assert await traces(gateway) == before


async def test_a_key_may_use_only_the_models_on_its_list(gateway: Running) -> None:
    key = await gateway.new_key(models=["nano-banana"])
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        response = await client.post(GENERATIONS, json=GOOD)
        listed = (await client.get("/v1/models")).json()["data"]
    assert (response.status_code, response.json()["error"]["code"]) == (403, "model_not_allowed")
    assert [model["id"] for model in listed] == ["nano-banana"]


async def test_strict_refuses_what_would_be_a_warning(gateway: Running) -> None:
    body = {**GOOD, "model": "nano-banana-pro-1k@ccapi", "no_such_field": 1}
    async with gateway.client() as client:
        lenient = await client.post(GENERATIONS, json=body)
        strict = await client.post(GENERATIONS, json=body, headers={"oneshape-strict": "true"})
    assert [warning["param"] for warning in lenient.json()["oneshape"]["warnings"]] == ["no_such_field"]
    assert (strict.status_code, strict.json()["error"]["param"]) == (400, "no_such_field")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", GENERATIONS, 405, "method_not_allowed"), ("DELETE", "/v1/models", 405, "method_not_allowed")],
)  # fmt: skip
async def test_unknown_paths_and_methods_are_told_in_the_same_shape(
    gateway: Running, method: str, path: str, status: int, code: str
) -> None:
    async with gateway.client() as client:
        response = await client.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
