"""Properties of every surface: whatever JSON stands anywhere, the answer is a request or a refusal, never a crash."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidRequest
from app.core.image import ImageRequest
from app.core.media import Blobs
from app.surfaces import gemini, image_tasks, openai_chat, openai_images
from app.wire.fields import read_image_fields

NAMES = [
    *("model", "prompt", "n", "size", "aspect_ratio", "--aspect_ratio", "image_size", "stream", "metadata", "seed"),
    *("image", "images", "mask", "url", "image_url", "b64_json", "extra_body", "google", "image_config", "imageConfig"),
    *("messages", "role", "content", "type", "text", "stream_options", "response_format", "webhook_url", "file_id"),
    *("contents", "parts", "inlineData", "data", "fileData", "fileUri", "systemInstruction", "generationConfig"),
    *("responseFormat", "candidateCount", "output_format", "thought", "partial_images"),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["data:image/png;base64,iVBORw0KGgo=", "https://a.example/x.png", "![a](https://b.example/y)", "1:1"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
BODY = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6).map(lambda body: {"model": "m", **body})
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {}, optional={"role": st.sampled_from(["user", "assistant", "tool"]) | JSON, "content": JSON}
    ),
    max_size=4,
)


def outcome(parse: Any) -> ImageRequest | InvalidRequest:
    try:
        request = parse()
    except InvalidRequest as refused:
        return refused
    assert isinstance(request, ImageRequest)
    return request


@given(BODY)
def test_any_json_anywhere_is_a_request_or_a_refusal(body: dict[str, Any]) -> None:
    """B20, B27."""
    outcome(lambda: openai_images.parse(body, Blobs()))
    outcome(lambda: openai_images.parse_edit(body, Blobs()))
    outcome(lambda: image_tasks.parse(body, Blobs()))
    outcome(lambda: openai_chat.parse_image(body, Blobs()))
    outcome(lambda: gemini.parse("m", body, Blobs(), stream=False))


@given(BODY, MESSAGES)
def test_any_conversation_is_a_request_or_a_refusal(body: dict[str, Any], messages: list[Any]) -> None:
    """B20."""
    outcome(lambda: openai_chat.parse_image(body | {"messages": messages}, Blobs()))


@given(st.lists(st.tuples(st.text("ab[]01", max_size=8), st.text(max_size=3)), max_size=6))
def test_any_form_is_a_request_or_a_refusal(fields: list[tuple[str, str]]) -> None:
    """B29."""
    outcome(lambda: openai_images.parse_edit_form([("model", "m"), *fields], [], Blobs()))


PLACES = st.sampled_from(
    [
        lambda value: {"aspect_ratio": value},
        lambda value: {"--aspect_ratio": value},
        lambda value: {"google": {"image_config": {"aspect_ratio": value}}},
        lambda value: {"extra_body": {"google": {"imageConfig": {"aspectRatio": value}}}},
        lambda value: {"generationConfig": {"imageConfig": {"aspectRatio": value}}},
    ]
)
RATIOS = st.sampled_from(["1:1", "16:9", "ASPECT_RATIO_ONE_BY_ONE", None])


@given(PLACES, RATIOS, PLACES, RATIOS)
def test_a_conflict_does_not_depend_on_the_order(place: Any, value: Any, other_place: Any, other_value: Any) -> None:
    """B28."""
    first, second = place(value), other_place(other_value)
    if first.keys() == second.keys():
        return

    one = outcome(lambda: read_image_fields({"model": "m", **first, **second}))
    two = outcome(lambda: read_image_fields({"model": "m", **second, **first}))

    if isinstance(one, InvalidRequest) or isinstance(two, InvalidRequest):
        assert isinstance(one, InvalidRequest)
        assert isinstance(two, InvalidRequest)
        assert (one.code, one.param) == (two.code, two.param) == ("conflicting_parameters", "aspect_ratio")
    else:
        assert one == two
