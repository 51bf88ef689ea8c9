"""In which order a model's targets are tried."""

import random
from collections.abc import Callable

from app.core.catalog import Model, Target, Vendor


def order(model: Model, *, resting: Callable[[Vendor], bool], rng: random.Random) -> list[Target]:
    """The model's usable targets: by priority, within one priority by weighted chance, those of resting vendors last.

    A target without a credential is left out. A resting vendor is only put last, never left out: the last vendor of a
    model is always tried.
    """
    usable = [target for target in model.targets if target.vendor.configured]
    # Efraimidis-Spirakis: sorting by u^(1/weight), largest first, is a weighted shuffle.
    chance = {id(target): rng.random() ** (1 / target.weight) for target in usable}
    return sorted(usable, key=lambda target: (resting(target.vendor), target.priority, -chance[id(target)]))
