"""Identifiers: a prefix that tells the kind, and 130 random bits, so that none can be guessed or counted."""

import secrets
from typing import Literal

Prefix = Literal["acc", "key", "task", "att", "med", "chatcmpl", "req", "msg", "aud", "prc"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: no i, l, o, u to misread
_LENGTH = 26
_SHIFTS = range(5 * (_LENGTH - 1), -1, -5)


def new_id(prefix: Prefix) -> str:
    """A new identifier such as `task_7zk…`: 26 base32 characters after the prefix."""
    bits = secrets.randbits(5 * _LENGTH)
    return prefix + "_" + "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(0, 5 * _LENGTH, 5))


def new_ordered_id(prefix: Prefix, at: float) -> str:
    """An identifier that sorts by time, for rows that come by the thousand: indexes then grow at one end.

    9 characters are the milliseconds of unix seconds `at`, 17 are random: 85 bits, enough for what is never shown.
    """
    bits = (int(at * 1000) << 85) | secrets.randbits(85)
    return prefix + "_" + "".join([_ALPHABET[(bits >> shift) & 31] for shift in _SHIFTS])


def new_key_secret() -> str:
    """The secret a client authenticates with: `sk-` and 256 random bits in the URL-safe alphabet."""
    return "sk-" + secrets.token_urlsafe(32)
