"""Finds where the pictures stand in a text: Markdown, data URIs, URLs, bare base64. One pass, linear; fetches nothing.

Shapes seen: wire-facts 2.5 and section 5, rows 4, 5 and 12. Long base64 is lifted: a payload may be a placeholder.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Final


class Standing(IntEnum):
    """How sure it is that a mark is the picture, and not a link beside it."""

    MENTIONED = 0
    ALONE = 1
    SHOWN = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A picture at `text[start:end]`; `source` is its URL, data URI or base64."""

    start: int
    end: int
    standing: Standing
    source: str


PLACES_MAX: Final = 2_000
"""How many places of a text are looked at: nothing has so many pictures, and each look takes time (B18, F72)."""

CHARS_MAX: Final = 1_000_000
"""How far into a text is looked: the bytes of pictures are lifted out of it before, and no answer is so long (F72)."""

# What a Chinese or Japanese sentence puts after a URL; letters of those scripts may belong to it.
_WIDE_MARKS: Final = "。，、；：！？…（）【】「」『』《》〈〉“”‘’"  # noqa: RUF001 - the wide forms are meant
_ANCHOR: Final = re.compile(r"!\[[^\[\]]{0,1000}\]\(\s{0,10}|data:(?=[\w/.+-]{0,100}[;,])|https?://", re.IGNORECASE)
_DESTINATION_STEP: Final = re.compile(r"[()\n]|!\[")
_NO_URL: Final = rf"\s<>\"`\\^{{}}|\x00-\x1f{_WIDE_MARKS}"
_URL: Final = re.compile(rf"https?://(?:[^,;{_NO_URL}]|[,;](?!https?://))++", re.IGNORECASE)
_URL_IN_BRACKETS: Final = re.compile(rf"https?://(?:[^(){_NO_URL}]|\([^(){_NO_URL}]*+\))++", re.IGNORECASE)
_ONLY_URL: Final = re.compile(rf"https?://(?:[^,;\]{_NO_URL}]|[,;](?!https?://)|\](?!\()| )++", re.IGNORECASE)
_DATA_HEAD: Final = re.compile(r"data:[\w/.+-]{0,100}(?:;[\w.+=-]{1,100}){0,5},", re.IGNORECASE)
_PAYLOAD: Final = re.compile(r"[^\s()\"'<>`\[\]]*+")
_PAYLOAD_LINE: Final = re.compile(r"\r?\n([A-Za-z0-9+/_-]++={0,2})(?=\s|\)|$)")
_WRAP_CHARS: Final = 60
"""A base64 line at least this long may go on in the next line (MIME wraps at 76, PEM at 64)."""
_RUN: Final = re.compile(r"[A-Za-z0-9+/_:-]{16,}+={0,2}")
_PICTURE_PATH: Final = re.compile(r"\.(?:png|jpe?g|webp|gif|avif)(?:$|[?#&!@])", re.IGNORECASE)
_LABEL_ENDS: Final = (":", "\uff1a", "*", "-", "•", ">")
_PATH_CHAR: Final = re.compile(r"[A-Za-z0-9._\-/?&=%~+]")


def marks(text: str, is_picture: Callable[[str], bool]) -> list[Mark]:
    """The pictures in `text`, in order. `is_picture` tells whether a run of base64 without a prefix is one."""
    if (whole := _whole(text, is_picture)) is not None:
        return [whole]
    found = list(_anchored(text))
    if any(mark.standing is Standing.SHOWN for mark in found):
        return found
    raw = [
        Mark(match.start(), match.end(), Standing.SHOWN, match[0])
        for match in islice(_RUN.finditer(text, 0, CHARS_MAX), PLACES_MAX)
        if is_picture(match[0])
    ]
    return raw or found


def _whole(text: str, is_picture: Callable[[str], bool]) -> Mark | None:
    """The text when it is nothing but one picture: then a URL is kept as it stands, odd characters included."""
    stripped = text.strip()
    start = text.find(stripped)
    if _ONLY_URL.fullmatch(stripped) is not None and (" " not in stripped or _spaced_url(stripped)):
        url = stripped.rstrip(".,!*")
        return Mark(start, start + len(stripped), Standing.ALONE, url)
    if len(stripped) >= 16 and not stripped.startswith(("data:", "http")) and is_picture(stripped):
        return Mark(start, start + len(stripped), Standing.SHOWN, stripped)
    return None


def _spaced_url(line: str) -> bool:
    """Whether a line with spaces is one URL: only its end has a picture's extension, and it holds no second URL."""
    first, _, rest = line.partition(" ")
    return _PICTURE_PATH.search(first) is None and _PICTURE_PATH.search(rest) is not None and "://" not in rest


def _anchored(text: str) -> Iterator[Mark]:
    position = 0
    for _ in range(PLACES_MAX):
        if (anchor := _ANCHOR.search(text, position, CHARS_MAX)) is None:
            return
        if anchor[0].startswith("!"):
            mark = _markdown(text, anchor.start(), anchor.end())
        elif anchor[0][:4].lower() == "data":
            end = _data_uri_end(text, anchor.start())
            mark = None if end is None else Mark(anchor.start(), end, Standing.SHOWN, text[anchor.start() : end])
        else:
            mark = _bare_url(text, anchor.start())
        if mark is not None:
            yield mark
        position = anchor.end() if mark is None else mark.end


def _markdown(text: str, start: int, inside: int) -> Mark | None:
    """A Markdown image whose destination starts at `inside`; None when it never closes."""
    if (data_end := _data_uri_end(text, inside)) is not None:
        close = text[data_end : data_end + 200].partition("\n")[0].find(")")
        end = data_end if close < 0 else data_end + close + 1
        return Mark(start, end, Standing.SHOWN, text[inside:data_end])
    if (close_at := _closing(text, inside)) is None:
        return None
    source = text[inside:close_at].strip()
    if source.startswith("<") and ">" in source:
        source = source[1 : source.index(">")]
    elif (title := source.find(' "')) > 0 or (title := source.find(" '")) > 0:
        source = source[:title].rstrip()
    return Mark(start, close_at + 1, Standing.SHOWN, source) if source else None


def _closing(text: str, inside: int) -> int | None:
    """Where the bracket that ends a destination stands; a lone `)` inside a URL is passed over when the URL goes on."""
    depth = 0
    for step in _DESTINATION_STEP.finditer(text, inside):
        if step[0] == "(":
            depth += 1
        elif step[0] == ")" and depth > 0:
            depth -= 1
        elif step[0] == ")":
            if not _goes_on(text, step.end()):
                return step.start()
        else:
            return None
    return None


def _goes_on(text: str, after: int) -> bool:
    """Whether what follows a `)` without a gap looks like more of the URL, up to another `)`."""
    if _PATH_CHAR.match(text, after) is None:
        return False
    run = text[after : after + 500].split(maxsplit=1)[0]
    return ")" in run and not any(other in run for other in ("(", "[", "://"))


def _data_uri_end(text: str, start: int) -> int | None:
    """Where a base64 data URI ends, doubled prefixes and wrapped lines included; None when there is none."""
    head = _DATA_HEAD.match(text, start)
    if head is None or not head[0].lower().endswith(";base64,"):
        return None
    while (again := _DATA_HEAD.match(text, head.end())) is not None:
        head = again
    line = _PAYLOAD.match(text, head.end())
    assert line is not None, "an empty payload matches too"
    end, length = line.end(), len(line[0])
    while length >= _WRAP_CHARS and (more := _PAYLOAD_LINE.match(text, end)) is not None:
        end, length = more.end(), len(more[1])
    return end


def _bare_url(text: str, start: int) -> Mark | None:
    match = (_URL_IN_BRACKETS if text[start - 1 : start] == "(" else _URL).match(text, start)
    if match is None:
        return None
    url = _trimmed(match[0])
    end = start + len(url)
    standing = Standing.ALONE if _PICTURE_PATH.search(url) or _stands_alone(text, start, end) else Standing.MENTIONED
    return Mark(start, end, standing, url)


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it."""
    opened, closed = url.count("("), url.count(")")
    end = len(url)
    while end:
        if url[end - 1] in ".,;:!?'*~]":
            end -= 1
        elif url[end - 1] == ")" and closed > opened:
            end, closed = end - 1, closed - 1
        else:
            break
    return url[:end]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the URL has its line to itself, but for a label before it."""
    before = text[max(0, start - 80) : start].rpartition("\n")[2].strip()
    after = text[end : end + 40].partition("\n")[0].strip(" \t\r.,;!*")
    return not after and (not before or before.endswith(_LABEL_ENDS))
