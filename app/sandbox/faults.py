"""Every way the sandbox can misbehave, as one table, and how a request asks for it.

A prompt with `[fault:NAME]` asks for a fault through any gateway; `[fault:NAME@VENDOR]` only at that vendor. The header
`x-sandbox-fault: NAME,NAME` and a key `sandbox-fault-NAME` do the same for direct callers and for one credential.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from app.sandbox.orders import PICTURE_VENDORS, VendorName
from app.sandbox.refusals import Refusal

Stage = Literal["answer", "picture", "base64", "link", "shape", "stream", "transport", "usage", "task", "request"]
"""What is spoiled: the whole answer, the drawn picture, its base64, its address, the document around it, the event
stream, the bytes on the wire, the token counts, the life of a task, or what a request may look like."""

ALL: Final[frozenset[VendorName]] = frozenset(get_args(VendorName))
CHAT_SHAPED: Final[frozenset[VendorName]] = frozenset({"uniall", "infinityblue"})
STREAMING: Final[frozenset[VendorName]] = frozenset({"uniall", "infinityblue", "google", "openai", "openai-chat"})
COUNTING: Final[frozenset[VendorName]] = frozenset({"infinityblue", "google", "openai", "openai-chat"})
TASKS: Final[frozenset[VendorName]] = frozenset({"uniall-tasks"})
KEY_PREFIX: Final = "sandbox-fault-"
HEADER: Final = "x-sandbox-fault"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. `paid`: whether the vendor counts the call as accepted. `cases`: rows of wire facts 5 or fault ids."""

    stage: Stage
    about: str
    cases: str
    vendors: frozenset[VendorName] = ALL
    paid: bool = True


def _answer(about: str, cases: str, *, paid: bool = True) -> Fault:
    return Fault("answer", about, cases, paid=paid)


def _pictures(stage: Stage, about: str, cases: str, vendors: frozenset[VendorName] = PICTURE_VENDORS) -> Fault:
    return Fault(stage, about, cases, vendors)


def _task(about: str, cases: str) -> Fault:
    return Fault("task", about, cases, TASKS)


def _stream(about: str, cases: str, vendors: frozenset[VendorName] = STREAMING) -> Fault:
    return Fault("stream", about, cases, vendors)


FAULTS: Final[Mapping[str, Fault]] = {
    # The whole answer is something else.
    "html_200": _answer("A login page with status 200.", "5.2 F70"),
    "html_502": _answer("A proxy's HTML page with status 502.", "5.2 F70"),
    "html_524": _answer("A CDN's HTML page with status 524: the origin was too slow.", "5.2 F78"),
    "status_204": _answer("Status 204 without a body.", "F78"),
    "status_304": _answer("Status 304 without a body.", "F78"),
    "status_418": _answer("Status 418 with a short text.", "F78"),
    "status_520": _answer("Status 520 with a short text.", "F78"),
    "status_599": _answer("Status 599 with a short text.", "F78"),
    "redirect": _answer("Status 307 to an address inside.", "F78 F75"),
    "empty_200": _answer("Status 200 and no bytes.", "F70"),
    "null_200": _answer("Status 200 and the document `null`.", "5.1 F70"),
    "object_200": _answer("Status 200 and the document `{}`.", "F70"),
    "latin1_200": _answer("Status 200 and JSON text that is not UTF-8.", "F70"),
    "error_200": _answer("Status 200 with an `error` object.", "5.1 F78", paid=False),
    "code_500_200": _answer('Status 200 with `{"code":500,"message":…}`.', "5.1 F78", paid=False),
    "code_fail_200": _answer('Status 200 with `{"code":"fail"}`.', "5.1 F70", paid=False),
    "bad_request": _answer("400 in the vendor's style.", "3.2", paid=False),
    "unauthorized": _answer("401 in the vendor's style.", "3.2", paid=False),
    "quota_403": _answer("403 for an exhausted quota.", "5.21", paid=False),
    "rate_limited": _answer("429 with Retry-After: 2.", "F79", paid=False),
    "retry_after_zero": _answer("429 with Retry-After: 0.", "F79", paid=False),
    "retry_after_negative": _answer("429 with Retry-After: -1.", "F79", paid=False),
    "retry_after_huge": _answer("429 with Retry-After: 1000000000.", "F79", paid=False),
    "retry_after_past": _answer("429 with a Retry-After date in the past.", "F79", paid=False),
    "retry_after_nan": _answer("429 with Retry-After: NaN.", "F79", paid=False),
    "server_error": _answer("500 in the vendor's style, after the work may have been done.", "3.2"),
    "unavailable": _answer("503 in the vendor's style.", "F79", paid=False),
    "unknown_model_503": _answer("503 that really means: unknown model.", "5.21", paid=False),
    "moderation_400": _answer("400 moderation_blocked in the vendor's style.", "F71", paid=False),
    "moderation_500": _answer("500 that really means: refused on content.", "5.21", paid=False),
    "leaky_error": _answer("500 whose message holds a key, an inner address and a brand.", "5.22 F81"),
    # The bytes on the wire.
    "slow": Fault("transport", "Never answers, until the connection is closed.", "F72"),
    "hang_up": Fault("transport", "Closes the connection before any header.", "F73"),
    "cut_mid": Fault("transport", "Closes the connection in the middle of the body.", "F73 F80"),
    "trickle": Fault("transport", "Sends the body one byte per second.", "F72"),
    "endless_body": Fault("transport", "Sends whitespace for ever after the body's first byte.", "F72"),
    "hostile_headers": Fault("transport", "Adds cookies, x-should-retry and a 32 KiB header.", "F80"),
    "wrong_content_type": Fault("transport", "Declares text/html above the right body.", "5.20"),
    # The drawn picture.
    "wrong_mime": _pictures("picture", "Declares png and sends jpeg, or the reverse.", "5.7"),
    "small_picture": _pictures("picture", "A picture of 8x8 pixels.", "5.17"),
    "wrong_size": _pictures("picture", "A square picture, whatever was asked.", "5.17 F77"),
    "svg_picture": _pictures("picture", "An SVG with a script in it.", "E64"),
    "html_picture": _pictures("picture", "HTML where the picture should be.", "E64"),
    "truncated_picture": _pictures("picture", "The first half of a picture.", "E61"),
    "empty_picture": _pictures("picture", "A picture of no bytes.", "5.8"),
    "more_than_n": _pictures("picture", "One picture more than asked.", "F76"),
    "fewer_than_n": _pictures("picture", "One picture fewer than asked, but at least one.", "5.9 F76"),
    # Its base64. Vendors that answer URLs answer inline pictures under these.
    "as_base64": _pictures("base64", "Inline, where the vendor's page says URL.", "5.15"),
    "bad_base64": _pictures("base64", "Characters that are in no base64 alphabet.", "F74"),
    "base64_newlines": _pictures("base64", "Broken into lines of 76 characters.", "5.13 F74"),
    "base64_urlsafe": _pictures("base64", "The URL-safe alphabet.", "5.13 F74"),
    "base64_nopad": _pictures("base64", "Without padding.", "5.13 F74"),
    "data_prefix_in_b64": _pictures("base64", "A data: prefix inside the base64 field.", "5.12"),
    "double_data_prefix": _pictures("base64", "The data: prefix twice.", "5.12"),
    # Its address. Vendors that answer inline pictures answer URLs under these.
    "as_url": _pictures("link", "A URL, where the vendor's page says inline.", "5.15"),
    "missing_file": _pictures("link", "A result URL that answers 404.", "F75"),
    "missing_first": _pictures("link", "A result URL that answers 404 at first, then the picture.", "F75"),
    "forbidden_file": _pictures("link", "A result URL that answers 403.", "F75"),
    "expired_file": _pictures("link", "A result URL that has expired by the time it is read.", "5.6 F75"),
    "redirect_inside": _pictures("link", "A result URL that redirects to a metadata address.", "5.27 F75"),
    "html_file": _pictures("link", "A result URL that answers HTML.", "F75"),
    "changing_file": _pictures("link", "A result URL that answers other bytes each time.", "F75"),
    "inside_url": _pictures("link", "A result URL that is a metadata address itself.", "5.27 F74"),
    "odd_url": _pictures("link", "A result URL with a bracket, CJK and a long query.", "5.5"),
    # The document around the picture.
    "empty_data": _pictures("shape", "The right document with no picture in it.", "5.8 F70"),
    "text_only": _pictures("shape", "A friendly text and no picture.", "5.8 F71"),
    "refusal": _pictures("shape", "A refusal on content, where the vendor writes it.", "5.8 F71"),
    "wrong_model": _pictures("shape", "Says that another model answered.", "5.22 F77", CHAT_SHAPED | {"google"}),
    "content_blocks": _pictures("shape", "Content is a list of text and image_url blocks.", "5.3", CHAT_SHAPED),
    "output_image_blocks": _pictures("shape", "Content is a list with an output_image block.", "5.3", CHAT_SHAPED),
    "message_images": _pictures("shape", "Content is null; the picture is in message.images.", "2.5", CHAT_SHAPED),
    "two_markdown": _pictures("shape", "Two Markdown pictures with text between them.", "5.4 F74", CHAT_SHAPED),
    "fifty_markdown": _pictures("shape", "Fifty Markdown pictures.", "F74", CHAT_SHAPED),
    "markdown": _pictures("shape", "A Markdown picture.", "5.4", CHAT_SHAPED),
    "bare_uri": _pictures("shape", "The URL or data URI alone.", "5.5", CHAT_SHAPED),
    "url_with_text": _pictures("shape", "The URL or data URI in the middle of a sentence.", "5.4", CHAT_SHAPED),
    "raw_base64_content": _pictures("shape", "Base64 without a prefix, in three places.", "5.12 5.16", CHAT_SHAPED),
    "thrice": _pictures("shape", "One picture in content, images and media.", "5.16", CHAT_SHAPED),
    "progress_then_image": _pictures("shape", "Lines of progress before the picture.", "5.14", CHAT_SHAPED),
    "markdown_in_text": _pictures("shape", "A text part that holds a Markdown picture.", "5.4", frozenset({"google"})),
    "unmarked_draft": _pictures(
        "shape", "A 1K draft without its mark before the picture.", "5.18", frozenset({"google"})
    ),
    "finish_no_image": _pictures("shape", "finishReason NO_IMAGE and no parts.", "5.8", frozenset({"google"})),
    "prompt_blocked": _pictures("shape", "promptFeedback.blockReason and no candidates.", "F71", frozenset({"google"})),
    # The event stream.
    "keepalive_comments": _stream("Comments before and between events.", "5.10"),
    "no_done": _stream("No [DONE] at the end.", "5.10 F72", STREAMING - {"google", "openai"}),
    "empty_events": _stream("Events with empty data and a ping.", "5.10"),
    "big_line": _stream("A data line of more than 8 MB, nearly all of it base64.", "5.11 F72"),
    "endless_line": _stream("A data line that never ends.", "5.11 F72"),
    "endless_comments": _stream("Comments for ever, and no event.", "F72"),
    "crlf": _stream("Lines end in CR LF.", "5.10"),
    "no_last_newline": _stream("The last event lacks its blank line.", "5.10"),
    "no_space_data": _stream("`data:` without the space.", "5.10"),
    "json_when_sse": _stream("A stream was asked; one JSON document is answered.", "5.20"),
    "sse_when_json": _stream("No stream was asked; events are answered.", "5.20"),
    "error_mid_stream": _stream("An error event in the place of the last event.", "2.3"),
    # Token counts.
    "usage_absent": Fault("usage", "No usage.", "F82", COUNTING),
    "usage_null": Fault("usage", "usage is null.", "F82", COUNTING),
    "usage_negative": Fault("usage", "Negative counts.", "F82", COUNTING),
    "usage_strings": Fault("usage", "Counts as strings.", "F82", COUNTING),
    "usage_huge": Fault("usage", "Counts of 10^18.", "F82", COUNTING),
    # What a request may look like.
    "string_content_400": Fault("request", "400 when a message's content is a string.", "5.19", CHAT_SHAPED),
    "short_texts": Fault("request", "400 when a message has over 8,000 characters of text.", "5.26", CHAT_SHAPED),
    # The life of a task.
    "task_failed": _task("Fails with an error object.", "0.5"),
    "task_moderated": _task("Fails because of its content.", "6.1"),
    "task_never_ends": _task("Stays in_progress for ever.", "F83"),
    "task_unknown_status": _task("Is REVIEWING while it should be in_progress.", "F83"),
    "task_relay_words": _task("Says SUBMITTED, IN_PROGRESS, SUCCESS.", "6.1"),
    "task_openai_words": _task("Says queued, in_progress, completed, with a progress number.", "6.1"),
    "task_id_changes": _task("Another task_id in every poll.", "F83"),
    "task_404_first": _task("The first two polls answer 404.", "F83"),
    "task_poll_500": _task("The first two polls answer 500.", "F83"),
    "task_poll_429": _task("The first two polls answer 429.", "F79"),
    "task_poll_html": _task("The first two polls answer an HTML 502.", "5.2"),
    "task_poll_slow": _task("Polls are never answered.", "F72"),
    "task_gone": _task("Every poll answers 404.", "F83"),
    "task_status_back": _task("Goes back to queued once.", "F83"),
    "task_progress_back": _task("Progress goes 40%, then 10%.", "F83"),
    "task_progress_101": _task('Progress is "101%" before the end.', "F83"),
    "task_without_url": _task("Succeeds without result_url.", "F83"),
    "url_in_fail_reason": _task("Succeeds with the URL in fail_reason.", "5.24"),
    "task_done_at_once": _task("The create answer is already succeeded.", "6.1"),
    "task_flat_create": _task("The create answer is `{id,task_id,status}` without envelope, status 202.", "6.2"),
    "task_without_id": _task("The create answer has no id: accepted, and lost.", "F83"),
}

_DIRECTIVE: Final = re.compile(r"\[fault:([a-z0-9_]+)(?:@([a-z-]+))?\]")
_ITEM: Final = re.compile(r"([a-z0-9_]+)(?:@([a-z-]+))?")


def find_faults(vendor: VendorName, *, prompt: str, header: str | None, key: str) -> frozenset[str]:
    """The faults this vendor should play. Raises Refusal (400) for a name that is not in the table.

    A fault that this vendor cannot play is left out when it is asked in a prompt, because a prompt may reach several
    vendors on its way.
    """
    asked = _DIRECTIVE.findall(prompt)
    asked += [match.groups(default="") for match in map(_ITEM.fullmatch, _listed(header)) if match]
    if key.startswith(KEY_PREFIX):
        asked.append((key.removeprefix(KEY_PREFIX), ""))
    for name, _ in asked:
        if name not in FAULTS:
            raise Refusal(400, f"The sandbox knows no fault {name!r}.", code="unknown_fault")
    return frozenset(name for name, only in asked if only in ("", vendor) and vendor in FAULTS[name].vendors)


def staged(faults: frozenset[str], stage: Stage) -> frozenset[str]:
    """Those of the faults that spoil one stage."""
    return frozenset(name for name in faults if FAULTS[name].stage == stage)


def is_paid(faults: frozenset[str]) -> bool:
    """Whether a call that meets these faults counts as accepted."""
    return all(FAULTS[name].paid for name in faults)


def _listed(header: str | None) -> list[str]:
    return [item.strip() for item in header.split(",")] if header else []
