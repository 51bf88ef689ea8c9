"""Puts the document together: what FastAPI knows of paths, parameters and admin bodies, and what our tables say."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from app.web.openapi import admin, client
from app.web.openapi.shapes import Operation, Parameter

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {**client.OPERATIONS, **admin.OPERATIONS}

_TEXT: Final = {"schema": {"type": "string"}}
_GUARDS: Final[Mapping[str | None, list[dict[str, list[str]]]]] = {
    "client": [{"clientKey": []}],
    "gemini": [{"googleKey": []}, {"googleQuery": []}, {"clientKey": []}],
    "admin": [{"adminKey": []}],
    "metrics": [{"adminKey": []}, {"metricsToken": []}],
    None: [],
}
_SCHEMES: Final = {
    "clientKey": {"type": "http", "scheme": "bearer", "description": "A client's key, sk-…"},
    "adminKey": {"type": "http", "scheme": "bearer", "description": "The admin key."},
    "metricsToken": {"type": "http", "scheme": "bearer", "description": "The token for metrics."},
    "googleKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": "A client's key."},
    "googleQuery": {"type": "apiKey", "in": "query", "name": "key", "description": "A client's key."},
}


def document(routes: Sequence[BaseRoute], *, version: str) -> dict[str, Any]:
    """The whole document. Routes of the console are pages, and not in it."""
    known = get_openapi(title="Oneshape", version=version, routes=list(routes))
    found = dict(_operations(known["paths"]))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        told = found.get((method, path), {})
        paths.setdefault(path, {})[method] = _operation(method, path, operation, told)
    shared = known.get("components", {}).get("schemas", {})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Oneshape", "version": version, "description": "Many image and chat vendors, one API."},
        "paths": paths,
        "components": {"schemas": {**_used(shared), **client.SCHEMAS, **admin.SCHEMAS}, "securitySchemes": _SCHEMES},
    }


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """FastAPI's, under the paths of our tables: the same path has one name for what is in it, whatever the method."""
    for path, methods in paths.items():
        for method, told in methods.items():
            yield (method, path.replace("{call}", "{name}")), told


def _used(shared: Mapping[str, Any]) -> dict[str, Any]:
    """What FastAPI's parameters refer to; its own error bodies are never answered."""
    return {name: schema for name, schema in shared.items() if "ValidationError" not in name}


def _operation(method: str, path: str, operation: Operation, told: Mapping[str, Any]) -> dict[str, Any]:
    ours = {parameter.name for parameter in operation.parameters}
    theirs = [one for one in told.get("parameters", ()) if one["name"] not in ours and one["name"] != "call"]
    made: dict[str, Any] = {
        "operationId": f"{method}_{re.sub(r'[^a-z0-9]+', '_', path.lower()).strip('_')}",
        "tags": told.get("tags", ["chat"]),
        "parameters": [*theirs, *map(_parameter, operation.parameters)],
        "responses": _responses(operation),
        "security": _GUARDS[operation.guard],
    }
    if description := told.get("description"):
        made["description"] = description
    if operation.body is not None:
        content = {kind: {"schema": schema} for kind, schema in operation.body.items()}
        made["requestBody"] = {"required": True, "content": content}
    elif "requestBody" in told:
        made["requestBody"] = told["requestBody"]
    return made


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "schema": parameter.schema,
        "description": parameter.doc,
    }


def _responses(operation: Operation) -> dict[str, Any]:
    wrong = {"application/json": {"$ref": f"#/components/schemas/{operation.error}"}}
    contents = dict.fromkeys(operation.errors, wrong) | dict(operation.also)
    return {
        str(operation.status): _response(operation.status, operation.content, operation.headers),
        **{str(status): _response(status, content) for status, content in sorted(contents.items())},
    }


def _response(status: int, content: Mapping[str, Any], headers: Sequence[str] = ()) -> dict[str, Any]:
    told: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    told["headers"] = dict.fromkeys(("x-request-id", *headers), _TEXT)
    if content:
        told["content"] = {kind: {"schema": schema} for kind, schema in content.items()}
    return told
