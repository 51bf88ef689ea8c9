"""Pictures that we served, coming back as references under our own links: read from the store, never fetched.

Chat clients send the whole conversation back. Fetching our own links would fail wherever we are reached at a private
address, and for every link that has expired since.
"""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app.core.errors import Gone, NotFound, PermissionDenied
from app.core.media import Blob, MediaStore
from app.gateway.outputs import media_name
from app.media.signing import MediaSigner
from app.store import media
from app.store.database import Database

_PATH: Final = re.compile(r"/v1/media/(med_[0-9a-z]{1,64})\.([a-z]{1,8})\Z")


class OwnPictures:
    """Finds them by what our links say, whatever name we are reached under."""

    def __init__(self, *, database: Database, store: MediaStore, signer: MediaSigner) -> None:
        self._database = database
        self._store = store
        self._signer = signer

    async def find(self, url: str, *, account_id: str) -> Blob | None:
        """The picture behind a link that carries our signature; None: we never wrote such a link.

        Raises: Gone (media_expired): the picture has been erased, or the link has expired and the picture is another
        account's. One's own pictures are there as long as they are kept.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # such as a bracket that is not closed
            return None
        match = _PATH.search(parts.path)
        if match is None:
            return None
        said = parse_qs(parts.query)
        exp, sig = (said.get(name, [""])[0] for name in ("exp", "sig"))
        expired: Gone | None = None
        try:
            self._signer.check(match[1], match[2], exp, sig)
        except PermissionDenied:
            return None
        except Gone as error:
            expired = error
        return await self._read(match[1], account_id, expired)

    async def _read(self, media_id: str, account_id: str, expired: Gone | None) -> Blob:
        found = await self._database.read(lambda tx: media.get(tx, media_id))
        if found is None or found.erased_at is not None:
            raise Gone("The picture has been erased; results are kept for a limited time.")
        if expired is not None and found.account_id != account_id:
            raise expired
        try:
            return await self._store.blob(media_name(found.id, found.mime), sha256=found.sha256)
        except NotFound as error:
            raise Gone("The picture has been erased; results are kept for a limited time.") from error
