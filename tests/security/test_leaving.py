"""A real process that is told to go: what was accepted is answered, nobody else is waited for, everything is closed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from app.core.clock import Clock
from tests.security.sockets import connected
from tests.support.gateway import ADMIN_KEY, SECRET_KEY

CLOCK = Clock()
TASK = {"model": "nano-banana-pro-1k@uniall-tasks", "prompt": "a fox"}
"""The sandbox's tasks take two seconds when a process serves it."""


class Process:
    """`oneshape serve --sandbox` and its first client."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    def signal(self, number: int) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    async def ended(self, within_s: float) -> int:
        """Its exit code."""
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def new_key(self) -> str:
        """A key with money on it, made by the operator's API."""
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(base_url=self.url + "/admin", headers=headers) as admin:
            account = (await admin.post("/accounts", json={"name": "a", "billing": "unlimited"})).json()["id"]
            made: dict[str, Any] = (await admin.post("/keys", json={"account_id": account, "name": "k"})).json()
            return str(made["key"])


@asynccontextmanager
async def served(directory: Path, port: int, **environment: str) -> AsyncIterator[Process]:
    """The process, once it answers."""
    ours = {"ONESHAPE_ADMIN_KEY": ADMIN_KEY, "ONESHAPE_SECRET_KEY": SECRET_KEY, "ONESHAPE_MIN_FREE_DISK_MB": "0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from app.cli.main import app; app()", "serve", "--sandbox", "--port", str(port)),
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **ours, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(40), httpx.AsyncClient() as client:
            while process.returncode is None:
                try:
                    if (await client.get(url + "/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    await CLOCK.sleep(0.1)
        assert process.returncode is None, "the process did not start"
        yield Process(process, url)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_accepted_work_is_answered_and_the_process_leaves_with_0(tmp_path: Path, unused_tcp_port: int) -> None:
    """H99, M2: while a connection is silent and a request half sent, neither of which is waited for."""
    environment = {"ONESHAPE_GRACE_S": "8", "ONESHAPE_GRACE_HARD_S": "9", "ONESHAPE_BODY_IDLE_TIMEOUT_S": "1"}
    async with served(tmp_path, unused_tcp_port, **environment) as process:
        headers = {"authorization": f"Bearer {await process.new_key()}"}
        async with (
            connected(process.url),
            connected(process.url) as half,
            httpx.AsyncClient(base_url=process.url, headers=headers, timeout=20) as client,
        ):
            await half.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                b"Content-Type: application/json\r\nAuthorization: %b\r\n\r\n{" % headers["authorization"].encode()
            )
            asking = asyncio.create_task(client.post("/v1/images/generations", json=TASK))
            await CLOCK.sleep(0.7)
            process.signal(signal.SIGTERM)
            answer = await asking
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            await half.refused(408, "request_timeout")
            assert await process.ended(10) == 0


async def test_the_grace_ends_with_a_503_and_work_that_is_left_to_its_lease(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    """H99: never an empty or foreign answer, and no advice to send again what may have been paid."""
    environment = {"ONESHAPE_GRACE_S": "0", "ONESHAPE_GRACE_HARD_S": "1"}
    async with served(tmp_path, unused_tcp_port, **environment) as process:
        headers = {"authorization": f"Bearer {await process.new_key()}"}
        async with httpx.AsyncClient(base_url=process.url, headers=headers, timeout=20) as client:
            asking = asyncio.create_task(client.post("/v1/images/generations", json=TASK))
            await CLOCK.sleep(0.7)
            process.signal(signal.SIGTERM)
            answer = await asking
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
        assert answer.headers["x-should-retry"] == "false"
        assert await process.ended(8) == 0


async def test_a_second_signal_waits_for_nobody(tmp_path: Path, unused_tcp_port: int) -> None:
    """H99."""
    async with served(tmp_path, unused_tcp_port) as process:
        headers = {"authorization": f"Bearer {await process.new_key()}"}
        async with httpx.AsyncClient(base_url=process.url, headers=headers, timeout=20) as client:
            asking = asyncio.create_task(client.post("/v1/images/generations", json=TASK))
            await CLOCK.sleep(0.5)
            process.signal(signal.SIGTERM)
            await CLOCK.sleep(0.3)
            process.signal(signal.SIGTERM)
            assert await process.ended(5) == 0
            assert await _refused_or_cut(asking)


async def _refused_or_cut(asking: "asyncio.Task[httpx.Response]") -> bool:
    try:
        return (await asking).status_code == 503
    except httpx.TransportError:
        return True
