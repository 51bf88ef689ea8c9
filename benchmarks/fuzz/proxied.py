"""nginx in front of the gateway's protocol: two readers of the same bytes, whose accounts of them are compared.

Whatever reaches the application, nginx must have sent knowingly, with that body; and every answer must be that of its
own request. Otherwise one client could put its bytes in front of another's (C37, C38).
"""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.serving import serving
from app.core.clock import Clock
from app.web.patience import ConnectionLimits
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.witness import BEGUN, Witness
from tests.support.processes import free_port

NGINX: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
ANSWER_S: Final = 2.0
CONF: Final = """
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/errors.log;
events {{ worker_connections 512; }}
http {{
  log_format sent escape=json '{{"path":"$request_uri","upstream":"$upstream_status","seen":"$sent_http_x_seen"}}';
  access_log {directory}/sent.log sent;
  client_body_temp_path {directory}/bodies; proxy_temp_path {directory}/proxied;
  fastcgi_temp_path {directory}/none; uwsgi_temp_path {directory}/none; scgi_temp_path {directory}/none;
  upstream gateway {{ server {gateway}; keepalive 1; }}
  proxy_pass_request_headers on; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_next_upstream off; proxy_ignore_client_abort on; client_header_timeout 1; client_body_timeout 1;
  keepalive_timeout 1; send_timeout 1; proxy_read_timeout 3; merge_slashes off;
  server {{ listen 127.0.0.1:{whole}; location / {{ proxy_pass http://gateway; }} }}
  server {{
    listen 127.0.0.1:{piecewise}; underscores_in_headers on; ignore_invalid_headers off;
    location / {{ proxy_pass http://gateway; proxy_request_buffering off; }}
  }}
}}
"""
"""Two ways to pass a body on: whole, with a length, and as it comes, with strange headers let through."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The gateway's protocol around a witness, and nginx before it at two ports."""

    witness: Witness
    directory: Path
    ports: tuple[int, int]


@asynccontextmanager
async def standing(directory: Path, limits: ConnectionLimits) -> AsyncIterator[Standing]:
    """Both, until the block is left; nginx has then written its account of all that it sent."""
    assert NGINX is not None
    witness, conf = Witness(), directory / "nginx.conf"
    async with serving(witness, limits=limits, keep_alive_s=30) as url:
        whole, piecewise = free_port(), free_port()
        said = CONF.format(directory=directory, gateway=url.removeprefix("http://"), whole=whole, piecewise=piecewise)
        await asyncio.to_thread(conf.write_text, said)
        nginx = await asyncio.create_subprocess_exec(NGINX, "-c", str(conf), "-e", str(directory / "errors.log"))
        try:
            await _listening(whole)
            yield Standing(witness, directory, (whole, piecewise))
        finally:
            nginx.terminate()
            await nginx.wait()


async def run(directory: Path, requests: list[bytes], *, limits: ConnectionLimits, seed: int) -> Figures:
    """Sends each through nginx in both ways, and an honest request after it. `directory` is empty and ours."""
    figures = Figures("proxied", seed)
    async with standing(directory, limits) as both:
        for number, request in enumerate(requests):
            for port in both.ports:
                await _say(port, request)
                await _demand_own_answer(port, f"/honest-{number}-{port}", f"proxied {seed}/{number}", figures)
                figures.cases += 1
    account = await asyncio.to_thread((directory / "sent.log").read_text, "latin-1")
    figures.problems += [f"proxied {seed}: {problem}" for problem in differences(account, both.witness.seen)]
    return figures


def differences(account: str, seen: list[tuple[str, str]]) -> list[str]:
    """What the application saw more often than nginx sent it, by nginx's own account."""
    sent = Counter[tuple[str, str]]()
    for line in filter(None, account.split("\n")):  # `splitlines` would end one at some bytes that a path may have
        told = json.loads(line)
        if told["upstream"]:
            sent[told["path"], BEGUN] += 1
            sent[told["path"], told["seen"]] += 1
    more = Counter(seen) - sent
    return [f"{path!r} ({what}) was read {count} times more than nginx sent it" for (path, what), count in more.items()]


async def _say(port: int, request: bytes) -> None:
    """Sends it and reads until nginx has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError, TimeoutError):
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            await reader.read(-1)
    writer.close()


async def _demand_own_answer(port: int, path: str, case: str, figures: Figures) -> None:
    """An honest request on the same way to the gateway: its answer must be its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
    answer = b""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(3 * ANSWER_S):
            answer = await reader.read(-1)
    writer.close()
    status = int(answer[9:12] or b"0")
    figures.statuses[status] += 1
    # A connection to the gateway that the case spoiled may be found closed: nginx then says 502, once.
    if status not in (200, 502) or (status == 200 and json.dumps(path).encode() not in answer):
        figures.problems.append(f"{case}: {path} was answered {answer[:200]!r}")


async def _listening(port: int) -> None:
    for _ in range(100):
        with suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return
        await Clock().sleep(0.05)
    raise RuntimeError("nginx did not start")
