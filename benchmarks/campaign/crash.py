"""F1, H95: the process is killed at every named point between admission and webhook, and what follows is as written."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

import httpx

from app.cli.serving import serving
from benchmarks.campaign.checker import Findings, check, settled
from benchmarks.campaign.world import LEASE_S, Gateway, World
from tests.support.receiver import Receiver

LOOK_S: Final = 0.1
REACHED_S: Final = 60.0
REDELIVERED_S: Final = 60.0
PICTURE: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""One pixel."""

Outcome = Literal["nothing", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the process ends; what becomes of the task then, and how many calls the vendor has accepted by the end.

    `polled`: at a vendor that is polled; else at one that answers with the picture. `webhook`: an event must be told
    at least once as well.
    """

    name: str
    outcome: Outcome
    calls: int
    polled: bool = True
    prompt: str = ""
    reference: bool = False
    webhook: bool = False


POINTS: Final = (
    Point("admission.checked", "nothing", 0),
    Point("admission.inputs_stored", "nothing", 0, reference=True),
    Point("admission.committed", "succeeded", 1),
    Point("worker.claimed", "succeeded", 1),
    Point("attempt.intended", "succeeded", 1),
    Point("attempt.sent", "failed", 0),
    Point("attempt.answered", "failed", 1),
    Point("attempt.accepted", "succeeded", 1),
    Point("vendor.answered", "succeeded", 1),
    Point("media.stored", "succeeded", 1),
    Point("settlement.before", "succeeded", 1),
    Point("settlement.after", "succeeded", 1),
    Point("attempt.intended", "succeeded", 1, polled=False),
    Point("attempt.sent", "failed", 0, polled=False),
    Point("vendor.answered", "failed", 1, polled=False),
    Point("media.stored", "failed", 1, polled=False),
    Point("settlement.before", "failed", 1, polled=False),
    Point("settlement.after", "succeeded", 1, polled=False),
    Point("webhook.taken", "succeeded", 1, polled=False, webhook=True),
    Point("webhook.sent", "succeeded", 1, polled=False, webhook=True),
    Point("attempt.failed", "failed", 0, polled=False, prompt="[fault:bad_request]"),
)


async def crash_at(home: World, point: Point, ordinal: int) -> tuple[Findings, list[str]]:
    """Kills at the point, starts again, waits for the end. Returns what the checker found and what the point broke."""
    prompt = f"crash {ordinal} at {point.name} {point.prompt}".strip()
    receiver = Receiver()
    async with serving(receiver) as receiver.url:
        return await _crash_at(home, point, prompt, receiver)


async def _crash_at(home: World, point: Point, prompt: str, receiver: Receiver) -> tuple[Findings, list[str]]:
    promised = set()
    first = await home.start(faults=point.name)
    if (task_id := await _order(first, point, prompt, receiver.url)) is not None:
        promised.add(task_id)
    broken = [] if await first.died(REACHED_S) else ["the point was never reached"]
    await first.kill()
    second = await home.start()
    if not await settled(home, within_s=5 * LEASE_S + 10):
        broken.append("not all tasks have ended")
    findings = await check(home, second, promised)
    met = (findings.outcomes.get(prompt, "nothing"), home.calls()[prompt])
    if met != (point.outcome, point.calls):
        broken.append(f"{point.outcome} with {point.calls} calls was expected, {met[0]} with {met[1]} met")
    if point.webhook and not await _told(receiver):
        broken.append("the event was never told")
    await second.kill()
    return findings, broken


async def _told(receiver: Receiver) -> bool:
    """Whether the event came, at the latest when the dead process's claim on it has run out."""
    for _ in range(int(REDELIVERED_S / LOOK_S)):
        if receiver.received:
            return True
        await asyncio.sleep(LOOK_S)
    return False


async def _order(gateway: Gateway, point: Point, prompt: str, receiver: str) -> str | None:
    """A task's id; None when the process ended before it told one."""
    vendor = "uniall-tasks" if point.polled else "ccapi"
    order = {"model": f"nano-banana@{vendor}", "prompt": prompt}
    if point.reference:
        order["image"] = PICTURE
    if point.webhook:
        order["webhook_url"] = f"{receiver}/hook"
    async with gateway.client(timeout_s=REACHED_S) as client:
        try:
            response = await client.post("/v1/images/tasks", json=order)
        except httpx.TransportError:
            return None
    return str(response.json()["data"]["task_id"])
