"""A process that only does tasks is watched like one that serves."""

import signal
from pathlib import Path

import httpx

from tests.metrics.scraping import scrape, value
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready, waited


async def test_a_worker_answers_those_who_watch_and_nobody_else(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = gateway_environment(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/oneshape.db", grace_s="1")
    with started(environment, "worker", "--port", str(port), directory=tmp_path) as process:
        await wait_until_ready(url, process)
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            series = await scrape(client)
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            for path in ("/v1/models", "/admin/accounts", "/console", "/openapi.json"):
                assert (await client.get(path)).status_code == 404
        assert value(series, "oneshape_processes", state="alive") == 1
        assert value(series, "oneshape_tasks_ended_total", status="succeeded") == 0
        process.send_signal(signal.SIGTERM)
        assert await waited(process) == 0
