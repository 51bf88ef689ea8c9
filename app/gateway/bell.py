"""Wakes those who wait for a task in this process. Changes by other processes are seen by reading again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.core.clock import Clock


class Bell:
    """Rings when something about a subject (a task's id, or QUEUE) was committed here."""

    QUEUE = "queue"
    """The subject of those who look for queued tasks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def ring(self, subject: str) -> None:
        """Wakes everybody who listens to the subject."""
        for event in self._listeners.get(subject, ()):
            event.set()

    @contextmanager
    def listening(self, subject: str) -> Iterator[asyncio.Event]:
        """An event that is set when it rings. Begin to listen before you look, or you miss what happens between."""
        event = asyncio.Event()
        self._listeners.setdefault(subject, set()).add(event)
        try:
            yield event
        finally:
            self._listeners[subject].discard(event)
            if not self._listeners[subject]:
                del self._listeners[subject]

    async def heard(self, event: asyncio.Event, seconds: float) -> None:
        """Waits until the event is set, or for so long, and clears it."""
        ringing = asyncio.ensure_future(event.wait())
        waiting = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({ringing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ringing.cancel()
            waiting.cancel()
        event.clear()
