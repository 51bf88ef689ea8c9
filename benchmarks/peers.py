"""Other gateways, each in a process of its own before the same vendor, where they are installed.

`make bench-peers` installs LiteLLM's proxy and Portkey's gateway into a folder of their own; nothing here depends on
them, and what is not installed is left out. nginx is taken from the system.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.processes import GATEWAY_CORE, free_port, running

LITELLM: Final = "1.106.2"
PORTKEY: Final = "1.15.2"
HONO: Final = "1.13.8"
"""The newest server beneath Portkey's with which it can stream on Node (their issue 1389)."""
COOL_DOWN: Final = timedelta(days=7)
START_S: Final = 120.0
"""LiteLLM takes its time."""

MODEL: Final = "public-model"
_LITELLM_KEY: Final = "sk-benchmark-4e0c85b1"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that serves OpenAI's API. `says_model`: what its answers call the model; `pid` None: not measured."""

    name: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)
    says_model: str = MODEL
    pid: int | None = None


Starter = Callable[[Path, int, str], AbstractContextManager[Contestant]]
"""Starts one before the vendor at that port, which calls its model so; its files are in the folder."""


def home() -> Path:
    """Where they are installed: BENCH_PEERS, else a folder in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BENCH_PEERS") or cache / "oneshape" / "peers").absolute()


def installed() -> list[Starter]:
    """Those that can be started here."""
    found: list[Starter] = [nginx] if shutil.which("nginx") else []
    found += [litellm] if _litellm().exists() else []
    return [*found, portkey] if _portkey().exists() and shutil.which("node") else found


@contextmanager
def nginx(directory: Path, vendor_port: int, vendor_model: str) -> Iterator[Contestant]:
    """A reverse proxy of one worker that does nothing but pass on: the limit."""
    port, config = free_port(), directory / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr; events {{ }}\n"
        f"http {{ access_log off; keepalive_requests 1000000; client_max_body_size 64m;\n"
        f"upstream v {{ server 127.0.0.1:{vendor_port}; keepalive 64; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://v; proxy_http_version 1.1;\n"
        'proxy_set_header Connection ""; proxy_buffering off; } } }\n'
    )
    command = ["nginx", "-c", str(config), "-p", str(directory)]
    with running(command, core=GATEWAY_CORE, port=port, path="/counts", log=directory / "nginx.log") as pid:
        yield Contestant("nginx", port, says_model=vendor_model, pid=pid)


@contextmanager
def litellm(directory: Path, vendor_port: int, vendor_model: str) -> Iterator[Contestant]:
    """LiteLLM's proxy: one worker, a master key, no database, so that it counts nobody's money."""
    port, config = free_port(), directory / "litellm.yaml"
    vendor = {"model": f"openai/{vendor_model}", "api_base": f"http://127.0.0.1:{vendor_port}/v1", "api_key": "canned"}
    known = {
        "model_list": [{"model_name": MODEL, "litellm_params": vendor}],
        "general_settings": {"master_key": _LITELLM_KEY},
    }
    config.write_text(json.dumps(known))  # JSON is YAML too
    command = [str(_litellm()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    log = directory / "litellm.log"
    alive = "/health/liveliness"
    with running(
        [*command, "--num_workers", "1"], core=GATEWAY_CORE, port=port, path=alive, env=env, log=log, within_s=START_S
    ) as pid:
        yield Contestant("LiteLLM", port, {"authorization": f"Bearer {_LITELLM_KEY}"}, pid=pid)


@contextmanager
def portkey(directory: Path, vendor_port: int, vendor_model: str) -> Iterator[Contestant]:
    """Portkey's gateway on Node: it keeps nothing, the request itself says which vendor."""
    port = free_port()
    command = ["node", str(_portkey()), f"--port={port}", "--headless"]
    headers = {
        "authorization": "Bearer canned",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{vendor_port}/v1",
    }
    with running(
        command, core=GATEWAY_CORE, port=port, path="/", log=directory / "portkey.log", within_s=START_S
    ) as pid:
        yield Contestant("Portkey", port, headers, says_model=vendor_model, pid=pid)


def main() -> int:
    """Installs LiteLLM and Portkey, as far as their tools are here; 1 when that failed."""
    home().mkdir(parents=True, exist_ok=True)
    done = _install_litellm()
    if shutil.which("npm"):
        done = _install_portkey() and done
    else:
        print("no npm here: Portkey is left out")
    print(f"in {home()}: {', '.join(starter.__name__ for starter in installed()) or 'nothing'}")
    return 0 if done else 1


def _install_litellm() -> bool:
    place, uv = home() / "litellm", Path(sys.executable).parent / "uv"
    into = ["--python", str(place / "bin" / "python"), "--exclude-newer", _settled_before()]
    return _ran([sys.executable, "-m", "venv", "--without-pip", str(place)]) and _ran(
        [str(uv), "pip", "install", "--quiet", *into, f"litellm[proxy]=={LITELLM}"]
    )


def _install_portkey() -> bool:
    place = home() / "portkey"
    place.mkdir(exist_ok=True)
    wanted = {"private": True, "dependencies": {"@portkey-ai/gateway": PORTKEY}}
    (place / "package.json").write_text(json.dumps({**wanted, "overrides": {"@hono/node-server": HONO}}))
    quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", f"--before={_settled_before()}"]
    return _ran(["npm", "install", "--prefix", str(place), *quiet])


def _settled_before() -> str:
    """Nothing younger is installed: what is wrong with a release is mostly known a week later."""
    return (datetime.now(UTC) - COOL_DOWN).strftime("%Y-%m-%dT00:00:00Z")


def _ran(command: list[str]) -> bool:
    print(" ".join(command), flush=True)
    return subprocess.run(command, check=False).returncode == 0


def _litellm() -> Path:
    return home() / "litellm" / "bin" / "litellm"


def _portkey() -> Path:
    return home() / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


if __name__ == "__main__":
    sys.exit(main())
