"""What vendors do that nobody expects, by the rows of the table in docs/conformance.md: each is produced by the sandbox
and survived over real sockets. Behaviours that end in an error are in test_broken_vendors.
"""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from app.cli.sandboxed import sandboxed_catalog
from app.gateway.catalog.live import Revision
from app.gateway.catalog.yaml import read, write
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHATS = ["uniall-chat", "infinityblue"]
SQUARE = (512, 512)


async def asked(gateway: Running, vendor: str, fault: str, **said: Any) -> httpx.Response:
    body = {"model": f"nano-banana-2-0.5k@{vendor}", "prompt": f"a cube [fault:{fault}]", **said}
    async with gateway.client() as client:
        return await client.post("/v1/images/generations", json=body)


async def chatted(gateway: Running, vendor: str, fault: str, *earlier: dict[str, Any], **said: Any) -> httpx.Response:
    messages = [*earlier, {"role": "user", "content": f"a cube [fault:{fault}]"}]
    async with gateway.client() as client:
        return await client.post(
            "/v1/chat/completions", json={"model": f"nano-banana-2-0.5k@{vendor}", "messages": messages, **said}
        )


async def pictures(gateway: Running, answer: httpx.Response) -> list[tuple[int, int]]:
    """The pixels of every picture of an answer, decoded."""
    assert answer.status_code == 200, answer.text
    sizes = []
    async with gateway.client() as client:
        for item in answer.json()["data"]:
            with Image.open(io.BytesIO((await client.get(item["url"])).content)) as picture:
                picture.load()
                sizes.append(picture.size)
    return sizes


async def last_call(gateway: Running) -> dict[str, Any]:
    return (await gateway.paid_calls())[-1]


@pytest.mark.parametrize("vendor", CHATS)
@pytest.mark.parametrize("fault", ["content_blocks", "output_image_blocks", "message_images"])
async def test_row_03_content_is_a_list_of_blocks_or_nothing(gateway: Running, vendor: str, fault: str) -> None:
    assert await pictures(gateway, await asked(gateway, vendor, fault)) == [SQUARE]


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_04_markdown_pictures_are_found_and_the_text_around_them_is_kept(
    gateway: Running, vendor: str
) -> None:
    answer = (await chatted(gateway, vendor, "two_markdown")).json()
    text, _, markdown = answer["choices"][0]["message"]["content"].rpartition("\n\n")
    assert "Which one?" in text
    assert "![" not in text
    assert markdown.startswith("![image](")
    assert await pictures(gateway, await asked(gateway, vendor, "url_with_text")) == [SQUARE]


async def test_row_04_a_text_part_of_google_holds_markdown(gateway: Running) -> None:
    assert await pictures(gateway, await asked(gateway, "google", "markdown_in_text")) == [SQUARE]


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_05_a_bare_url_or_data_uri_is_a_picture(gateway: Running, vendor: str) -> None:
    assert await pictures(gateway, await asked(gateway, vendor, "bare_uri")) == [SQUARE]


@pytest.mark.parametrize("vendor", ["uniall-chat", "uniall-tasks", "ccapi"])
async def test_row_06_a_url_that_has_expired_is_an_error_and_ours_is_never_the_vendors(
    gateway: Running, vendor: str
) -> None:
    expired = await asked(gateway, vendor, "expired_file")
    assert (expired.status_code, expired.json()["error"]["code"]) == (502, "upstream_invalid_response")
    kept = await asked(gateway, vendor, "missing_first")
    assert kept.json()["data"][0]["url"].startswith(f"{gateway.url}/v1/media/")


@pytest.mark.parametrize("vendor", ["uniall-tasks", "ccapi", "google"])
async def test_row_09_n_is_fanned_out_where_a_vendor_draws_one(gateway: Running, vendor: str) -> None:
    before = len(await gateway.paid_calls())
    answer = await asked(gateway, vendor, "wrong_mime", n=3)
    assert await pictures(gateway, answer) == [SQUARE] * 3
    assert len(await gateway.paid_calls()) == before + 3


async def test_row_09_fewer_pictures_than_asked_are_delivered_and_charged(gateway: Running) -> None:
    body = {"model": "gpt-image-2", "prompt": "a cube [fault:fewer_than_n]", "n": 3}
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json=body)
    account = answer.json()["oneshape"]
    assert len(await pictures(gateway, answer)) == 2
    assert (account["images_requested"], account["images_delivered"], account["units"]) == (3, 2, 400_000)


@pytest.mark.parametrize(
    "fault", ["keepalive_comments", "no_done", "empty_events", "crlf", "no_last_newline", "no_space_data"]
)
async def test_row_10_odd_event_streams_are_read(gateway: Running, fault: str) -> None:
    assert await pictures(gateway, await asked(gateway, "uniall-chat", fault)) == [SQUARE]


async def test_row_11_an_event_of_many_megabytes_is_read(gateway: Running) -> None:
    assert await pictures(gateway, await asked(gateway, "uniall-chat", "big_line")) == [SQUARE]


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_12_base64_without_a_prefix_in_content_is_a_picture(gateway: Running, vendor: str) -> None:
    assert await pictures(gateway, await asked(gateway, vendor, "raw_base64_content")) == [SQUARE]


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_14_progress_is_not_the_result(gateway: Running, vendor: str) -> None:
    answer = await chatted(gateway, vendor, "progress_then_image")
    content = answer.json()["choices"][0]["message"]["content"]
    assert content.startswith("![image]("), content
    assert content.count("![image](") == 1


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_16_one_picture_in_three_places_is_one(gateway: Running, vendor: str) -> None:
    assert await pictures(gateway, await asked(gateway, vendor, "thrice", n=2)) == [SQUARE] * 2


async def test_row_17_another_ratio_than_asked_is_told(gateway: Running) -> None:
    answer = (await asked(gateway, "ccapi", "wrong_size", aspect_ratio="16:9")).json()
    assert (answer["data"][0]["width"], answer["data"][0]["height"], answer["size"]) == (640, 640, "640x640")
    assert [(one["code"], one["param"]) for one in answer["oneshape"]["warnings"]] == [("mismatch", "aspect_ratio")]


async def test_row_18_a_draft_is_not_the_result(gateway: Running) -> None:
    body = {"model": "nano-banana-pro-2k@google", "prompt": "a cube [fault:unmarked_draft]"}
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json=body)
    assert await pictures(gateway, answer) == [(2048, 2048)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def in_parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway whose chat vendors are told messages as arrays of parts."""
    async with serve_sandbox(SandboxConfig()) as url:
        document: Any = read(sandboxed_catalog(url), format="yaml")[0]
        for name in CHATS:
            document["vendors"][name].setdefault("options", {})["content_style"] = "parts"
        revision = Revision(1, write(document), "yaml")

        async def source() -> Revision:
            return revision

        async with running_gateway(tmp_path_factory.mktemp("parts"), source=source) as running:
            yield running


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_19_a_vendor_that_takes_no_string_is_set_to_parts(
    gateway: Running, in_parts: Running, vendor: str
) -> None:
    refused = await asked(gateway, vendor, "string_content_400")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_value")
    assert await pictures(in_parts, await asked(in_parts, vendor, "string_content_400")) == [SQUARE]


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [("uniall-chat", "json_when_sse"), ("infinityblue", "sse_when_json"), ("google", "sse_when_json")],
)
async def test_row_20_events_or_json_whatever_was_asked(gateway: Running, vendor: str, fault: str) -> None:
    assert await pictures(gateway, await asked(gateway, vendor, fault)) == [SQUARE]


RELAYS = ["uniall-chat", "uniall-tasks", "infinityblue", "ccapi"]


@pytest.mark.parametrize("vendor", RELAYS)
async def test_row_21_a_503_that_says_unknown_model_is_no_outage(gateway: Running, vendor: str) -> None:
    """Google's errors have no such code; a 503 of theirs is one."""
    answer = await asked(gateway, vendor, "unknown_model_503")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")


@pytest.mark.parametrize("vendor", [*RELAYS, "google"])
async def test_row_21_a_500_that_says_moderation_is_a_refusal(gateway: Running, vendor: str) -> None:
    answer = await asked(gateway, vendor, "moderation_500")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")


@pytest.mark.parametrize("vendor", ["uniall-chat", "infinityblue", "google"])
async def test_row_22_the_public_name_is_answered_whatever_the_vendor_says(gateway: Running, vendor: str) -> None:
    answer = (await asked(gateway, vendor, "wrong_model")).json()
    assert answer["model"] == f"nano-banana-2-0.5k@{vendor}"
    assert "_other" not in str(answer)
    assert "8K" not in str(answer)


async def test_row_23_a_double_slash_of_a_base_url_is_kept(gateway: Running) -> None:
    """The simulated vendor has nothing at the path with one slash."""
    async with httpx.AsyncClient(base_url=gateway.sandbox_url) as client:
        assert (await client.post("/ccapi/v1/images/generations", json={})).status_code == 404
    assert await pictures(gateway, await asked(gateway, "ccapi", "wrong_mime")) == [SQUARE]


async def test_row_24_a_result_in_fail_reason_is_a_result(gateway: Running) -> None:
    assert await pictures(gateway, await asked(gateway, "uniall-tasks", "url_in_fail_reason")) == [SQUARE]


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_25_vendors_of_chat_are_told_in_snake_case(gateway: Running, vendor: str) -> None:
    """One simulated vendor refuses camelCase; the other would not see the ratio."""
    answer = await chatted(gateway, vendor, "markdown", extra_body={"google": {"imageConfig": {"aspectRatio": "16:9"}}})
    assert answer.status_code == 200, answer.text
    assert (await last_call(gateway))["order"]["ratio"] == "16:9"


@pytest.mark.parametrize("vendor", CHATS)
async def test_row_26_pictures_in_the_history_are_references_and_no_text(gateway: Running, vendor: str) -> None:
    noise = Image.effect_noise((160, 160), 90)
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert len(uri) > 8_000
    earlier = [{"role": "user", "content": "a cube"}, {"role": "assistant", "content": f"Here: ![image]({uri})"}]
    answer = await chatted(gateway, vendor, "short_texts", *earlier)
    assert answer.status_code == 200, answer.text
    assert len((await last_call(gateway))["order"]["references"]) == 1
