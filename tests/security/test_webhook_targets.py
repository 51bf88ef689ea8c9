"""D57: a webhook target that nothing would ever be delivered to is refused with the task, before anything is held."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from app.store import ledger
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY: Final = {"model": "nano-banana", "prompt": "a fox"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Only one network inside may be reached, the vendors'."""
    directory = tmp_path_factory.mktemp("targets")
    async with running_gateway(directory, allow_private_networks="127.0.0.1/32") as running:
        yield running


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://user:pw@hooks.example/",
            "https://@hooks.example/",
            "ftp://hooks.example/",
            "hooks.example",
            "https://",
        ),
        *("https://10.0.0.1/", "http://127.0.0.2/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://0/"),
        *(
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://8.8.8.8:22/",
        ),
        *("https://hooks.example/\u202e", "https://hooks.example\\@10.0.0.1/", "https://a b/", "https://a\r\nX: y/"),
    ],
)
async def test_d57_a_target_that_is_refused_at_sight_is_400_and_holds_nothing(gateway: Running, url: str) -> None:
    async with gateway.client() as client:
        answer = await client.post("/v1/images/tasks", json={**BODY, "webhook_url": url})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_value", "webhook_url"), error
    assert "10.0.0.1" not in error["message"]
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, limit=10))
    assert [entry.kind for entry in page.items] == ["grant"]


async def test_a_name_and_an_address_that_is_allowed_are_taken(gateway: Running) -> None:
    """What a name resolves to is seen when it is delivered to, each time anew."""
    async with gateway.client() as client:
        for url in ("https://hooks.example/x?a=b", "http://127.0.0.1:9/x"):
            answer = await client.post("/v1/images/tasks", json={**BODY, "webhook_url": url})
            assert answer.status_code == 202, answer.text
