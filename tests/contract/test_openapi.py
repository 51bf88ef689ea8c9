"""The OpenAPI document and the gateway agree: every route is in it, and what is made of it is answered as it says."""

import pytest

from tests.contract.runner import check
from tests.security.test_rights import TABLE
from tests.support.gateway import ADMIN_KEY, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 4
SEED = 20261120


async def test_every_route_is_in_the_document_and_no_other(gateway: Running) -> None:
    async with gateway.client(headers={"authorization": f"Bearer {ADMIN_KEY}"}) as admin:
        paths = (await admin.get("/openapi.json")).json()["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    routes = {
        (method, path.replace("{name:path}", "{name}").replace("{call:path}", "{name}")) for method, path in TABLE
    }
    assert told == {route for route in routes if not route[1].startswith("/console")}


async def test_every_operation_says_what_it_is_for_and_who_may(gateway: Running) -> None:
    async with gateway.client(headers={"authorization": f"Bearer {ADMIN_KEY}"}) as admin:
        paths = (await admin.get("/openapi.json")).json()["paths"]
    operations = {f"{method} {path}": told for path, methods in paths.items() for method, told in methods.items()}
    assert len({told["operationId"] for told in operations.values()}) == len(operations)
    guarded = {name for name, told in operations.items() if told["security"]}
    assert set(operations) - guarded == {
        "get /healthz",
        "get /readyz",
        "get /v1/media/{name}",
        "head /v1/media/{name}",
    }


async def test_operators_are_answered_as_the_document_says(gateway: Running) -> None:
    found = await check(gateway, "admin", examples=EXAMPLES, seed=SEED, phases="fuzzing")
    assert found.cases > 50
    assert found.mismatches == (), found.output


async def test_clients_are_answered_as_the_document_says(gateway: Running) -> None:
    found = await check(gateway, "client", examples=EXAMPLES, seed=SEED, phases="fuzzing")
    assert found.cases > 40
    assert found.mismatches == (), found.output
