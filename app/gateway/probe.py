"""One cheap real request per model of a vendor: what came back, and what of it the catalog does not say.

It costs what the vendor bills for it; no client is charged. What came of it counts for the vendor's health.
"""

import asyncio
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.core.catalog import Catalog, Model, Resolved, Target, Vendor
from app.core.clock import Clock
from app.core.dialect import ImageDialect
from app.core.errors import NotFound, NoVendorAvailable
from app.core.exchange import Call, Exchange, Failure, Json, Outcome, Reply, VendorFailure
from app.core.image import ImageRequest, InlineImage, Pending, RemoteImage
from app.core.settle import settle
from app.core.shape import Size
from app.dialects import openai_chat
from app.gateway.probe_findings import Asked, after_answer, after_failure, form_of, places_of
from app.media.fetch import Fetcher, FetchFailed
from app.media.pictures import Converter
from app.media.spool import Spool, SpoolFolder
from app.media.structure import NotAPicture
from app.upstream.client import VendorClient
from app.upstream.pool import VendorPool
from app.upstream.trial import Trial
from app.wire.vendor_errors import classify, scrub

PROMPT: Final = "A plain red circle on a white background."
RATIOS: Final = ("16:9", "3:2", "4:3")
"""The first of these that a model has is asked for: a square would prove nothing."""
MAX_TOKENS: Final = 16
AT_ONCE: Final = 4
"""So many models of a vendor are asked at once: a picture takes a while, and nobody is to be pressed."""

Progress = Callable[[str], None]
Scope = Literal["all", "cheapest"]
"""Each model that the vendor serves, or of each kind the one that costs the least."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. `places`: where the pictures stood in the answer. `failure` None: it went well.

    `suggestions` name lines of the catalog and what they should say.
    """

    model: str
    vendor_model: str
    seconds: float
    status: int | None
    form: str | None
    places: tuple[str, ...]
    sizes: tuple[Size, ...]
    asked: Asked
    failure: Failure | None
    detail: str
    suggestions: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    """What came back so far."""

    replies: list[Reply]
    sizes: list[Size]


class Prober:
    """Probes vendors."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        dialects: Mapping[str, ImageDialect],
        client: VendorClient,
        pool: VendorPool,
        fetcher: Fetcher,
        converter: Converter,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._dialects = dialects
        self._client = client
        self._pool = pool
        self._fetcher = fetcher
        self._converter = converter
        self._spool = spool
        self._clock = clock

    async def probe(
        self,
        name: str,
        *,
        scope: Scope = "all",
        only: Collection[str] = (),
        tell: Progress = lambda line: None,
    ) -> tuple[Finding, ...]:
        """The findings at a vendor, a request for each model in `scope`, a few at a time; `tell` hears what is done.

        `only`: models to be asked, by the vendor's names or ours; none: all. Raises: NotFound; NoVendorAvailable: it
        has no credential, or serves no such model.
        """
        catalog = self._catalog()
        vendor = catalog.vendors.get(name)
        if vendor is None:
            raise NotFound(f"There is no vendor {name!r}.")
        if not vendor.configured:
            raise NoVendorAvailable(f"The vendor {name!r} has no credential.", should_retry=False)
        served = list(_served(catalog, vendor, only) if scope == "all" else _cheapest(_served(catalog, vendor, only)))
        if not served:
            raise NoVendorAvailable(f"The vendor {name!r} serves no such model.", should_retry=False)
        turn, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(model: Model, target: Target) -> Finding:
            nonlocal done
            async with turn:
                finding = await self._one(model, target, tell)
            done += 1
            how = "delivered" if finding.failure is None else finding.failure.value
            tell(f"{done} of {len(served)}: {target.model!r} {how} in {finding.seconds:.1f} s")
            return finding

        return tuple(await asyncio.gather(*(one(model, target) for model, target in served)))

    async def _one(self, model: Model, target: Target, tell: Progress) -> Finding:
        tell(f"Asking {target.vendor.name} for {target.model!r}, which serves {model.id} …")
        ratio = (
            next((ratio for ratio in RATIOS if ratio in model.aspect_ratios), None) if model.kind == "image" else None
        )
        asked, seen, began = Asked(ratio, model.resolution), _Seen([], []), self._clock.monotonic()
        trial = self._pool.trial(target, retry=False, last=True)
        assert trial is not None, "work that can go nowhere else is always tried"
        failure = None
        with trial:
            try:
                async with asyncio.timeout(target.vendor.timeout_s), self._spool.folder() as folder:
                    await self._ask(model, target, asked, trial, folder, seen, tell)
                trial.delivered()
            except TimeoutError:
                failure = VendorFailure(Failure.TIMED_OUT, "no answer in time")
            except VendorFailure as error:
                failure = error
            if failure is not None:
                trial.failed(failure)
        return _finding(model, target, asked, seen, failure, self._clock.monotonic() - began)

    async def _ask(
        self,
        model: Model,
        target: Target,
        asked: Asked,
        trial: Trial,
        folder: SpoolFolder,
        seen: _Seen,
        tell: Progress,
    ) -> None:
        async with trial.credential(within_s=target.vendor.timeout_s) as credential:

            async def drive(exchange: Exchange[Outcome]) -> Outcome:
                watched = _watched(exchange, seen.replies)
                return await self._client.drive(
                    watched, target.vendor, credential=credential, open_sink=folder.open_sink
                )

            if model.kind == "chat":
                await drive(_greeting(target))
                return
            dialect = self._dialects[target.vendor.dialect]
            request = ImageRequest(model.id, PROMPT, aspect_ratio=asked.aspect_ratio)
            outcome = await drive(dialect.start(settle(request, Resolved(model, by_family=False)), target))
            while isinstance(outcome, Pending):
                tell(f"Accepted as {outcome.handle}, {outcome.progress} % …")
                await self._clock.sleep(outcome.poll_after_s)
                outcome = await drive(dialect.poll(outcome.handle, target))
        tell("Reading the pictures …")
        seen.sizes += [await self._measured(image, folder) for image in outcome.images]

    async def _measured(self, image: RemoteImage | InlineImage, folder: SpoolFolder) -> Size:
        try:
            if isinstance(image, InlineImage):
                blob = image.blob
            else:
                blob = await self._fetcher.fetch_result(image.url, folder.open_sink)
            picture = await self._converter.verify(blob)
        except (FetchFailed, NotAPicture) as error:
            raise VendorFailure(Failure.UNREADABLE, str(error)) from error
        return Size(picture.width, picture.height)


def _served(catalog: Catalog, vendor: Vendor, only: Collection[str]) -> Iterator[tuple[Model, Target]]:
    """What the vendor serves, each of its own models once for a tier: under the cheapest of ours that it serves for."""
    cheapest: dict[tuple[str, str | None], tuple[Model, Target]] = {}
    for model in catalog.models.values():
        for target in model.targets:
            if target.vendor.name != vendor.name or (only and not {model.id, target.model} & set(only)):
                continue
            known = cheapest.get((target.model, target.resolution))
            if known is None or _costs(model) < _costs(known[0]):
                cheapest[target.model, target.resolution] = (model, target)
    yield from cheapest.values()


def _cheapest(served: Iterator[tuple[Model, Target]]) -> Iterator[tuple[Model, Target]]:
    """For each kind of model, the one that costs the least."""
    listed = list(served)
    for kind in ("image", "chat"):
        alike = [one for one in listed if one[0].kind == kind]
        if alike:
            yield min(alike, key=lambda one: _costs(one[0]))


def _costs(model: Model) -> int:
    return model.price.per_image or model.price.per_1m_output_tokens or 0


def _greeting(target: Target) -> Exchange[Json]:
    """A text of a few tokens. Raises: VendorFailure."""
    document = {
        "model": target.model,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    reply = yield Call(openai_chat.PATH, json=document)
    if (failure := classify(reply)) is not None:
        raise failure
    if not isinstance(reply.document, dict) or not reply.document.get("choices"):
        raise VendorFailure(Failure.UNREADABLE, "no chat completion", status=reply.status)
    return reply.document


def _watched(exchange: Exchange[Outcome], replies: list[Reply]) -> Generator[Call, Reply, Outcome]:
    """The same exchange; its replies are kept."""
    try:
        call = next(exchange)
        while True:
            reply = yield call
            replies.append(reply)
            call = exchange.send(reply)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    finally:
        exchange.close()


def document_of(finding: Finding) -> dict[str, Any]:
    """A finding as it is kept, shown and printed."""
    return {
        "model": finding.model,
        "vendor_model": finding.vendor_model,
        "ok": finding.failure is None,
        "failure": finding.failure,
        "detail": finding.detail,
        "seconds": round(finding.seconds, 3),
        "status": finding.status,
        "form": finding.form,
        "pictures_at": list(finding.places),
        "asked": {"aspect_ratio": finding.asked.aspect_ratio, "resolution": finding.asked.resolution},
        "sizes": [str(size) for size in finding.sizes],
        "suggestions": list(finding.suggestions),
    }


def _finding(
    model: Model, target: Target, asked: Asked, seen: _Seen, failure: VendorFailure | None, seconds: float
) -> Finding:
    last = seen.replies[-1] if seen.replies else None
    form = form_of(last) if last is not None else None
    if failure is None and model.kind == "image":
        suggestions = after_answer(asked, seen.sizes, target, form=form or "", seconds=seconds)
    else:
        suggestions = after_failure(failure.failure, target) if failure is not None else ()
    return Finding(
        model=model.id,
        vendor_model=target.model,
        seconds=seconds,
        status=last.status if last is not None else None,
        form=form,
        places=places_of(last) if last is not None and model.kind == "image" else (),
        sizes=tuple(seen.sizes),
        asked=asked,
        failure=failure.failure if failure is not None else None,
        detail=scrub(failure.detail, target.vendor.api_keys) if failure is not None else "",
        suggestions=suggestions,
    )
