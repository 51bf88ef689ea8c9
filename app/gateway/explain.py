"""What would become of a request: its model, its targets in order and why, what each would be sent, and what would be
held. Nothing is sent, fetched, held or kept.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.core.catalog import Catalog, Model, Target
from app.core.chat import usage_at_most
from app.core.errors import GatewayError, InvalidRequest
from app.core.image import ImageRequest, Warning
from app.core.media import Blobs
from app.core.pricing import MAX_UNITS, Units, images_charge, tokens_charge
from app.core.settle import settle
from app.gateway.caller import Caller
from app.gateway.exact_request import ExactRequest, image_request, text_request
from app.gateway.plan import ATTEMPTS_MAX, Planner, Unfit
from app.gateway.request_record import to_record
from app.gateway.routing import LeftOut, Place, Router, nobody
from app.store import accounts, keys
from app.store.database import Database, Tx
from app.surfaces import gemini, image_tasks, openai_chat, openai_images
from app.upstream.pool import RestReason

PATHS: Final = (
    "/v1/chat/completions",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/tasks",
    "/v1beta/models/{model}:generateContent",
    "/v1beta/models/{model}:streamGenerateContent",
)

Json = Mapping[str, Any]
Reason = LeftOut | RestReason | Unfit

_GEMINI: Final = re.compile(r"/v1(?:beta)?/models/(?P<model>.+):(?P<action>generateContent|streamGenerateContent)")


@dataclass(frozen=True, slots=True)
class TargetView:
    """One target. `order`: when it is tried, from 1; None: it is not, for `reason`, or since three others go before.

    `first_chance`: about the share of such requests that begin there. `calls`: how many it takes for all pictures.
    `request`: the first of them; None: this target cannot be told of the request.
    """

    target: Target
    order: int | None
    reason: Reason | None
    rest_s: float
    first_chance: float
    calls: int
    request: ExactRequest | None
    warnings: tuple[Warning, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen. `understood`: the request as it is meant. `refusal`: what the client would be told instead.

    `hold_units`: what would be held before anything is sent; 0 where a text is not paid in advance.
    """

    model: Model
    understood: Mapping[str, Any]
    targets: tuple[TargetView, ...]
    hold_units: Units
    warnings: tuple[Warning, ...]
    refusal: GatewayError | None


class Explainer:
    """Explains requests by the catalog and the health of this moment."""

    def __init__(self, *, database: Database, catalog: Callable[[], Catalog], router: Router, planner: Planner) -> None:
        self._database = database
        self._catalog = catalog
        self._router = router
        self._planner = planner

    async def explain(self, path: str, body: Json, *, key_id: str | None = None) -> Explanation:
        """The explanation of a request with this JSON body. `key_id`: who would send it; None: somebody who may.

        Raises: GatewayError, as the client would get it; InvalidRequest also for a path or a key that does not exist.
        """
        caller = None if key_id is None else await self._caller(key_id)
        catalog = self._catalog()
        if path == "/v1/chat/completions":
            model = catalog.resolve(openai_chat.model_of(body)).model
            if model.kind == "chat":
                _demand(caller, model)
                return self._text(model, body, caller)
        asked = _image_request(path, body)
        resolved = catalog.resolve(asked.model, resolution=asked.resolution, size=asked.size)
        _demand(caller, resolved.model)
        return self._image(resolved.model, settle(asked, resolved))

    def _image(self, model: Model, request: ImageRequest) -> Explanation:
        refusal = None
        try:
            self._planner.plan(model, request)
        except GatewayError as error:
            refusal = error
        places = self._router.places(model)
        able = [place for place in places if self._planner.stop(place.target).unfit_for(request) is None]
        ranks = self._ranks(able)
        views = [self._image_view(place, request, ranks.get(id(place.target))) for place in places]
        return Explanation(
            model=model,
            understood=to_record(request),
            targets=_in_order(views),
            hold_units=images_charge(model.price, request.n),
            warnings=request.warnings,
            refusal=refusal,
        )

    def _image_view(self, place: Place, request: ImageRequest, rank: tuple[int, float] | None) -> TargetView:
        stop = self._planner.stop(place.target)
        unfit, per_call = stop.unfit_for(request), stop.takes.images_per_call
        exact = image_request(stop, request, min(per_call, request.n)) if unfit is None else None
        calls = 0 if unfit else -(-request.n // per_call)
        return _view(place, rank, unfit, calls, exact, stop.ignores(request))

    def _text(self, model: Model, body: Json, caller: Caller | None) -> Explanation:
        request = openai_chat.parse_text(body, orjson.dumps(body))
        places = self._router.places(model)
        ranks = self._ranks(places)
        views = [
            _view(place, ranks.get(id(place.target)), None, 1, text_request(request, place.target), ())
            for place in places
        ]
        hard = caller is None or caller.account.billing == "prepaid" or caller.budget.units is not None
        at_most = tokens_charge(model.price, usage_at_most(request, model.max_output_tokens)) if hard else 0
        return Explanation(
            model=model,
            understood={"stream": request.stream, "max_output_tokens": request.max_output_tokens, "n": request.choices},
            targets=_in_order(views),
            hold_units=Units(min(at_most, MAX_UNITS)),
            warnings=(),
            refusal=None if ranks else nobody(),
        )

    def _ranks(self, places: list[Place]) -> dict[int, tuple[int, float]]:
        """When each target is tried, and how likely first, by the target's identity."""
        usable = [place.target for place in places if place.left_out is None]
        likely = self._router.likely(usable)[:ATTEMPTS_MAX]
        return {id(target): (order, chance) for order, (target, chance) in enumerate(likely, start=1)}

    async def _caller(self, key_id: str) -> Caller:
        def query(tx: Tx) -> Caller | None:
            key = keys.get(tx, key_id)
            account = accounts.get(tx, key.account_id) if key is not None else None
            return Caller(key, account) if key is not None and account is not None else None

        caller = await self._database.read(query)
        if caller is None:
            raise InvalidRequest("There is no key with this id.", param="key_id")
        return caller


def _image_request(path: str, body: Json) -> ImageRequest:
    blobs = Blobs()
    if (match := _GEMINI.fullmatch(path)) is not None:
        return gemini.parse(match["model"], body, blobs, stream=match["action"] == "streamGenerateContent")
    match path:
        case "/v1/chat/completions":
            return openai_chat.parse_image(body, blobs)
        case "/v1/images/generations":
            return openai_images.parse(body, blobs)
        case "/v1/images/edits":
            return openai_images.parse_edit(body, blobs)
        case "/v1/images/tasks":
            return image_tasks.parse(body, blobs)
        case _:
            raise InvalidRequest(f"'path' must be one of {', '.join(PATHS)}.", param="path")


def _demand(caller: Caller | None, model: Model) -> None:
    if caller is not None:
        caller.demand(model)


def _view(
    place: Place,
    rank: tuple[int, float] | None,
    unfit: Unfit | None,
    calls: int,
    request: ExactRequest | None,
    warnings: tuple[Warning, ...],
) -> TargetView:
    order, chance = rank or (None, 0.0)
    return TargetView(
        target=place.target,
        order=order,
        reason=place.left_out or unfit or place.standing.resting,
        rest_s=place.standing.rest_s,
        first_chance=chance,
        calls=calls,
        request=request,
        warnings=warnings,
    )


def _in_order(views: list[TargetView]) -> tuple[TargetView, ...]:
    """Those that are tried first; of the others, the catalog's order."""
    return tuple(sorted(views, key=lambda view: view.order or ATTEMPTS_MAX + 1))
