"""Chat completions of image models, by the contract's example and wire-facts 2.2 and 2.5."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.core.image import ImageAnswer
from app.core.media import Blobs
from app.surfaces import openai_chat
from app.surfaces.openai_chat import ChatImageStyle
from tests.surfaces.answers import JPEG_BASE64, PNG_BASE64, answer, sent, without_bytes

ID = "chatcmpl-1"
URL = "https://gw.example/v1/media/med_x.png?exp=1&sig=s"
URL_2 = "https://gw.example/v1/media/med_y.jpg?exp=1&sig=s"
DATA_URI = f"data:image/png;base64,{PNG_BASE64}"
DATA_URI_2 = f"data:image/jpeg;base64,{JPEG_BASE64}"


def parse(**body: Any) -> Any:
    return openai_chat.parse_image(
        {"model": "nanobanana_pro", "messages": [{"role": "user", "content": "a cat"}], **body}, Blobs()
    )


def rendered(finished: ImageAnswer, style: ChatImageStyle = "markdown") -> Any:
    return sent(openai_chat.render(finished, completion_id=ID, style=style))


def test_an_order_is_read_as_relays_write_it() -> None:
    """Wire-facts 0.3: literal `extra_body.google.image_config`."""
    request = parse(extra_body={"google": {"image_config": {"aspect_ratio": "16:9", "image_size": "2K"}}}, n=2)

    assert (request.model, request.prompt, request.n) == ("nanobanana_pro", "a cat", 2)
    assert (request.aspect_ratio, request.resolution) == ("16:9", "2K")
    assert (request.response_format, request.warnings) == ("url", ())


def test_options_of_text_are_ignored_only_where_they_are_set() -> None:
    request = parse(temperature=0.5, tools=[], max_tokens=None, modalities=["image", "text"])

    assert [(item.code, item.param) for item in request.warnings] == [("ignored", "temperature"), ("ignored", "tools")]


def test_the_response_format_of_text_models_is_ignored_and_that_of_pictures_is_honoured() -> None:
    text = parse(response_format={"type": "json_object"})

    assert (text.response_format, [item.param for item in text.warnings]) == ("url", ["response_format"])
    assert parse(response_format="b64_json").response_format == "b64_json"


@pytest.mark.parametrize(
    ("options", "param"),
    [("junk", "stream_options"), ([], "stream_options"), ({"include_usage": "yes"}, "stream_options.include_usage")],
)
def test_stream_options_that_make_no_sense_are_refused(options: Any, param: str) -> None:
    """B32."""
    with pytest.raises(InvalidRequest) as refused:
        parse(stream=True, stream_options=options)

    assert refused.value.param == param


def test_stream_options_without_a_stream_are_refused_for_text_and_pictures() -> None:
    """B32: as OpenAI does."""
    said = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for options in ({}, {"include_usage": True}):
        with pytest.raises(InvalidRequest, match="only for streams"):
            parse(stream_options=options)
        with pytest.raises(InvalidRequest, match="only for streams"):
            openai_chat.parse_text({**said, "stream": False, "stream_options": options}, b"{}")
    assert not openai_chat.parse_text({**said, "stream_options": None}, b"{}").shows_usage


@pytest.mark.parametrize(
    ("options", "wanted"),
    [(None, False), ({}, False), ({"include_usage": None}, False), ({"include_usage": True}, True)],
)
def test_usage_is_streamed_only_when_asked_for(options: Any, wanted: bool) -> None:
    assert openai_chat.wants_usage({"stream_options": options}) is wanted


def test_the_answer_is_the_contracts() -> None:
    assert rendered(without_bytes(answer())) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "nano-banana-pro-2k",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": f"![image]({URL})",
                    "images": [{"type": "image_url", "index": 0, "image_url": {"url": URL}}],
                },
                "finish_reason": "stop",
            }
        ],
        "media": {"outputs": [URL]},
        "usage": {"prompt_tokens": 24, "completion_tokens": 1120, "total_tokens": 1144},
        "oneshape": {
            "task_id": "task_1",
            "units": 134000,
            "images_requested": 1,
            "images_delivered": 1,
            "warnings": [],
        },
    }


@pytest.mark.parametrize(
    ("style", "content"),
    [
        ("markdown", f"Here.\n\n![image]({URL})\n![image]({URL_2})"),
        ("data", f"Here.\n\n![image]({DATA_URI})\n![image]({DATA_URI_2})"),
        ("url", f"Here.\n\n{URL}\n{URL_2}"),
    ],
)
def test_a_style_changes_the_content_and_nothing_else(style: ChatImageStyle, content: str) -> None:
    body = rendered(answer(images=2, text="Here.\n"), style)
    message = body["choices"][0]["message"]

    assert message["content"] == content
    assert [image["image_url"]["url"] for image in message["images"]] == [URL, URL_2]
    assert [image["index"] for image in message["images"]] == [0, 1]
    assert body["media"]["outputs"] == [URL, URL_2]


@pytest.mark.parametrize(
    ("style", "content"),
    [("markdown", f"![image]({DATA_URI})"), ("data", f"![image]({DATA_URI})"), ("url", DATA_URI)],
)
def test_base64_means_data_uris_everywhere(style: ChatImageStyle, content: str) -> None:
    body = rendered(answer(response_format="b64_json"), style)

    assert body["choices"][0]["message"]["content"] == content
    assert body["choices"][0]["message"]["images"][0]["image_url"]["url"] == DATA_URI
    assert body["media"]["outputs"] == [DATA_URI]


@pytest.mark.parametrize(
    ("style", "response_format", "needed"),
    [("markdown", "url", False), ("url", "url", False), ("data", "url", True), ("url", "b64_json", True)],
)
def test_bytes_are_needed_only_where_they_are_shown(style: ChatImageStyle, response_format: str, needed: bool) -> None:
    assert openai_chat.needs_bytes(style, parse(response_format=response_format)) is needed


def head(**more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "nano-banana-pro-2k",
        **more,
    }


def test_a_stream_opens_with_the_role_and_then_has_pictures_and_an_end() -> None:
    finished = without_bytes(answer())
    opening = openai_chat.role_chunk(
        completion_id=ID, model=finished.model, created_at=finished.created_at, include_usage=False
    )
    chunks = openai_chat.render_stream(finished, completion_id=ID, style="markdown", include_usage=False)

    assert [sent(chunk) for chunk in (opening, *chunks)] == [
        head(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
        head(
            choices=[
                {
                    "index": 0,
                    "delta": {
                        "content": f"![image]({URL})",
                        "images": [{"type": "image_url", "index": 0, "image_url": {"url": URL}}],
                    },
                    "finish_reason": None,
                }
            ],
            media={"outputs": [URL]},
        ),
        head(
            choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}],
            oneshape={
                "task_id": "task_1",
                "units": 134000,
                "images_requested": 1,
                "images_delivered": 1,
                "warnings": [],
            },
        ),
    ]


def test_a_stream_with_usage_has_null_in_every_chunk_and_one_more_chunk() -> None:
    """Wire-facts 2.2."""
    finished = without_bytes(answer())
    opening = openai_chat.role_chunk(completion_id=ID, model="m", created_at=1, include_usage=True)
    chunks = openai_chat.render_stream(finished, completion_id=ID, style="url", include_usage=True)

    assert [chunk["usage"] for chunk in (opening, *chunks[:-1])] == [None, None, None]
    assert chunks[-1] == head(choices=[], usage={"prompt_tokens": 24, "completion_tokens": 1120, "total_tokens": 1144})


@pytest.mark.parametrize(("modalities", "told"), [(["text"], ["modalities"]), (["image", "text"], []), (None, [])])
def test_a_client_that_asks_for_text_alone_is_told_that_it_gets_pictures(modalities: Any, told: list[str]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "a cat"}], "modalities": modalities}
    assert [warning.param for warning in openai_chat.parse_image(body, Blobs()).warnings] == told
