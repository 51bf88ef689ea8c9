"""What every admin route shares: the guard, bodies read strictly and checked by a form, the query of a list."""

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from app.gateway.services import Services
from app.web.auth import demand_admin
from app.web.body import read_small_json
from app.web.validation import body_error

ID_PATTERN: Final = r"^[A-Za-z0-9._-]{1,64}$"

EntityId = Annotated[str, Path(pattern=ID_PATTERN)]
"""An id in a path; what cannot be one is answered like an unknown one."""

IdQuery = Annotated[str | None, Field(pattern=ID_PATTERN)]
NameQuery = Annotated[str | None, Field(pattern=r"^[!-~]{1,200}$")]

ACTOR: Final = "admin"
"""Who the audit says it was: there is one admin key."""

Form = TypeVar("Form", bound=BaseModel)


class Query(BaseModel):
    """The query of a route; parameters that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listing(Query):
    """Which part of a list: up to `limit` items after the cursor `after`."""

    limit: int = Field(20, ge=1, le=100)
    after: IdQuery = None


def admin_router(services: Services) -> APIRouter:
    """A router below `/admin` whose every route lets only the admin key pass, before anything else is looked at."""

    async def guard(request: Request) -> None:
        demand_admin(request, services)

    return APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(guard)])


async def read_form(request: Request, services: Services, form: type[Form]) -> Form:
    """The body as a form. Raises: InvalidRequest, naming the first field that is wrong; RequestTooLarge."""
    document = await read_small_json(request, services.limits.admin_body)
    try:
        return form.model_validate(document)
    except ValidationError as error:
        raise body_error(error.errors(include_url=False, include_input=False)) from error


def takes(form: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is read with `read_form`."""
    schema = form.model_json_schema()
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _inline(schema, definitions)}}}
    }


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references: those of pydantic lead to places that an OpenAPI document does not have."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inline(value, definitions) for key, value in schema.items()}
