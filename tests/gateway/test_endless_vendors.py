"""Vendors whose answers have no end: cut at the caps, nothing charged, nothing left (fault-cases F72)."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from app.gateway.catalog.live import FileSource
from app.store import ledger, ledger_verify
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIALECTS: Final = ("openai_images", "chat_images", "image_tasks", "gemini")
REPLY_MB: Final = 2
PICTURE_MB: Final = 1
IN_SOCKETS_BYTES: Final = 16 * 2**20
"""What the kernel may hold between two sockets of one machine, and more."""
PICTURE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(1, 253)) * 4096)

BEFORE: Final = {
    "openai_images": b'{"created":1790000000,"data":[{"b64_json":"',
    "chat_images": b'{"choices":[{"index":0,"message":{"role":"assistant","content":"![](data:image/png;base64,',
    "image_tasks": b'{"code":"success","data":{"task_id":"t","status":"succeeded","results":[{"b64_json":"',
    "gemini": b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"',
}
"""How an answer of each dialect begins that has its picture inside (the vendors' pages; wire-facts 4.5 and 6.1)."""
ENDLESS: Final[dict[str, Callable[[str], tuple[bytes, bytes]]]] = {
    "a picture": lambda dialect: (BEFORE[dialect] + PICTURE[:4096], PICTURE[4096:]),
    "pictures": lambda dialect: (BEFORE[dialect] + PICTURE[:8192], b'","x":"' + PICTURE[:8192]),
    "words": lambda _: (b'{"message":"', b"many words " * 6000),
    "space": lambda _: (b"{", b" " * 65_536),
    "nesting": lambda _: (b"[", b"[" * 65_536),
    "events": lambda _: (b"", b'data: {"choices":[]}\n\n' * 3000),
}

CATALOG: Final = """
version: 1
currency: USD
vendors:
{vendors}
models:
{models}
"""


class Endless:
    """A vendor whose path says what it sends without end. `sent` counts the bytes of the last answer."""

    def __init__(self) -> None:
        self.sent = 0
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the gateway has enough."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            _, dialect, what = head.split(" ")[1].split("/")[:3]
            length = "content-length: 10737418240" if what == "space" else "transfer-encoding: chunked"
            first, rest = ENDLESS[what.replace("%20", " ")](dialect)
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}\r\n\r\n".encode())
            self.sent = 0
            while not writer.is_closing():
                writer.write(first if what == "space" else b"%x\r\n%b\r\n" % (len(first), first) if first else b"")
                self.sent += len(first)
                first = rest
                await writer.drain()
        writer.close()
        self.left.set()


@pytest.fixture(scope="module")
def vendor() -> Endless:
    return Endless()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, vendor: Endless) -> AsyncIterator[Running]:
    directory = tmp_path_factory.mktemp("endless")
    async with await asyncio.start_server(vendor.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (directory / "catalog.yaml").write_text(_catalog(f"http://127.0.0.1:{port}"))
        source = FileSource(directory / "catalog.yaml")
        async with running_gateway(
            directory / "data",
            source=source,
            max_vendor_reply_mb=REPLY_MB,
            max_result_file_mb=PICTURE_MB,
            breaker_failures=1000,
        ) as running:
            yield running


def _catalog(url: str) -> str:
    names = [(dialect, what) for dialect in DIALECTS for what in ENDLESS]
    vendors = [
        f"  {dialect}-{what.replace(' ', '-')}: "
        f'{{dialect: {dialect}, base_url: "{url}/{dialect}/{what.replace(" ", "%20")}", api_keys: [k]}}\n'
        for dialect, what in names
    ]
    models = [
        f'  - {{id: {name}, kind: image, price: {{per_image: "0.05"}}, targets: [{{vendor: {name}, model: m}}]}}\n'
        for name in (f"{dialect}-{what.replace(' ', '-')}" for dialect, what in names)
    ]
    return CATALOG.format(vendors="".join(vendors), models="".join(models))


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_f72_an_answer_without_end_is_cut_at_the_caps_and_costs_nothing(
    gateway: Running, vendor: Endless, dialect: str, what: str
) -> None:
    vendor.left.clear()
    async with gateway.client() as client:
        body = {"model": f"{dialect}-{what.replace(' ', '-')}", "prompt": "a fox"}
        answer = await client.post("/v1/images/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")
    await asyncio.wait_for(vendor.left.wait(), 10)
    assert vendor.sent <= REPLY_MB * 2**20 + IN_SOCKETS_BYTES
    assert gateway.services.spool.bytes == 0
    assert _files(gateway.directory / "media") == []
    page = await gateway.services.database.read(lambda tx: ledger.entries(tx, account_id=gateway.account_id, limit=2))
    assert [entry.kind for entry in page.items] == ["release", "hold"]
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock"]
