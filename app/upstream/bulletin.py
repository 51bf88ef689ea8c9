"""What this process has found out of vendors and has not yet told the others."""

import asyncio
from typing import Final

OF_VENDOR: Final = ""
"""The subject of what is true of a whole vendor; the others are those of a model or a credential there."""


def of_model(model: str) -> str:
    """The subject of one model at a vendor."""
    return f"model:{model}"


def of_credential(credential: str) -> str:
    """The subject of one credential of a vendor, by its `credential_id`."""
    return f"credential:{credential}"


def model_of(subject: str) -> str | None:
    """The model that a subject is about; None: it is about the whole vendor. Not for the subject of a credential."""
    return None if subject == OF_VENDOR else subject.removeprefix(of_model(""))


class Bulletin:
    """Gathers what has changed, by vendor and subject. What it is now is read when it is told, so nothing is stale."""

    def __init__(self) -> None:
        self._changed: dict[tuple[str, str], None] = {}
        self._rung = asyncio.Event()

    def add(self, vendor: str, subject: str) -> None:
        """Something of it has changed."""
        self._changed[vendor, subject] = None
        self._rung.set()

    def take(self) -> list[tuple[str, str]]:
        """What has changed since this was last asked."""
        taken = list(self._changed)
        self._changed.clear()
        self._rung.clear()
        return taken

    async def rung(self, *, within_s: float) -> None:
        """Returns when there is something to tell, or after so long."""
        try:
            async with asyncio.timeout(within_s):
                await self._rung.wait()
        except TimeoutError:
            return
