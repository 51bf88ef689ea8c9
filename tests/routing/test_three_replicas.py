"""Three gateway processes on one database: what operators and vendors may rely on, whichever replica is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from app.cli.sandboxed import sandboxed_catalog
from app.gateway.catalog.yaml import read, write
from tests.routing.counting_vendor import counting_vendor
from tests.support.databases import postgresql_database, postgresql_url
from tests.support.fleet import WITHIN_S, Fleet, running_fleet

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

GENERATIONS = "/v1/images/generations"
CHAT = "/v1/chat/completions"
PLACES = 4
SICK = "nano-banana@infinityblue"


@pytest.fixture(scope="module")
def empty_database(postgresql_template: str) -> Iterator[str]:
    with postgresql_database() as name:
        yield postgresql_url(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory, empty_database: str) -> AsyncIterator[Fleet]:
    async with running_fleet(tmp_path_factory.mktemp("fleet"), empty_database, count=3) as running:
        yield running


async def test_a_vendor_never_has_more_calls_at_once_than_its_concurrency_whoever_calls(fleet: Fleet) -> None:
    async with counting_vendor(seconds=0.05) as vendor:
        document = read(sandboxed_catalog(fleet.sandbox_url), format="yaml")[0]
        assert isinstance(document, dict)
        document["vendors"]["counting"] = {  # type: ignore[call-overload,index]
            "dialect": "openai_chat",
            "base_url": vendor.url,
            "api_keys": ["a-key-of-a-vendor"],
            "concurrency": PLACES,
        }
        document["models"].append(  # type: ignore[union-attr]
            {
                "id": "counted",
                "kind": "chat",
                "price": {"per_request": "0.001"},
                "targets": [{"vendor": "counting", "model": "m"}],
            }
        )
        await fleet.put_catalog(write(document))
        assert await fleet.seen(lambda: fleet.all_list("counted"), within_s=WITHIN_S)
        key = (await fleet.new_key())["key"]
        body = {"model": "counted", "messages": [{"role": "user", "content": "hello"}]}
        answers = await asyncio.gather(
            *(fleet.send("POST", CHAT, at=number % 3, key=key, json=body) for number in range(60))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert (vendor.most, vendor.answered) == (PLACES, 60)


async def test_a_drain_is_followed_by_every_replica_within_five_seconds(fleet: Fleet) -> None:
    key = (await fleet.new_key())["key"]
    body = {"model": "nano-banana@ccapi", "prompt": "a cube"}

    async def statuses() -> set[int]:
        return {(await fleet.send("POST", GENERATIONS, at=at, key=key, json=body)).status_code for at in range(3)}

    async def all_refuse() -> bool:
        return await statuses() == {503}

    async def all_serve() -> bool:
        return await statuses() == {200}

    assert await all_serve()
    await fleet.admin("POST", "/vendors/ccapi/drain", at=0)
    assert await fleet.seen(all_refuse, within_s=WITHIN_S)
    await fleet.admin("POST", "/vendors/ccapi/undrain", at=2)
    assert await fleet.seen(all_serve, within_s=WITHIN_S)


async def test_what_one_replica_has_found_out_of_a_model_the_others_know_within_five_seconds(fleet: Fleet) -> None:
    key = (await fleet.new_key())["key"]
    body = {"model": SICK, "prompt": "a cube [fault:text_only]"}
    for _ in range(5):
        refused = await fleet.send("POST", GENERATIONS, at=0, key=key, json=body)
        assert refused.json()["error"]["code"] == "no_image_generated"

    async def breakers(at: int) -> set[str]:
        vendors = (await fleet.admin("GET", "/vendors", at=at))["items"]
        targets = next(one["targets"] for one in vendors if one["name"] == "infinityblue")
        return {target["breaker"] for target in targets}

    async def all_open() -> bool:
        return [await breakers(at) for at in range(3)] == [{"open"}] * 3

    assert await fleet.seen(all_open, within_s=WITHIN_S)
