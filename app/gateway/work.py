"""An admitted request in somebody's hands, and what came of it."""

from dataclasses import dataclass, field, replace
from typing import Literal

from app.core.exchange import VendorFailure
from app.core.image import NO_TOKENS, DeliveredImage, ImageRequest, ImageUsage, Warning
from app.core.pricing import Price, Units
from app.gateway.glimpses import Glimpses
from app.gateway.plan import Stop
from app.gateway.waiting import Waiting
from app.store.attempts import Attempt

Surface = Literal["openai_chat", "openai_images", "image_tasks", "gemini"]


class Cancelled(Exception):
    """The client has cancelled the task, and nothing more is sent for it."""


@dataclass(frozen=True, slots=True)
class Past:
    """An attempt that an earlier owner of the task made. `stop` is where; None: it is no longer in the catalog."""

    attempt: Attempt
    stop: Stop | None


@dataclass(frozen=True, slots=True)
class Work:
    """A task that this process owns until `deadline_at` (unix seconds), under a lease.

    `past` is empty for a task that nobody has worked on before. `glimpses`: somebody waits who wants to see pictures
    while they are drawn.
    """

    task_id: str
    lease_token: str
    account_id: str
    request: ImageRequest
    stops: tuple[Stop, ...]
    price: Price
    created_at: float
    deadline_at: float
    past: tuple[Past, ...] = ()
    glimpses: Glimpses | None = None


@dataclass(frozen=True, slots=True)
class AttemptDone:
    """An attempt that delivered, to be recorded with the money. `cost_units`: what the vendor is expected to bill."""

    attempt_id: str
    images_delivered: int
    cost_units: Units


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one or several calls brought: stored pictures in order, or why there are none; and what is still to come.

    `broken`: what went wrong on our side, which matters only where there is no picture in the end.
    """

    images: tuple[DeliveredImage, ...] = ()
    text: str = ""
    usage: ImageUsage = NO_TOKENS
    warnings: tuple[Warning, ...] = ()
    done: tuple[AttemptDone, ...] = ()
    failures: tuple[VendorFailure, ...] = field(default=(), compare=False)
    waiting: tuple[Waiting, ...] = field(default=(), compare=False)
    broken: BaseException | None = field(default=None, compare=False)

    def __add__(self, other: "Drawn") -> "Drawn":
        return Drawn(
            tuple(sorted((*self.images, *other.images), key=lambda image: image.slot)),
            "\n".join(text for text in (self.text, other.text) if text),
            self.usage + other.usage,
            self.warnings + tuple(warning for warning in other.warnings if warning not in self.warnings),
            self.done + other.done,
            self.failures + other.failures,
            self.waiting + other.waiting,
            self.broken or other.broken,
        )

    def without(self, waiting: Waiting) -> "Drawn":
        """The same, where that has come."""
        return replace(self, waiting=tuple(one for one in self.waiting if one is not waiting))
