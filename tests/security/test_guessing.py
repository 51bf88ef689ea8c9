"""A2, A8: nothing is found by counting or by the clock: ids are random, and every wrong key costs the same steps."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import pytest
import pytest_asyncio

from app.core.clock import Clock
from app.core.errors import Unauthenticated
from app.core.ids import new_id
from app.gateway.caller import Callers, KeyHasher
from app.store.database import Database
from tests.support.gateway import SECRET_KEY, Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

BASE32_BITS: Final = 5
GOOD: Final = {"model": "nano-banana", "prompt": "a fox"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("guessing"), wrong_keys_per_minute=10_000) as running:
        yield running


class Counting:
    """A database that counts what it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0

    async def read(self, work: Callable[[Any], Any]) -> Any:
        self.reads += 1
        return await self._database.read(work)


async def test_a2_what_clients_are_shown_has_130_random_bits(gateway: Running) -> None:
    async with gateway.client() as client:
        told = (await client.post("/v1/images/generations", json=GOOD)).json()
    shown = [told["oneshape"]["task_id"], re.findall(r"/v1/media/(\w+)\.", told["data"][0]["url"])[0]]
    shown += [gateway.account_id]
    for given in shown:
        assert re.fullmatch(r"[a-z]+_[0-9a-hjkmnp-tv-z]{26}", given)
    ids = [new_id("task") for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    # Every place takes every digit about equally often: no part of an id is a counter or a clock.
    for place in range(5, 31):
        often = max(sum(one[place] == digit for one in ids) for digit in "0123456789abcdefghjkmnpqrstvwxyz")
        assert often < 10_000 / 32 * 1.5, place


async def test_a2_neighbours_of_a_known_id_are_404_each_time(gateway: Running) -> None:
    async with gateway.client() as client:
        task = (await client.post("/v1/images/generations", json=GOOD)).json()["oneshape"]["task_id"]
        for last in "0123456789abcdefghjkmnpqrstvwxyz":
            guess = task[:-1] + last
            answer = await client.get(f"/v1/images/tasks/{guess}")
            assert answer.status_code == (200 if guess == task else 404)


@pytest.mark.parametrize("kind", ["unknown", "right prefix", "revoked"])
async def test_a8_every_wrong_key_costs_one_look_by_its_hash_each_time_it_is_tried(gateway: Running, kind: str) -> None:
    """The same steps for each, so that there is no difference to measure."""
    counting = Counting(gateway.services.database)
    callers = Callers(cast("Database", counting), KeyHasher(SECRET_KEY), clock=Clock())
    secret = await gateway.new_key()
    if kind == "revoked":
        caller = await gateway.services.callers.authenticate(secret)
        await gateway.services.accounts.revoke_key(caller.key.id)
    elif kind == "right prefix":
        secret = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    else:
        secret = "sk-" + "x" * 43
    for count in (1, 2, 3):
        with pytest.raises(Unauthenticated) as refused:
            await callers.authenticate(secret)
        assert (refused.value.code, counting.reads) == ("invalid_api_key", count)


async def test_a8_a_right_key_is_looked_up_once_and_by_its_keyed_hash(gateway: Running) -> None:
    counting = Counting(gateway.services.database)
    callers = Callers(cast("Database", counting), KeyHasher(SECRET_KEY), clock=Clock())
    for _ in range(3):
        await callers.authenticate(gateway.key)
    assert counting.reads == 1
    assert KeyHasher(SECRET_KEY).hash(gateway.key) != KeyHasher(SECRET_KEY + "x").hash(gateway.key)
