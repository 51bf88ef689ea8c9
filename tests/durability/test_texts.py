"""A process killed in the middle of a text answer: nobody is charged, nothing stays held, it is on record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import Clock
from benchmarks.campaign.world import ADMIN_KEY, Gateway, world

pytestmark = pytest.mark.timeout(300)

GRANTED = 10_000_000
FREED_S = 120.0
ASKED: Mapping[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "word " * 400}],
    "stream": True,
}


async def asked(gateway: Gateway, path: str) -> dict[str, Any]:
    async with gateway.client(ADMIN_KEY) as client:
        answer: dict[str, Any] = (await client.get(path)).json()
    return answer


async def freed(gateway: Gateway, account_id: str) -> bool:
    """Whether nothing is held any more, waited for."""
    clock = Clock()
    until = clock.monotonic() + FREED_S
    while clock.monotonic() < until:
        if (await asked(gateway, f"/admin/accounts/{account_id}"))["held_units"] == 0:
            return True
        await clock.sleep(0.2)
    return False


async def test_l5_a_stream_that_is_killed_frees_its_hold_and_is_not_charged(tmp_path: Path) -> None:
    async with world(tmp_path, chunk_s=0.2) as home:
        first = await home.start()
        account_id, key = await home.new_key(first, units=GRANTED)
        async with (
            first.client(key) as client,
            client.stream("POST", "/v1/chat/completions", json=ASKED) as response,
        ):
            words = response.aiter_raw()
            assert b"data:" in await anext(words)
            account = await asked(first, f"/admin/accounts/{account_id}")
            await first.kill()
        assert account["held_units"] > 0
        second = await home.start()
        assert await freed(second, account_id)
        account = await asked(second, f"/admin/accounts/{account_id}")
        usage = (await asked(second, "/admin/usage?group_by=vendor&format=json"))["items"]
        proof = await asked(second, "/admin/ledger/verify")
    assert (account["balance_units"], account["available_units"]) == (GRANTED, GRANTED)
    (text,) = [group for group in usage if group["vendor"] == "openai-chat"]
    assert (text["requests"], text["price_units"]) == (1, 0)
    assert proof["violations"] == []
