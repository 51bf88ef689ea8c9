"""Picture tasks: create, then poll, in the `{code,message,data}` envelope and every vocabulary of states that was seen.

Request: Uniall's page on image tasks. Envelope, states and places of results: wire-facts 0.2, 0.5, 6.1 and 6.2.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from app.core.catalog import Option, OptionValue, Target
from app.core.dialect import InputForm, Takes, option
from app.core.exchange import Call, Exchange, Failure, Json, Reply, VendorFailure
from app.core.image import ImageInput, ImageRequest, ImageResult, Pending
from app.core.media import Blobs, BlobText, sniff
from app.core.task import TaskStatus
from app.wire.pictures import Gallery
from app.wire.vendor_errors import DETAIL_CHARS, Said, classify, error_in, failure_of
from app.wire.vendor_usage import usage_of

OPTIONS: Final[Mapping[str, Option]] = {
    "poll_seconds": Option(1.0, "How long to wait between two polls, unless the vendor says longer."),
    "images_per_call": Option(1, "The most pictures one task is asked for."),
    "inputs": Option("both", "How references may be sent: as URLs, as data URIs, or either.", ("url", "data", "both")),
    "output_formats": Option(
        "png,jpeg", "The output_format values that the vendor takes for every model; empty: never sent."
    ),
    "send_task_type": Option(True, "Say task_type instead of leaving the vendor to infer it."),
    "send_response_format": Option(True, "Say response_format: url."),
    "tasks_path": Option("/images/tasks", "Appended to the base URL, and followed by /{id} to poll."),
}

_POLL_AFTER_S_MAX: Final = 60.0
_DONE: Final = frozenset({"success", "succeed", "succeeded", "completed", "complete", "ready", "done", "finished"})
_FAILED: Final = frozenset({"failure", "failed", "fail", "error", "aborted", "expired", "timeout"})
_MODERATED: Final = frozenset({"request moderated", "content moderated", "moderated"})
_CANCELLED: Final = frozenset({"canceled", "cancelled"})
_RESULT_FIELDS: Final = (
    "result_url",
    "results",
    "result",
    "images",
    "outputs",
    "output",
    "image_url",
    "image_urls",
    "url",
    "urls",
    "image",
    "b64_json",
    "data",
)
"""Where finished tasks have their pictures (wire-facts 6.1). One picture in two places counts once."""


class ImageTasks:
    """The dialect; stateless."""

    name = "image_tasks"
    options = OPTIONS

    def takes(self, target: Target) -> Takes:
        """By the vendor's options."""
        inputs = _option(target, "inputs")
        forms: tuple[InputForm, ...] = tuple(form for form in ("url", "data") if inputs in (form, "both"))
        return Takes(
            input_forms=forms,
            images_per_call=max(1, int(_option(target, "images_per_call"))),
            output_formats=_formats(target),
        )

    def start(self, request: ImageRequest, target: Target) -> Exchange[ImageResult | Pending]:
        """Creates a task; one that is done at once is a result at once. Raises: VendorFailure."""
        reply = yield Call(str(_option(target, "tasks_path")), json=_document(request, target))
        task = _task(reply)
        if task is None and (failure := classify(reply)) is not None:
            raise failure
        if task is not None and _status(task).terminal:
            return _finished(task, reply)
        handle = _handle(reply)
        if handle is None:
            # Accepted, and lost: nobody can ask for it.
            raise VendorFailure(Failure.UNREADABLE, f"no task id: {reply.text}"[:DETAIL_CHARS], status=reply.status)
        return _pending(handle, task, reply, target)

    def glimpse(self, event: Json, blobs: Blobs) -> None:
        """Such vendors show nothing before it is done."""

    def poll(self, handle: str, target: Target) -> Exchange[ImageResult | Pending]:
        """Asks for the task once. Raises: VendorFailure, when the vendor says that the task itself has failed.

        Whatever else goes wrong with a poll (404 just after creation, 401, 429, 5xx) proves nothing about work that was
        accepted, so it is asked again, for as long as the caller's deadline lets it (fault-cases F83). An answer with a
        good status that is no task is unreadable; how often that is borne is the caller's to say.
        """
        path = f"{_option(target, 'tasks_path')}/{quote(handle, safe='')}"
        reply = yield Call(path, method="GET", billable=False)
        task = _task(reply)
        if task is not None and _status(task).terminal:
            return _finished(task, reply)
        failure = classify(reply)
        if failure is not None and failure.failure in (Failure.MODERATED, Failure.UNREADABLE):
            raise failure
        return _pending(handle, task, reply, target)


def _option(target: Target, name: str) -> OptionValue:
    return option(OPTIONS, target, name)


def _formats(target: Target) -> frozenset[str]:
    return frozenset(filter(None, (word.strip() for word in str(_option(target, "output_formats")).split(","))))


def _document(request: ImageRequest, target: Target) -> Json:
    document: dict[str, Json] = {"model": target.model, "prompt": request.prompt, "n": request.n}
    if _option(target, "send_task_type"):
        document["task_type"] = "image2image" if request.inputs else "text2image"
    references = [_reference(one) for one in request.inputs]
    if references:
        # Never both: the vendor's page lists mixing them as an error.
        document |= {"image": references[0]} if len(references) == 1 else {"images": references}
    told = {"aspect_ratio": request.aspect_ratio, "resolution": target.resolution}
    document |= {name: value for name, value in told.items() if value is not None}
    if request.output_format in _formats(target):
        document["output_format"] = request.output_format
    if _option(target, "send_response_format"):
        document["response_format"] = "url"
    return document


def _reference(one: ImageInput) -> str | BlobText:
    if one.blob is None:
        assert one.url is not None, "an input is a URL or bytes"
        return one.url
    return BlobText(one.blob, f"data:{sniff(one.blob.head) or one.mime or 'image/png'};base64,")


def _body(reply: Reply) -> Json:
    """The document; the last event, when a vendor tells a task as events."""
    return reply.events[-1] if reply.events else reply.document


def _task(reply: Reply) -> dict[str, Json] | None:
    """The task in a reply with a good status: under `data`, an array of one there, or the document itself."""
    body = _body(reply)
    if not isinstance(body, dict) or not 200 <= reply.status < 300:
        return None
    data = body.get("data")
    inner = data[0] if isinstance(data, list) and data else data
    if isinstance(inner, dict) and (word := _status_word(inner)):
        return {**inner, "status": word}
    if isinstance(inner, dict) and ("task_id" in inner or "id" in inner):
        return None  # A status beside such a task is the envelope's.
    return {**body, "status": word} if (word := _status_word(body)) else None


def _status_word(task: dict[str, Json]) -> str:
    words = (task.get(name) for name in ("status", "task_status", "state"))
    return next((word.strip().lower() for word in words if isinstance(word, str) and word.strip()), "")


def _status(task: dict[str, Json]) -> TaskStatus:
    """A word that nobody has seen means that it goes on (wire-facts 6.1)."""
    word = task["status"]
    if word in _DONE:
        return TaskStatus.SUCCEEDED
    if word in _FAILED or word in _MODERATED:
        return TaskStatus.FAILED
    return TaskStatus.CANCELLED if word in _CANCELLED else TaskStatus.IN_PROGRESS


def _handle(reply: Reply) -> str | None:
    body = _body(reply)
    if not isinstance(body, dict):
        return None
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else data
    places = [
        first,
        *(place.get(name) for place in (first, body) if isinstance(place, dict) for name in ("task_id", "id")),
    ]
    return next((str(place) for place in places if type(place) in (str, int) and str(place).strip()), None)


def _pending(handle: str, task: Mapping[str, Json] | None, reply: Reply, target: Target) -> Pending:
    wait_s = max(float(_option(target, "poll_seconds")), reply.retry_after_s or 0.0)
    return Pending(handle, min(wait_s, _POLL_AFTER_S_MAX), _progress(task or {}))


def _progress(task: Mapping[str, Json]) -> int:
    """Percent as text or number; never 100 before the end (fault-cases F83)."""
    match = re.match(r"\s*(\d{1,3})(?!\d)", str(task.get("progress", "")))
    return min(int(match[1]), 99) if match else 0


def _finished(task: dict[str, Json], reply: Reply) -> ImageResult:
    if _status(task) is not TaskStatus.SUCCEEDED:
        raise _failure(task, reply)
    gallery = Gallery(reply.blobs)
    for place in (task, task.get("metadata")):
        if isinstance(place, dict):
            for name in _RESULT_FIELDS:
                gallery.add(place.get(name))
    reason = task.get("fail_reason")
    if not gallery.pictures and isinstance(reason, str) and reason.strip().startswith("http"):
        gallery.add(reason)  # where older relays put the result (wire-facts section 5, row 24)
    if not gallery.pictures:
        raise gallery.missing("the task succeeded without a picture", refused=False, status=reply.status)
    return ImageResult(gallery.pictures, usage=usage_of(task.get("usage")))


def _failure(task: dict[str, Json], reply: Reply) -> VendorFailure:
    """Why a task ended badly. The vendor had accepted it, so nothing here may read as a refusal to take it."""
    word = task["status"]
    said = error_in({"error": task.get("error") or task.get("fail_reason") or task.get("message")})
    said = said or Said(frozenset(), word)
    moderated = word in _MODERATED or failure_of(Said(said.words, said.message), 500) is Failure.MODERATED
    failure = Failure.MODERATED if moderated else Failure.FAILED
    return VendorFailure(failure, (said.message or word)[:DETAIL_CHARS], status=reply.status)
