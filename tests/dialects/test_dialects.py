"""What holds for all dialects: options, what they take, and that no reply can break them."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.exchange import Call, Reply, VendorFailure
from app.core.image import ImageInput, ImageRequest, ImageResult, Pending, Turn
from app.core.media import Blob, Blobs, BlobText
from app.core.shape import Resolution
from app.dialects import DIALECTS
from tests.dialects.cases import outcome_of, target_of

PNG = b"\x89PNG\r\n\x1a\npicture"
WORDS = [
    "choices", "message", "delta", "content", "images", "image_url", "url", "type", "text", "media", "outputs",
    "data", "b64_json", "revised_prompt", "usage", "error", "code", "status", "task_id", "id", "result_url",
    "results", "progress", "metadata", "fail_reason", "candidates", "parts", "inlineData", "promptFeedback",
    "finishReason", "blockReason", "usageMetadata", "promptTokensDetails", "modality", "refusal", "index", "details",
]  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**19),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        ["https://c.example/a.png", base64.b64encode(PNG).decode(), "success", "failed", "image_url", "text"]
    ),
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@given(document=DOCUMENTS, status=st.sampled_from([200, 202, 400, 429, 500]), as_events=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_reply_is_a_result_a_pending_or_a_vendor_failure(
    dialect: str, document: Any, status: int, *, as_events: bool
) -> None:
    reply = Reply(
        status,
        None if as_events else document,
        is_json=not as_events,
        events=(document,) if as_events else None,
        text=orjson.dumps(str(document)).decode(),
        blobs=Blobs(),
    )
    exchanges = [DIALECTS[dialect].start(ImageRequest("m", "a fox"), target_of(dialect))]
    if dialect == "image_tasks":
        exchanges.append(DIALECTS[dialect].poll("h", target_of(dialect)))
    for exchange in exchanges:
        next(exchange)
        outcome = outcome_of(exchange, reply)
        assert isinstance(outcome, ImageResult | Pending | VendorFailure)
        assert not isinstance(outcome, ImageResult) or outcome.images
        assert not isinstance(outcome, VendorFailure) or len(outcome.detail) <= 500


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_bytes_go_out_by_reference_never_as_text_in_memory(dialect: str) -> None:
    target = target_of(
        dialect, options={"edits": "generations", "image_field": "image"} if dialect == "openai_images" else {}
    )
    request = ImageRequest("m", "a fox", inputs=(ImageInput(blob=Blob.of(PNG)),))
    leaves = list(_blob_texts(next(DIALECTS[dialect].start(request, target)).json))
    assert [leaf.blob.data for leaf in leaves] == [PNG]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_what_is_taken_is_sent_and_what_is_not_taken_is_not(dialect: str) -> None:
    target = target_of(dialect)
    takes = DIALECTS[dialect].takes(target)
    request = ImageRequest(
        "m",
        "a fox",
        history=(Turn("system", "a-system-turn"),),
        aspect_ratio="16:9",
        output_format="webp",
        options={"quality": "a-quality", "seed": 4242},
    )
    sent = _sent(next(DIALECTS[dialect].start(request, target)))
    assert ("a-system-turn" in sent) == takes.history
    assert ("webp" in sent) == ("webp" in takes.output_formats)
    assert ("a-quality" in sent) == ("quality" in takes.options)
    assert ("4242" in sent) == ("seed" in takes.options)
    assert ("16:9" in sent or "1376x768" in sent) == takes.aspect_ratio


@pytest.mark.parametrize("resolution", ["0.5K", "1K", "2K", "4K"])
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_resolution_is_told_only_where_the_target_says_so(dialect: str, resolution: Resolution) -> None:
    request = ImageRequest("m", "a fox", resolution=resolution)
    told = _sent(next(DIALECTS[dialect].start(request, target_of(dialect, resolution=resolution))))
    silent = _sent(next(DIALECTS[dialect].start(request, target_of(dialect))))
    assert told != silent
    assert not any(word in silent for word in ("image_size", "imageSize", "resolution", "size"))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_option_says_what_it_means_and_its_default_is_allowed(dialect: str) -> None:
    for option in DIALECTS[dialect].options.values():
        assert option.doc.endswith(".")
        assert not option.values or option.default in option.values


def test_string_only_messages_take_no_references() -> None:
    target = target_of("chat_images", options={"content_style": "string"})
    assert DIALECTS["chat_images"].takes(target).input_forms == ()


@pytest.mark.parametrize(("inputs", "forms"), [("url", ("url",)), ("data", ("data",)), ("both", ("url", "data"))])
def test_tasks_take_references_as_their_option_says(inputs: str, forms: tuple[str, ...]) -> None:
    assert DIALECTS["image_tasks"].takes(target_of("image_tasks", options={"inputs": inputs})).input_forms == forms


def test_openai_itself_takes_ten_uploads_and_masks_and_resellers_one_and_no_mask() -> None:
    openai = DIALECTS["openai_images"].takes(target_of("openai_images"))
    reseller = DIALECTS["openai_images"].takes(
        target_of(
            "openai_images", options={"aspect_ratio": "top_level", "image_field": "image", "edits": "generations"}
        )
    )
    assert (openai.images_per_call, openai.mask, openai.input_forms) == (10, True, ("data",))
    assert (reseller.images_per_call, reseller.mask, reseller.input_forms) == (1, False, ("url", "data"))


def _sent(call: Call) -> str:
    return orjson.dumps(call.json).decode()


def _blob_texts(value: Any) -> list[BlobText]:
    if isinstance(value, BlobText):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for item in inner for leaf in _blob_texts(item)]
