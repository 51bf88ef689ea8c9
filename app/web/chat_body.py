"""A long chat body while it arrives: as it came, for a text model, or its pictures lifted out, for an image model.

Which of the two it is for may be said in its last line.
"""

from typing import Final

from app.core.errors import GatewayError, InvalidRequest, RequestTooLarge
from app.media.spool import SpoolFile, SpoolFolder
from app.web.body import CONVERSATION_BLOBS_MAX, JsonBody, JsonReader

IN_MEMORY_BYTES: Final = 2**20
"""A body that is larger waits on disk until it is whole: it may hold pictures."""


class LongBody:
    """What was received so far. After an error, `abort`; the folder is the caller's to release."""

    def __init__(self, folder: SpoolFolder, *, body_bytes_max: int, blob_bytes_max: int) -> None:
        self._folder = folder
        self._reader = JsonReader(
            folder,
            body_bytes_max=body_bytes_max,
            blob_bytes_max=blob_bytes_max,
            blobs_max=CONVERSATION_BLOBS_MAX,
        )
        self._held = bytearray()
        self._file: SpoolFile | None = None
        self.refusal: GatewayError | None = None

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises: Overloaded (storage_unavailable)."""
        self._keep(chunk)
        if self.refusal is None:
            try:
                self._reader.feed(chunk)
            except (InvalidRequest, RequestTooLarge) as refusal:
                self.refusal = refusal

    async def pictured(self) -> JsonBody | None:
        """The whole body with its pictures lifted out; None when that cannot be done, for the reason in `refusal`.

        That is no error yet: the vendor of a text model may make something of it.
        """
        if self.refusal is None:
            try:
                return await self._reader.close()
            except (InvalidRequest, RequestTooLarge) as refusal:
                self.refusal = refusal
        return None

    async def whole(self) -> bytes:
        """The body as it came."""
        return bytes(self._held) if self._file is None else await self._file.read()

    def abort(self) -> None:
        """Gives up a picture that is not whole; safe to repeat."""
        self._reader.abort()

    def _keep(self, chunk: bytes) -> None:
        if self._file is not None:
            self._file.write(chunk)
            return
        self._held += chunk
        if len(self._held) > IN_MEMORY_BYTES:
            self._file = self._folder.open_file()
            self._file.write(self._held)
            self._held.clear()
