"""`oneshape demo`: the tour. Simulated vendors and a gateway are started, every vendor is asked on every surface, and
what came back is shown: pictures, units, the ledger and its verification.
"""

import asyncio
import io
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from app.cli.logs import set_up_logging
from app.cli.sandboxed import sandboxed_source
from app.cli.serving import serving
from app.core.clock import Clock
from app.core.media import decode_base64
from app.core.pricing import currency_of
from app.gateway.account_forms import AccountForm, GrantForm, KeyForm
from app.gateway.services import Services
from app.main import create_app
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.settings import Settings, ensure_secrets
from app.store import ledger, ledger_verify
from app.wiring import open_services

GRANT_UNITS: Final = 10_000_000
WIDTH: Final = 120
"""Columns, at least: a table that is cut says nothing."""
NUMBERS: Final = frozenset({"ms", "pixels", "units", "entries"})
PROMPT: Final = "a red fox reading a map at night, lantern light"
TARGETS: Final = (
    ("uniall chat", "chat_images", "nano-banana-pro-1k@uniall-chat"),
    ("uniall tasks", "image_tasks", "nano-banana-pro-1k@uniall-tasks"),
    ("infinityblue", "chat_images", "nano-banana-pro-1k@infinityblue"),
    ("ccapi", "openai_images", "nano-banana-pro-1k@ccapi"),
    ("google", "gemini", "nano-banana-pro-1k@google"),
    ("openai", "openai_images", "gpt-image-2@openai"),
)
"""Vendor, the dialect it is spoken to in, and the model that only this vendor serves."""


class DemoFailed(Exception):
    """A request of the tour was not answered with a picture."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture on disk."""

    path: Path
    size: str
    kind: str


Ask = Callable[[httpx.AsyncClient, str], Awaitable[tuple[str, dict[str, Any]]]]
"""Asks for a picture of a model; answers its URL and the `oneshape` object."""


async def _by_images(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    body = {"model": model, "prompt": PROMPT, "aspect_ratio": "16:9"}
    answer = _checked(await client.post("/v1/images/generations", json=body))
    return answer["data"][0]["url"], answer["oneshape"]


async def _by_chat(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    answer = _checked(await client.post("/v1/chat/completions", json=_conversation(model)))
    return answer["choices"][0]["message"]["images"][0]["image_url"]["url"], answer["oneshape"]


async def _by_stream(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    response = await client.post("/v1/chat/completions", json={**_conversation(model), "stream": True})
    chunks = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: {")]
    if any("error" in chunk for chunk in chunks):
        raise DemoFailed(str(chunks))
    url = next(chunk["media"]["outputs"][0] for chunk in chunks if "media" in chunk)
    return url, next(chunk["oneshape"] for chunk in chunks if "oneshape" in chunk)


async def _by_edit(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    form = {"model": model, "prompt": PROMPT, "aspect_ratio": "16:9"}
    answer = _checked(await client.post("/v1/images/edits", data=form, files={"image": ("mug.png", _reference())}))
    return answer["data"][0]["url"], answer["oneshape"]


async def _by_task(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    body = {"model": model, "prompt": PROMPT, "aspect_ratio": "16:9"}
    created = await client.post("/v1/images/tasks", json=body)
    if created.status_code != 202:
        raise DemoFailed(f"{created.status_code} {created.text}")
    task = _checked(await client.get(created.headers["location"], params={"wait": 30}))["data"]
    return task["result_url"], task["oneshape"]


async def _by_gemini(client: httpx.AsyncClient, model: str) -> tuple[str, dict[str, Any]]:
    body = {
        "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
        "generationConfig": {"imageConfig": {"aspectRatio": "16:9"}},
    }
    answer = _checked(await client.post(f"/v1beta/models/{model}:generateContent", json=body))
    parts = answer["candidates"][0]["content"]["parts"]
    picture = next(part["inlineData"] for part in parts if "inlineData" in part)
    return f"data:{picture['mimeType']};base64,{picture['data']}", answer["oneshape"]


SURFACES: Final[tuple[tuple[str, Ask], ...]] = (
    ("images", _by_images),
    ("image edits", _by_edit),
    ("chat", _by_chat),
    ("chat stream", _by_stream),
    ("image tasks", _by_task),
    ("gemini", _by_gemini),
)


def demo(
    pictures: Annotated[Path, typer.Option(help="Where the pictures are saved.")] = Path("demo-pictures"),
) -> None:
    """Show the whole thing on this machine: simulated vendors, every surface, pictures, money. Needs no key."""
    pictures.mkdir(parents=True, exist_ok=True)
    console = Console()
    console.width = max(console.width, WIDTH)
    set_up_logging(level="warning", form="console")
    raise typer.Exit(asyncio.run(_tour(console, pictures)))


async def _tour(console: Console, pictures: Path) -> int:
    """The exit code: 0 when every request brought a picture and the ledger is clean."""
    console.print("[bold]Oneshape[/bold]: every vendor is simulated; every picture, unit and byte below is real.\n")
    with tempfile.TemporaryDirectory(prefix="oneshape-demo-") as directory:
        settings = _settings(Path(directory))
        async with (
            serve_sandbox(SandboxConfig(task_seconds=0.5)) as sandbox_url,
            open_services(
                settings, ensure_secrets(settings), env={}, clock=Clock(), source=sandboxed_source(sandbox_url)
            ) as services,
            serving(create_app(services)) as url,
        ):
            key = await _make_key(services)
            async with httpx.AsyncClient(
                base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60
            ) as client:
                failures = await _show_requests(console, client, services.clock, pictures)
            return await _show_money(console, services) or failures


def _settings(directory: Path) -> Settings:
    """Everything in one temporary directory, whatever the environment says."""
    return Settings(
        _env_file=None,
        data_dir=directory,
        database_url=f"sqlite+aiosqlite:///{directory}/oneshape.db",
        media_url=f"file://{directory}/media",
        allow_private_networks="127.0.0.0/8",
        min_free_disk_mb=0,
        catalog=None,
        public_url=None,
    )


async def _make_key(services: Services) -> str:
    account = await services.accounts.create(AccountForm(name="demo", billing="prepaid"))
    await services.accounts.grant(account.id, GrantForm(units=GRANT_UNITS, reason="for the tour"))
    return (await services.accounts.create_key(KeyForm(account_id=account.id, name="demo"))).secret


async def _show_requests(console: Console, client: httpx.AsyncClient, clock: Clock, pictures: Path) -> int:
    """Asks each vendor on each surface; the number of requests that failed."""
    table = _table("surface", "vendor", "dialect", "ms", "pixels", "format", "units", "picture")
    failures = 0
    with console.status("asking the vendors …") as status:
        for surface, ask in SURFACES:
            for vendor, dialect, model in TARGETS:
                status.update(f"{surface}: {vendor} …")
                stem = pictures / f"{surface}-{vendor}".replace(" ", "-")
                started = clock.monotonic()
                try:
                    url, oneshape = await ask(client, model)
                    took_ms = round((clock.monotonic() - started) * 1000)
                    saved = await _save(client, url, stem)
                except (DemoFailed, httpx.HTTPError, OSError) as error:
                    failures += 1
                    table.add_row(surface, vendor, dialect, "", "", "", "", f"[red]{error}[/red]")
                    continue
                units = f"{oneshape['units']:,}"
                table.add_row(surface, vendor, dialect, str(took_ms), saved.size, saved.kind, units, saved.path.name)
    console.print(table)
    console.print(f"the pictures are in {pictures}/", highlight=False)
    return failures


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left", no_wrap=True)
    return table


async def _save(client: httpx.AsyncClient, url: str, stem: Path) -> Saved:
    """Downloads a picture as any client would, and opens it, so that what is shown is what is in the bytes."""
    data = decode_base64(url) if url.startswith("data:") else (await client.get(url)).content
    with Image.open(io.BytesIO(data or b"")) as picture:
        picture.load()
        path = stem.with_name(f"{stem.name}.{str(picture.format).lower()}")
        await asyncio.to_thread(path.write_bytes, data or b"")
        return Saved(path, f"{picture.width}x{picture.height}", str(picture.format).lower())


async def _show_money(console: Console, services: Services) -> int:
    """Prints the ledger and its verification; 1 when it is not clean."""
    kinds: tuple[ledger.Kind, ...] = ("grant", "hold", "capture", "release", "adjust")
    table = _table("ledger", "entries", "units")
    sums = {kind: await _sum_of(services, kind) for kind in kinds}
    for kind, (entries, units) in sums.items():
        table.add_row(kind, str(entries), f"{units:,}")
    console.print(table)
    found = await services.database.read(ledger_verify.verify)
    captured = sums["capture"][1]
    console.print(f"charged: {captured:,} units = {currency_of(captured)} {services.catalog().currency}")
    console.print(
        f"ledger verify: {found.entries} entries, {found.accounts} account, {len(found.violations)} violations"
    )
    for violation in found.violations:
        console.print(f"[red]{violation}[/red]")
    return 0 if found.ok else 1


async def _sum_of(services: Services, kind: ledger.Kind) -> tuple[int, int]:
    page = await services.database.read(lambda tx: ledger.entries(tx, kind=kind, limit=100))
    return len(page.items), sum(entry.units for entry in page.items)


def _reference() -> bytes:
    """A small picture to edit."""
    drawn = io.BytesIO()
    Image.radial_gradient("L").resize((128, 128)).save(drawn, "PNG")
    return drawn.getvalue()


def _conversation(model: str) -> dict[str, Any]:
    """A chat request as the vendors' own pages write it, `extra_body` included."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "extra_body": {"google": {"image_config": {"aspect_ratio": "16:9"}}},
    }


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise DemoFailed(f"{response.status_code} {response.text}")
    answer: dict[str, Any] = response.json()
    return answer
