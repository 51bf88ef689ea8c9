"""Reads a vendor's error out of any reply, whatever its status says, names what it proves; makes its text showable."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.exchange import Failure, Json, Reply, VendorFailure
from app.wire.vendor_words import (
    MODERATED,
    OUT_OF_FUNDS,
    STATUS_OF_WORD,
    STATUSES,
    UNAUTHORIZED,
    UNKNOWN_MODEL,
    by_prose,
)

DETAIL_CHARS: Final = 500
SHOWN_CHARS: Final = 300
_RETRY_AFTER_S: Final = (1.0, 60.0)
_SCRUBBED_CHARS: Final = 4_000
_FINE_CODES: Final = frozenset({"success", "ok", "0", "200", "none", ""})
_GONE: Final = "[…]"
_KEYS: Final = (
    re.compile(r"\bbearer\s+\S+", re.IGNORECASE),
    re.compile(r"\b(?:sk|pk|rk|ak|key|token|whsec)[-_][\w-]{6,}|\bAIza[\w-]{10,}", re.IGNORECASE),
)
_UNSHOWABLE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"<[^<>]*>"), " "),
    (re.compile(r"[\x00-\x08\x0b-\x1f\x7f]"), " "),
    (re.compile(r"[(\[]?\s*\b(?:request|trace)[ _-]?id\b\s*[:=]?\s*[\w-]+\s*[)\]]?", re.IGNORECASE), " "),
    (re.compile(r"\bdata:[\w/.+-]*;base64,\S*", re.IGNORECASE), _GONE),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE), _GONE),
    *((pattern, _GONE) for pattern in _KEYS),
    (re.compile(r"\S*@\S+"), _GONE),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:.]{2,45}\](?::\d+)?", re.IGNORECASE), _GONE),
    (
        re.compile(
            r"\b(?:[a-z0-9-]{1,63}\.)+[a-z]{2,15}(?::\d+|/)\S*|\b(?:[a-z0-9-]{1,63}\.){1,8}(?:com|net|org|io|ai|dev|cn|co|app|internal|local|cloud|example)\b",
            re.IGNORECASE,
        ),
        _GONE,
    ),
    (re.compile(r"\blocalhost(?::\d+)?\b", re.IGNORECASE), _GONE),
    (re.compile(r"(?<![\w-])(?=[\w-]*\d)[\w-]{24,}"), _GONE),
    (re.compile(r"(?:\[…\][\s,;:]*){2,}"), _GONE + " "),
)


@dataclass(frozen=True, slots=True)
class Said:
    """An error as a vendor wrote it: every code-like word in lower case, a status inside the body, and its prose."""

    words: frozenset[str]
    message: str
    status: int | None = None
    retry_after_s: float | None = None


def classify(reply: Reply) -> VendorFailure | None:
    """The failure a reply is, or None when it looks like an answer. To be asked before anything else is read.

    A status of 200 proves nothing (wire-facts section 5, rows 1, 2 and 21): the body is looked at first.
    """
    said = next((error for document in _documents(reply) if (error := error_in(document)) is not None), None)
    if said is None and 200 <= reply.status < 300:
        return _unreadable(reply)
    said = said or Said(frozenset(), "" if _is_html(reply.text) else reply.text)
    detail = said.message or reply.text
    wait_s = reply.retry_after_s if reply.retry_after_s is not None else said.retry_after_s
    return VendorFailure(
        failure_of(said, reply.status), detail[:DETAIL_CHARS], status=reply.status, retry_after_s=_clamped(wait_s)
    )


def error_in(document: Json) -> Said | None:
    """The error object of a document: under `error`, in an envelope's `code`, or in an array (wire-facts 4.6)."""
    if isinstance(document, list):
        return next((said for item in document if (said := error_in(item)) is not None), None)
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, str) and error.strip():
        return Said(
            _words(document) | {error.strip().lower()}, _message(document) or error, _number(document.get("code"))
        )
    if isinstance(error, dict) and any(error.values()):
        return _said(error, document)
    if isinstance(error, list) and error:
        return error_in({"error": error[0]})
    if not _is_fine(document.get("code")) or document.get("success") is False:
        return _said(document, {})
    return None


def failure_of(said: Said, status: int) -> Failure:
    """What an error proves. The vendor's code goes before the status, the status before its prose (style guide 19)."""
    if said.words & MODERATED:
        return Failure.MODERATED
    if said.words & OUT_OF_FUNDS:
        return Failure.OUT_OF_FUNDS
    if said.words & UNKNOWN_MODEL:
        return Failure.UNKNOWN_MODEL
    if said.words & UNAUTHORIZED:
        return Failure.UNAUTHORIZED
    if _meant(said, status) in {200, 400, 403, 422, 429, 500} and (told := by_prose(said.message)) is not None:
        return told
    return _by_status(_meant(said, status))


def scrub(text: str, hidden: Iterable[str] = ()) -> str:
    """A vendor's message made safe to show: at most 300 characters of prose, empty when it was a page.

    Removed: markup, URLs, hosts, addresses, request ids, whatever looks like a key, and the words in `hidden` (names).
    """
    if _is_html(text):
        return ""
    text = text[:_SCRUBBED_CHARS]
    for word in sorted((word for word in hidden if word), key=len, reverse=True):
        text = re.sub(re.escape(word), _GONE, text, flags=re.IGNORECASE)
    for pattern, put in _UNSHOWABLE:
        text = pattern.sub(put, text)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1].rstrip() + "…"


def without_keys(text: str) -> str:
    """A vendor's message for the record: as it is, but for what looks like a key (fault-cases F81)."""
    for pattern in _KEYS:
        text = pattern.sub(_GONE, text)
    return text


def _documents(reply: Reply) -> Sequence[Json]:
    return reply.events if reply.events is not None else (reply.document,)


def _unreadable(reply: Reply) -> VendorFailure | None:
    """A 2xx without an error: an answer, unless it is no JSON, `null`, or has nothing in it."""
    if reply.events or (isinstance(reply.document, dict | list) and reply.document):
        return None
    return VendorFailure(Failure.UNREADABLE, reply.text[:DETAIL_CHARS], status=reply.status)


def _by_status(status: int) -> Failure:
    if (failure := STATUSES.get(status)) is not None:
        return failure
    if status < 200 or 300 <= status < 400:
        return Failure.UNREADABLE
    return Failure.REJECTED if 400 <= status < 500 else Failure.FAILED


def _meant(said: Said, status: int) -> int:
    """The HTTP status, or where that says that all is well, the one the body means."""
    if not 200 <= status < 300:
        return status
    if said.status is not None and 400 <= said.status < 600:
        return said.status
    return next((STATUS_OF_WORD[word] for word in sorted(said.words) if word in STATUS_OF_WORD), 200)


def _said(error: dict[str, Json], around: dict[str, Json]) -> Said:
    details = error.get("details")
    details = [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
    return Said(
        words=_words(error) | _words(around) | frozenset().union(*(_words(item) for item in details)),
        message=_message(error) or _message(around),
        status=_number(error.get("code")) or _number(error.get("status")) or _number(around.get("code")),
        retry_after_s=next(_delays(details), None),
    )


def _words(error: dict[str, Json]) -> frozenset[str]:
    named = (error.get(name) for name in ("code", "type", "status", "reason"))
    return frozenset(word.strip().lower() for word in named if isinstance(word, str) and word.strip())


def _message(error: dict[str, Json]) -> str:
    named = (error.get(name) for name in ("message", "msg", "detail", "error_message", "fail_reason"))
    return next((text.strip() for text in named if isinstance(text, str) and text.strip()), "")


def _number(value: Json) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 6:
        value = int(value)
    return value if type(value) is int else None


def _is_fine(code: Json) -> bool:
    if isinstance(code, bool | float | list | dict):
        return True
    return str(code).strip().lower() in _FINE_CODES


def _delays(details: Iterable[dict[str, Json]]) -> Iterator[float]:
    """Google's RetryInfo: `"retryDelay": "21s"` (wire-facts 4.6)."""
    for item in details:
        delay = item.get("retryDelay")
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", delay.strip())):
            yield float(match[1])


def _clamped(seconds: float | None) -> float | None:
    """Between 1 and 60 s, whatever the vendor says (fault-cases F79)."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, _RETRY_AFTER_S[0]), _RETRY_AFTER_S[1])


def _is_html(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] == "<"
