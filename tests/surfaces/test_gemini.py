"""Gemini's generateContent as the official SDK sends and reads it (wire-facts 4.4-4.7)."""

from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types

from app.core.errors import GatewayError, InsufficientQuota, InvalidRequest, NotFound, RateLimited, UpstreamTimeout
from app.core.image import Turn
from app.core.media import Blobs
from app.surfaces import gemini
from tests.surfaces.answers import JPEG_BASE64, PNG, PNG_BASE64, answer, sent

PROMPT = {"role": "user", "parts": [{"text": "a cat"}]}


def parse(*contents: Any, **body: Any) -> Any:
    return gemini.parse("gemini-3-pro-image", {"contents": list(contents), **body}, Blobs(), stream=False)


def refusal(*contents: Any, **body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        parse(*contents, **body)
    return refused.value


def test_an_order_is_read_in_googles_casing() -> None:
    """Wire-facts 4.4."""
    request = parse(
        {
            "role": "user",
            "parts": [
                {"text": "place this mug on a red table"},
                {"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://cdn.example/table.jpg"}},
            ],
        },
        generationConfig={
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            "candidateCount": 2,
        },
    )

    assert (request.model, request.prompt) == ("gemini-3-pro-image", "place this mug on a red table")
    assert (request.n, request.aspect_ratio, request.resolution) == (2, "16:9", "2K")
    assert [picture.mime or picture.url for picture in request.inputs] == ["image/png", "https://cdn.example/table.jpg"]
    assert (request.response_format, request.warnings) == ("b64_json", ())


def test_an_order_is_read_in_snake_case_at_every_level() -> None:
    request = parse(
        {
            "parts": [
                {"text": "p"},
                {"inline_data": {"mime_type": "image/png", "data": PNG_BASE64}},
                {"file_data": {"file_uri": "https://cdn.example/table.jpg"}},
            ]
        },
        system_instruction={"parts": [{"text": "Be kind."}]},
        generation_config={"image_config": {"aspect_ratio": "1:1"}},
    )

    assert len(request.inputs) == 2
    assert (request.aspect_ratio, request.history) == ("1:1", (Turn("system", "Be kind."),))


def test_earlier_contents_are_history_and_their_pictures_references() -> None:
    request = parse(
        {"role": "user", "parts": [{"text": "a dog"}]},
        {
            "role": "model",
            "parts": [
                {"text": "planning", "thought": True},
                {"inlineData": {"mimeType": "image/png", "data": JPEG_BASE64}, "thought": True},
                {"text": "Here it is."},
                {"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}, "thoughtSignature": "c2ln"},
            ],
        },
        PROMPT,
    )

    assert request.history == (Turn("user", "a dog"), Turn("assistant", "Here it is."))
    assert [turn.param for turn in request.history] == ["contents[0]", "contents[1]"]
    assert [picture.mime for picture in request.inputs] == ["image/png"]
    assert request.warnings == ()


def test_what_does_nothing_for_pictures_is_reported() -> None:
    request = parse(
        {"role": "user", "parts": [{"text": "a cat", "glow": 1}]},
        {"role": "model", "parts": [{"text": "Sure: "}]},
        safetySettings=[],
        generationConfig={"temperature": 1},
        made_up=1,
    )

    assert sorted((item.code, item.param) for item in request.warnings) == [
        ("ignored", "contents[1]"),
        ("ignored", "generationConfig.temperature"),
        ("ignored", "safetySettings"),
        ("unknown_parameter", "contents[0].parts[0].glow"),
        ("unknown_parameter", "made_up"),
    ]


@pytest.mark.parametrize(
    "contents",
    [[], [{"role": "model", "parts": [{"text": "x"}]}], [{"parts": []}], [{"parts": [{"text": " "}]}]],
)
def test_contents_without_a_prompt_are_refused(contents: list[Any]) -> None:
    error = refusal(*contents)

    assert (error.code, error.param) == ("missing_required_parameter", "contents")


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ("a cat", "contents[0]"),
        ({"role": "robot", "parts": []}, "contents[0].role"),
        ({"role": ["user"], "parts": []}, "contents[0].role"),
        ({"role": "user"}, "contents[0].parts"),
        ({"parts": ["a cat"]}, "contents[0].parts[0]"),
        ({"parts": [{"functionCall": {}}]}, "contents[0].parts[0]"),
        ({"parts": [{"text": 5}]}, "contents[0].parts[0]"),
        ({"parts": [{"inlineData": {"data": "!"}}]}, "contents[0].parts[0].inlineData.data"),
        ({"parts": [{"fileData": {}}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"parts": [{"fileData": {"fileUri": "gs://bucket/x"}}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"parts": [{"text": f"data:image/png;base64,{PNG_BASE64}"}]}, "contents[0].parts[0].text"),
        ({"parts": [{"text": "x"}] * 5000}, "contents[0].parts[2000]"),
    ],
)
def test_a_content_that_cannot_be_understood_is_refused_at_its_place(content: Any, param: str) -> None:
    """B20, B34."""
    assert refusal(content, PROMPT).param == param


def test_one_key_in_both_casings_must_say_the_same() -> None:
    """B28."""
    part = {"inlineData": {"data": PNG_BASE64}, "inline_data": {"data": JPEG_BASE64}}

    assert refusal({"parts": [{"text": "x"}, part]}).code == "conflicting_parameters"


def test_the_answer_has_a_candidate_for_each_picture() -> None:
    assert sent(gemini.render(answer(images=2, text="Here.", response_format="b64_json"))) == {
        "candidates": [
            {
                "index": 0,
                "content": {
                    "role": "model",
                    "parts": [{"text": "Here."}, {"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}}],
                },
                "finishReason": "STOP",
            },
            {
                "index": 1,
                "content": {
                    "role": "model",
                    "parts": [{"inlineData": {"mimeType": "image/jpeg", "data": JPEG_BASE64}}],
                },
                "finishReason": "STOP",
            },
        ],
        "usageMetadata": {"promptTokenCount": 24, "candidatesTokenCount": 1120, "totalTokenCount": 1144},
        "modelVersion": "nano-banana-pro-2k",
        "responseId": "task_1",
        "oneshape": {
            "task_id": "task_1",
            "units": 268000,
            "images_requested": 2,
            "images_delivered": 2,
            "warnings": [],
        },
    }


def test_a_stream_has_a_document_for_each_picture_and_usage_with_the_last() -> None:
    documents = [sent(document) for document in gemini.render_stream(answer(images=2, response_format="b64_json"))]

    assert [document["candidates"][0]["index"] for document in documents] == [0, 1]
    assert ["usageMetadata" in document for document in documents] == [False, True]
    assert {document["responseId"] for document in documents} == {"task_1"}


def test_the_official_sdk_is_understood_and_understands() -> None:
    """Bytes in the URL-safe alphabet, mixed casing, and our extra key (contract section 9; wire-facts 4.4, 4.8)."""
    received: list[Any] = []

    def serve(request: httpx.Request) -> httpx.Response:
        body = httpx.Response(200, content=request.content).json()
        received.append(gemini.parse("nano-banana", body, Blobs(), stream=False))
        return httpx.Response(200, json=sent(gemini.render(answer(response_format="b64_json"))))

    picture = PNG + b"\xff\xfe\xfb\xff"
    with httpx.Client(transport=httpx.MockTransport(serve)) as http:
        options = types.HttpOptions(base_url="http://gw.example", httpx_client=http)
        client = genai.Client(api_key="sk-test", http_options=options)
        response = client.models.generate_content(
            model="nano-banana",
            contents=types.UserContent(
                [
                    types.Part.from_text(text="draw"),
                    types.Part.from_bytes(data=picture, mime_type="image/png"),
                    types.Part.from_uri(file_uri="https://a.example/y.jpg", mime_type="image/jpeg"),
                ]
            ),
            config=types.GenerateContentConfig(
                system_instruction="Be kind.",
                candidate_count=2,
                response_modalities=["IMAGE"],
                image_config=types.ImageConfig(aspect_ratio="16:9", image_size="4K"),
            ),
        )

    (request,) = received
    assert (request.prompt, request.n, request.aspect_ratio, request.resolution) == ("draw", 2, "16:9", "4K")
    assert request.history == (Turn("system", "Be kind."),)
    assert request.inputs[0].blob.data == picture
    assert request.inputs[1].url == "https://a.example/y.jpg"
    assert request.warnings == ()
    assert response.parts is not None
    assert [part.inline_data.data for part in response.parts if part.inline_data] == [PNG]


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InvalidRequest("No."), 400, "INVALID_ARGUMENT"),
        (InsufficientQuota("No."), 402, "RESOURCE_EXHAUSTED"),
        (NotFound("No."), 404, "NOT_FOUND"),
        (RateLimited("No."), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamTimeout("No."), 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_have_googles_shape(error: GatewayError, code: int, status: str) -> None:
    assert gemini.render_error(error) == {"error": {"code": code, "message": "No.", "status": status}}


def test_an_error_tells_where_a_result_may_appear() -> None:
    assert gemini.render_error(UpstreamTimeout("Late.", task_id="task_1"))["oneshape"] == {"task_id": "task_1"}


def test_base64_is_bare_and_decodes_to_the_picture() -> None:
    (candidate,) = sent(gemini.render(answer(response_format="b64_json")))["candidates"]

    assert candidate["content"]["parts"][0]["inlineData"]["data"] == PNG_BASE64


BODY: dict[str, Any] = {"contents": [{"parts": [{"text": "a cat"}]}]}


@pytest.mark.parametrize("said", ["other", "nano-banana-2", 5, ["m"]])
def test_a_model_in_the_body_must_be_the_paths(said: Any) -> None:
    assert gemini.parse("nano-banana", {**BODY, "model": "models/NanoBanana"}, Blobs(), stream=False).warnings == ()
    with pytest.raises(InvalidRequest, match="but the path says 'nano-banana'") as refused:
        gemini.parse("nano-banana", {**BODY, "model": said}, Blobs(), stream=False)
    assert (refused.value.code, refused.value.param) == ("conflicting_parameters", "model")


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"stream": True}, "stream"),
        ({"responseFormat": "url"}, "responseFormat"),
        ({"response_format": {"type": "x"}}, "response_format"),
        ({"generationConfig": {"responseModalities": ["TEXT"]}}, "generationConfig.responseModalities"),
        ({"generation_config": {"response_modalities": ["Text", 5]}}, "generationConfig.responseModalities"),
    ],
)
def test_what_the_path_and_the_api_settle_is_told_where_the_body_says_otherwise(
    said: dict[str, Any], param: str
) -> None:
    request = gemini.parse("m", {**BODY, **said}, Blobs(), stream=False)
    assert [(warning.code, warning.param) for warning in request.warnings] == [("ignored", param)]
    assert (request.stream, request.response_format) == (False, "b64_json")


@pytest.mark.parametrize(
    "said",
    [
        {"stream": False},
        {"response_format": "b64_json"},
        {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
        {"generationConfig": {"responseModalities": []}},
    ],
)
def test_what_is_settled_so_anyway_is_no_warning(said: dict[str, Any]) -> None:
    assert gemini.parse("m", {**BODY, **said}, Blobs(), stream=False).warnings == ()


def test_a_part_is_one_thing() -> None:
    part = {"text": "a cat", "fileData": {"fileUri": "https://a.example/x.png"}}
    with pytest.raises(InvalidRequest, match="both 'text' and 'file_data'") as refused:
        gemini.parse("m", {"contents": [{"parts": [{"text": "a dog"}, part]}]}, Blobs(), stream=False)
    assert refused.value.param == "contents[0].parts[1]"
