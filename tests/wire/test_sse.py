"""The SSE reader and writer against the WHATWG rules and against what vendors do to them (wire-facts 2.3, 4.7, 5)."""

import itertools
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.sse import COMMENT_KEEPALIVE, Event, SseEventTooLarge, SseParser, SseSplitter, event, looks_like_sse

ROOMY: Final = 1_000_000
LINES: Final = (
    b"data: a",
    b"data:b",
    b"data",
    b"data: ",
    b": n",
    b":",
    b"event: e",
    b"id: 7",
    b"retry: 1",
    b"",
    b"x",
    b" y",
)
LINE_ENDS: Final = (b"\n", b"\r\n", b"\r")


def read(stream: bytes, *, cuts: tuple[int, ...] = ()) -> list[Event]:
    parser = SseParser(max_event_bytes=ROOMY)
    events: list[Event] = []
    for start, end in itertools.pairwise((0, *sorted(cuts), len(stream))):
        events += parser.feed(stream[start:end])
    return events + parser.close()


def read_like_whatwg(stream: bytes) -> list[Event]:
    """The specification's algorithm, read literally; only the last event is kept, which it would drop."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[Event] = []
    data: bytes | None = None
    name = event_id = None
    for line in [*text.split(b"\n"), b""]:
        if not line:
            if data is not None:
                events.append(Event(data[:-1], name, event_id))
            data = name = event_id = None
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data = (data or b"") + value + b"\n"
        elif field == b"event":
            name = value.decode()
        elif field == b"id":
            event_id = value.decode()
    return events


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: x\n\n", [Event(b"x")]),
        (b"data:x\n\n", [Event(b"x")]),
        (b"data:  x\n\n", [Event(b" x")]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event(b"a\nb")]),
        (b"data: a\rdata: b\r\r", [Event(b"a\nb")]),
        (b"data\n\n", [Event(b"")]),
        (b"\xef\xbb\xbfdata: x\n\n", [Event(b"x")]),
        (b"event: ping\n\n", []),
        (b"event:\nid:\ndata: x\n\n", [Event(b"x", id="")]),
        (b"event: ping\ndata: {}\n\n", [Event(b"{}", event="ping")]),
        (b"id: 1\ndata: x\n\ndata: y\n\n", [Event(b"x", id="1"), Event(b"y")]),
        (b"id: a\0b\ndata: x\n\n", [Event(b"x")]),
        (b": keep-alive\n\ndata: x\n\n: more\n\n", [Event(b"x")]),
        (b": note\ndata: x\n\n", [Event(b"x")]),
        (b"data: x\n: note\ndata: y\n\n", [Event(b"x\ny")]),
        (b"\n\n\ndata: x\n\n\n\n", [Event(b"x")]),
        (b"data: x\n\ndata: [DONE]", [Event(b"x"), Event(b"[DONE]")]),
        (b"data: x\n\ndata: [DONE]\n", [Event(b"x"), Event(b"[DONE]")]),
        (b"", []),
    ],
)
def test_an_event_is_what_whatwg_says_it_is_and_the_last_one_counts_without_its_blank_line(
    stream: bytes, expected: list[Event]
) -> None:
    assert read(stream) == expected


def test_only_cr_and_lf_end_a_line() -> None:
    data = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode()
    assert read(b"data: " + data + b"\n\n") == [Event(data)]


@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(LINE_ENDS)), max_size=14),
    st.sampled_from(LINES),
    st.data(),
)
def test_events_do_not_depend_on_where_the_stream_is_cut(
    bom: bool, lines: list[tuple[bytes, bytes]], last: bytes, data: st.DataObject
) -> None:
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(line + end for line, end in lines) + last
    cuts = tuple(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    assert read(stream, cuts=cuts) == read_like_whatwg(stream)
    assert read(stream, cuts=tuple(range(len(stream)))) == read_like_whatwg(stream)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_blocks_joined_are_the_stream(stream: bytes, cuts: list[int]) -> None:
    stream = bytes(b"\n\r:ad"[byte % 5] for byte in stream)
    splitter = SseSplitter(max_event_bytes=ROOMY)
    whole = SseSplitter(max_event_bytes=ROOMY)
    blocks: list[bytes] = []
    for start, end in itertools.pairwise((0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream))):
        blocks += splitter.feed(stream[start:end])
    blocks += splitter.close()
    assert b"".join(blocks) == stream
    assert blocks == whole.feed(stream) + whole.close()


def test_a_block_is_handed_on_as_soon_as_it_is_complete() -> None:
    splitter = SseSplitter(max_event_bytes=ROOMY)
    assert splitter.feed(b"data: a\n\ndata: b\n\nda") == [b"data: a\n\n", b"data: b\n\n"]
    assert splitter.feed(b"ta: c\n") == []
    assert splitter.feed(b"\n: keep-alive\n") == [b"data: c\n\n", b": keep-alive\n"]
    assert splitter.feed(b"\r\n") == [b"\r\n"]
    assert splitter.feed(b"d") == []
    assert splitter.close() == [b"d"]


@pytest.mark.parametrize(
    ("stream", "blocks"),
    [
        (b"data: a\n\n: note\ndata: b\n\n", [b"data: a\n\n", b": note\n", b"data: b\n\n"]),
        (b"data: a\n\n\n\ndata: b\n\n", [b"data: a\n\n", b"\n", b"\n", b"data: b\n\n"]),
        (b"data: a\r\n\r\ndata: b\n\n", [b"data: a\r\n\r\n", b"data: b\n\n"]),
        (b"data: a\r\rdata: b\r\r\n", [b"data: a\r\r", b"data: b\r\r\n"]),
        (b":\r\n\r\ndata: a", [b":\r\n", b"\r\n", b"data: a"]),
    ],
)
def test_blocks_are_the_same_wherever_the_stream_is_cut(stream: bytes, blocks: list[bytes]) -> None:
    for cut in range(len(stream)):
        splitter = SseSplitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) + splitter.close() == blocks


def test_f72_an_event_past_its_limit_is_refused_even_before_it_ends() -> None:
    parser = SseParser(max_event_bytes=100)
    assert parser.feed(b"data: " + b"x" * 92 + b"\n\n") == [Event(b"x" * 92)]
    with pytest.raises(SseEventTooLarge):
        parser.feed(b"data: " + b"x" * 93 + b"\n\n")
    parser = SseParser(max_event_bytes=100)
    parser.feed(b"data: " + b"x" * 94)
    with pytest.raises(SseEventTooLarge):
        parser.feed(b"x")


def test_f72_endless_comments_are_not_an_ever_growing_event() -> None:
    splitter = SseSplitter(max_event_bytes=100)
    for _ in range(50):
        assert splitter.feed(b": pi") == []
        assert splitter.feed(b"ng\n") == [b": ping\n"]


def test_an_event_of_several_megabytes_passes_in_small_pieces() -> None:
    parser = SseParser(max_event_bytes=8_000_000)
    events = parser.feed(b"data: ")
    for _ in range(6_000):
        events += parser.feed(b"x" * 1_000)
    assert events + parser.feed(b"\n\n") == [Event(b"x" * 6_000_000)]


@pytest.mark.parametrize(
    "first", [b"data: {", b"data:{", b"event: x", b"id:1", b"retry: 5", b": ping", b"\n\ndata:", b"\xef\xbb\xbfdata: "]
)
def test_an_undeclared_event_stream_is_known_by_its_first_bytes(first: bytes) -> None:
    assert looks_like_sse(first)


@pytest.mark.parametrize("first", [b"", b"{", b'{"data":1}', b"[", b"<html>", b"database: down", b"datum", b'"data:"'])
def test_other_bodies_are_not_taken_for_an_event_stream(first: bytes) -> None:
    assert not looks_like_sse(first)


def test_what_is_written_is_one_data_line_and_a_blank_line() -> None:
    assert event(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert event(b"{}", name="image_generation.completed") == b"event: image_generation.completed\ndata: {}\n\n"
    assert read(COMMENT_KEEPALIVE) == []


@given(st.binary(max_size=40))
def test_what_is_written_is_read_back(data: bytes) -> None:
    assert read(event(data)) == [Event(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))]
