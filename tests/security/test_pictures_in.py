"""Pictures that come inside requests: data URIs of every kind (D59), masks and nothings (E63), at the real door."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from tests.security.painter import Painter, Shelf, catalog, painting, png
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS: Final = "/v1/images/generations"
EDITS: Final = "/v1/images/edits"
MB: Final = 2**20
World = tuple[Running, Painter]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with painting() as painter:
        directory = tmp_path_factory.mktemp("pictures")
        async with running_gateway(directory, source=Shelf(catalog(painter.url)), max_file_mb=1) as gateway:
            yield gateway, painter


def uri(data: bytes, mime: str = "image/png", *, parameters: str = ";base64") -> str:
    return f"data:{mime}{parameters},{base64.b64encode(data).decode()}"


SVG: Final = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script><image href='data:image/png;base64,AA=='/></svg>"
)
REFUSED: Final[dict[str, tuple[str, int]]] = {
    "no base64 in it": ("data:image/png;base64,####", 400),
    "percent-encoded bytes": ("data:image/png," + quote(png()), 400),
    "an SVG under its name": (uri(SVG, "image/svg+xml"), 400),
    "an SVG under a picture's name": (uri(SVG), 400),
    "a page": (uri(b"<html>", "text/html"), 400),
    "a picture in a data URI in a data URI": (uri(uri(png()).encode()), 400),
    "no comma": ("data:image/png;base64", 400),
    "nothing": ("data:,", 400),
    "no bytes": ("data:image/png;base64,", 400),
    "half a picture": (uri(png()[:20]), 400),
    "too much": (uri(png() + bytes(MB)), 413),
    "too much that is no base64": ("data:image/png;base64," + "#" * 2 * MB, 413),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("where", ["image", "images", "chat", "gemini"])
async def test_d59_a_data_uri_that_is_no_picture_is_refused_and_leaves_nothing(
    world: World, name: str, where: str
) -> None:
    gateway, painter = world
    given, status = REFUSED[name]
    before = painter.calls
    async with gateway.client() as client:
        answer = await ask(client, where, given)
    assert answer.status_code in ({400, 413} if status == 413 else {400}), answer.text[:300]
    assert len(answer.text) < 1000
    assert painter.calls == before
    assert [path for path in gateway.directory.rglob("spool/*/*") if path.is_file()] == []


async def ask(client: httpx.AsyncClient, where: str, given: str) -> httpx.Response:
    """A request with that reference, on one of the surfaces."""
    body: dict[str, Any] = {"model": "of-the-first", "prompt": "a fox"}
    match where:
        case "image":
            return await client.post(GENERATIONS, json={**body, "image": given})
        case "images":
            return await client.post(EDITS, json={**body, "images": [{"image_url": given}]})
        case "chat":
            part = {"type": "image_url", "image_url": {"url": given}}
            messages = [{"role": "user", "content": [{"type": "text", "text": "a fox"}, part]}]
            return await client.post("/v1/chat/completions", json={"model": "of-the-first", "messages": messages})
        case _:
            # What Gemini calls the data has no head; the mime type beside it is the client's word.
            data = given.partition(",")[2]
            parts = [{"text": "a fox"}, {"inlineData": {"mimeType": "image/png", "data": data}}]
            path = "/v1beta/models/of-the-first:generateContent"
            return await client.post(path, json={"contents": [{"parts": parts}]})


async def test_d59_a_picture_under_another_pictures_name_goes_on_under_its_own(world: World) -> None:
    gateway, _ = world
    async with gateway.client() as client:
        for mime in ("image/jpeg", "image/webp", "application/octet-stream", ""):
            answer = await ask(client, "image", uri(png(), mime))
            assert answer.status_code in (200, 400), (mime, answer.text)
            if mime.startswith("image/"):
                assert answer.status_code == 200, (mime, answer.text)


async def edit(gateway: Running, image: bytes, mask: bytes) -> httpx.Response:
    """An edit by form."""
    files = {"image": ("a.png", image, "image/png"), "mask": ("m.png", mask, "image/png")}
    async with gateway.client() as client:
        return await client.post(EDITS, data={"model": "of-the-first", "prompt": "a fox"}, files=files)


async def test_e63_a_mask_of_other_sides_than_the_picture_is_400_on_mask(world: World) -> None:
    gateway, painter = world
    before = painter.calls
    answer = await edit(gateway, png(16), png(8))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_image", "mask"), error
    assert "8x8" in error["message"]
    assert painter.calls == before
    assert (await edit(gateway, png(16), png(16))).status_code == 200


@pytest.mark.parametrize("which", ["image", "mask"])
async def test_e63_a_file_without_bytes_is_400(world: World, which: str) -> None:
    gateway, _ = world
    answer = await edit(gateway, b"" if which == "image" else png(), b"" if which == "mask" else png())
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in (which, None)


async def test_e63_seventeen_pictures_are_400_and_cost_nothing(world: World) -> None:
    gateway, painter = world
    before = painter.calls
    async with gateway.client() as client:
        body = {"model": "of-the-first", "prompt": "a fox", "images": [uri(png())] * 17}
        assert (await client.post(GENERATIONS, json=body)).status_code == 400
        account = json.loads((await client.get("/v1/account")).content)
    assert painter.calls == before
    assert account["held_units"] == 0
