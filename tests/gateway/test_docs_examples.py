"""The examples that clients copy are run, block after block, against a gateway on a real socket."""

import asyncio
import re
import warnings
from typing import Any

import pytest

from tests.house.repository import text
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def with_values(block: str, environ: dict[str, str]) -> str:
    for name, value in environ.items():
        block = re.sub(rf'os\.environ(\.get\("{name}", "[^"]*"\)|\["{name}"\])', repr(value), block)
    return block.replace("http://127.0.0.1:8080", environ["ONESHAPE_URL"])


def run_all(code: list[str], environ: dict[str, str]) -> list[str]:
    """Runs the blocks as one program, in a thread of its own as the SDKs block; what they print, line by line."""
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda *values: printed.append(" ".join(map(str, values)))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in code:
            exec(compile(with_values(block, environ), "docs", "exec"), names)
        for client in ("client", "api", "gemini"):
            if client in names:
                names[client].close()
    return printed


@pytest.mark.filterwarnings("ignore")
async def test_the_readme_example_prints_a_url_its_size_and_markdown(gateway: Running) -> None:
    environ = {"ONESHAPE_URL": gateway.url, "ONESHAPE_KEY": gateway.key}
    first, second = await asyncio.to_thread(run_all, blocks("README.md"), environ)
    assert re.fullmatch(rf"{gateway.url}/v1/media/med_\w+\.\w+\?exp=\d+&sig=\S+ 2752 1536", first)
    assert second.startswith(f"![image]({gateway.url}/v1/media/med_")


@pytest.mark.filterwarnings("ignore")
async def test_every_example_of_the_client_page_runs_and_brings_pictures(gateway: Running) -> None:
    environ = {"ONESHAPE_URL": gateway.url, "ONESHAPE_KEY": gateway.key}
    printed = await asyncio.to_thread(run_all, blocks("docs/clients.md"), environ)
    media = rf"{gateway.url}/v1/media/med_\w+\.\w+\?\S+"
    expected = [
        rf"{media} image/webp 1376 768",
        rf"{media} image/webp 1376 768",
        media,
        r"image_generation\.completed \d{4,}",
        rf"!\[image\]\({media}\)",
        media,
        rf"202 succeeded 100% {media}",
        r"image/(png|jpeg) \d{4,}",
    ]
    assert len(printed) == len(expected), printed
    for line, pattern in zip(printed, expected, strict=True):
        assert re.search(pattern, line), line
