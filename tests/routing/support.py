"""What the routing tests share: a clock to move by hand, vendors and targets that are nobody's."""

import random

from app.core.catalog import Model, Target, Vendor
from app.core.clock import Clock
from app.core.exchange import Failure, VendorFailure
from app.core.pricing import Price
from app.gateway.routing import Router
from app.upstream.health import BreakerRules
from app.upstream.pool import VendorPool
from app.upstream.trial import Trial


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def vendor(name: str, *, keys: tuple[str, ...] = ("key",), concurrency: int = 32) -> Vendor:
    return Vendor(name, "openai_images", f"https://{name}.example/v1", api_keys=keys, concurrency=concurrency)


def target(
    name: str, *, priority: int = 1, weight: int = 1, model: str = "m", keys: tuple[str, ...] = ("key",)
) -> Target:
    return Target(vendor(name, keys=keys), model, priority=priority, weight=weight)


def model_of(*targets: Target) -> Model:
    return Model("picture", "image", Price(), targets)


def pool_of(clock: Clock, *, seed: int = 1, rules: BreakerRules | None = None) -> VendorPool:
    return VendorPool(clock, rng=random.Random(seed), rules=rules)


def router_of(pool: VendorPool, *, drained: frozenset[str] = frozenset(), seed: int = 1) -> Router:
    return Router(pool, drained=lambda: drained, rng=random.Random(seed))


def begun(pool: VendorPool, at: Target, *, retry: bool = False, last: bool = True) -> Trial:
    """Work that begins there."""
    trial = pool.trial(at, retry=retry, last=last)
    assert trial is not None
    return trial


async def fail(pool: VendorPool, at: Target, failure: Failure = Failure.FAILED, *, times: int = 1) -> None:
    """So many pieces of work that failed there."""
    for _ in range(times):
        trial = pool.trial(at, retry=False, last=True)
        assert trial is not None
        await trial.take(within_s=1)
        trial.failed(VendorFailure(failure))


async def deliver(pool: VendorPool, at: Target, *, as_asked: bool = True) -> None:
    """A piece of work that went well there."""
    trial = pool.trial(at, retry=False, last=True)
    assert trial is not None
    await trial.take(within_s=1)
    trial.delivered(as_asked=as_asked)
