"""Every route and method, and everything that is refused there before its use case begins: in its surface's own shape,
with the contract's status, type and code, and `x-request-id`. A new route is walked too, or breaks a table here.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from starlette.routing import BaseRoute

from app.main import create_app
from tests.security.sockets import Answer, connected
from tests.support.gateway import ADMIN_KEY, Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MB: Final = 2**20
IN_PATHS: Final = {
    "{call:path}": "nano-banana:generateContent",
    "{name:path}": "nano-banana",
    "{number}": "1",
}
PUBLIC: Final = {"/healthz", "/readyz", "/console", "/console/{asked}/{name:path}", "/v1/media/{name}"}
TAKES_NO_JSON: Final = {
    "/admin/bills",  # a file of the vendor's; what it is about is in the query, which is read first
    "/v1/images/tasks/{task_id}/cancel",
    "/admin/accounts/{account_id}/rotate-webhook-secret",
    "/admin/backup",
    "/admin/bills/{bill_id}/withdraw",
    "/admin/catalog",  # this one comes from a file: 409 before it is read
    "/admin/catalog/revisions/{number}/restore",
    "/admin/keys/{key_id}/revoke",
    "/admin/tasks/{task_id}/cancel",
    "/admin/vendors/{name}/drain",
    "/admin/vendors/{name}/undrain",
    "/admin/vendors/{name}/probe",
    "/admin/webhooks/{delivery_id}/redeliver",
}
TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "server_error",
}
GOOGLES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    settings: dict[str, Any] = {"wrong_keys_per_minute": 10_000, "max_in_flight_mb": 32}
    async with running_gateway(tmp_path_factory.mktemp("gateway"), **settings) as running:
        yield running


@pytest.fixture
def routes(gateway: Running) -> list[tuple[str, str]]:
    """Method and pattern of every route."""
    return sorted(_routes_of(create_app(gateway.services).routes))


def _routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from _routes_of(router.routes)
        else:
            yield from ((method, getattr(route, "path", "?")) for method in getattr(route, "methods", None) or {"?"})


def path_of(pattern: str) -> str:
    for name, value in IN_PATHS.items():
        pattern = pattern.replace(name, value)
    return "/".join("none" if part.startswith("{") else part for part in pattern.split("/"))


def with_body(routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(method, path) for method, path in routes if method in ("POST", "PUT", "PATCH")]


def key_for(gateway: Running, pattern: str) -> str:
    return ADMIN_KEY if pattern.startswith(("/admin", "/metrics", "/openapi")) else gateway.key


def client(gateway: Running, key: str | None) -> httpx.AsyncClient:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30)


def check(answer: httpx.Response | Answer, path: str, status: int, code: str, param: str | None = None) -> None:
    """The refusal, in the shape of the surface that the path belongs to."""
    found = answer.status if isinstance(answer, Answer) else answer.status_code
    body = answer.body if isinstance(answer, Answer) else answer.content
    assert found == status, (path, found, body)
    assert answer.headers["x-request-id"].startswith("req_")
    document = httpx.Response(status, content=body).json()
    if path.startswith("/v1beta/") or (path.startswith("/v1/models/") and ":" in path):
        assert set(document) == {"error"}, (path, document)
        error = document["error"]
        assert (set(error), error["code"], error["status"]) == ({"code", "message", "status"}, status, GOOGLES[status])
        assert error["message"]
        return
    if path.startswith("/v1/images/tasks"):
        assert (set(document), document["code"], document["data"]) == ({"code", "message", "data", "error"}, code, None)
        assert document["message"] == document["error"]["message"]
    else:
        assert set(document) == {"error"}, (path, document)
    error = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == (TYPES[status], code, param), path
    assert error["message"]


async def test_401_without_a_key_and_with_a_wrong_one(gateway: Running, routes: list[tuple[str, str]]) -> None:
    for key, code in ((None, "missing_api_key"), ("sk-wrong", "invalid_api_key")):
        async with client(gateway, key) as asking:
            for method, pattern in routes:
                if pattern not in PUBLIC:
                    answer = await asking.request(method, path_of(pattern))
                    if key and key_for(gateway, pattern) == ADMIN_KEY:
                        check(answer, pattern, 403, "admin_only")
                    else:
                        check(answer, path_of(pattern), 401, code)


async def test_404_wherever_there_is_nothing(gateway: Running) -> None:
    async with client(gateway, gateway.key) as asking:
        for method, path, code, param in (
            ("GET", "/nowhere", "not_found", None),
            ("POST", "/v1/nowhere", "not_found", None),
            ("GET", "/v1/images/tasks/task_none", "task_not_found", None),
            ("POST", "/v1/images/tasks/task_none/cancel", "task_not_found", None),
            ("GET", "/v1/images/tasks/a/b", "not_found", None),
            ("GET", "/v1/models/none", "model_not_found", "model"),
            ("POST", "/v1/models/nano-banana:fly", "not_found", None),
            ("GET", "/v1beta/models/none", "model_not_found", "model"),
            ("GET", "/v1beta/nowhere", "not_found", None),
            ("GET", "/admin/nowhere", "not_found", None),
        ):
            check(await asking.request(method, path), path, 404, code, param)


async def test_405_at_every_path_for_a_method_that_it_has_not(gateway: Running, routes: list[tuple[str, str]]) -> None:
    async with client(gateway, gateway.key) as asking:
        for pattern in sorted({pattern for _, pattern in routes}):
            answer = await asking.delete(path_of(pattern))
            check(answer, path_of(pattern), 405, "method_not_allowed")
            allowed = set(answer.headers["allow"].split(", "))
            assert {method for method, one in routes if one == pattern} <= allowed, pattern


async def test_415_and_400_for_bodies_that_are_not_json(gateway: Running, routes: list[tuple[str, str]]) -> None:
    for method, pattern in with_body(routes):
        if pattern in TAKES_NO_JSON:
            continue
        path = path_of(pattern)
        async with client(gateway, key_for(gateway, pattern)) as asking:
            text = await asking.request(method, path, content=b"hello", headers={"content-type": "text/plain"})
            check(text, path, 415, "unsupported_media_type")
            packed = {"content-type": "application/json", "content-encoding": "gzip"}
            check(
                await asking.request(method, path, content=b"{}", headers=packed), path, 415, "unsupported_media_type"
            )
            for content, param in ((b"{", None), (b"[]", None), (b'{"a":1,"a":2}', "a"), (b'"\xff"', None)):
                sent: dict[str, Any] = {"content": content, "headers": {"content-type": "application/json"}}
                check(await asking.request(method, path, **sent), path, 400, "invalid_json", param)


async def test_413_before_the_body(gateway: Running, routes: list[tuple[str, str]]) -> None:
    for method, pattern in with_body(routes):
        if pattern in TAKES_NO_JSON:
            continue
        check(await declared(gateway, method, pattern, 10_000 * MB), path_of(pattern), 413, "request_too_large")


async def declared(gateway: Running, method: str, pattern: str, size: int) -> Answer:
    """The answer to a request of which only its length is told, and one byte."""
    head = (
        f"{method} {path_of(pattern)} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key_for(gateway, pattern)}\r\nContent-Length: {size}\r\n\r\n{{"
    )
    async with connected(gateway.url) as socket:
        await socket.send(head.encode())
        return await socket.answer()


async def test_429_on_every_route_of_a_client(gateway: Running, routes: list[tuple[str, str]]) -> None:
    key = await gateway.new_key(requests_per_minute=1)
    async with client(gateway, key) as asking:
        assert (await asking.get("/v1/account")).status_code == 200
        for method, pattern in routes:
            if pattern.startswith("/v1") and pattern not in PUBLIC:
                body: Any = {} if method == "POST" else None
                if pattern == "/v1/chat/completions":
                    body = {"model": "nano-banana", "messages": []}
                answer = await asking.request(method, path_of(pattern), json=body)
                check(answer, path_of(pattern), 429, "rate_limit_exceeded")
                assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_503_for_every_body_when_there_is_no_room(gateway: Running, routes: list[tuple[str, str]]) -> None:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {gateway.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    async with connected(gateway.url) as first, connected(gateway.url) as second:
        for holding in (first, second):
            await holding.send(head + b"%x\r\n" % (15 * MB) + b"a" * 15 * MB)
        await _until_full(gateway)
        for method, pattern in with_body(routes):
            answer = await declared(gateway, method, pattern, 10 * MB)
            check(answer, path_of(pattern), 503, "overloaded")
            assert answer.headers["x-should-retry"] == "true"
            assert 1 <= int(answer.headers["retry-after"]) <= 60


async def _until_full(gateway: Running) -> None:
    """Both bodies have been received as far as they go: a third has no room."""
    for _ in range(1000):
        if (await declared(gateway, "POST", "/v1/chat/completions", 10 * MB)).status == 503:
            return
    raise AssertionError("the bodies were not received")


async def test_400_instead_of_422_for_a_query_that_is_wrong(gateway: Running) -> None:
    async with client(gateway, gateway.key) as asking:
        for path, param in (
            ("/v1/images/tasks?limit=0", "limit"),
            ("/v1/images/tasks?status=sleeping", "status"),
            ("/v1/images/tasks/task_x?wait=soon", "wait"),
            ("/v1beta/models?pageSize=0", "pageSize"),
        ):
            check(await asking.get(path), path, 400, "invalid_value", param)
    async with client(gateway, ADMIN_KEY) as asking:
        for path, param in (("/admin/accounts?limit=x", "limit"), ("/admin/usage?group_by=colour", "group_by[0]")):
            check(await asking.get(path), path, 400, "invalid_value", param)


GOOGLE_CLIENTS: Final[tuple[dict[str, Any], ...]] = (
    {"headers": {"x-goog-api-key": "sk-wrong"}},
    {"headers": {"x-goog-api-client": "google-genai-sdk/3.4.0"}},
    {"params": {"key": "sk-wrong"}},
    {"params": {"pageSize": "5"}},
)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/nano-banana"])
async def test_a_google_client_is_refused_models_in_googles_shape_on_v1_too(gateway: Running, path: str) -> None:
    """As it is answered; everybody else gets OpenAI's."""
    async with client(gateway, None) as asking:
        for marks in GOOGLE_CLIENTS:
            error = (await asking.get(path, **marks)).json()["error"]
            assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED"), marks
        assert (await asking.get(path)).json()["error"]["code"] == "missing_api_key"
    async with client(gateway, gateway.key) as asking:
        missing = await asking.get("/v1/models/none", headers={"x-goog-api-client": "google-genai-sdk/3.4.0"})
        wrong = await asking.delete(path, headers={"x-goog-api-key": gateway.key})
    assert missing.json()["error"]["status"] == "NOT_FOUND"
    assert wrong.json()["error"]["code"] == 405
