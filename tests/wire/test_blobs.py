"""Pictures are lifted whatever their spelling and wherever a stream is cut; the rest of a document stays as it was."""

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.media import decode_base64
from app.wire.blobs import Lifter, SpoolSink, TruncatedBlob, encode_chunks
from tests.wire.lifting import (
    NONCE,
    SPELLINGS,
    MemorySink,
    any_spelling,
    lift,
    lifted_by,
    lifter,
    lines,
    picture,
    text_of,
)

PLACES = (
    "{}",
    "data:image/png;base64,{}",
    "data:image/png;base64,data:image/jpeg;base64,{}",
    "![image](data:image/png;base64,{})",
    "Here: ![a](data:image/webp;base64,{}) and ![b](data:image/webp;base64,{}) too",
    "<img src='data:image/png;base64,{}'>",
)
PLAIN = ("no padding", "plain", "url-safe")
"""What base64 may look like in JSON that is a string of another document: an escape would be escaped again there."""
LOOK_AHEAD = 24 * len("\\u0041")
SLOW = {("all escaped", 1), ("all escaped", 5)}
TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", ";base64,", '"data:image/png;base64,', "blob:5f3a:0", "x" * 6_000]
)


def leaves(mark: str) -> st.SearchStrategy[str]:
    return TEXTS | st.sampled_from(PLACES).map(lambda place: place.replace("{}", mark))


@dataclass(frozen=True)
class Written:
    """A document as it is sent and as it is given out, in parts: every other one is a picture, and its placeholder."""

    sent: list[bytes]
    given: list[bytes]
    pictures: list[bytes]

    def given_before(self, cut: int) -> bytes:
        """What is given out of a stream that ends at `cut`, outside of what was begun to be lifted."""
        given, at = b"", 0
        for part, instead in zip(self.sent, self.given, strict=True):
            if at + len(part) > cut:
                return given + b"".join(self.sent)[at:cut]
            given, at = given + instead, at + len(part)
        return given

    def has_begun(self, cut: int) -> bool:
        """Whether the bytes before `cut` may end in a picture: what follows one may yet turn out to belong to it."""
        ends = list(accumulate(map(len, self.sent)))
        return any(ends[index - 1] < cut < ends[index] + LOOK_AHEAD for index in range(1, len(ends), 2))


@st.composite
def written(draw: st.DrawFn) -> Written:
    """A document with pictures anywhere in it, also in JSON that is a string of it."""
    value = draw(
        st.recursive(
            leaves("<PICTURE>") | st.none() | st.integers(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
            max_leaves=8,
        )
    )
    is_nested = draw(st.booleans())
    document = json.dumps({"text": json.dumps(value)} if is_nested else value, ensure_ascii=draw(st.booleans()))
    first, *parts = (part.encode("utf-8", "surrogatepass") for part in document.split("<PICTURE>"))
    whole = Written([first], [first], [])
    for index, part in enumerate(parts):
        whole.pictures.append(picture(index, draw(st.integers(4_200, 9_000))))
        text = text_of(whole.pictures[-1])
        spelled = SPELLINGS[draw(st.sampled_from(PLAIN))](text) if is_nested else draw(any_spelling(text))
        space = re.match(r"(?:\\n|\\r|\\t|\\u00(?:0[aAdD9]|20)|\s)*", spelled)
        assert space is not None
        whole.sent.extend((spelled.encode(), part))
        whole.given.extend((f"{space[0]}blob:{NONCE}:{index}".encode(), part))
    return whole


def fed(lifting: Lifter, stream: bytes, data: st.DataObject) -> bytes:
    """What is given out when the stream comes in pieces of any size, its end included."""
    rest, at = b"", 0
    while at < len(stream):
        size = data.draw(st.integers(1, 20) | st.integers(1, 9_000))
        rest += lifting.feed(stream[at : at + size])
        at += size
    return rest + lifting.close()


@settings(deadline=None, max_examples=120)
@given(written(), st.data())
def test_a_lifted_document_with_its_pictures_is_the_whole_document(document: Written, data: st.DataObject) -> None:
    lifting = lifter([])
    assert fed(lifting, b"".join(document.sent), data) == b"".join(document.given)
    assert lifted_by(lifting) == document.pictures


@settings(deadline=None, max_examples=60)
@given(written(), st.data())
def test_f73_of_a_stream_that_is_cut_anywhere_no_picture_is_half(document: Written, data: st.DataObject) -> None:
    stream = b"".join(document.sent)
    cut = data.draw(st.integers(0, len(stream)))
    lifting = lifter([])
    try:
        assert fed(lifting, stream[:cut], data) == document.given_before(cut)
    except TruncatedBlob:
        assert document.has_begun(cut)
    found = lifted_by(lifting)
    assert found == document.pictures[: len(found)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", sorted(SPELLINGS))
def test_f74_what_is_lifted_is_what_json_and_base64_say(spelling: str, place: str) -> None:
    data = picture(1)
    document = json.dumps({"a": [place.replace("{}", "@", 1)]}).replace("@", SPELLINGS[spelling](text_of(data)))
    rest, lifted = lift(document.encode())
    assert lifted == [data]
    before, _, after = json.loads(rest)["a"][0].partition(f"blob:{NONCE}:0")
    whole = json.loads(document)["a"][0]
    assert whole.startswith(before)
    assert whole.endswith(after)
    assert decode_base64(whole[len(before) : len(whole) - len(after)]) == data


@pytest.mark.parametrize(
    ("spelling", "chunk_bytes"),
    [
        (spelling, size)
        for spelling in sorted(SPELLINGS)
        for size in (1, 5, 1_000, 4_097)
        if (spelling, size) not in SLOW
    ],
)
def test_where_a_stream_is_cut_makes_no_difference(spelling: str, chunk_bytes: int) -> None:
    text = SPELLINGS[spelling](text_of(picture(2, 4_200)))
    stream = f'data: {{"c":"![](data:image/png;base64,{text})\\n\\nDone.","b":"{text}"}}\n\ndata: [DONE]\n\n'.encode()
    assert lift(stream, chunk_bytes=chunk_bytes) == lift(stream)


@pytest.mark.parametrize(
    "signature", [b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\x10\x20\x30\x40WEBP", b"\0\0\0\x20ftypavif", b"<svg xmlns="]
)
def test_every_kind_of_picture_is_known_at_the_start_of_a_string(signature: bytes) -> None:
    data = picture(3, signature=signature)
    assert lift(b'{"x":"%s"}' % text_of(data).encode()) == (b'{"x":"blob:5f3a:0"}', [data])


def test_after_a_mark_anything_long_is_lifted_since_the_document_says_what_it_is() -> None:
    data = picture(4, signature=b"%PDF-1.7")
    document = f'"data:application/pdf;base64,{text_of(data)}"'.encode()
    assert lift(document) == (b'"data:application/pdf;base64,blob:5f3a:0"', [data])


@pytest.mark.parametrize(
    "document",
    [
        '{"prompt":"' + "a" * 5_000 + '"}',
        '{"prompt":"' + "Lorem ipsum dolor sit amet " * 500 + '"}',
        '{"prompt":"' + "ÄÖÜ" * 5_000 + '"}',
        '{"' + "k" * 9_000 + '":"' + "1" * 9_000 + '"}',
        '{"n":' + "1" * 9_000 + "}",
        '{"signature":"' + text_of(picture(5, 50_000, b"\x0a\x24\x08\x01")) + '"}',
        '{"cipher":"' + text_of(picture(5, 50_000, b"BM\x08\x01")) + '"}',
        '{"b64_json":"' + text_of(picture(6, 3_000)) + '"}',
        '"data:image/png;base64,' + text_of(picture(6, 3_000)) + '"',
        '{"prompt":"what is ;base64, ' + "word " * 3_000 + '"}',
        '"say ' + text_of(picture(6)) + '"',
        '["","","a","' + '","'.join(["x" * 31] * 500) + '"]',
        '{"a":";base64',
        '{"a":"b\\',
        '"' + " " * 50_000 + '"',
        '"' + "\\n" * 20_000 + 'x"',
        "",
    ],
)
@pytest.mark.parametrize("chunk_bytes", [7, 1_000, 1_000_000])
def test_everything_else_stays_byte_for_byte(document: str, chunk_bytes: int) -> None:
    assert lift(document.encode(), chunk_bytes=chunk_bytes) == (document.encode(), [])


@pytest.mark.parametrize(
    "behind",
    [
        " Here is your picture.",
        "\\n\\nHere it is",
        "\\n",
        ' \\"title\\")',
        ")",
        "'>",
        "> and",
        "]",
        ", which",
        "`",
        "。",
        "\\u3002",
        " ok",
    ],
)
def test_text_behind_a_picture_stays_in_the_document(behind: str) -> None:
    data = picture(7, 6_000)  # A multiple of three: no padding tells where the base64 ends.
    document = f'{{"content":"data:image/png;base64,{text_of(data)}{behind}"}}'.encode()
    for chunk_bytes in (1, 1_000, 1_000_000):
        rest, lifted = lift(document, chunk_bytes=chunk_bytes)
        assert rest.decode() == f'{{"content":"data:image/png;base64,blob:5f3a:0{behind}"}}'
        assert lifted == [data]


def test_text_behind_padding_stays_in_the_document() -> None:
    data = picture(8, 6_001)
    for text in (text_of(data), lines(text_of(data), 76, "\\n")):
        for chunk_bytes in (1, 1_000_000):
            document = f'"data:image/png;base64,{text}\\n\\nHereIsYourPictureAndNothingElse"'.encode()
            expected = b'"data:image/png;base64,blob:5f3a:0\\n\\nHereIsYourPictureAndNothingElse"'
            assert lift(document, chunk_bytes=chunk_bytes) == (expected, [data])


@pytest.mark.parametrize("chunk_bytes", [1, 1_000_000])
def test_padding_may_be_cut_by_a_line_end(chunk_bytes: int) -> None:
    data = picture(14, 6_001)
    document = f'"{text_of(data)[:-1]}\\n="'.encode()
    assert lift(document, chunk_bytes=chunk_bytes) == (b'"blob:5f3a:0"', [data])


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1_000_000])
def test_a_short_last_line_belongs_to_a_picture_in_long_lines(chunk_bytes: int) -> None:
    data = picture(11, 6_756)
    document = b'"%s"' % lines(text_of(data), 4_500, "\\n").encode()
    assert document.endswith(b"\\n" + text_of(data)[-8:].encode() + b'"')
    assert lift(document, chunk_bytes=chunk_bytes) == (b'"blob:5f3a:0"', [data])


@pytest.mark.parametrize("chunk_bytes", [100, 1_000_000])
def test_whitespace_without_end_ends_a_picture(chunk_bytes: int) -> None:
    data = picture(12, 6_000)
    behind = " " * 2_000 + "A" * 100
    document = f'"data:image/png;base64,{text_of(data)}{behind}"'.encode()
    assert lift(document, chunk_bytes=chunk_bytes) == (f'"data:image/png;base64,blob:5f3a:0{behind}"'.encode(), [data])


@pytest.mark.parametrize(
    "behind", ["\\\\nr" + "A" * 40, "\\\\/" + "A" * 40, "\\\\u002b" + "A" * 40, "\\u002", "\\b" + "A" * 40]
)
@pytest.mark.parametrize("length", [76, 100_000])
def test_an_escaped_backslash_is_no_escape_of_base64_and_ends_a_picture(length: int, behind: str) -> None:
    data = picture(13, 6_000)
    document = ('"' + lines(text_of(data), length, "\\n") + behind + '"').encode()
    for chunk_bytes in (1, 8_101, 1_000_000):
        assert lift(document, chunk_bytes=chunk_bytes) == (f'"blob:5f3a:0{behind}"'.encode(), [data])


def test_text_that_may_yet_be_a_picture_is_held_only_for_a_while() -> None:
    lifting = lifter([])
    given_out = lifting.feed(b'"' + b" " * 22_000)
    for _ in range(100):
        given_out += lifting.feed(b"a" * 1_000)
    assert len(given_out) > 90_000


def test_an_event_cut_off_inside_a_picture_does_not_swallow_the_next_event() -> None:
    document = f'data: {{"b64_json":"{text_of(picture(9, 6_000))}\n\ndata: [DONE]\n\n'.encode()
    assert lift(document)[0] == b'data: {"b64_json":"blob:5f3a:0\n\ndata: [DONE]\n\n'


def test_a_picture_is_never_held_whole() -> None:
    sinks: list[MemorySink] = []
    lifting = lifter(sinks)
    stream = f'"{text_of(picture(10, 1_000_000))}"'.encode()
    for at in range(0, len(stream), 10_000):
        assert len(lifting.feed(stream[at : at + 10_000])) < 50
        assert sum(map(len, sinks[0].pieces)) >= at * 3 // 4 - 100
    assert max(map(len, sinks[0].pieces)) <= 7_600


def test_a_spooled_picture_is_a_file_with_its_size_hash_and_head(tmp_path: Path) -> None:
    sink = SpoolSink(tmp_path)
    for piece in (b"ab", b"c" * 100, b"d" * 200_000):
        sink.write(piece)
    blob = sink.close()
    assert blob.path is not None
    assert blob.path.read_bytes() == b"ab" + b"c" * 100 + b"d" * 200_000
    assert (blob.size_bytes, blob.head) == (200_102, b"ab" + b"c" * 62)
    assert blob.sha256 == hashlib.sha256(blob.path.read_bytes()).hexdigest()
    sink.abort()
    assert blob.path.exists()


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_base64_on_the_way_out_does_not_depend_on_how_the_bytes_are_read(chunks: list[bytes]) -> None:
    assert b"".join(encode_chunks(chunks)).decode() == text_of(b"".join(chunks))
