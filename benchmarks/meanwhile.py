"""What a thread of its own does while something is measured."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Meanwhile(ABC):
    """Done from when its block is entered until it is left."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._thread.join()

    @abstractmethod
    def run(self) -> None:
        """Goes on until `ended`."""
