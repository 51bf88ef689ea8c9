"""`/admin/models` and `/admin/vendors`: the catalog as it was understood, with money in units and without keys."""

import httpx

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.gateway.services import Services
from app.store import attempts, fleet
from app.store.attempts import Attempt, Result
from app.store.database import Tx
from tests.admin.support import NOW, told
from tests.store.rows import a_task, add_account, admit


async def test_models_are_shown_with_targets_cost_and_margin(admin: httpx.AsyncClient) -> None:
    answer = told(await admin.get("/admin/models"))
    assert (answer["revision"], answer["currency"]) == (1, "USD")
    picture, words = answer["items"]
    assert picture["price"] == {"per_image": 134_000}
    assert picture["aliases"] == ["Pic"]
    assert picture["default_of_family"]
    [target] = picture["targets"]
    assert (target["vendor"], target["cost"], target["margin"]) == (
        "painter",
        {"per_image": 90_000},
        {"per_image": 44_000},
    )
    assert words["targets"][0]["margin"] == {"per_1m_input_tokens": 50_000, "per_1m_output_tokens": 200_000}
    assert (picture["available"], words["available"]) == (True, False)


async def test_vendors_are_shown_without_their_keys_and_with_what_they_may_yet_bill(
    admin: httpx.AsyncClient, services: Services
) -> None:
    def unknown(tx: Tx) -> None:
        add_account(tx, units=100)
        admit(tx, a_task(status=TaskStatus.IN_PROGRESS, lease_token="lease"))
        sent = Attempt("att_1", "task_1", 0, 0, "painter", "pic-large", 1, NOW, state=AttemptState.SENT)
        attempts.intend(tx, sent)
        attempts.resolve(tx, "att_1", Result(AttemptState.UNKNOWN, exposure_units=70), at=NOW)
        fleet.drain(tx, "writer", actor="admin", at=NOW)

    await services.database.write(unknown)
    answer = await admin.get("/admin/vendors")
    assert "pk-not-for-anybody" not in answer.text
    painter, writer = told(answer)["items"]
    assert (painter["configured"], painter["keys"], painter["models"]) == (True, 1, ["picture-1k"])
    assert (writer["configured"], writer["keys"], writer["models"]) == (False, 0, ["words"])
    assert [vendor["exposure_units"] for vendor in (painter, writer)] == [70, 0]
    assert [vendor["drained"] for vendor in (painter, writer)] == [False, True]
