"""A stream's framing is mended whatever the vendor does to it, and its content is left alone (wire-facts 2.3, F72)."""

import json

import pytest

from app.core.exchange import Failure
from app.wire.chat_events import MAX_EVENT_BYTES, ChatEvents
from app.wire.sse import COMMENT_KEEPALIVE
from tests.chat.vendor import DONE, PUBLIC, USAGE, VENDORS_OWN, WORDS, chunk, counted

WHOLE = b"".join(WORDS) + USAGE + DONE
OURS = b"".join(WORDS).replace(VENDORS_OWN.encode(), PUBLIC.encode())


def relayed(stream: bytes, *, pieces: int = 10**9, hide_usage: bool = True) -> tuple[bytes, ChatEvents]:
    events = ChatEvents(public_model=PUBLIC, hide_usage=hide_usage)
    out = b"".join(events.feed(stream[at : at + pieces]) for at in range(0, len(stream), pieces))
    return out + events.close(), events


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 64, 150, 151, 1000, 10**9])
def test_however_the_network_cuts_a_stream_the_client_gets_the_same(pieces: int) -> None:
    out, events = relayed(WHOLE, pieces=pieces)
    assert out == OURS
    assert events.usage == counted(20, 3)
    assert events.done
    assert events.finished
    assert events.failure is None


@pytest.mark.parametrize(
    "vendors",
    [
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"\n", b"\r"),
        WHOLE.replace(b"data: ", b"data:"),
        WHOLE.removesuffix(b"\n\n"),
        WHOLE.removesuffix(DONE),
        WHOLE.removesuffix(b"\n\n" + DONE),
        b"\xef\xbb\xbf" + WHOLE,
        b"\n\n" + WHOLE,
        WHOLE.replace(b"data: {", b"id: 7\nevent: message\nretry: 3\ndata: {"),
        WHOLE.replace(b"data: ", b"event: ping\n\ndata:\n\ndata: "),
        WHOLE.replace(b"data: [DONE]", b"event: ping\ndata: {}\n\ndata: [DONE]"),
        WHOLE + b'data: {"choices":[{"delta":{"content":"after the end"}}]}\n\n',
    ],
    ids=[
        "crlf", "cr", "no space", "no last blank line", "no done", "no done nor blank line", "bom", "blank lines first",
        "ids and names", "empty events", "ping with data", "more after done",
    ],
)  # fmt: skip
@pytest.mark.parametrize("pieces", [5, 10**9])
def test_broken_framing_is_mended(vendors: bytes, pieces: int) -> None:
    out, events = relayed(vendors, pieces=pieces)
    assert out == OURS
    assert events.usage == counted(20, 3)
    assert events.failure is None


def test_comments_become_keep_alives() -> None:
    out, _ = relayed(b": OPENROUTER PROCESSING\n\n" + WHOLE)
    assert out.replace(COMMENT_KEEPALIVE, b"") == OURS
    assert out.startswith(b":")
    assert b"OPENROUTER" not in out


def test_an_event_of_several_lines_becomes_one_line() -> None:
    out, _ = relayed(b'data: {"model":"m",\ndata: "choices":[{"delta":{"content":"x"}}]}\n\n')
    assert out == b'data: {"model":"public-model", "choices":[{"delta":{"content":"x"}}]}\n\n'


@pytest.mark.parametrize(
    "event",
    [
        chunk({"content": '"model":"secret-vendor-model"'}),
        chunk({"content": "line\u2028separator \u0085"}),
        chunk({"content": 'say "usage" and "error"'}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"model":"x","error":1}'}}]}),
        chunk({"content": "x"}, error=None, usage=None, obfuscation="abc"),
        b'data: {"choices":[{"delta":{"content":"no model here"}}]}\n\n',
        b'data: {"model":null,"choices":[{"delta":{}}],"extra":{"model":"nested"}, "b":1}\n\n',
    ],
)
def test_content_is_never_touched(event: bytes) -> None:
    out, events = relayed(b"".join(WORDS[:2]) + event)
    own, public = b'"model":"secret-vendor-model","choices"', b'"model":"public-model","choices"'
    assert out == b"".join(WORDS[:2]).replace(own, public) + event.replace(own, public)
    assert events.failure is None


def test_a_name_that_changes_within_a_stream_stays_hidden() -> None:
    other = WORDS[2].replace(VENDORS_OWN.encode(), b"another-one").replace(b'"id":"chatcmpl-1"', b'"id":"2"')
    out, _ = relayed(WORDS[0] + WORDS[1] + other + WORDS[3])
    assert b"another-one" not in out
    assert out.count(b'"model":"public-model"') == 4


def test_usage_in_an_event_that_says_something_is_read_and_relayed() -> None:
    out, events = relayed(WORDS[0] + chunk({"content": "x"}, "stop", usage=counted(1, 2)))
    assert events.usage == counted(1, 2)
    assert b'"content":"x"' in out


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        (b'data: {"error":{"message":"broke","type":"server_error","code":"x"}}\n\n', Failure.FAILED),
        (b'data: {"error":{"message":"slow down","code":"rate_limit_exceeded"}}\n\n', Failure.RATE_LIMITED),
        (b'event: error\ndata: {"message":"broke"}\n\n', Failure.FAILED),
        (b"data: <html>oops</html>\n\n", Failure.UNREADABLE),
        (b'data: {"usage": oops}\n\n', Failure.UNREADABLE),
        (b"data: {" + b"x" * MAX_EVENT_BYTES + b"\n\n", Failure.UNREADABLE),
    ],
    ids=["error object", "rate limit", "error event", "html", "no json", "endless line"],
)
def test_an_error_in_a_stream_ends_it(event: bytes, failure: Failure) -> None:
    out, events = relayed(b"".join(WORDS[:3]) + event + b"".join(WORDS[3:]), pieces=4096)
    assert out == b"".join(WORDS[:3]).replace(VENDORS_OWN.encode(), PUBLIC.encode())
    assert events.failure is not None
    assert events.failure.failure is failure


def test_relayed_tokens_are_about_one_per_event_or_more_where_events_are_long() -> None:
    assert relayed(b"")[1].output_tokens == 0
    assert relayed(WORDS[0])[1].output_tokens == 0
    assert relayed(b"".join(WORDS[:4]))[1].output_tokens == 3
    assert relayed(b"".join(WORDS))[1].output_tokens == 3
    long = relayed(WORDS[0] + chunk({"content": "word " * 400}, usage=None))[1].output_tokens
    assert 450 < long < 550


def test_events_are_valid_json_for_a_client_that_reads_them() -> None:
    out, _ = relayed(WHOLE, hide_usage=False)
    documents = [json.loads(event.removeprefix(b"data: ")) for event in out.split(b"\n\n") if event]
    assert [document["model"] for document in documents] == [PUBLIC] * 6
    assert documents[-1]["usage"] == counted(20, 3)
