"""What /metrics says, to whom, and that no client can make it say more."""

import pytest

from tests.metrics.conftest import METRICS_TOKEN
from tests.metrics.scraping import AS_ADMIN, scrape, value
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS = "/v1/images/generations"
CHAT = "/v1/chat/completions"
FOX = {"model": "nano-banana-pro-2k", "prompt": "a fox"}


async def test_the_admin_key_and_the_metrics_token_open_it_and_nothing_else_does(gateway: Running) -> None:
    """A13."""
    async with gateway.client() as client:
        assert (await client.get("/metrics", headers={"authorization": ""})).status_code == 401
        assert (await client.get("/metrics")).status_code == 403
        assert (await client.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})).status_code == 200
        assert (await client.get("/metrics", headers=AS_ADMIN)).status_code == 200


async def test_the_metrics_token_opens_nothing_else(gateway: Running) -> None:
    async with gateway.client(headers={"authorization": f"Bearer {METRICS_TOKEN}"}) as client:
        assert (await client.get("/admin/accounts")).status_code == 403
        assert (await client.get("/v1/account")).status_code == 401


async def test_a_request_is_counted_by_surface_model_and_status_class(gateway: Running) -> None:
    async with gateway.client() as client:
        before = await scrape(client)
        assert (await client.post(GENERATIONS, json=FOX)).status_code == 200
        assert (await client.post(GENERATIONS, json={**FOX, "n": 99})).status_code == 400
        after = await scrape(client)
    good = {"surface": "openai_images", "kind": "image", "model": "nano-banana-pro-2k", "status": "2xx"}
    bad = {"surface": "openai_images", "kind": "none", "model": "none", "status": "4xx"}
    for labels in (good, bad):
        name = "oneshape_requests_total"
        assert value(after, name, **labels) - value(before, name, **labels) == 1
    count, which = "oneshape_request_duration_seconds_count", {"surface": "openai_images", "kind": "image"}
    assert value(after, count, **which) - value(before, count, **which) == 1


async def test_text_chat_is_told_from_pictures_on_the_same_path(gateway: Running) -> None:
    async with gateway.client() as client:
        before = await scrape(client)
        message = [{"role": "user", "content": "hello"}]
        text = await client.post(CHAT, json={"model": "gpt-small", "messages": message})
        picture = await client.post(CHAT, json={"model": "nano-banana", "messages": message})
        after = await scrape(client)
    assert (text.status_code, picture.status_code) == (200, 200), (text.text, picture.text)
    for kind, model in (("chat", "gpt-4o-mini"), ("image", picture.json()["model"])):
        labels = {"surface": "openai_chat", "kind": kind, "model": model, "status": "2xx"}
        assert (
            value(after, "oneshape_requests_total", **labels) - value(before, "oneshape_requests_total", **labels) == 1
        )
    units = "oneshape_units_captured_total"
    charged = int(text.headers["oneshape-units"])
    assert value(after, units, kind="chat") - value(before, units, kind="chat") == charged


async def test_pictures_units_tasks_and_attempts_add_up(gateway: Running) -> None:
    async with gateway.client() as client:
        before = await scrape(client)
        told = (await client.post(GENERATIONS, json={**FOX, "n": 2})).json()
        refused = await client.post(GENERATIONS, json={**FOX, "prompt": "a fox [fault:moderation_400]"})
        after = await scrape(client)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert refused.status_code == 400
    assert grown("oneshape_pictures_delivered_total", model="nano-banana-pro-2k") == 2
    assert grown("oneshape_units_captured_total", kind="image") == told["oneshape"]["units"]
    assert grown("oneshape_tasks_ended_total", status="succeeded") == 1
    assert grown("oneshape_tasks_ended_total", status="failed") == 1
    assert grown("oneshape_attempts_total", outcome="delivered") in (1, 2)
    assert grown("oneshape_attempts_total", outcome="moderated") == 1
    assert grown("oneshape_attempt_duration_seconds_count") == grown("oneshape_attempts_total")


async def test_no_client_can_make_a_label(gateway: Running) -> None:
    """H100: names of models, paths and methods that a client makes up are all counted in the same few series."""
    async with gateway.client() as client:
        for surface in (GENERATIONS, "/v1/images/tasks", CHAT):
            await client.post(surface, json={"model": "canary-x", "prompt": "a", "messages": []})
        await client.request("BREW", "/canary-path-0")
        before = await scrape(client)
        for number in range(40):
            await client.post(GENERATIONS, json={"model": f"canary-{number}", "prompt": "a fox"})
            await client.get(f"/canary-path-{number}")
            await client.request(f"BREW{number}", "/healthz")
            await client.get("/v1/account", headers={"authorization": f"Bearer sk-canary-{number}"})
        after = await scrape(client)
    new = {name for name in after if name not in before and name[0].startswith("oneshape_requests")}
    assert len(new) <= 6, new  # the classes of statuses that had not been seen yet
    assert "canary" not in repr(after)


async def test_gauges_show_what_is_open_now(gateway: Running) -> None:
    async with gateway.client() as client:
        series = await scrape(client)
    for name in ("oneshape_holds_open", "oneshape_attempts_unknown", "oneshape_webhooks_pending"):
        assert value(series, name) == 0
    assert value(series, "oneshape_database_up") == 1
    assert value(series, "oneshape_build_info") == 1
    assert value(series, "oneshape_disk_free_bytes") > 0
    assert value(series, "oneshape_processes", state="alive") == 1
    assert value(series, "oneshape_vendor_breaker_state") == 0
