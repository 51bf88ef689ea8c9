"""Links to stored pictures that carry their own permission: an expiry and a signature. Not authentication of keys."""

import base64
import hashlib
import hmac
from typing import Final

from app.core.clock import Clock
from app.core.errors import Gone, PermissionDenied

_PURPOSE: Final = b"oneshape media link v1"
"""The secret signs other things elsewhere; a key of its own keeps signatures from being carried over."""


class MediaSigner:
    """Writes and checks the links under which pictures are served."""

    def __init__(self, secret: bytes, *, clock: Clock) -> None:
        assert secret, "an empty secret signs nothing (New API CVE-2026-41432)"
        self._key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
        self._clock = clock

    def url(self, base: str, media_id: str, extension: str, *, lifetime_s: int, issued_at: float | None = None) -> str:
        """The link `{base}/v1/media/{media_id}.{extension}?exp=…&sig=…`, good for `lifetime_s` seconds from now.

        `issued_at` (unix seconds): from then instead, so that the same link can be written again.
        """
        expiry = str(int(self._clock.now() if issued_at is None else issued_at) + lifetime_s)
        path = _path(media_id, extension)
        return f"{base.rstrip('/')}{path}?exp={expiry}&sig={self._signature(path, expiry)}"

    def check(self, media_id: str, extension: str, exp: str | None, sig: str | None) -> None:
        """Takes the link's parts as the client sent them, and passes or raises.

        Raises: PermissionDenied (invalid_signature) when anything was changed or left out, and only after that Gone
        (media_expired), so that an expiry nobody signed tells nothing.
        """
        expected = self._signature(_path(media_id, extension), exp or "")
        if not hmac.compare_digest(_bytes(expected), _bytes(sig or "")):
            raise PermissionDenied("The link's signature is not valid.", code="invalid_signature")
        if self._clock.now() >= int(exp or "0"):
            raise Gone("The link has expired.", code="media_expired")

    def _signature(self, path: str, expiry: str) -> str:
        digest = hmac.digest(self._key, _bytes(f"{path}\n{expiry}"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _path(media_id: str, extension: str) -> str:
    return f"/v1/media/{media_id}.{extension}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
