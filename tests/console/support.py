"""An operator at the console: a page of a real browser, and everything that went wrong in it."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.async_api import ConsoleMessage, Locator, Page, expect

from tests.support.gateway import ADMIN_KEY, Running

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
STATIC: Final = Path(__file__).resolve().parents[2] / "app/web/console/static"
PATIENCE_MS: Final = 15_000
"""How long a page may take to show something: long enough for a busy machine."""

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=PATIENCE_MS)


@dataclass(slots=True)
class Seat:
    """Where an operator sits. `problems` gathers console errors, refusals of the policy and exceptions; there must be
    none.
    """

    page: Page
    gateway: Running
    problems: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self.problems.extend(_problems(message, self.expected)))
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))

    async def open(self, path: str = "/") -> None:
        """Goes to a page of the console; whoever is not signed in sees that page first."""
        await self.page.goto(f"{self.gateway.url}/console#{path}")

    async def sign_in(self, path: str = "/") -> None:
        """Opens the console, signs in as an operator does, and waits for the page."""
        await self.open(path)
        await self.page.get_by_label("Admin key").fill(ADMIN_KEY)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.heading()).to_be_visible()
        await self.settled()

    async def go(self, path: str) -> None:
        """Goes to another page and waits until what it asked for is there."""
        await self.open(path)
        await self.settled()

    async def settled(self) -> None:
        """Waits until nothing is loading."""
        await expect(self.heading()).to_be_visible()
        await expect(self.page.locator("main .loading")).to_have_count(0)

    def heading(self) -> Locator:
        """The title of the page that is shown."""
        return self.page.locator("main h1")

    def button(self, name: str) -> Locator:
        """A button by its whole name, in the open dialog if there is one."""
        return self.page.locator("dialog[open], body:not(:has(dialog[open]))").get_by_role(
            "button", name=name, exact=True
        )

    def expect_status(self, status: int) -> None:
        """The browser reports refused requests as errors; one with this status belongs to the test."""
        self.expected.add(status)


async def a_picture(gateway: Running, prompt: str = "a quiet harbour") -> str:
    """Orders a picture as a client; answers the task's id."""
    async with gateway.client() as client:
        body = {"model": "nano-banana-pro-1k", "prompt": prompt}
        answer = await client.post("/v1/images/generations", json=body)
    return str(answer.json()["oneshape"]["task_id"])


def _problems(message: ConsoleMessage, expected: set[int]) -> list[str]:
    if message.type != "error" or any(f"status of {status} " in message.text for status in expected):
        return []
    return [f"error: {message.text}"]
