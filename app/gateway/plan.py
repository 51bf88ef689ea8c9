"""What could serve a request: its targets in order, each with its dialect, and what each would have to ignore."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.core.catalog import Model, Target, Vendor
from app.core.dialect import ImageDialect, Takes
from app.core.errors import InvalidRequest
from app.core.image import ImageRequest, Warning
from app.gateway.routing import Router, nobody

ATTEMPTS_MAX: Final = 3
"""How many targets one picture is asked of, at most (fault-cases section 5)."""

STOPS_MAX: Final = 10_000
"""Stops that are remembered, of catalogs that are no longer in force too."""

Unfit = Literal["ratio_not_drawn", "inputs_not_taken", "mask_not_taken"]


@dataclass(frozen=True, slots=True)
class Stop:
    """One target on the way, and the dialect to speak there."""

    target: Target
    dialect: ImageDialect
    takes: Takes

    @property
    def vendor(self) -> Vendor:
        """Whom to call."""
        return self.target.vendor

    def draws(self, aspect_ratio: str | None) -> bool:
        """Whether this target is known to draw the ratio."""
        drawn = self.target.aspect_ratios
        return aspect_ratio is None or not drawn or aspect_ratio in drawn

    def takes_inputs(self, request: ImageRequest) -> bool:
        """Whether every reference picture can be handed over: a URL can be fetched, bytes have no URL."""
        forms = self.takes.input_forms
        return all("data" in forms or ("url" in forms and picture.url is not None) for picture in request.inputs)

    def unfit_for(self, request: ImageRequest) -> Unfit | None:
        """Why this target cannot serve the request, whatever its vendor's health; None when it can."""
        if not self.draws(request.aspect_ratio):
            return "ratio_not_drawn"
        if not self.takes_inputs(request):
            return "inputs_not_taken"
        return "mask_not_taken" if request.mask is not None and not self.takes.mask else None

    def ignores(self, request: ImageRequest) -> tuple[Warning, ...]:
        """What this target cannot be told of the request."""
        unspoken = [
            Warning("ignored", name, f"The field {name!r} is not supported by what served this request.")
            for name in request.options
            if name not in self.takes.options
        ]
        if request.history and not self.takes.history:
            where = request.history[0].param.partition("[")[0]
            unspoken.append(Warning("ignored", where, "Only the prompt was sent; what was said before it was not."))
        if request.partial_images and not self.takes.partial_images:
            told = "What served this request shows nothing before a picture is done."
            unspoken.append(Warning("ignored", "partial_images", told))
        if request.aspect_ratio is not None and not self.takes.aspect_ratio:
            unspoken.append(Warning("ignored", "aspect_ratio", "What served this request chooses the ratio itself."))
        return tuple(unspoken)


class Planner:
    """Makes plans from a model's targets, in the order that the router gives them."""

    def __init__(self, dialects: Mapping[str, ImageDialect], router: Router) -> None:
        self._dialects = dialects
        self._router = router
        self._stops: dict[int, Stop] = {}

    def plan(self, model: Model, request: ImageRequest, *, strict: bool = False) -> tuple[Stop, ...]:
        """The stops in order, at most three, at least one.

        What a target can be told decides before its vendor's health: a request that only resting vendors can serve is
        served by them. Raises: NoVendorAvailable when none is configured; InvalidRequest when none can serve it, or,
        when `strict`, when each would ignore something.
        """
        stops = [self.stop(target) for target in self._router.usable(model)]
        if not stops:
            raise nobody()
        unfit = [stop.unfit_for(request) for stop in stops]
        if all(unfit):
            raise _refusal(unfit, request)
        stops = [stop for stop, reason in zip(stops, unfit, strict=True) if reason is None]
        if strict:
            stops = _without_warnings(stops, request)
        ordered = self._router.order([stop.target for stop in stops])
        return tuple(self.stop(target) for target in ordered[:ATTEMPTS_MAX])

    def stop(self, target: Target) -> Stop:
        """The target with its dialect; the same each time, since thousands of works may be kept with theirs."""
        stop = self._stops.get(id(target))
        if stop is None or stop.target is not target:
            if len(self._stops) >= STOPS_MAX:
                self._stops.clear()
            dialect = self._dialects[target.vendor.dialect]
            stop = self._stops[id(target)] = Stop(target, dialect, dialect.takes(target))
        return stop


def _refusal(unfit: list[Unfit | None], request: ImageRequest) -> InvalidRequest:
    """Why no target can serve a request: what even the best of them cannot do."""
    for reason, message, param in (
        ("mask_not_taken", "A mask cannot be applied by what serves this model.", "mask"),
        ("inputs_not_taken", "What serves this model does not take reference images in the form given.", "image"),
    ):
        if reason in unfit:
            return InvalidRequest(message, code="unsupported_parameter", param=param)
    return InvalidRequest(
        f"The aspect_ratio {request.aspect_ratio!r} is drawn by no vendor that is configured.", param="aspect_ratio"
    )


def _without_warnings(stops: list[Stop], request: ImageRequest) -> list[Stop]:
    silent = [stop for stop in stops if not stop.ignores(request)]
    if not silent:
        warning = stops[0].ignores(request)[0]
        raise InvalidRequest(warning.message, code="unsupported_parameter", param=warning.param)
    return silent
