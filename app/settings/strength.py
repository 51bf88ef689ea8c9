"""When a secret is strong enough to start with."""

import re
from typing import Final

MIN_SECRET_CHARS: Final = 16
# Words of well-known default secrets; they add nothing to a secret's length (fault case A11).
_KNOWN_WORDS = re.compile(r"sk-1234|changeme|change-me|secret|password|admin|default|example|test", re.IGNORECASE)


def weakness(secret: str) -> str | None:
    """Why a secret is too weak to start with, or None. Words of known defaults do not count towards its length."""
    if not secret:
        return "is empty: set it, or leave the variable out"
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return "must be printable ASCII without spaces"
    rest = _KNOWN_WORDS.sub("", secret)
    if len(rest) < MIN_SECRET_CHARS or len(set(rest)) < MIN_SECRET_CHARS // 3:
        return f"is too weak: at least {MIN_SECRET_CHARS} characters that are no known default and not all alike"
    return None
