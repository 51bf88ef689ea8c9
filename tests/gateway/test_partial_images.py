"""Pictures while they are drawn: passed on in OpenAI's shape where a vendor shows them, told where not."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import orjson
import pytest
import pytest_asyncio
from PIL import Image

from app.core.catalog import Vendor
from app.core.clock import Clock
from app.core.exchange import Call, Exchange
from app.core.image import Glimpse
from app.core.media import Blob, Blobs
from app.gateway.glimpses import WAITING_MAX, Glimpses
from app.upstream.client import VendorClient
from app.web.stream import Frame, event_stream
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

BIG, SMALL = "gpt-image-2", "nano-banana@ccapi"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def pixels(text: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as picture:
        picture.load()
        return picture.size


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 60)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_looks_come_before_the_picture_and_are_not_it(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.generate(
        model=BIG, prompt="a cube", stream=True, partial_images=2, size="512x512", output_format="webp"
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    first, second, last = events
    assert first.type == second.type == "image_generation.partial_image"
    assert (first.partial_image_index, second.partial_image_index) == (0, 1)
    assert (first.size, first.output_format) == ("512x512", "webp")
    assert len({event.b64_json for event in events}) == 3
    assert {pixels(event.b64_json) for event in events} == {(512, 512)}
    assert last.type == "image_generation.completed"
    assert last.usage is not None


async def test_an_edit_shows_them_under_its_own_names(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.edit(
        model=BIG, image=("a.png", png()), prompt="a cube", stream=True, partial_images=1, size="512x512"
    )
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


async def test_the_picture_alone_is_charged_and_kept(gateway: Running) -> None:
    answer = await streamed(gateway, BIG, partial_images=3, size="512x512")
    assert (answer["oneshape"]["units"], answer["oneshape"]["warnings"]) == (200_000, [])
    async with gateway.client() as client:
        task = (await client.get(f"/v1/images/tasks/{answer['oneshape']['task_id']}")).json()["data"]
    assert len(task["results"]) == 1


async def streamed(gateway: Running, model: str, *, headers: dict[str, str] | None = None, **said: Any) -> Any:
    """The data of the last event."""
    return (await events(gateway, model, headers=headers, **said))[-1]


async def events(gateway: Running, model: str, *, headers: dict[str, str] | None = None, **said: Any) -> list[Any]:
    body = {"model": model, "prompt": "a cube", "stream": True, **said}
    async with gateway.client(headers=headers or {}) as client:
        answer = await client.post("/v1/images/generations", json=body)
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [orjson.loads(line) for line in lines]


async def test_a_vendor_that_shows_nothing_is_told_of(gateway: Running) -> None:
    found = await events(gateway, SMALL, partial_images=2)
    assert [event["type"] for event in found] == ["image_generation.completed"]
    assert [one["param"] for one in found[-1]["oneshape"]["warnings"]] == ["partial_images"]


async def test_with_an_idempotency_key_the_stream_is_the_same_each_time(gateway: Running) -> None:
    said: dict[str, Any] = {"partial_images": 2, "size": "512x512", "headers": {"idempotency-key": "a look"}}
    first, again = [await events(gateway, BIG, **said) for _ in range(2)]
    assert first == again
    assert [event["type"] for event in first] == ["image_generation.completed"]
    assert [one["param"] for one in first[-1]["oneshape"]["warnings"]] == ["partial_images"]


@pytest.mark.parametrize("stream", [False, True])
async def test_where_there_is_no_place_for_them_it_is_told(gateway: Running, stream: bool) -> None:
    said = {"model": SMALL, "partial_images": 1}
    async with gateway.client() as client:
        if stream:
            messages = [{"role": "user", "content": "a cube"}]
            answer = await client.post("/v1/chat/completions", json={**said, "messages": messages, "stream": True})
        else:
            answer = await client.post("/v1/images/generations", json={**said, "prompt": "a cube"})
    assert answer.status_code == 200
    assert "Only streams of the Images API show pictures while they are drawn." in answer.text
    assert 'partial_image"' not in answer.text


async def test_a_stream_that_breaks_after_a_look_is_no_picture_and_not_charged(gateway: Running) -> None:
    body = {"model": BIG, "prompt": "a cube [fault:error_mid_stream]", "stream": True, "partial_images": 1}
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json={**body, "size": "512x512"})
        task = (await client.get(f"/v1/images/tasks/{answer.headers['oneshape-task-id']}")).json()["data"]
    assert "event: error" in answer.text
    assert "image_generation.completed" not in answer.text
    assert (task["status"], task["oneshape"]["units"]) == ("failed", 0)


async def test_looks_leave_while_the_vendor_still_draws() -> None:
    """The vendor goes on only when its first event has been told: a client that reads to the end first would wait."""
    told = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'data: {"type":"image_generation.partial_image","n":1}\n\n'
        await told.wait()
        yield b'data: {"type":"image_generation.completed"}\n\n'

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    def exchange() -> Exchange[Any]:
        reply = yield Call("/images/generations", json={})
        return reply.events

    heard: list[Any] = []

    def on_event(event: Any, blobs: Blobs) -> None:
        heard.append(event)
        told.set()

    client = VendorClient(httpx.MockTransport(answer), clock=Clock())
    vendor = Vendor("v", "openai_images", "https://v.example/v1", ("k",))
    async with asyncio.timeout(60):
        outcome = await client.drive(exchange(), vendor, credential="k", open_sink=no_sink, on_event=on_event)
    assert tuple(heard) == outcome
    assert len(heard) == 2


def no_sink() -> Any:
    raise AssertionError("there is no picture in this stream")


async def test_frames_leave_before_the_answer_is_there() -> None:
    """The answer is there only when the first frame has been read."""
    read = asyncio.Event()

    async def rest() -> list[Frame]:
        await read.wait()
        return [Frame({"last": True})]

    async def meanwhile(done: "asyncio.Future[Any]") -> AsyncIterator[Frame]:
        yield Frame({"first": True}, "look")
        await asyncio.wait({done})

    response = event_stream(rest, clock=Clock(), on_error=lambda error: [], meanwhile=meanwhile)
    sent = b""
    async with asyncio.timeout(60):
        async for chunk in response.body_iterator:
            sent += chunk if isinstance(chunk, bytes) else str(chunk).encode()
            if b"first" in sent:
                read.set()
    assert sent == b'event: look\ndata: {"first":true}\n\ndata: {"last":true}\n\n'


def look(index: int, data: bytes) -> Glimpse:
    return Glimpse(index, Blob.of(data))


async def test_only_pictures_are_shown_and_no_more_than_a_slow_reader_may_leave() -> None:
    glimpses = Glimpses()
    glimpses.show(look(0, b"no picture"))
    for index in range(WAITING_MAX + 3):
        glimpses.show(look(index, png()))
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    shown = [one async for one in glimpses.until(done)]
    assert [one.index for one in shown] == list(range(WAITING_MAX))
    assert {(one.mime, one.width, one.height) for one in shown} == {("image/png", 64, 64)}
