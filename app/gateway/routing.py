"""In which order a model's targets are tried, and why: priority, weight, health, and what operators have drained."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.catalog import Model, Target
from app.core.errors import NoVendorAvailable
from app.upstream.pool import RestReason, Standing, VendorPool

LeftOut = Literal["no_credential", "drained"]


@dataclass(frozen=True, slots=True)
class Place:
    """A target and how it stands: left out whatever happens, resting, or fit for `standing.share` of its work."""

    target: Target
    standing: Standing
    left_out: LeftOut | None = None

    @property
    def reason(self) -> LeftOut | RestReason | None:
        """Why it is not tried now; None when it may be."""
        return self.left_out or self.standing.resting


def nobody() -> NoVendorAvailable:
    """The error for a model of which no target may be tried at all."""
    return NoVendorAvailable("No vendor is configured for this model.", retry_after_s=60, should_retry=False)


class Router:
    """Orders targets by what this process knows of their vendors. `drained`: the names of vendors to be left out."""

    def __init__(self, pool: VendorPool, *, drained: Callable[[], frozenset[str]], rng: random.Random) -> None:
        self._pool = pool
        self._drained = drained
        self._rng = rng

    def usable(self, model: Model) -> list[Target]:
        """The targets that may be tried at all: those with a credential that are not drained."""
        drained = self._drained()
        return [one for one in model.targets if one.vendor.configured and one.vendor.name not in drained]

    def order(self, targets: Sequence[Target]) -> list[Target]:
        """The targets to try of those that could serve: by priority, within one priority by weighted chance.

        Resting ones are left out, but the last one never is: where all rest, the one that will be ready first is tried.
        What has just come back gets its place for a growing share of the work, else the end.
        """
        fit = self._fit(targets)
        if len(fit) == 1:
            return [fit[0][0]]
        # Efraimidis-Spirakis: sorting by u^(1/weight), largest first, is a weighted shuffle.
        ranked = [
            (share < 1 and self._rng.random() >= share, target.priority, -self._chance(target), target)
            for target, share in fit
        ]
        return [target for *_, target in sorted(ranked, key=lambda rank: rank[:3])]

    def likely(self, targets: Sequence[Target]) -> list[tuple[Target, float]]:
        """The same without chance: the likeliest order, each with about the share of requests that begin there."""
        fit = sorted(self._fit(targets), key=lambda one: (one[0].priority, -one[0].weight))
        first = [one for one in fit if one[0].priority == fit[0][0].priority]
        if all(share == 0 for _, share in first):
            first = [(target, 1.0) for target, _ in first]
        total = sum(target.weight * share for target, share in first)
        chances = [target.weight * share / total for target, share in first]
        return [
            (target, chance) for (target, _), chance in zip(fit, chances + [0.0] * (len(fit) - len(first)), strict=True)
        ]

    def places(self, model: Model) -> list[Place]:
        """How every target of the model stands, in the order of the catalog."""
        drained = self._drained()
        return [self._place(target, drained) for target in model.targets]

    def _place(self, target: Target, drained: frozenset[str]) -> Place:
        vendor = target.vendor
        left_out: LeftOut | None = None
        if not vendor.configured:
            left_out = "no_credential"
        elif vendor.name in drained:
            left_out = "drained"
        return Place(target, self._pool.standing(target), left_out)

    def _fit(self, targets: Sequence[Target]) -> list[tuple[Target, float]]:
        """Those that do not rest, each with its share of work; where all rest, the one that is ready first."""
        standings = [(target, self._pool.standing(target)) for target in targets]
        fit = [(target, standing.share) for target, standing in standings if standing.resting is None]
        if fit or not standings:
            return fit
        return [(min(standings, key=lambda one: one[1].rest_s)[0], 1.0)]

    def _chance(self, target: Target) -> float:
        return float(self._rng.random() ** (1 / target.weight))
