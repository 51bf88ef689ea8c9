"""What a request repeats, read off its headers and body: an Idempotency-Key, or the retry count of an official SDK."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from starlette.requests import Request
from starlette.types import Scope

from app.core.errors import InvalidRequest
from app.core.exchange import FilePart, Json
from app.core.media import Blobs
from app.gateway.caller import Caller
from app.gateway.idempotency import Claim, claim_by_key, claim_of_sdk, fingerprint_of
from app.gateway.services import Services
from app.web.departures import departures_of

_MEANT_TOO: Final = ("oneshape-image-style", "oneshape-strict")
"""Headers that change what a request means, or how it is answered."""


def claim_of_json(
    request: Request, services: Services, caller: Caller, body: Mapping[str, Json], blobs: Blobs
) -> Claim | None:
    """The claim of a JSON request; None when it neither has a key nor comes from an SDK that counts its tries.

    Two bodies are the same when their values are, pictures by their bytes. Raises: InvalidRequest
    (idempotency_key_invalid).
    """
    if not _claims(request):
        return None
    return _claim(request, services, caller, blobs.digested(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)))


def claim_of_form(
    request: Request,
    services: Services,
    caller: Caller,
    fields: Sequence[tuple[str, str]],
    files: Sequence[FilePart],
) -> Claim | None:
    """The claim of a form: two are the same when their fields and the digests of their files are."""
    if not _claims(request):
        return None
    document = [sorted(fields), sorted((file.name, file.blob.sha256) for file in files)]
    return _claim(request, services, caller, orjson.dumps(document))


def claim_of_text(scope: Scope, services: Services, caller: Caller, body: bytes) -> Claim | None:
    """The claim of a text request, whose body is compared byte for byte; None: it neither has a key nor counts.

    An SDK that counts its tries claims nothing as long as its client waits: that would be a commit for each request.
    """
    keys, count = [], b""
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            keys.append(value.decode("latin-1"))
        elif name == b"x-stainless-retry-count":
            count = value
    if not keys and not count:
        return None
    fingerprint = fingerprint_of(scope["path"].encode(), body)
    if keys:
        return claim_by_key(caller.account.id, _only(keys), fingerprint, seconds=services.idempotency_s)
    departures = departures_of(scope)
    if departures is None or not count.isdigit():
        return None
    again = int(count[:9])
    return claim_of_sdk(caller.account.id, caller.key.id, fingerprint, retry_count=again, departures=departures)


def _claims(request: Request) -> bool:
    return "idempotency-key" in request.headers or "x-stainless-retry-count" in request.headers


def _claim(request: Request, services: Services, caller: Caller, content: bytes) -> Claim | None:
    meant = [request.headers.get(name, "") for name in _MEANT_TOO]
    where = f"{request.url.path}?alt={request.query_params.get('alt', '')}"
    fingerprint = fingerprint_of(where.encode(), *(value.encode() for value in meant), content)
    keys = request.headers.getlist("idempotency-key")
    if keys:
        return claim_by_key(caller.account.id, _only(keys), fingerprint, seconds=services.idempotency_s)
    count = request.headers["x-stainless-retry-count"]
    if not count.isdecimal():
        return None
    return claim_of_sdk(caller.account.id, caller.key.id, fingerprint, retry_count=int(count[:9]))


def _only(keys: Sequence[str]) -> str:
    if len(keys) > 1:
        raise InvalidRequest("Send one 'Idempotency-Key'.", code="idempotency_key_invalid", param="Idempotency-Key")
    return keys[0]
