"""Tasks over HTTP: listed by whose and how they are, shown with attempts, timeline and charge; unknowns ended."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.gateway.services import Services
from app.store import attempts, ledger, media, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Tx
from app.store.media import Media
from app.store.tasks import Finish
from tests.admin.support import NOW, StillClock, refused, told
from tests.store.rows import a_task, add_account, add_key, admit

FIRST = Attempt("att_1", "task_1", 0, 0, "painter", "pic-large", 1, NOW + 2.0)
SECOND = replace(FIRST, id="att_2", ordinal=1, vendor="writer", created_at=NOW + 3.25)


def one_unknown(tx: Tx) -> None:
    """A task that was refused by one vendor and never answered by the next; the client was released."""
    add_account(tx, units=1000)
    lease: dict[str, Any] = {
        "status": TaskStatus.IN_PROGRESS,
        "lease_token": "lease",
        "owner": "prc_1",
        "started_at": NOW + 1.5,
    }
    admit(tx, a_task(hold_units=40, price_units=40, **lease))
    attempts.intend(tx, FIRST)
    attempts.resolve(tx, FIRST.id, Result(AttemptState.REFUSED, http_status=429, failure="rate_limited"), at=NOW + 3)
    attempts.intend(tx, SECOND)
    attempts.mark_sent(tx, SECOND.id, at=NOW + 4)
    unknown = Result(AttemptState.UNKNOWN, failure="timeout", detail="no answer", exposure_units=25)
    attempts.resolve(tx, SECOND.id, unknown, at=NOW + 9)
    error = {"message": "late", "type": "upstream_error", "param": None, "code": "upstream_timeout"}
    outcome = Finish(TaskStatus.FAILED, error=error)
    tasks.finish(tx, "task_1", lease_token="lease", outcome=outcome, at=NOW + 10)
    ledger.release(tx, charge_id="task_1", reason="upstream_timeout", at=NOW + 10)


def a_picture(task_id: str, position: int = 0) -> Media:
    name = f"med_{task_id}_{position}"
    return Media(name, task_id, "acc_1", "output", position, "image/png", "png", 8, 9, 99, "00", NOW, NOW + 9)


async def test_a_task_is_shown_with_attempts_timeline_and_charge(admin: httpx.AsyncClient, services: Services) -> None:
    await services.database.write(one_unknown)
    task = told(await admin.get("/admin/tasks/task_1"))
    assert (task["status"], task["error"]["code"]) == ("failed", "upstream_timeout")
    assert task["request"] == {"prompt": "a mug"}
    told_attempts = [(tried["vendor"], tried["state"], tried["failure"]) for tried in task["attempts"]]
    assert told_attempts == [("painter", "refused", "rate_limited"), ("writer", "unknown", "timeout")]
    assert [(moment["event"], moment["at"] - NOW) for moment in task["timeline"]] == [
        ("created", 0),
        ("started", 1.5),
        ("attempt.intended", 2),
        ("attempt.refused", 3),
        ("attempt.intended", 3.25),
        ("attempt.sent", 4),
        ("attempt.unknown", 9),
        ("failed", 10),
    ]
    charge = task["charge"]
    assert [entry["kind"] for entry in charge.pop("entries")] == ["hold", "release"]
    assert charge == {
        "price_units": 40,
        "hold_units": 40,
        "units": 0,
        "cost_units": 0,
        "margin_units": 0,
        "exposure_units": 25,
    }


@pytest.mark.parametrize(("outcome", "state", "cost"), [("capture", "accepted", 25), ("release", "refused", 0)])
async def test_resolving_an_unknown_settles_with_the_vendor_and_never_with_the_client(
    admin: httpx.AsyncClient, services: Services, outcome: str, state: str, cost: int
) -> None:
    await services.database.write(one_unknown)
    account, entries = (
        (await admin.get("/admin/accounts/acc_1")).json(),
        (await admin.get("/admin/ledger/entries")).json(),
    )
    body = {"outcome": outcome, "reason": "their invoice"}
    task = told(await admin.post("/admin/tasks/task_1/resolve", json=body))
    ended = task["attempts"][1]
    assert (ended["state"], ended["cost_units"], ended["exposure_units"]) == (state, cost, 0)
    assert (ended["failure"], ended["detail"]) == ("timeout", "no answer")
    assert task["attempts"][0]["state"] == "refused"
    assert task["status"] == "failed"
    assert (await admin.get("/admin/accounts/acc_1")).json() == account
    assert (await admin.get("/admin/ledger/entries")).json() == entries
    assert told(await admin.get("/admin/ledger/verify"))["ok"]
    [change] = told(await admin.get("/admin/audit", params={"subject": "task_1"}))["items"]
    assert change["after"] == {"outcome": outcome, "cost_units": cost, "reason": "their invoice"}
    refused(await admin.post("/admin/tasks/task_1/resolve", json=body), 409, "conflict")


async def test_a_resolution_needs_a_task_an_outcome_and_a_reason(admin: httpx.AsyncClient) -> None:
    place = "/admin/tasks/task_1/resolve"
    refused(await admin.post(place, json={"outcome": "capture", "reason": "r"}), 404, "task_not_found")
    refused(await admin.post(place, json={"outcome": "refund", "reason": "r"}), 400, "invalid_value", "outcome")
    refused(await admin.post(place, json={"outcome": "capture"}), 400, "missing_required_parameter", "reason")
    refused(await admin.get("/admin/tasks/task_1"), 404, "task_not_found")


async def test_tasks_are_listed_newest_first_by_account_key_status_model_and_vendor(
    admin: httpx.AsyncClient, services: Services, clock: StillClock
) -> None:
    def prepare(tx: Tx) -> None:
        one_unknown(tx)
        add_account(tx, "acc_2", units=1000)
        add_key(tx, "key_3", account_id="acc_1")
        admit(tx, a_task("task_2", account_id="acc_2", key_id="key_2", created_at=NOW + 1))
        admit(tx, a_task("task_3", key_id="key_3", model="other/model", created_at=NOW + 2))

    await services.database.write(prepare)

    async def listed(**query: str) -> list[str]:
        return [item["id"] for item in told(await admin.get("/admin/tasks", params=query))["items"]]

    assert await listed() == ["task_3", "task_2", "task_1"]
    assert await listed(account="acc_2") == ["task_2"]
    assert await listed(key="key_3") == ["task_3"]
    assert await listed(status="failed") == ["task_1"]
    assert await listed(model="other/model") == ["task_3"]
    assert await listed(vendor="painter") == ["task_1"]
    assert await listed(account="acc_1", status="queued", limit="1") == ["task_3"]
    refused(await admin.get("/admin/tasks", params={"status": "done"}), 400, "invalid_value", "status")


async def test_a_list_shows_each_tasks_first_picture(admin: httpx.AsyncClient, services: Services) -> None:
    def three(tx: Tx) -> None:
        add_account(tx, units=1000)
        for number, delivered in enumerate((2, 1, 0)):
            admit(tx, a_task(f"task_{number}", hold_units=40, price_units=40, n=2, images_delivered=delivered))
        erased = replace(a_picture("task_1"), erased_at=NOW + 1)
        media.insert_all(tx, [a_picture("task_0", 1), a_picture("task_0"), erased])

    await services.database.write(three)
    items = told(await admin.get("/admin/tasks"))["items"]
    found = {item["id"]: item["picture"] for item in items}
    assert found["task_2"] is None
    assert (found["task_1"]["media_id"], found["task_1"]["url"]) == ("med_task_1_0", None)
    assert found["task_0"]["media_id"] == "med_task_0_0"
    assert "/v1/media/med_task_0_0.png?exp=" in found["task_0"]["url"]


async def test_what_is_kept_for_ourselves_is_not_shown(admin: httpx.AsyncClient, services: Services) -> None:
    def one(tx: Tx) -> None:
        add_account(tx, units=1000)
        record = {"prompt": "a mug", "base_url": "http://gw.example", "trace": "00-1-1-01"}
        admit(tx, a_task(hold_units=40, price_units=40, request=record))

    await services.database.write(one)
    assert told(await admin.get("/admin/tasks/task_1"))["request"] == {"prompt": "a mug"}
