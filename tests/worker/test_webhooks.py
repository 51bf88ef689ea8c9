"""Webhooks of a whole gateway: written with the state that they tell, signed so that official verifiers accept them."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
import standardwebhooks

from app.gateway.account_forms import AccountPatch
from tests.support.gateway import Running
from tests.support.receiver import Receiver, running_receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


async def ended_task(gateway: Running, receiver: Receiver, **said: Any) -> str:
    body = {"model": "nano-banana@ccapi", "prompt": "a cube", "webhook_url": f"{receiver.url}/hook", **said}
    async with gateway.client() as client:
        created = await client.post("/v1/images/tasks", json=body)
        location = created.headers["location"]
        await client.get(f"{location}?wait=20")
    while not receiver.received:
        await gateway.services.clock.sleep(0.02)
    return str(created.json()["data"]["task_id"])


async def test_openais_own_verifier_accepts_what_is_sent(gateway: Running, receiver: Receiver) -> None:
    receiver.received.clear()
    task_id = await ended_task(gateway, receiver)
    account = await gateway.services.accounts.get(gateway.account_id)
    got = receiver.received[0]
    client = openai.OpenAI(api_key="unused", webhook_secret=account.webhook_secret)
    client.webhooks.verify_signature(payload=got.body, headers=got.headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(payload=got.body + b" ", headers=got.headers)
    event = standardwebhooks.Webhook(account.webhook_secret or "").verify(got.body, got.headers)
    assert (event["type"], event["data"]["task_id"]) == ("image.task.succeeded", task_id)
    assert event["data"]["result_url"].startswith(f"{gateway.url}/v1/media/")
    assert len(got.body) < 20_000


async def test_a_failure_is_told_as_one(gateway: Running, receiver: Receiver) -> None:
    receiver.received.clear()
    await ended_task(gateway, receiver, prompt="a cube [fault:moderation_400]")
    event = receiver.received[0].body
    assert b'"image.task.failed"' in event
    assert b'"moderation_blocked"' in event


async def test_an_accounts_own_url_is_told_of_all_its_tasks(gateway: Running, receiver: Receiver) -> None:
    receiver.received.clear()
    await gateway.services.accounts.patch(gateway.account_id, AccountPatch(webhook_url=f"{receiver.url}/all"))
    await ended_task(gateway, receiver, webhook_url=None)
    assert b'"image.task.succeeded"' in receiver.received[0].body
