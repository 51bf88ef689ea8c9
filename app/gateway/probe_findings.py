"""What an answer to a probe teaches: where the pictures stood in it, and which lines of the catalog it contradicts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.catalog import Target
from app.core.exchange import Failure, Json, Reply
from app.core.shape import RATIO_TOLERANCE, RESOLUTIONS, Resolution, Size, nearest_resolution, parse_ratio

_KINDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("Markdown with a data URI", re.compile(r"!\[[^\]]*\]\(\s*data:")),
    ("Markdown with a URL", re.compile(r"!\[[^\]]*\]\(\s*https?:")),
    ("a data URI", re.compile(r"\s*data:image/")),
    ("base64", re.compile(r"\s*(?:blob:[0-9a-f]+:\d+|[A-Za-z0-9+/_=\s-]{200,})\s*\Z")),
    ("a URL", re.compile(r"\s*https?://\S+\s*\Z")),
    ("text with a data URI", re.compile(r"(?s).*data:image/")),
    ("text with a URL", re.compile(r"(?s).*https?://")),
)
SLOW_SHARE: Final = 0.8
"""Of the time a vendor is given: an answer that takes longer is close to being given up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe asked for; None: it was left open."""

    aspect_ratio: str | None
    resolution: Resolution | None


def places_of(reply: Reply) -> tuple[str, ...]:
    """Where pictures stand in a reply: `choices[].message.content: Markdown with a URL`."""
    documents = reply.events if reply.events is not None else (reply.document,)
    return tuple(dict.fromkeys(f"{path}: {kind}" for document in documents for path, kind in _pictures(document, "")))


def form_of(reply: Reply) -> str:
    """What kind of document a reply is."""
    if reply.events is not None:
        return "events"
    return "JSON" if reply.is_json else "text"


def after_failure(failure: Failure, target: Target) -> tuple[str, ...]:
    """What to look at when a probe failed."""
    match failure:
        case Failure.UNAUTHORIZED:
            return ("api_keys: the vendor refuses the key.",)
        case Failure.OUT_OF_FUNDS:
            return ("api_keys: the account behind the key has no funds.",)
        case Failure.UNKNOWN_MODEL:
            return (f"targets: the vendor does not know the model {target.model!r}.",)
        case Failure.UNREACHABLE:
            return ("base_url: no connection could be made.",)
        case Failure.REJECTED:
            return ("options: the vendor refuses the request as it is written; its message tells the field.",)
        case Failure.UNREADABLE:
            return ("base_url, dialect: the answer is none of this dialect.",)
        case Failure.TIMED_OUT:
            return (f"timeout_s: nothing came within {target.vendor.timeout_s:g} s.",)
        case Failure.NO_IMAGE:
            return (f"targets: the model {target.model!r} answered without a picture.",)
        case _:
            return ()


def after_answer(asked: Asked, sizes: Sequence[Size], target: Target, *, form: str, seconds: float) -> tuple[str, ...]:
    """Which lines of the catalog the answer contradicts, and what they should say."""
    found = [*_of_ratio(asked, sizes, target), *_of_tier(asked, sizes, target)]
    if form == "events" and target.vendor.options.get("stream") is False:
        found.append("options: {stream: true}: the vendor answers events although none were asked for.")
    if seconds > SLOW_SHARE * target.vendor.timeout_s:
        found.append(f"timeout_s: it took {seconds:.0f} s of {target.vendor.timeout_s:g}.")
    return tuple(found)


def _of_ratio(asked: Asked, sizes: Sequence[Size], target: Target) -> Iterator[str]:
    ratio = parse_ratio(asked.aspect_ratio) if asked.aspect_ratio else None
    if ratio is None or all(abs(size.ratio / ratio - 1) <= 2 * RATIO_TOLERANCE for size in sizes):
        return
    told, options = f"asked for {asked.aspect_ratio}, drawn {', '.join(map(str, sizes))}", target.vendor.options
    if options.get("send_dashed_keys") is False:
        yield f"options: {{send_dashed_keys: true}}: the ratio was not understood ({told})."
    elif (spoken := options.get("aspect_ratio")) in ("size", "top_level"):
        other = "top_level" if spoken == "size" else "size"
        yield f"options: {{aspect_ratio: {other}}}: the ratio was not understood ({told})."
    else:
        yield f"targets: aspect_ratios of {target.model!r} should not have {asked.aspect_ratio} ({told})."


def _of_tier(asked: Asked, sizes: Sequence[Size], target: Target) -> Iterator[str]:
    tiers = [nearest_resolution(size, RESOLUTIONS) for size in sizes]
    if asked.resolution is None or all(tier == asked.resolution for tier in tiers):
        return
    drawn = f"asked for {asked.resolution}, drawn {', '.join(map(str, sizes))}"
    if target.resolution is None:
        yield f"targets: {{model: {target.model}, resolution: {asked.resolution}}}: say the tier ({drawn})."
    else:
        yield f"targets: {target.model!r} does not draw {asked.resolution} ({drawn})."


def _pictures(value: Json, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, part in value.items():
                yield from _pictures(part, f"{path}.{name}" if path else name)
        case list():
            for part in value:
                yield from _pictures(part, f"{path}[]")
        case str():
            kind = next((kind for kind, pattern in _KINDS if pattern.match(value)), None)
            if kind is not None:
                yield path, kind
        case _:
            return
