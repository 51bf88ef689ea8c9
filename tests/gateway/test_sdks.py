"""The official SDKs as clients of every surface, unmodified, over real sockets: their own types judge our answers."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors, types
from PIL import Image

from tests.support.gateway import Running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # the SDKs' own
]

SQUARE = (512, 512)
IMAGE_MODEL = "nano-banana-2-0.5k@ccapi"


def png(side: int = 64, shade: int = 200) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 30, 60)).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.size


def decoded(text: str | None) -> tuple[int, int]:
    assert text is not None
    return pixels(base64.b64decode(text, validate=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def google(gateway: Running, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=gateway.url, api_version=request.param)
    with genai.Client(api_key=gateway.key, http_options=options) as client:
        yield client


async def references(gateway: Running) -> int:
    return len((await gateway.paid_calls())[-1]["order"]["references"])


@pytest.mark.parametrize("vendor", ["ccapi", "google"])
async def test_a_stream_has_a_completed_event_per_picture(sdk: openai.AsyncOpenAI, vendor: str) -> None:
    stream = await sdk.images.generate(model=f"nano-banana-2-0.5k@{vendor}", prompt="a cube", n=2, stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    for event in events:
        assert event.type == "image_generation.completed"
        assert decoded(event.b64_json) == SQUARE
        assert event.size == "512x512"
        assert event.usage is not None


async def test_an_edit_of_several_files_brings_one_picture_of_all(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    files = [(f"{shade}.png", png(shade=shade)) for shade in (10, 20, 30)]
    answer = await sdk.images.edit(
        model=IMAGE_MODEL,
        image=files,
        prompt="together",
        response_format="b64_json",
        extra_body={"aspect_ratio": "16:9"},
    )
    assert answer.data is not None
    assert decoded(answer.data[0].b64_json) == (688, 384)
    assert await references(gateway) == 3


async def test_an_edit_with_a_mask_and_openais_own_fields(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.images.edit(
        model="gpt-image-2",
        image=("a.png", png()),
        mask=("m.png", png(shade=0)),
        prompt="a cube",
        size="512x512",
        quality="low",
        input_fidelity="high",
        output_format="webp",
        output_compression=50,
        user="someone",
    )
    assert answer.data is not None
    assert (answer.size, answer.output_format) == ("512x512", "webp")
    assert answer.usage is not None
    assert await references(gateway) == 1


async def test_a_streamed_edit(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.edit(model=IMAGE_MODEL, image=png(), prompt="a cube", stream=True, partial_images=1)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_edit.completed"]
    assert decoded(events[0].b64_json) == SQUARE
    assert await references(gateway) == 1


async def test_a_stream_that_fails_is_raised_with_its_code(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.generate(model=IMAGE_MODEL, prompt="a cube [fault:refusal]", stream=True)
    with pytest.raises(openai.APIError) as raised:
        async for _ in stream:
            pass
    assert raised.value.code == "moderation_blocked"
    chat = await sdk.chat.completions.create(
        model=IMAGE_MODEL, messages=[{"role": "user", "content": "a cube [fault:empty_data]"}], stream=True
    )
    with pytest.raises(openai.APIError) as raised:
        async for _ in chat:
            pass
    assert raised.value.code == "no_image_generated"


async def test_errors_are_the_sdks_own(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.images.generate(model="no-such-model", prompt="a cube")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert (missing.value.request_id or "").startswith("req_")
    with pytest.raises(openai.BadRequestError) as wrong:
        await sdk.images.edit(model=IMAGE_MODEL, image=b"no picture", prompt="a cube")
    assert wrong.value.code == "invalid_image"
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()


async def test_models_are_listed_and_found_by_ids_with_slashes(sdk: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in await sdk.models.list()]
    assert "nano-banana-pro-2k" in listed
    assert (await sdk.models.retrieve("google/NanoBananaPro-2K")).id == "nano-banana-pro-2k"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("no/such/model")


async def test_a_conversation_about_a_picture_through_chat(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    first = await sdk.chat.completions.create(
        model="nano-banana-2-0.5k@google",
        messages=[{"role": "user", "content": "a cube"}],
        extra_body={"aspect_ratio": "1:1"},
    )
    answered: Any = {"role": "assistant", "content": first.choices[0].message.content}
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    asked: Any = [
        {"type": "text", "text": "with this"},
        {"type": "image_url", "image_url": {"url": uri, "detail": "high"}},
    ]
    second = await sdk.chat.completions.create(
        model="nano-banana-2-0.5k@google",
        messages=[{"role": "user", "content": "a cube"}, answered, {"role": "user", "content": asked}],
    )
    assert "![image](" in (second.choices[0].message.content or "")
    assert await references(gateway) == 2


def parts_of(response: types.GenerateContentResponse) -> list[types.Part]:
    assert response.candidates
    content = response.candidates[0].content
    assert content is not None
    return content.parts or []


def picture_in(response: types.GenerateContentResponse) -> tuple[int, int]:
    (inline,) = [part.inline_data for part in parts_of(response) if part.inline_data]
    assert inline.data is not None
    return pixels(inline.data)


WIDE = types.GenerateContentConfig(
    response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="16:9")
)


async def test_generate_content_with_bytes_and_a_file_by_its_url(gateway: Running, google: genai.Client) -> None:
    link = await asyncio.to_thread(_link, gateway)
    contents: Any = [
        "place this on a table",
        types.Part.from_bytes(data=png(), mime_type="image/png"),
        types.Part.from_uri(file_uri=link, mime_type="image/png"),
    ]
    response = await asyncio.to_thread(
        google.models.generate_content, model="nano-banana-2-0.5k@google", contents=contents, config=WIDE
    )
    assert picture_in(response) == (688, 384)
    assert response.model_version == "nano-banana-2-0.5k@google"
    assert response.usage_metadata is not None
    assert await references(gateway) == 2


def _link(gateway: Running) -> str:
    """Where a picture is served."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as client:
        answer = client.images.generate(model=IMAGE_MODEL, prompt="a cube")
    assert answer.data is not None
    assert answer.data[0].url is not None
    return answer.data[0].url


async def test_generate_content_stream(google: genai.Client) -> None:
    def run() -> list[types.GenerateContentResponse]:
        return list(
            google.models.generate_content_stream(model="nano-banana-2-0.5k@ccapi", contents="a cube", config=WIDE)
        )

    (only,) = await asyncio.to_thread(run)
    assert picture_in(only) == (688, 384)


async def test_a_chat_of_the_google_sdk_builds_on_its_picture(gateway: Running, google: genai.Client) -> None:
    def run() -> tuple[int, int]:
        chat = google.chats.create(model="nano-banana-2-0.5k@google", config=WIDE)
        chat.send_message("a cube")
        return picture_in(chat.send_message("in blue"))

    assert await asyncio.to_thread(run) == (688, 384)
    assert await references(gateway) == 1


async def test_models_are_listed_in_pages_and_found(google: genai.Client) -> None:
    def run() -> tuple[list[str], str | None]:
        names = [model.name or "" for model in google.models.list(config={"page_size": 5})]
        return names, google.models.get(model="nano-banana-pro-2k").name

    names, found = await asyncio.to_thread(run)
    assert len(names) == len(set(names)) > 5
    assert "models/nano-banana-pro-2k" in names
    assert found == "models/nano-banana-pro-2k"


@pytest.mark.parametrize(
    ("model", "prompt", "code", "status"),
    [
        ("no-such-model", "a cube", 404, "NOT_FOUND"),
        ("nano-banana-2-0.5k@google", "a cube [fault:prompt_blocked]", 400, "INVALID_ARGUMENT"),
        ("nano-banana-2-0.5k@google", "a cube [fault:unavailable]", 503, "UNAVAILABLE"),
    ],
)
async def test_errors_are_the_google_sdks_own(
    google: genai.Client, model: str, prompt: str, code: int, status: str
) -> None:
    with pytest.raises(errors.APIError) as raised:
        await asyncio.to_thread(google.models.generate_content, model=model, contents=prompt)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert raised.value.message


async def test_a_missing_model_is_the_google_sdks_own_error_too(google: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as raised:
        await asyncio.to_thread(google.models.get, model="no-such-model")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")
