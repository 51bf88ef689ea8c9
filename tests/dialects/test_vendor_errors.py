"""What any reply proves before its answer is read, and what of its text may be shown."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.exchange import Failure, Reply
from app.wire.vendor_errors import DETAIL_CHARS, SHOWN_CHARS, classify, scrub


def reply_of(document: Any, status: int = 200, **more: Any) -> Reply:
    """A JSON reply."""
    return Reply(status, document, is_json=True, text=orjson.dumps(document).decode(), **more)


def failure_of(reply: Reply) -> Failure | None:
    """The failure it is, if any."""
    found = classify(reply)
    return found.failure if found is not None else None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (100, "unreadable"),
        (103, "unreadable"),
        (204, "unreadable"),
        (304, "unreadable"),
        (307, "unreadable"),
        (400, "rejected"),
        (401, "unauthorized"),
        (402, "out_of_funds"),
        (403, "unauthorized"),
        (404, "unknown_model"),
        (405, "rejected"),
        (408, "timed_out"),
        (413, "rejected"),
        (415, "rejected"),
        (418, "rejected"),
        (422, "rejected"),
        (429, "rate_limited"),
        (500, "failed"),
        (502, "failed"),
        (503, "unavailable"),
        (504, "timed_out"),
        (520, "failed"),
        (524, "timed_out"),
        (599, "failed"),
    ],
)
def test_f78_a_status_without_words_has_a_fixed_meaning(status: int, expected: str) -> None:
    assert failure_of(Reply(status, text="short and stout")) == expected


@pytest.mark.parametrize("text", ["", "<html>login</html>", "not json", '{"message":"gef\ufffdllt"'])
def test_f70_a_200_that_is_no_json_is_unreadable(text: str) -> None:
    assert failure_of(Reply(200, text=text)) is Failure.UNREADABLE


@pytest.mark.parametrize("document", [None, {}, [], "text", 7, True])
def test_f70_a_200_that_holds_nothing_is_unreadable(document: Any) -> None:
    assert failure_of(reply_of(document)) is Failure.UNREADABLE


def test_f70_an_event_stream_without_events_is_unreadable() -> None:
    assert failure_of(Reply(200, events=())) is Failure.UNREADABLE


@pytest.mark.parametrize("code", ["success", "SUCCESS", "ok", 0, 200, "0", "200", None, ""], ids=repr)
def test_an_envelope_that_says_success_is_no_error(code: Any) -> None:
    assert classify(reply_of({"code": code, "message": "", "data": {"task_id": "t"}})) is None


@pytest.mark.parametrize("error", [None, "", {}, [], {"message": "", "code": None}, 0, False])
def test_an_empty_error_is_no_error(error: Any) -> None:
    assert classify(reply_of({"error": error, "data": [{"url": "https://c.example/a.png"}]})) is None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"error": "model is busy"}, "failed"),
        ({"error": {"message": "no", "type": "invalid_request_error"}}, "rejected"),
        ({"error": {"message": "no", "code": "rate_limit_exceeded"}}, "rate_limited"),
        ({"error": {"message": "no", "code": 401}}, "unauthorized"),
        ({"error": {"message": "no", "code": "503"}}, "unavailable"),
        ({"error": {"message": "Rejected by our safety system"}}, "moderated"),
        ({"error": ["out of memory"]}, "failed"),
        ({"success": False, "message": "no"}, "failed"),
        ({"code": "fail", "message": "余额不足", "data": None}, "out_of_funds"),
        ({"code": "model_not_found", "message": "no", "data": None}, "unknown_model"),
        ([{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}], "rate_limited"),
    ],
)
def test_row_01_a_status_of_200_does_not_hide_an_error(document: Any, expected: str) -> None:
    assert failure_of(reply_of(document)) == expected


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (503, {"code": "model_not_found", "message": "No available channel"}, "unknown_model"),
        (403, {"code": "insufficient_user_quota", "message": "quota"}, "out_of_funds"),
        (403, {"message": "The token's quota is exhausted"}, "out_of_funds"),
        (500, {"code": "content_policy_violation", "message": "no"}, "moderated"),
        (400, {"message": "This violates our policy", "type": "x"}, "moderated"),
        (400, {"message": "model abc does not exist"}, "unknown_model"),
        (401, {"message": "This violates our policy"}, "unauthorized"),
        (502, {"message": "This violates our policy"}, "failed"),
    ],
)
def test_row_21_the_code_goes_before_the_status_and_the_status_before_the_prose(
    status: int, error: Any, expected: str
) -> None:
    assert failure_of(reply_of({"error": error}, status)) == expected


@pytest.mark.parametrize(
    ("said", "expected"), [(0.0, 1.0), (-1.0, 1.0), (1e9, 60.0), (21.5, 21.5), (float("nan"), None), (None, None)]
)
def test_f79_a_wait_is_between_1_and_60_seconds(said: float | None, expected: float | None) -> None:
    found = classify(reply_of({"error": {"message": "slow"}}, 429, retry_after_s=said))
    assert found is not None
    assert found.retry_after_s == expected


def test_the_detail_is_the_vendors_message_cut_to_length() -> None:
    found = classify(reply_of({"error": {"message": "x" * 9_000}}, 500))
    assert found is not None
    assert found.detail == "x" * DETAIL_CHARS


def test_f81_nothing_of_a_vendors_inside_is_shown() -> None:
    text = (
        "upstream http://10.0.0.7:8080/internal failed for key sk-leakedleakedleakedleaked0000 of BrandX"
        " (request id: 20261120leak) at api.brandx.example, 10.1.2.3:99 and ops@brandx.example <b>now</b>"
    )
    shown = scrub(text, ["BrandX"])
    for secret in ("http", "10.", "sk-", "brandx", "20261120leak", "<b>", "@"):
        assert secret not in shown.lower()
    assert shown.startswith("upstream […] failed for key […]")
    assert "now" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The prompt was refused by the safety system.", "The prompt was refused by the safety system."),
        ("aspect_ratio must be one of 1:1, 16:9.", "aspect_ratio must be one of 1:1, 16:9."),
        ("nano-banana-2-0.5k takes png, e.g. a.png", "nano-banana-2-0.5k takes png, e.g. a.png"),
        ("No channel (request id: 2026112012345678901abc)", "No channel"),
        ("Bearer abc.def.ghi is wrong", "[…] is wrong"),
        ("token 9f86d081884c7d659a2feaa0c55ad015 expired", "token […] expired"),
        ("<!DOCTYPE html><title>502</title>", ""),
        ("  two\n lines\t", "two lines"),
        ("", ""),
    ],
)
def test_prose_survives_and_the_rest_does_not(text: str, shown: str) -> None:
    assert scrub(text) == shown


def test_what_is_shown_is_short() -> None:
    assert len(scrub("long words " * 1_000)) <= SHOWN_CHARS


@given(st.text(), st.lists(st.text(max_size=5), max_size=3))
def test_no_text_breaks_the_scrubber(text: str, hidden: list[str]) -> None:
    assert len(scrub(text, hidden)) <= SHOWN_CHARS
