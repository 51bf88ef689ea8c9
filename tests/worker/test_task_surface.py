"""The task surface over real sockets: an answer of 202 is a promise, and every later answer keeps it."""

import base64
from typing import Any

import pytest

from app.gateway.account_forms import KeyForm
from app.store import attempts, ledger
from app.store.database import Tx
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/images/tasks"
ORDER = {"model": "nano-banana@ccapi", "prompt": "a cube", "metadata": {"shelf": "7"}}
POLLED = "nano-banana@uniall-tasks"


async def created(gateway: Running, **said: Any) -> dict[str, Any]:
    async with gateway.client() as client:
        response = await client.post(PATH, json={**ORDER, **said})
    assert response.status_code == 202, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def ended(gateway: Running, task_id: str) -> dict[str, Any]:
    async with gateway.client() as client:
        data: dict[str, Any] = (await client.get(f"{PATH}/{task_id}?wait=20")).json()["data"]
    return data


def accepted(tx: Tx, task_id: str) -> bool:
    return any(attempt.handle for attempt in attempts.list_for_task(tx, task_id))


async def test_a_202_tells_where_to_look_and_when_and_is_never_cached(gateway: Running) -> None:
    async with gateway.client() as client:
        response = await client.post(PATH, json=ORDER)
    task_id = response.json()["data"]["task_id"]
    assert response.status_code == 202
    assert response.headers["location"] == f"{PATH}/{task_id}"
    assert response.headers["oneshape-task-id"] == task_id
    assert response.headers["retry-after"] == "2"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["data"]["status"] == "queued"


@pytest.mark.parametrize("vendor", ["uniall-chat", "uniall-tasks", "infinityblue", "ccapi", "google"])
async def test_a_task_is_done_by_any_vendor_and_billed_once(gateway: Running, vendor: str) -> None:
    data = await ended(gateway, (await created(gateway, model=f"nano-banana@{vendor}"))["task_id"])
    assert (data["status"], data["progress"], data["metadata"]) == (
        "succeeded",
        "100%",
        {"task_type": "text2image", "result_count": 1},
    )
    assert data["user_metadata"] == {"shelf": "7"}
    assert data["result_url"] == data["results"][0]["url"]
    async with gateway.client() as client:
        picture = await client.get(data["result_url"])
    assert picture.headers["content-type"] == data["results"][0]["mime_type"]
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=data["task_id"]))
    assert [(entry.kind, entry.units) for entry in page.items] == [("capture", 39_000), ("hold", 39_000)]


async def test_t3_a_task_is_found_at_once_on_another_connection(gateway: Running) -> None:
    for _ in range(20):
        task_id = (await created(gateway))["task_id"]
        async with gateway.client() as client:
            assert (await client.get(f"{PATH}/{task_id}")).status_code == 200


async def test_uploaded_references_are_kept_for_the_worker_and_reach_the_vendor(gateway: Running) -> None:
    done = await ended(gateway, (await created(gateway))["task_id"])
    async with gateway.client() as client:
        picture = (await client.get(done["result_url"])).content
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    prompt = "with this very reference"
    task = await ended(gateway, (await created(gateway, image=[uri, uri], prompt=prompt))["task_id"])
    assert task["metadata"]["task_type"] == "image2image"
    seen = [call["order"]["references"] for call in await gateway.paid_calls() if call["order"]["prompt"] == prompt]
    assert [len(references) for references in seen] == [2]


async def test_base64_that_was_asked_for_comes_with_the_results_beside_a_link(gateway: Running) -> None:
    data = await ended(gateway, (await created(gateway, response_format="b64_json"))["task_id"])
    async with gateway.client() as client:
        picture = (await client.get(data["result_url"])).content
    assert base64.b64decode(data["results"][0]["b64_json"], validate=True) == picture


async def test_a_sync_request_is_a_task_too(gateway: Running) -> None:
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json=ORDER)
    data = await ended(gateway, answer.headers["oneshape-task-id"])
    assert data["status"] == "succeeded"
    assert data["oneshape"] == answer.json()["oneshape"]


async def test_t9_another_accounts_task_is_answered_as_an_unknown_one(gateway: Running) -> None:
    task_id = (await created(gateway))["task_id"]
    stranger = {"authorization": f"Bearer {await gateway.new_key()}"}
    async with gateway.client(headers=stranger) as client:
        theirs = await client.get(f"{PATH}/{task_id}")
        unknown = await client.get(f"{PATH}/task_00000000000000000000000000")
        cancelled = await client.post(f"{PATH}/{task_id}/cancel")
        listed = await client.get(PATH)
    assert theirs.status_code == unknown.status_code == cancelled.status_code == 404
    assert theirs.json() == unknown.json() == cancelled.json()
    assert theirs.json()["code"] == "task_not_found"
    assert listed.json()["data"]["items"] == []


async def test_a_failed_task_is_a_success_to_tell_and_releases_what_was_held(gateway: Running) -> None:
    data = await ended(gateway, (await created(gateway, prompt="a cube [fault:moderation_400]"))["task_id"])
    assert (data["status"], data["error"]["code"]) == ("failed", "moderation_blocked")
    assert data["error"].keys() == {"message", "type", "param", "code"}
    assert data["oneshape"]["units"] == 0
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=data["task_id"]))
    assert page.items[0].kind == "release"


async def test_a_queued_task_is_cancelled_and_released_and_stays_so(gateway: Running) -> None:
    full = await gateway.services.accounts.create_key(
        KeyForm(account_id=gateway.account_id, name="one at a time", concurrency=1)
    )
    async with gateway.client(headers={"authorization": f"Bearer {full.secret}"}) as client:
        slow = {**ORDER, "model": "nano-banana@uniall-tasks"}
        first, second = [(await client.post(PATH, json=slow)).json()["data"]["task_id"] for _ in range(2)]
        answers = [await client.post(f"{PATH}/{second}/cancel") for _ in range(2)]
        assert [answer.json()["data"]["status"] for answer in answers] == ["cancelled", "cancelled"]
        assert answers[0].content == answers[1].content
        assert (await client.get(f"{PATH}/{first}?wait=20")).json()["data"]["status"] == "succeeded"
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=second))
    assert [entry.kind for entry in page.items] == ["release", "hold"]


async def test_cancelling_what_a_vendor_has_accepted_changes_nothing_since_it_is_paid(gateway: Running) -> None:
    task_id = (await created(gateway, model=POLLED))["task_id"]
    async with gateway.client() as client:
        while not await gateway.services.database.read(lambda tx: accepted(tx, task_id)):
            await gateway.services.clock.sleep(0.01)
        assert (await client.post(f"{PATH}/{task_id}/cancel")).json()["data"]["status"] == "in_progress"
    data = await ended(gateway, task_id)
    assert (data["status"], data["oneshape"]["units"]) == ("succeeded", 39_000)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1000000000", "x"])
async def test_b33_a_limit_outside_of_1_to_100_is_refused(gateway: Running, limit: str) -> None:
    async with gateway.client() as client:
        response = await client.get(PATH, params={"limit": limit})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "limit")


async def test_a_list_is_newest_first_in_pages_and_by_status_and_any_spelling_of_the_model(gateway: Running) -> None:
    ids = [(await created(gateway, prompt=f"cube {number}"))["task_id"] for number in range(3)]
    await ended(gateway, ids[-1])
    async with gateway.client() as client:
        first = (await client.get(PATH, params={"limit": 2})).json()["data"]
        rest = (await client.get(PATH, params={"limit": 1, "after": first["next_cursor"]})).json()["data"]
        by_model = (await client.get(PATH, params={"model": "NanoBanana@ccapi", "status": "succeeded"})).json()["data"]
        none = (await client.get(PATH, params={"model": "never-heard-of"})).json()["data"]
        forged = await client.get(PATH, params={"after": "task_x"})
    assert [item["task_id"] for item in (*first["items"], *rest["items"])] == ids[::-1]
    assert first["has_more"] is True
    assert ids[-1] in [item["task_id"] for item in by_model["items"]]
    assert {item["model"] for item in by_model["items"]} == {"nano-banana@ccapi"}
    assert none == {"items": [], "has_more": False, "next_cursor": None}
    assert forged.status_code == 400


async def test_what_is_refused_leaves_no_task_no_entry_and_no_file(gateway: Running) -> None:
    def files() -> list[str]:
        return sorted(str(path) for path in (gateway.directory / "media").rglob("*.png"))

    poor = {"authorization": f"Bearer {await gateway.new_key(grant_units=0)}"}
    done = await ended(gateway, (await created(gateway))["task_id"])
    async with gateway.client() as client:
        picture = (await client.get(done["result_url"])).content
    before = files()
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    async with gateway.client(headers=poor) as client:
        response = await client.post(PATH, json={**ORDER, "image": uri})
        listed = await client.get(PATH)
    assert (response.status_code, response.json()["code"]) == (402, "insufficient_balance")
    assert listed.json()["data"]["items"] == []
    assert files() == before
