"""Faults of the stage `task`: what a task tells over its life, at 0, 5 and 10 of its 10 seconds and after."""

from typing import Any, Final

import httpx
import pytest

from app.sandbox.faults import FAULTS
from tests.sandbox.support import HandClock
from tests.sandbox.visiting import TASKS, request_of

Life = list[tuple[object, object]]
NORMAL: Final[Life] = [("queued", "0%"), ("in_progress", "40%"), ("in_progress", "40%"), ("succeeded", "100%")]

LIVES: Final[dict[str, Life]] = {
    "task_failed": [*NORMAL[:3], ("failed", "100%")],
    "task_moderated": [*NORMAL[:3], ("failed", "100%")],
    "task_never_ends": [*NORMAL[:3], ("in_progress", "40%")],
    "task_unknown_status": [NORMAL[0], ("REVIEWING", "40%"), ("REVIEWING", "40%"), NORMAL[3]],
    "task_relay_words": [("SUBMITTED", "0%"), ("IN_PROGRESS", "40%"), ("IN_PROGRESS", "40%"), ("SUCCESS", "100%")],
    "task_openai_words": [("queued", 0), ("in_progress", 40), ("in_progress", 40), ("completed", 100)],
    "task_status_back": [NORMAL[0], NORMAL[1], NORMAL[0], NORMAL[3]],
    "task_progress_back": [NORMAL[0], NORMAL[1], ("in_progress", "10%"), NORMAL[3]],
    "task_progress_101": [NORMAL[0], ("in_progress", "101%"), ("in_progress", "101%"), NORMAL[3]],
    "task_done_at_once": [NORMAL[3]] * 4,
    "task_id_changes": NORMAL,
    "task_without_url": NORMAL,
    "url_in_fail_reason": NORMAL,
}
EARLY: Final = {"task_404_first": 404, "task_poll_500": 500, "task_poll_429": 429, "task_poll_html": 502}
ELSEWHERE: Final = {"task_gone", "task_poll_slow", "task_flat_create", "task_without_id"}


async def create(client: httpx.AsyncClient, prompt: str) -> httpx.Response:
    path, body = request_of("uniall-tasks", prompt)
    return await client.post(path, json=body)


async def life_of(client: httpx.AsyncClient, clock: HandClock, fault: str) -> list[dict[str, Any]]:
    """The data of the create answer and of polls at 5, 5 and 10 seconds."""
    told = [(await create(client, f"a cat [fault:{fault}]")).json()["data"]]
    task_id = told[0]["task_id"]
    for wait_s in (5, 0, 5):
        clock.time += wait_s
        told.append((await client.get(f"{TASKS}/{task_id}")).json()["data"])
    return told


def test_every_fault_of_this_stage_has_a_check() -> None:
    named = {name for name, fault in FAULTS.items() if fault.stage == "task"}
    assert named == LIVES.keys() | EARLY.keys() | ELSEWHERE


@pytest.mark.parametrize("name", LIVES)
async def test_a_task_lives_as_the_fault_says(client: httpx.AsyncClient, clock: HandClock, name: str) -> None:
    told = await life_of(client, clock, name)
    assert [(data["status"], data["progress"]) for data in told] == LIVES[name]


async def test_a_failed_task_says_why(client: httpx.AsyncClient, clock: HandClock) -> None:
    failed = (await life_of(client, clock, "task_failed"))[-1]
    moderated = (await life_of(client, clock, "task_moderated"))[-1]
    assert (failed["result_url"], failed["error"]["code"]) == (None, "generation_failed")
    assert moderated["error"]["code"] == "content_moderated"


async def test_the_id_and_the_url_can_be_elsewhere(client: httpx.AsyncClient, clock: HandClock) -> None:
    changing = await life_of(client, clock, "task_id_changes")
    assert len({data["task_id"] for data in changing}) == 4
    assert (await life_of(client, clock, "task_without_url"))[-1]["result_url"] is None
    hidden = (await life_of(client, clock, "url_in_fail_reason"))[-1]
    assert (hidden["result_url"], hidden["fail_reason"][:4]) == ("", "http")


@pytest.mark.parametrize("name", EARLY)
async def test_the_first_two_polls_fail(client: httpx.AsyncClient, name: str) -> None:
    task_id = (await create(client, f"[fault:{name}]")).json()["data"]["task_id"]
    polls = [(await client.get(f"{TASKS}/{task_id}")).status_code for _ in range(3)]
    assert polls == [EARLY[name], EARLY[name], 200]


async def test_a_task_can_be_gone_or_silent(client: httpx.AsyncClient) -> None:
    gone = (await create(client, "[fault:task_gone]")).json()["data"]["task_id"]
    assert [(await client.get(f"{TASKS}/{gone}")).status_code for _ in range(3)] == [404] * 3
    silent = (await create(client, "[fault:task_poll_slow]")).json()["data"]["task_id"]
    with pytest.raises(httpx.ReadTimeout):
        await client.get(f"{TASKS}/{silent}", timeout=0.2)


async def test_the_create_answer_can_be_flat_or_lack_its_id(client: httpx.AsyncClient) -> None:
    flat = await create(client, "[fault:task_flat_create]")
    assert (flat.status_code, set(flat.json())) == (202, {"id", "task_id", "status"})
    assert (await client.get(f"{TASKS}/{flat.json()['id']}")).status_code == 200
    assert (await create(client, "[fault:task_without_id]")).json()["data"] is None
    assert (await client.get("/_calls")).json()["count"] == 2
