"""Each row of the table of image request fields, over a real socket: what the client said is what the vendor was told.

The sandbox's log is the witness. That every spelling is read at every place is held by tests/wire/test_fields.py.
"""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.gateway import ADMIN_KEY, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
CHAT = "/v1/chat/completions"
WIDE = "16:9"


def png(*, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 60)).save(buffer, kind)
    return buffer.getvalue()


DATA_URI = "data:image/png;base64," + base64.b64encode(png()).decode()
BASE64 = DATA_URI.partition(",")[2]


async def post(gateway: Running, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with gateway.client(headers=headers) as client:
        return await client.post(path, json=body)


async def drawn(gateway: Running, **said: Any) -> dict[str, Any]:
    body = {"model": "nano-banana-2-0.5k@ccapi", "prompt": "a cube", **said}
    answer = await post(gateway, GENERATIONS, body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def told(gateway: Running) -> dict[str, Any]:
    """What the vendor understood of its last call."""
    order: dict[str, Any] = (await gateway.paid_calls())[-1]["order"]
    return order


async def explained(gateway: Running, body: dict[str, Any]) -> dict[str, Any]:
    """The exact request that would be sent for a generation; nothing is."""
    async with gateway.client(headers={"authorization": f"Bearer {ADMIN_KEY}"}) as client:
        answer = await client.post("/admin/explain", json={"path": GENERATIONS, "body": body})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


NAMES = ["nano-banana-2-0.5k", "NanoBanana2-0.5K", "NANO_BANANA_2_0.5K", "models/nanobanana20.5k"]


@pytest.mark.parametrize("name", [*NAMES, "google/nano-banana-2-0.5k"])
async def test_a_model_is_found_by_any_spelling_and_answered_by_its_id(gateway: Running, name: str) -> None:
    assert (await drawn(gateway, model=name))["model"] == "nano-banana-2-0.5k"


async def test_a_prompt_is_a_field_a_last_message_or_text_parts(gateway: Running) -> None:
    parts = [{"type": "text", "text": "a red"}, {"type": "text", "text": "cube"}]
    messages = [{"role": "user", "content": "hello"}, {"role": "user", "content": parts}]
    for model in ("nano-banana-2-0.5k@ccapi", "nano-banana-2-0.5k@google"):
        assert (await post(gateway, CHAT, {"model": model, "messages": messages})).status_code == 200
        assert "a red\ncube" in (await told(gateway))["prompt"]
    contents = [{"parts": [{"text": "a red"}, {"text": "cube"}]}]
    answer = await post(gateway, "/v1beta/models/nano-banana-2-0.5k@ccapi:generateContent", {"contents": contents})
    assert answer.status_code == 200
    assert (await told(gateway))["prompt"] == "a red\ncube"


@pytest.mark.parametrize(
    "said",
    [
        {"image": DATA_URI},
        {"image": [DATA_URI, DATA_URI]},
        {"image": {"url": DATA_URI}},
        {"image": {"image_url": DATA_URI}},
        {"image": {"image_url": {"url": DATA_URI}}},
        {"image": {"b64_json": BASE64}},
        {"images": [DATA_URI]},
        {"images": [{"image_url": DATA_URI}, {"b64_json": BASE64}]},
    ],
    ids=lambda said: str(said).replace(BASE64, "…")[:60],
)
async def test_inputs_arrive_in_every_form_of_json(gateway: Running, said: dict[str, Any]) -> None:
    value = next(iter(said.values()))
    await drawn(gateway, **said)
    assert len((await told(gateway))["references"]) == (len(value) if isinstance(value, list) else 1)


@pytest.mark.parametrize("name", ["image", "image[]", "images", "images[]", "image[0]", "image_1"])
async def test_inputs_arrive_under_every_name_of_a_form(gateway: Running, name: str) -> None:
    form = {"model": "nano-banana-2-0.5k@ccapi", "prompt": "a cube"}
    async with gateway.client() as client:
        answer = await client.post(EDITS, data=form, files=[(name, ("a.png", png(), "image/png"))])
    assert answer.status_code == 200, answer.text
    assert len((await told(gateway))["references"]) == 1


async def test_a_mask_reaches_a_vendor_that_takes_one_and_is_refused_elsewhere(gateway: Running) -> None:
    """The simulated vendor refuses a mask that is no PNG: that it did shows that it had it."""
    answers = []
    async with gateway.client() as client:
        for model, kind in (("gpt-image-2", "PNG"), ("gpt-image-2", "JPEG"), ("nano-banana", "PNG")):
            files = [("image", ("a.png", png(), "image/png")), ("mask", ("m.png", png(kind=kind), "image/png"))]
            answers.append(await client.post(EDITS, data={"model": model, "prompt": "a cube"}, files=files))
    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert "must be a PNG" in answers[1].json()["error"]["message"]
    error = answers[2].json()["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", "mask")


async def test_n_pictures_are_asked_for_delivered_and_charged(gateway: Running) -> None:
    before = len(await gateway.paid_calls())
    answer = await drawn(gateway, n=3)
    assert (len(answer["data"]), answer["oneshape"]["units"]) == (3, 3 * 45_000)
    assert len(await gateway.paid_calls()) == before + 3


@pytest.mark.parametrize(
    "said",
    [
        {"aspect_ratio": WIDE},
        {"aspectRatio": WIDE},
        {"--aspect_ratio": WIDE},
        {"extra_body": {"google": {"image_config": {"aspect_ratio": WIDE}}}},
        {"google": {"imageConfig": {"aspectRatio": WIDE}}},
        {"image_config": {"aspect_ratio": WIDE}},
        {"generation_config": {"image_config": {"aspect_ratio": WIDE}}},
        {"generationConfig": {"imageConfig": {"aspectRatio": WIDE}}},
        {"generationConfig": {"responseFormat": [{"image": {"aspectRatio": "ASPECT_RATIO_SIXTEEN_BY_NINE"}}]}},
    ],
    ids=str,
)
async def test_an_aspect_ratio_is_told_wherever_it_was_said(gateway: Running, said: dict[str, Any]) -> None:
    answer = await drawn(gateway, **said)
    assert (await told(gateway))["ratio"] == WIDE
    assert (answer["size"], answer["oneshape"]["warnings"]) == ("688x384", [])


async def test_a_ratio_that_was_not_said_is_not_injected(gateway: Running) -> None:
    await drawn(gateway)
    assert (await told(gateway))["ratio"] is None


@pytest.mark.parametrize(
    "said",
    [
        {"resolution": "0.5K"},
        {"resolution": "512"},
        {"image_size": "0.5k"},
        {"extra_body": {"google": {"image_config": {"image_size": "512"}}}},
        {"generationConfig": {"imageConfig": {"imageSize": "512"}}},
    ],
    ids=str,
)
async def test_a_family_and_a_resolution_are_the_tiers_model(gateway: Running, said: dict[str, Any]) -> None:
    answer = await drawn(gateway, model="nano-banana-2", **said)
    assert (answer["model"], answer["size"]) == ("nano-banana-2-0.5k", "512x512")


async def test_a_size_is_the_nearest_ratio_and_the_tier_of_a_family(gateway: Running) -> None:
    assert (await drawn(gateway, size="1360x768"))["size"] == "688x384"
    assert (await told(gateway))["ratio"] == WIDE
    assert (await drawn(gateway, model="nano-banana-2", size="512x512"))["model"] == "nano-banana-2-0.5k"
    await drawn(gateway, size="auto")
    assert (await told(gateway))["ratio"] is None


@pytest.mark.parametrize(
    ("said", "mime"),
    [
        ({"output_format": "webp"}, "image/webp"),
        ({"output_format": "jpg"}, "image/jpeg"),
        ({"--output_format": "png"}, "image/png"),
        ({"generationConfig": {"imageConfig": {"outputMimeType": "image/webp"}}}, "image/webp"),
    ],
    ids=str,
)
@pytest.mark.parametrize("vendor", ["google", "uniall-chat"])
async def test_an_output_format_is_told_or_converted(
    gateway: Running, vendor: str, said: dict[str, Any], mime: str
) -> None:
    answer = await drawn(gateway, model=f"nano-banana-2-0.5k@{vendor}", **said)
    assert (answer["data"][0]["mime_type"], answer["output_format"]) == (mime, mime.removeprefix("image/"))
    async with gateway.client() as client:
        picture = Image.open(io.BytesIO((await client.get(answer["data"][0]["url"])).content))
    assert picture.get_format_mimetype() == mime


async def test_an_output_compression_makes_a_picture_small(gateway: Running) -> None:
    sizes = []
    for quality in (5, 95):
        answer = await drawn(gateway, output_format="webp", output_compression=quality, response_format="b64_json")
        sizes.append(len(answer["data"][0]["b64_json"]))
    assert sizes[0] < sizes[1]


async def test_a_task_type_is_inferred_and_told(gateway: Running) -> None:
    types = []
    async with gateway.client() as client:
        for said in ({}, {"image": DATA_URI}, {"image": DATA_URI, "task_type": "image2image"}):
            body = {"model": "nano-banana-2-0.5k@ccapi", "prompt": "a cube", **said}
            created = (await client.post("/v1/images/tasks", json=body)).json()["data"]
            types.append(created["metadata"]["task_type"])
    assert types == ["text2image", "image2image", "image2image"]


async def test_metadata_and_user_are_kept_with_the_task_and_echoed(gateway: Running) -> None:
    answer = await drawn(gateway, metadata={"order": "17", "ключ": "значение"}, user="someone")
    async with gateway.client() as client:
        task = (await client.get(f"/v1/images/tasks/{answer['oneshape']['task_id']}")).json()["data"]
    assert task["user_metadata"] == {"order": "17", "ключ": "значение"}
    assert answer["oneshape"]["warnings"] == []


OPTIONS = {"quality": "low", "background": "opaque", "moderation": "low", "safety_identifier": "s"}


async def test_openais_options_reach_openai_and_are_reported_where_nobody_has_them(gateway: Running) -> None:
    known = await drawn(gateway, model="gpt-image-2", size="512x512", **OPTIONS)
    assert known["oneshape"]["warnings"] == []
    other = await drawn(gateway, **OPTIONS, style="vivid", seed=7, input_fidelity="high")
    warnings = other["oneshape"]["warnings"]
    assert {one["code"] for one in warnings} == {"ignored"}
    assert {one["param"] for one in warnings} == {*OPTIONS, "style", "seed", "input_fidelity"}
    assert other["size"] == "512x512"  # quality is never a resolution: that is a price


async def test_openais_options_are_told_as_they_were_said(gateway: Running) -> None:
    found = await explained(gateway, {"model": "gpt-image-2", "prompt": "a cube", **OPTIONS})
    body = found["targets"][0]["request"]["body"]
    assert {name: body.get(name) for name in OPTIONS} == OPTIONS


async def test_two_spellings_of_one_value_are_fine_and_of_two_are_refused_naming_both(gateway: Running) -> None:
    said = {"model": "nano-banana-2-0.5k@ccapi", "prompt": "a cube", "aspect_ratio": WIDE}
    same = await post(gateway, GENERATIONS, {**said, "image_config": {"aspectRatio": WIDE}})
    other = await post(gateway, GENERATIONS, {**said, "image_config": {"aspectRatio": "1:1"}})
    assert same.status_code == 200
    error = other.json()["error"]
    assert (other.status_code, error["code"]) == (400, "conflicting_parameters")
    assert "'aspect_ratio'" in error["message"]
    assert "'image_config.aspectRatio'" in error["message"]


async def test_nothing_unknown_is_dropped_in_silence_on_any_surface(gateway: Running) -> None:
    said = {"model": "nano-banana-2-0.5k@ccapi", "no_such_field": 1}
    bodies = {
        GENERATIONS: {**said, "prompt": "a cube"},
        EDITS: {**said, "prompt": "a cube", "image": DATA_URI},
        CHAT: {**said, "messages": [{"role": "user", "content": "a cube"}]},
        "/v1/images/tasks": {**said, "prompt": "a cube"},
        "/v1beta/models/nano-banana-2-0.5k@ccapi:generateContent": {
            "contents": [{"parts": [{"text": "a cube"}]}],
            "no_such_field": 1,
        },
    }
    for path, body in bodies.items():
        lenient = (await post(gateway, path, body)).json()
        account = (lenient["data"] if "tasks" in path else lenient)["oneshape"]
        assert [(one["code"], one["param"]) for one in account["warnings"]] == [("unknown_parameter", "no_such_field")]
        strict = await post(gateway, path, body, **{"oneshape-strict": "true"})
        assert (strict.status_code, "no_such_field" in strict.text) == (400, True), path
