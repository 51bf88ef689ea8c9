"""Who may do what: every route of the application against every kind of credential, by a table that a new route breaks."""

# ruff: noqa: E501 -- a table is read by its rows

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
import pytest_asyncio
from starlette.routing import BaseRoute

from app.gateway.services import Services
from app.main import create_app
from tests.security.sockets import ask
from tests.support.gateway import ADMIN_KEY, Running, make_key, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES: Final = ("nobody", "owner", "stranger", "revoked", "admin")

TABLE: Final[dict[tuple[str, str], tuple[int, int, int, int, int]]] = {
    # What clients do. An empty body is 400 for whoever may send one.
    ("POST", "/v1/chat/completions"): (401, 400, 400, 401, 401),
    ("POST", "/v1/images/generations"): (401, 400, 400, 401, 401),
    ("POST", "/v1/images/edits"): (401, 400, 400, 401, 401),
    ("POST", "/v1/images/tasks"): (401, 400, 400, 401, 401),
    ("GET", "/v1/images/tasks"): (401, 200, 200, 401, 401),
    ("GET", "/v1/images/tasks/{task_id}"): (401, 200, 404, 401, 401),
    ("POST", "/v1/images/tasks/{task_id}/cancel"): (401, 200, 404, 401, 401),
    ("POST", "/v1/models/{call:path}"): (401, 400, 400, 401, 401),
    ("POST", "/v1beta/models/{call:path}"): (401, 400, 400, 401, 401),
    ("GET", "/v1/models"): (401, 200, 200, 401, 401),
    ("GET", "/v1/models/{name:path}"): (401, 200, 200, 401, 401),
    ("GET", "/v1beta/models"): (401, 200, 200, 401, 401),
    ("GET", "/v1beta/models/{name:path}"): (401, 200, 200, 401, 401),
    ("GET", "/v1/account"): (401, 200, 200, 401, 401),
    # The link is the permission, a key adds and takes nothing; this one is not signed.
    ("GET", "/v1/media/{name}"): (403, 403, 403, 403, 403),
    ("HEAD", "/v1/media/{name}"): (403, 403, 403, 403, 403),
    # For everybody, and therefore without anything to hide.
    ("GET", "/healthz"): (200, 200, 200, 200, 200),
    ("GET", "/readyz"): (200, 200, 200, 200, 200),
    ("GET", "/console"): (200, 200, 200, 200, 200),
    ("GET", "/console/{asked}/{name:path}"): (404, 404, 404, 404, 404),
    ("GET", "/metrics"): (401, 403, 403, 403, 200),
    ("GET", "/openapi.json"): (401, 403, 403, 403, 200),
    # The operator's. What the admin may, an empty body or a catalog from a file still refuses.
    ("GET", "/admin/accounts"): (401, 403, 403, 403, 200),
    ("POST", "/admin/accounts"): (401, 403, 403, 403, 400),
    ("GET", "/admin/accounts/{account_id}"): (401, 403, 403, 403, 200),
    ("PATCH", "/admin/accounts/{account_id}"): (401, 403, 403, 403, 400),
    ("POST", "/admin/accounts/{account_id}/adjustments"): (401, 403, 403, 403, 400),
    ("POST", "/admin/accounts/{account_id}/grants"): (401, 403, 403, 403, 400),
    ("POST", "/admin/accounts/{account_id}/rotate-webhook-secret"): (401, 403, 403, 403, 200),
    ("GET", "/admin/audit"): (401, 403, 403, 403, 200),
    ("GET", "/admin/catalog"): (401, 403, 403, 403, 200),
    ("PUT", "/admin/catalog"): (401, 403, 403, 403, 409),
    ("GET", "/admin/catalog/revisions"): (401, 403, 403, 403, 200),
    ("POST", "/admin/catalog/revisions/{number}/restore"): (401, 403, 403, 403, 409),
    ("GET", "/admin/keys"): (401, 403, 403, 403, 200),
    ("POST", "/admin/keys"): (401, 403, 403, 403, 400),
    ("GET", "/admin/keys/{key_id}"): (401, 403, 403, 403, 200),
    ("PATCH", "/admin/keys/{key_id}"): (401, 403, 403, 403, 400),
    ("POST", "/admin/keys/{key_id}/revoke"): (401, 403, 403, 403, 200),
    ("GET", "/admin/ledger/entries"): (401, 403, 403, 403, 200),
    ("GET", "/admin/ledger/verify"): (401, 403, 403, 403, 200),
    ("GET", "/admin/models"): (401, 403, 403, 403, 200),
    ("GET", "/admin/prices"): (401, 403, 403, 403, 200),
    ("GET", "/admin/tasks"): (401, 403, 403, 403, 200),
    ("GET", "/admin/tasks/{task_id}"): (401, 403, 403, 403, 200),
    ("POST", "/admin/tasks/{task_id}/cancel"): (401, 403, 403, 403, 200),
    ("POST", "/admin/backup"): (401, 403, 403, 403, 201),
    ("POST", "/admin/tasks/{task_id}/resolve"): (401, 403, 403, 403, 400),
    ("GET", "/admin/usage"): (401, 403, 403, 403, 200),
    ("GET", "/admin/reconciliation"): (401, 403, 403, 403, 200),
    ("GET", "/admin/bills"): (401, 403, 403, 403, 200),
    ("POST", "/admin/bills"): (401, 403, 403, 403, 400),
    ("GET", "/admin/bills/{bill_id}"): (401, 403, 403, 403, 404),
    ("GET", "/admin/bills/{bill_id}/lines"): (401, 403, 403, 403, 404),
    ("POST", "/admin/bills/{bill_id}/withdraw"): (401, 403, 403, 403, 404),
    ("GET", "/admin/vendors"): (401, 403, 403, 403, 200),
    ("POST", "/admin/vendors/{name}/drain"): (401, 403, 403, 403, 404),
    ("POST", "/admin/vendors/{name}/undrain"): (401, 403, 403, 403, 404),
    ("GET", "/admin/vendors/{name}/probes"): (401, 403, 403, 403, 404),
    ("POST", "/admin/vendors/{name}/probe"): (401, 403, 403, 403, 404),
    ("POST", "/admin/explain"): (401, 403, 403, 403, 400),
    ("GET", "/admin/webhooks"): (401, 403, 403, 403, 200),
    ("POST", "/admin/webhooks/{delivery_id}/redeliver"): (401, 403, 403, 403, 404),
}


@dataclass(frozen=True, slots=True)
class World:
    """A gateway with one finished task of the owner's, and a credential of every role."""

    gateway: Running
    keys: dict[str, str | None]
    ids: dict[str, str]

    def path(self, pattern: str) -> str:
        """The route's path with the owner's ids in it."""
        for name, value in self.ids.items():
            pattern = pattern.replace("{" + name + "}", value)
        assert "{" not in pattern, f"an id for {pattern} is missing here"
        return pattern

    def client(self, role: str) -> httpx.AsyncClient:
        """A client with the role's credential."""
        key = self.keys[role]
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.gateway.url, headers=headers, timeout=20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    # Every role asks with wrong keys here, again and again: the limiter has its own tests.
    async with running_gateway(tmp_path_factory.mktemp("rights"), wrong_keys_per_minute=10_000) as gateway:
        services = gateway.services
        _, stranger = await make_key(services, 1_000_000)
        revoked_account, revoked = await make_key(services, 1_000_000)
        await services.accounts.revoke_key(await _only_key(services, revoked_account))
        async with gateway.client() as client:
            told = (
                await client.post("/v1/images/generations", json={"model": "nano-banana", "prompt": "a fox"})
            ).json()
        # Routes that end a key end this one, not the owner's.
        spare = await _only_key(services, (await make_key(services, 0))[0])
        yield World(
            gateway,
            {"nobody": None, "owner": gateway.key, "stranger": stranger, "revoked": revoked, "admin": ADMIN_KEY},
            {
                "task_id": told["oneshape"]["task_id"],
                "name": told["data"][0]["url"].partition("/v1/media/")[2].partition("?")[0],
                "call:path": "nano-banana:generateContent",
                "name:path": "nano-banana",
                "asked": "no-such-version",
                "account_id": gateway.account_id,
                "key_id": spare,
                "number": "1",
                "delivery_id": "whd_none",
                "bill_id": "bill_x",
            },
        )


async def _only_key(services: Services, account_id: str) -> str:
    """The id of an account's one key."""
    (only,) = (await services.accounts.keys_page(account_id=account_id, after=None, limit=2)).items
    return only.key.id


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and pattern of every route, those of included routers too."""
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router.routes)
        else:
            yield from ((method, getattr(route, "path", "?")) for method in getattr(route, "methods", None) or {"?"})


async def test_the_table_has_every_route_and_no_other(world: World) -> None:
    assert set(routes_of(create_app(world.gateway.services).routes)) == set(TABLE)


@pytest.mark.parametrize(("method", "pattern"), TABLE, ids=lambda part: part)
async def test_each_role_may_do_what_the_table_says(world: World, method: str, pattern: str) -> None:
    """A1, A3, A10: those who may not are refused before anything is looked at, whatever they send."""
    found = []
    for role in ROLES:
        async with world.client(role) as client:
            body: dict[str, str] | None = None if method in ("GET", "HEAD") else {}
            found.append((await client.request(method, world.path(pattern), json=body)).status_code)
    assert tuple(found) == TABLE[(method, pattern)]


@pytest.mark.parametrize("pattern", [pattern for method, pattern in TABLE if pattern.startswith("/v1/images/tasks/")])
async def test_what_is_a_strangers_is_answered_like_what_does_not_exist(world: World, pattern: str) -> None:
    """A1, T9: same status, same body; and the task is what it was."""
    method = "POST" if pattern.endswith("cancel") else "GET"
    unknown = "task_" + "0" * (len(world.ids["task_id"]) - 5)
    async with world.client("stranger") as client, world.client("owner") as owner:
        before = (await owner.get(world.path("/v1/images/tasks/{task_id}"))).json()["data"]["status"]
        foreign = await client.request(method, world.path(pattern))
        missing = await client.request(method, pattern.replace("{task_id}", unknown))
        after = (await owner.get(world.path("/v1/images/tasks/{task_id}"))).json()["data"]["status"]
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text.replace(world.ids["task_id"], "") == missing.text.replace(unknown, "")
    assert before == after == "succeeded"


async def test_lists_show_nothing_of_a_stranger(world: World) -> None:
    """A1: nor does a forged cursor."""
    async with world.client("stranger") as client:
        listed = await client.get("/v1/images/tasks", params={"limit": 100})
        forged = await client.get("/v1/images/tasks", params={"after": world.ids["task_id"]})
        account = (await client.get("/v1/account")).json()
    assert listed.json()["data"]["items"] == []
    assert world.ids["task_id"] not in forged.text
    assert (account["balance_units"], account["usage"]["images"]) == (1_000_000, 0)


ADMIN_PATHS = sorted({pattern for _, pattern in TABLE if pattern.startswith("/admin")})
SPELLINGS: Final[list[Callable[[str], str]]] = [
    lambda path: path + "/",
    lambda path: "/" + path,
    lambda path: path.replace("/admin/", "/admin//"),
    lambda path: path.replace("/admin", "/%61dmin"),
    lambda path: path.replace("/admin", "/v1/%2e%2e/admin"),
    lambda path: path.replace("/admin", "/v1/../admin"),
    lambda path: path.replace("/admin", "/ADMIN"),
    lambda path: path.replace("/admin/", "/admin%2f"),
    lambda path: path + "%00",
    lambda path: path + ";x=1",
]


@pytest.mark.parametrize("pattern", ADMIN_PATHS)
async def test_no_method_opens_an_admin_route_to_a_client(world: World, pattern: str) -> None:
    """A3: any method, and none that a header names instead."""
    async with world.client("owner") as client:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
            for headers in ({}, {"x-http-method-override": "GET"}, {"x-original-url": "/healthz"}):
                answer = await client.request(method, world.path(pattern), headers=headers)
                assert answer.status_code in (403, 404, 405), (method, headers, answer.text)


@pytest.mark.parametrize("pattern", ADMIN_PATHS)
async def test_no_spelling_opens_an_admin_route_to_a_client(world: World, pattern: str) -> None:
    """A3, A4: and none is answered by a redirect, which would be built from what the client sent."""
    for spelling in SPELLINGS:
        target = spelling(world.path(pattern))
        request = f"GET {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {world.gateway.key}\r\n\r\n"
        answer = await ask(world.gateway.url, request.encode())
        assert answer.status in (400, 403, 404, 405), (target, answer)


FORGED_HEADERS = [
    {"x-forwarded-host": "evil.example"},
    {"x-forwarded-proto": "https", "x-forwarded-port": "444"},
    {"x-forwarded-prefix": "/admin"},
    {"forwarded": "host=evil.example;proto=https"},
    {"x-original-url": "/admin/accounts"},
    {"x-rewrite-url": "/admin/accounts"},
    {"x-host": "evil.example"},
]


@pytest.mark.parametrize("headers", FORGED_HEADERS, ids=lambda headers: next(iter(headers)))
async def test_forwarding_headers_change_neither_the_route_nor_a_link(world: World, headers: dict[str, str]) -> None:
    """A4, C42: nobody is trusted to say where a request came to."""
    async with world.client("owner") as client:
        plain = await client.get(world.path("/v1/images/tasks/{task_id}"))
        forged = await client.get(world.path("/v1/images/tasks/{task_id}"), headers=headers)
    assert forged.status_code == 200
    links = [answer.json()["data"]["result_url"].partition("?")[0] for answer in (plain, forged)]
    assert links[0] == links[1]
    assert links[1].startswith(world.gateway.url)


CREDENTIALS = {
    "SQL": b"Bearer ' OR 1=1--",
    "wildcard": b"Bearer %",
    "underscores": b"Bearer sk-" + b"_" * 43,
    "8 KiB": b"Bearer " + b"a" * 8192,
    "unicode": "Bearer sk-ключ".encode(),
    "not UTF-8": b"Bearer \xff\xfe",
    "Basic": b"Basic c2stMTIzNDp4",
    "no scheme": b"sk-1234",
    "empty": b"Bearer ",
}


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("path", ["/v1/account", "/v1/chat/completions"])
async def test_no_credential_is_more_than_a_wrong_one(world: World, name: str, path: str) -> None:
    """A7: 401 whatever it is made of, never 500."""
    method = b"POST" if "chat" in path else b"GET"
    request = method + f" {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: ".encode() + CREDENTIALS[name] + b"\r\n"
    answer = await ask(world.gateway.url, request + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


async def test_two_credentials_are_none(world: World) -> None:
    """A7: which of them counts must not depend on who reads."""
    line = f"Authorization: Bearer {world.gateway.key}\r\n"
    answer = await ask(world.gateway.url, f"GET /v1/account HTTP/1.1\r\nHost: a\r\n{line}{line}\r\n".encode())
    assert answer.status == 401


async def test_the_scheme_is_read_in_any_case(world: World) -> None:
    """A7."""
    line = f"authorization: bearer {world.gateway.key}\r\n"
    assert (await ask(world.gateway.url, f"GET /v1/account HTTP/1.1\r\nHost: a\r\n{line}\r\n".encode())).status == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/metrics", "/debug", "/.env", "/v1", "/admin"])
async def test_nothing_else_is_told_without_a_key(world: World, path: str) -> None:
    """A13."""
    async with world.client("nobody") as client:
        assert (await client.get(path)).status_code in (401, 404)
        assert (await client.get("/healthz")).json() == {"status": "ok"}
