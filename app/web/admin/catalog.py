"""`/admin/catalog`: the catalog as one document, YAML or JSON, validated whole and kept in revisions."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path
from fastapi import Query as InQuery
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.errors import InvalidRequest, UnsupportedMediaType
from app.gateway.account_forms import Name
from app.gateway.catalog.desk import Proposal
from app.gateway.catalog.findings import CatalogInvalid, Finding
from app.gateway.catalog.yaml import Format
from app.gateway.services import Services
from app.store.catalog import Revision
from app.web.admin.forms import Query, admin_router
from app.web.admin.rendering import Document, render_page, seconds
from app.web.body import read_small
from app.wire.openai import error_body

YAML: Final = "application/yaml"
_YAML_TYPES: Final = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
_ETAG: Final = re.compile(r'(?:W/)?"([0-9]{1,10})"')
_SHOWN_MAX: Final = 20


class Placing(Query):
    """How a document is put: tried only, and with which words it is remembered."""

    dry_run: bool = False
    comment: Name | None = None


class RevisionListing(Query):
    """Which revisions. The cursor is a number: revisions are ordered by it."""

    limit: int = Field(20, ge=1, le=100)
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,9}$")] = None


def router(services: Services) -> APIRouter:
    """The routes of the catalog."""
    routes = admin_router(services)
    desk = services.catalog_desk

    @routes.get("/catalog")
    async def show(request: Request) -> Response:
        """The newest revision, without written-out keys: JSON, or YAML when `Accept` says so. `ETag` is its number."""
        try:
            shown = await desk.show()
        except CatalogInvalid as invalid:
            return _refusal(invalid)
        headers = {"etag": f'"{shown.number}"', "vary": "accept"}
        if _wants_yaml(request.headers.get("accept", "")):
            return Response(shown.text, media_type=YAML, headers=headers)
        return JSONResponse(shown.document, headers=headers)

    @routes.put("/catalog", openapi_extra=_TAKES)
    async def put(request: Request, query: Annotated[Placing, InQuery()]) -> Response:
        """Puts a document in force on every replica within seconds; `If-Match` names the revision it was made from."""
        expected, format_ = _expected(request), _format_of(request)
        text = await read_small(request, services.limits.admin_body)
        try:
            if query.dry_run:
                proposal = await desk.propose(text, format_)
            else:
                proposal = await desk.put(text, format_, comment=query.comment, expected=expected)
        except CatalogInvalid as invalid:
            return _refusal(invalid)
        return JSONResponse({**render_proposal(proposal), "dry_run": query.dry_run})

    @routes.get("/catalog/revisions")
    async def revisions(query: Annotated[RevisionListing, InQuery()]) -> Response:
        """Revisions, newest first; the first one is in force, unless a file rules."""
        page = await desk.revisions(after=query.after, limit=query.limit)
        return JSONResponse(render_page(page, _render_revision))

    @routes.post("/catalog/revisions/{number}/restore")
    async def restore(number: Annotated[int, Path(ge=1, le=10**9)]) -> Response:
        """Puts an earlier revision in force again, as a new one."""
        try:
            proposal = await desk.restore(number)
        except CatalogInvalid as invalid:
            return _refusal(invalid)
        return JSONResponse({**render_proposal(proposal), "dry_run": False})

    return routes


_TAKES: Final = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "object"}} for kind in (YAML, "application/json")},
    }
}


def _wants_yaml(accept: str) -> bool:
    return any(part.partition(";")[0].strip().lower() in _YAML_TYPES for part in accept.split(","))


def _format_of(request: Request) -> Format:
    """Raises: UnsupportedMediaType unless the body is declared as YAML or JSON, plainly."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")
    if declared in _YAML_TYPES:
        return "yaml"
    if declared == "application/json":
        return "json"
    raise UnsupportedMediaType(f"Send the catalog as Content-Type: {YAML} or application/json.")


def _expected(request: Request) -> int | None:
    said = request.headers.get("if-match")
    if said in (None, "*"):
        return None
    match = _ETAG.fullmatch(said)
    if match is None:
        raise InvalidRequest("The header 'If-Match' must be the ETag of a catalog.", param="If-Match")
    return int(match[1])


def _refusal(invalid: CatalogInvalid) -> Response:
    """All that is wrong: in words for people, and each with its place for programs."""
    findings = invalid.errors
    words = "; ".join(map(str, findings[:_SHOWN_MAX])) + ("; …" if len(findings) > _SHOWN_MAX else "")
    error = InvalidRequest(f"The catalog is not valid: {words}", param=findings[0].path or None)
    document = {**error_body(error), "oneshape": {"errors": [render_finding(finding) for finding in findings]}}
    return JSONResponse(document, status_code=error.status)


def render_finding(finding: Finding) -> Document:
    """A finding with its place; `line` is null for JSON."""
    return {"path": finding.path, "line": finding.line, "message": finding.message}


def render_proposal(proposal: Proposal) -> Document:
    """What a catalog would change or did, and what is worth saying about it."""
    return {
        "revision": proposal.number,
        "changes": [
            {"path": change.path, "before": change.before, "after": change.after} for change in proposal.changes
        ],
        "warnings": [render_finding(warning) for warning in proposal.warnings],
    }


def _render_revision(revision: Revision) -> Document:
    return {
        "revision": revision.n,
        "format": revision.format,
        "author": revision.author,
        "comment": revision.comment,
        "created_at": seconds(revision.created_at),
    }
