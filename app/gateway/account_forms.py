"""What an operator may say about accounts, keys and money, by whichever door it comes in. Nothing else is taken."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.core.pricing import MAX_UNITS
from app.media.guard import ForbiddenUrl, MalformedUrl, parse_url
from app.store.accounts import Billing
from app.store.keys import BudgetPeriod

LATEST_TIME_S: Final = 253_402_300_799
"""The last second of the year 9999."""
LIMIT_MAX: Final = 1_000_000

# How the OpenAPI document says what validators check; JSON Schema has no words of its own for it.
_PRINTABLE: Final[JsonDict] = {"minLength": 1, "format": "printable"}


def _plain(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text


def _web_address(url: str) -> str:
    try:
        parse_url(url)
    except (MalformedUrl, ForbiddenUrl) as error:
        raise ValueError(f"must be an http or https URL: {error}") from error
    return url


Name = Annotated[str, Field(max_length=200, json_schema_extra=_PRINTABLE), AfterValidator(_plain)]
Reason = Annotated[str, Field(max_length=1000, json_schema_extra=_PRINTABLE), AfterValidator(_plain)]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX)]
Time = Annotated[int, Field(ge=0, le=LATEST_TIME_S)]
WebhookUrl = Annotated[
    str, Field(max_length=2048, json_schema_extra={"format": "web-address"}), AfterValidator(_web_address)
]


class Form(BaseModel):
    """Unknown fields are refused (fault-cases A5), and nothing is converted: true is no number, "5" neither."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def said(self) -> dict[str, Any]:
        """The fields that were said, null included; what was not said is not there."""
        return self.model_dump(exclude_unset=True)


class Patch(Form):
    """Changes exactly what is said. The defaults of fields that may not be null are never read."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must say at least one field")
        return self


class AccountForm(Form):
    """A new account."""

    name: Name
    billing: Billing = "prepaid"
    webhook_url: WebhookUrl | None = None


class AccountPatch(Patch):
    """What of an account may change. Its balance is not among it: that is the ledger's."""

    name: Name = ""
    billing: Billing = "prepaid"
    webhook_url: WebhookUrl | None = None
    disabled: bool = False


class Budget(Form):
    """How many units a key may spend in all, or in each day or month (UTC)."""

    units: int = Field(ge=0, le=MAX_UNITS)
    period: BudgetPeriod


class _Rights(Form):
    models: list[Name] | None = Field(None, max_length=1000)
    budget: Budget | None = None
    requests_per_minute: Limit | None = None
    concurrency: Limit | None = None
    expires_at: Time | None = None
    chat_image_style: Literal["markdown", "data", "url"] = "markdown"

    def columns(self) -> dict[str, Any]:
        """What was said, in the words of the store: a budget is two columns, both null when there is none."""
        values = self.said()
        if self.models is not None:
            values["models"] = tuple(self.models)
        if "budget" in values:
            del values["budget"]
            values["budget_units"] = None if self.budget is None else self.budget.units
            values["budget_period"] = None if self.budget is None else self.budget.period
        return values


class KeyForm(_Rights):
    """A new key. `models` null: all of them. A limit that is null: none of its own."""

    account_id: str = Field(max_length=64)
    name: Name


class KeyPatch(_Rights, Patch):
    """What of a key may change; its account and its secret do not."""

    name: Name = ""


class GrantForm(Form):
    """Units to add to an account, and why."""

    units: int = Field(ge=1, le=MAX_UNITS)
    reason: Reason


class AdjustmentForm(Form):
    """Units to add to an account or, negative, to take away, and why."""

    units: int = Field(ge=-MAX_UNITS, le=MAX_UNITS, json_schema_extra={"not": {"const": 0}})
    reason: Reason
