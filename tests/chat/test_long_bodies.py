"""Long bodies go through files, and reach a text model's vendor as they came, whatever their pictures are like."""

import base64
import json
from typing import Any, Final

import pytest

from tests.chat.vendor import SAID, Vendor, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 6000).decode()


def asking(text: str, url: str) -> bytes:
    content: list[Any] = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps(
        {**SAID, "model": "secret-vendor-model", "messages": [{"role": "user", "content": content}]}
    ).encode()


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PICTURE}",
        f"data:image/png;base64,{PICTURE[:9000]}!{PICTURE[9000:]}",
        f"data:image/png;base64,{PICTURE}=",
        "no picture" * 200_000,
    ],
    ids=["a picture", "not base64", "padded wrongly", "words"],
)
async def test_a_text_models_vendor_gets_every_byte_and_judges_pictures_itself(
    shared: World, vendor: Vendor, url: str
) -> None:
    sent = asking("what is this?", url)
    response = await (await shared.new_account(units=100_000_000)).post(
        sent.replace(b"secret-vendor-model", b"public-model")
    )
    assert response.status_code == 200, response.text
    assert vendor.received[0].body == sent
    assert shared.gateway.services.spool.bytes == 0


async def test_many_pictures_are_no_reason_to_refuse_a_text_request(shared: World, vendor: Vendor) -> None:
    url = f"data:image/png;base64,{PICTURE[:8000]}"
    content = [{"type": "image_url", "image_url": {"url": url}}] * 40
    response = await (await shared.new_account()).post({**SAID, "messages": [{"role": "user", "content": content}]})
    assert response.status_code == 200, response.text
    assert len(vendor.received[0].document["messages"][0]["content"]) == 40


async def test_a_long_body_that_is_no_json_is_refused_and_leaves_nothing(shared: World, vendor: Vendor) -> None:
    sent = asking("what is this?", f"data:image/png;base64,{PICTURE}")[:-100]
    response = await (await shared.new_account()).post(sent)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
    assert vendor.received == []
    assert shared.gateway.services.spool.bytes == 0
