"""Looks from outside at what is left: the books, the vendors' own log, the pictures."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import httpx

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.store import attempts, ledger_verify, tasks
from app.store.attempts import Attempt
from app.store.database import Database, Tx
from app.store.tasks import Task
from benchmarks.campaign.world import Gateway, World

PAGE: Final = 100
LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found; `outcomes` are statuses by prompt, `wrong` is empty when every promise was kept."""

    tasks: int
    succeeded: int
    unknown: int
    calls: int
    outcomes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Books:
    """All tasks with their attempts, and what the ledger's own proof says."""

    tasks: list[tuple[Task, tuple[Attempt, ...]]]
    violations: tuple[str, ...]


async def settled(home: World, *, within_s: float) -> bool:
    """Whether every task has ended within this time."""
    database = await Database.open(home.database_url)
    try:
        for _ in range(int(within_s / LOOK_S)):
            if all(task.status.terminal for task in await database.read(_all_tasks)):
                return True
            await asyncio.sleep(LOOK_S)
        return False
    finally:
        await database.close()


async def check(home: World, gateway: Gateway, promised: set[str]) -> Findings:
    """Judges the state. `promised`: ids of tasks that clients were told of."""
    database = await Database.open(home.database_url)
    try:
        books = await database.read(_books)
    finally:
        await database.close()
    calls = home.calls()
    wrong = [f"the ledger: {violation}" for violation in books.violations]
    wrong += [f"{task_id} was promised and is lost" for task_id in promised - {task.id for task, _ in books.tasks}]
    for task, tried in books.tasks:
        wrong += [f"{task.id}: {problem}" for problem in _problems(task, tried, calls)]
    known = {str(task.request.get("prompt")) for task, _ in books.tasks}
    wrong += [f"a call that no task knows of: {prompt!r}" for prompt in calls.keys() - known]
    wrong += await _unreadable(gateway, [task for task, _ in books.tasks])
    return Findings(
        tasks=len(books.tasks),
        succeeded=sum(task.status is TaskStatus.SUCCEEDED for task, _ in books.tasks),
        unknown=sum(attempt.state is AttemptState.UNKNOWN for _, tried in books.tasks for attempt in tried),
        calls=calls.total(),
        outcomes={str(task.request.get("prompt")): task.status.value for task, _ in books.tasks},
        wrong=wrong,
    )


def _problems(task: Task, tried: tuple[Attempt, ...], calls: Counter[str]) -> list[str]:
    """What is wrong with a task for one picture whose prompt is its own."""
    problems = []
    paid = calls[str(task.request.get("prompt"))]
    unknown = sum(attempt.state is AttemptState.UNKNOWN for attempt in tried)
    if not task.status.terminal:
        problems.append(f"is stuck as {task.status}")
    if paid > 1:
        problems.append(f"was paid {paid} times")
    if paid > len(tried):
        problems.append("was sent without an intent on record (L10)")
    if task.status is TaskStatus.SUCCEEDED and (task.units, task.images_delivered) != (task.hold_units, task.n):
        problems.append("succeeded, and was not charged as it should be")
    if task.status is not TaskStatus.SUCCEEDED and task.units:
        problems.append("was charged without a picture")
    if task.status is TaskStatus.FAILED and paid and not unknown:
        problems.append("was paid, failed, and nobody is told of it")
    return problems


async def _unreadable(gateway: Gateway, done: list[Task]) -> list[str]:
    """Tasks that say they succeeded and whose picture cannot be had (T6)."""
    wrong = []
    async with gateway.client() as client:
        for task in done:
            if task.status is not TaskStatus.SUCCEEDED or task.account_id != gateway.key_of.account_id:
                continue
            data = (await client.get(f"/v1/images/tasks/{task.id}")).json()["data"]
            picture = await _fetched(client, data["results"][0]["url"] if data["results"] else "")
            if picture is None or not picture.headers["content-type"].startswith("image/"):
                wrong.append(f"{task.id} succeeded and has no picture")
    return wrong


async def _fetched(client: httpx.AsyncClient, url: str) -> httpx.Response | None:
    """A link of ours, from the process that runs now: the one that wrote it may have had another port."""
    response = await client.get(httpx.URL(url).raw_path.decode()) if url else None
    return response if response is not None and response.status_code == 200 else None


def _books(tx: Tx) -> Books:
    found = [(task, attempts.list_for_task(tx, task.id)) for task in _all_tasks(tx)]
    return Books(found, tuple(str(violation) for violation in ledger_verify.verify(tx).violations))


def _all_tasks(tx: Tx) -> list[Task]:
    found: list[Task] = []
    after = None
    while True:
        page = tasks.list_page(tx, after=after, limit=PAGE)
        found += page.items
        after = page.next_cursor
        if after is None:
            return found
