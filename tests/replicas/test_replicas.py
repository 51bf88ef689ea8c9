"""Two replicas are one gateway: what one has answered, the other knows; what one may spend, both may spend together."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.cli.sandboxed import sandboxed_catalog
from tests.support.fleet import MODEL, WITHIN_S, Fleet

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

GENERATIONS = "/v1/images/generations"
TASKS = "/v1/images/tasks"
PRICE_UNITS = 134_000
ASKED: dict[str, Any] = {"model": MODEL, "prompt": "a cube"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(fleet: Fleet) -> str:
    return str((await fleet.new_key())["key"])


async def verified(fleet: Fleet) -> bool:
    return bool((await fleet.admin("GET", "/ledger/verify", at=1))["ok"])


async def test_replicas_that_start_together_on_an_empty_database_migrate_it_once(fleet: Fleet) -> None:
    assert [replica.process.poll() for replica in fleet.replicas] == [None, None]
    assert await verified(fleet)


async def test_a_task_that_was_accepted_is_found_on_the_other_replica_at_once(fleet: Fleet, key: str) -> None:
    statuses = []
    for number in range(20):
        made = await fleet.send("POST", TASKS, at=number % 2, key=key, json=ASKED)
        assert made.status_code == 202, made.text
        found = await fleet.send("GET", f"{TASKS}/{made.json()['data']['task_id']}", at=(number + 1) % 2, key=key)
        statuses.append(found.status_code)
    assert statuses == [200] * 20


async def test_a_picture_that_one_replica_stored_is_served_by_the_other(fleet: Fleet, key: str) -> None:
    made = (await fleet.send("POST", GENERATIONS, at=0, key=key, json=ASKED)).json()
    path = made["data"][0]["url"].removeprefix(fleet.replicas[0].url)
    served = await fleet.client.get(fleet.replicas[1].url + path)
    assert (served.status_code, served.headers["content-type"]) == (200, made["data"][0]["mime_type"])


async def test_l2_a_budget_is_exact_across_replicas(fleet: Fleet) -> None:
    asked = {**ASKED, "prompt": "within the budget"}
    limited = await fleet.new_key(budget={"units": 5 * PRICE_UNITS + 1, "period": "total"})
    answers = await asyncio.gather(
        *(fleet.send("POST", GENERATIONS, at=number % 2, key=limited["key"], json=asked) for number in range(16))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [402] * 11
    assert len(await fleet.drawn("within the budget")) == 5
    assert await verified(fleet)


async def test_a_request_sent_to_both_replicas_with_one_idempotency_key_is_done_once(fleet: Fleet, key: str) -> None:
    asked = {**ASKED, "prompt": "ordered once"}
    headers = {"idempotency-key": "the same order"}
    answers = await asyncio.gather(
        *(fleet.send("POST", TASKS, at=number % 2, key=key, json=asked, headers=headers) for number in range(8))
    )
    assert len({answer.content for answer in answers}) == 1
    task_id = answers[0].json()["data"]["task_id"]
    ended = await fleet.send("GET", f"{TASKS}/{task_id}?wait=30", at=0, key=key)
    assert ended.json()["data"]["status"] == "succeeded"
    assert len(await fleet.drawn("ordered once")) == 1


async def test_a_waiting_client_is_told_when_another_replica_has_done_its_task(fleet: Fleet, key: str) -> None:
    made = [(await fleet.send("POST", TASKS, at=0, key=key, json=ASKED)).json()["data"]["task_id"] for _ in range(4)]
    ended = await asyncio.gather(
        *(fleet.send("GET", f"{TASKS}/{task_id}?wait=30", at=at, key=key) for task_id in made for at in range(2))
    )
    assert {answer.json()["data"]["status"] for answer in ended} == {"succeeded"}


async def test_a_revoked_key_is_refused_everywhere_within_five_seconds(fleet: Fleet) -> None:
    made = await fleet.new_key()

    async def status(at: int) -> int:
        return (await fleet.send("GET", "/v1/account", at=at, key=made["key"])).status_code

    async def refused() -> bool:
        return [await status(0), await status(1)] == [401, 401]

    assert [await status(0), await status(1)] == [200, 200]
    await fleet.admin("POST", f"/keys/{made['id']}/revoke", at=0)
    assert await fleet.seen(refused, within_s=WITHIN_S)


async def test_a_catalog_change_is_in_force_everywhere_within_five_seconds(fleet: Fleet) -> None:
    document = sandboxed_catalog(fleet.sandbox_url)
    await fleet.put_catalog(document.replace("nano-banana-pro-1k@ccapi", "renamed-model"), at=1)
    assert await fleet.seen(lambda: fleet.all_list("renamed-model"), within_s=WITHIN_S)
    await fleet.put_catalog(document, at=0)
    assert await fleet.seen(lambda: fleet.all_list(MODEL), within_s=WITHIN_S)
