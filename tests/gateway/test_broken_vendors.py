"""Vendors that fail: the contract's error and nothing charged, or the picture all the same. Never a picture that is
none (fault cases E64, F70-F76, F78-F81).
"""

import pytest

from app.core.attempt import AttemptState
from app.store import attempts, ledger, ledger_verify, tasks
from app.store.ledger import Entry
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

VENDORS = ["uniall-chat", "uniall-tasks", "infinityblue", "ccapi", "google"]
UNREADABLE = (502, "upstream_invalid_response")
FAILED = (502, "upstream_error")
NO_IMAGE = (502, "no_image_generated")
BLOCKED = (400, "moderation_blocked")

FAILURES: dict[str, tuple[int, str]] = {
    "html_200": UNREADABLE,
    "html_502": FAILED,
    "html_524": (504, "upstream_timeout"),
    "empty_200": UNREADABLE,
    "null_200": UNREADABLE,
    "object_200": UNREADABLE,
    "latin1_200": UNREADABLE,
    "error_200": FAILED,
    "code_500_200": FAILED,
    "bad_request": (400, "invalid_value"),
    "unauthorized": FAILED,
    "quota_403": FAILED,
    "rate_limited": (429, "rate_limit_exceeded"),
    "server_error": FAILED,
    "unavailable": (503, "no_vendor_available"),
    "moderation_400": BLOCKED,
    "leaky_error": FAILED,
    "hang_up": FAILED,
    "cut_mid": FAILED,
    "svg_picture": UNREADABLE,
    "html_picture": UNREADABLE,
    "truncated_picture": UNREADABLE,
    "bad_base64": UNREADABLE,
    "missing_file": UNREADABLE,
    "redirect_inside": UNREADABLE,
    "inside_url": UNREADABLE,
    "html_file": UNREADABLE,
    "empty_data": NO_IMAGE,
    "text_only": NO_IMAGE,
    "refusal": BLOCKED,
}
AT_ONE_VENDOR: dict[tuple[str, str], tuple[int, str]] = {
    # A task has no place for a text: the vendor says that it failed.
    ("text_only", "uniall-tasks"): FAILED,
}
SURVIVED = [
    "wrong_content_type",
    "hostile_headers",
    "wrong_mime",
    "more_than_n",
    "base64_newlines",
    "base64_urlsafe",
    "base64_nopad",
    "data_prefix_in_b64",
    "double_data_prefix",
    "as_url",
    "as_base64",
    "missing_first",
    "odd_url",
]
"""Odd, and still a picture (wire-facts section 5)."""


async def resolution(gateway: Running, task_id: str) -> list[Entry]:
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=task_id))
    return [entry for entry in page.items if entry.kind != "hold"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", FAILURES)
async def test_a_failing_vendor_is_the_contracts_error_and_costs_nothing(
    gateway: Running, vendor: str, fault: str
) -> None:
    body = {"model": f"nano-banana@{vendor}", "prompt": f"a cube [fault:{fault}]"}
    async with gateway.client() as client:
        response = await client.post("/v1/images/generations", json=body)
    error = response.json()["error"]
    expected = AT_ONE_VENDOR.get((fault, vendor), FAILURES[fault])
    assert (response.status_code, error["code"]) == expected, error
    assert vendor.split("-")[0] not in response.text.lower()
    assert "sk-" not in response.text
    assert "http" not in error["message"]
    task_id = response.headers["oneshape-task-id"]
    assert [(entry.kind, entry.units) for entry in await resolution(gateway, task_id)] == [("release", 39_000)]
    task = await gateway.services.database.read(lambda tx: tasks.get(tx, task_id))
    assert task is not None
    assert (task.status, task.units) == ("failed", 0)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", SURVIVED)
async def test_an_odd_answer_is_still_one_picture(gateway: Running, vendor: str, fault: str) -> None:
    body = {"model": f"nano-banana@{vendor}", "prompt": f"a cube [fault:{fault}]"}
    async with gateway.client() as client:
        response = await client.post("/v1/images/generations", json=body)
        answer = response.json()
        assert response.status_code == 200, answer
        picture = await client.get(answer["data"][0]["url"])
    assert len(answer["data"]) == 1
    assert picture.headers["content-type"] == answer["data"][0]["mime_type"]
    assert (answer["data"][0]["width"], answer["data"][0]["height"]) == (1024, 1024)


async def test_a_cut_answer_is_an_unknown_attempt_and_is_not_sent_again(gateway: Running) -> None:
    before = len(await gateway.paid_calls())
    body = {"model": "nano-banana", "prompt": "a cube [fault:hang_up]"}
    async with gateway.client() as client:
        response = await client.post("/v1/images/generations", json=body)
    assert response.headers["x-should-retry"] == "false"
    tried = await gateway.services.database.read(
        lambda tx: attempts.list_for_task(tx, response.headers["oneshape-task-id"])
    )
    assert [attempt.state for attempt in tried] == [AttemptState.UNKNOWN]
    assert len(await gateway.paid_calls()) == before + 1


async def test_a_refusing_vendor_is_passed_over_and_the_next_one_serves(gateway: Running) -> None:
    body = {
        "model": "nano-banana",
        "prompt": "a cube [fault:unavailable@uniall-tasks][fault:rate_limited@infinityblue]",
    }
    async with gateway.client() as client:
        response = await client.post("/v1/images/generations", json=body)
    assert response.status_code == 200
    tried = await gateway.services.database.read(
        lambda tx: attempts.list_for_task(tx, response.headers["oneshape-task-id"])
    )
    assert tried[-1].state is AttemptState.ACCEPTED
    assert all(attempt.state is AttemptState.REFUSED for attempt in tried[:-1])


async def test_after_all_failures_the_ledger_is_clean_and_nothing_is_held(gateway: Running) -> None:
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()
    account = await gateway.services.accounts.get(gateway.account_id)
    assert account.held_units == 0
