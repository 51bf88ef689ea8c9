"""Who is calling: a key and its account, as far as requests need to know them."""

from dataclasses import dataclass
from typing import Literal

from app.core.catalog import Model, match_key
from app.core.errors import PermissionDenied

ChatImageStyle = Literal["markdown", "data", "url"]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key. `models`: None means all."""

    account_id: str
    key_id: str
    billing: Literal["prepaid", "unlimited"]
    models: frozenset[str] | None = None
    budget_units: int | None = None
    budget_period: Literal["total", "day", "month"] | None = None
    requests_per_minute: int | None = None
    concurrency: int | None = None
    chat_image_style: ChatImageStyle = "markdown"

    def may_use(self, model: Model) -> bool:
        """Whether the key's list has this model, by id, alias or family."""
        if self.models is None:
            return True
        names = {match_key(name) for name in (model.id, *model.aliases, *([model.family] if model.family else []))}
        return any(match_key(allowed) in names for allowed in self.models)

    def demand(self, model: Model) -> None:
        """Raises: PermissionDenied (model_not_allowed)."""
        if not self.may_use(model):
            raise PermissionDenied(f"This key may not use the model {model.id!r}.", param="model")
