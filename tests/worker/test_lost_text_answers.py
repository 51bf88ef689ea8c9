"""Text while the database goes away: what a vendor was paid for is booked once when it is back (L5, H96)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.chat.vendor import Payer, World, completion, whole, world
from tests.support.databases import postgresql_copy, postgresql_template  # noqa: F401 - fixtures are found by name
from tests.support.gateway import ADMIN_KEY, SECRET_KEY
from tests.support.relay import Relay, relaying

pytestmark = pytest.mark.timeout(300)

BOOKED_S = 60.0
COST = 20 + 4 * 9


class Cut:
    """A gateway of text whose database is behind a relay."""

    def __init__(self, relay: Relay, text: World) -> None:
        self.relay = relay
        self.text = text

    async def entries(self, payer: Payer, count: int) -> list[str]:
        """The kinds of the account's entries, when there are so many."""
        async with asyncio.timeout(BOOKED_S):
            while len(found := await payer.entries()) < count:
                await self.text.gateway.services.clock.sleep(0.1)
        await payer.verify()
        return [kind for kind, _ in found]


@pytest.fixture
async def cut(postgresql_copy: str, tmp_path: Path) -> AsyncIterator[Cut]:  # noqa: F811 - the fixture
    url = make_url(postgresql_copy)
    assert url.host is not None
    async with relaying(url.host, url.port or 5432) as relay:
        through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
        settings: dict[str, Any] = {"database_url": through, "admin_key": ADMIN_KEY, "secret_key": SECRET_KEY}
        async with world(tmp_path, **settings) as text:
            try:
                yield Cut(relay, text)
            finally:
                relay.heal()


async def test_an_answer_whose_charge_cannot_be_written_waits_and_is_charged_once(cut: Cut) -> None:
    payer = await cut.text.new_account()
    cut.text.vendor.reply = lambda _: [1.0, *whole(completion())]
    asking = asyncio.create_task(payer.post())
    await cut.text.vendor.asked.wait()
    cut.relay.cut()
    await cut.text.gateway.services.clock.sleep(3.0)
    assert not asking.done()
    cut.relay.heal()
    answer = await asking
    assert (answer.status_code, answer.headers["oneshape-units"]) == (200, str(COST))
    assert await cut.entries(payer, 2) == ["hold", "capture"]


async def test_a_charge_that_was_committed_and_not_answered_is_not_made_twice(cut: Cut) -> None:
    payer = await cut.text.new_account()
    cut.relay.lose_commit_of(b"succeeded")
    answer = await payer.post()
    assert answer.status_code == 200
    assert await cut.entries(payer, 2) == ["hold", "capture"]
    assert [chat.units for chat in await payer.chats()] == [COST]


async def test_a_hold_that_was_committed_and_not_answered_is_released(cut: Cut) -> None:
    payer = await cut.text.new_account()
    cut.relay.lose_commit_of(b'"process"')
    answer = await payer.post()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
    assert await cut.entries(payer, 2) == ["hold", "release"]
    assert cut.text.vendor.received == []
