"""Documents on their way out: pictures stay blobs, everything else is JSON, and the length is known before sending."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.media import Blob, BlobText
from app.wire.outgoing import Joined, Segment, encode, length

TEXT = st.text(max_size=10)
BLOB_TEXT = st.builds(BlobText, st.binary(max_size=10).map(Blob.of), TEXT)
LEAVES = st.none() | st.integers(-5, 5) | TEXT | BLOB_TEXT
DOCUMENTS = st.recursive(
    LEAVES | st.lists(TEXT | BLOB_TEXT, max_size=4).map(lambda parts: Joined(tuple(parts))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def joined(segments: list[Segment]) -> bytes:
    return b"".join(part if isinstance(part, bytes) else base64.b64encode(part.data or b"") for part in segments)


def written_out(value: Any) -> Any:
    """The document with every picture as a plain string."""
    match value:
        case BlobText():
            return value.prefix + base64.b64encode(value.blob.data or b"").decode()
        case Joined():
            return "".join(written_out(part) for part in value.parts)
        case list():
            return [written_out(item) for item in value]
        case dict():
            return {key: written_out(item) for key, item in value.items()}
        case _:
            return value


@given(DOCUMENTS)
def test_a_document_is_the_same_as_with_its_pictures_as_strings(document: Any) -> None:
    segments = encode(document)

    assert orjson.loads(joined(segments)) == written_out(document)
    assert length(segments) == len(joined(segments))


def test_a_picture_is_never_encoded_in_memory() -> None:
    blob = Blob.of(b"picture")

    assert encode({"a": BlobText(blob, 'x"'), "b": "\0"}) == [b'{"a":"x\\"', blob, b'","b":"\\u0000"}']


def test_what_is_not_json_is_a_bug_and_not_guessed_at() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})
