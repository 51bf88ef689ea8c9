"""Identifiers: a prefix that tells the kind, and 130 random bits, so that none can be guessed or counted."""

import os
import secrets
from typing import Final, Literal

Prefix = Literal["acc", "key", "task", "att", "med", "chatcmpl", "req", "msg", "aud", "prc", "bill"]

_ALPHABET: Final = b"0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no i, l, o, u to misread."""
_DIGITS: Final = bytes(_ALPHABET[byte % 32] for byte in range(256))
"""A random byte as a digit, all 32 being equally likely."""
_LENGTH: Final = 26
_TIME_LENGTH: Final = 9
_TIME_SHIFTS: Final = range(5 * (_TIME_LENGTH - 1), -1, -5)


def new_id(prefix: Prefix) -> str:
    """A new identifier such as `task_7zk…`: 26 base32 characters after the prefix."""
    return f"{prefix}_{_random(_LENGTH)}"


def new_ordered_id(prefix: Prefix, at: float) -> str:
    """An identifier that sorts by time, for rows that come by the thousand: indexes then grow at one end.

    9 characters are the milliseconds of unix seconds `at`, 17 are random: 85 bits, enough for what is never shown.
    """
    return f"{ordered_ids_from(prefix, at)}{_random(_LENGTH - _TIME_LENGTH)}"


def ordered_ids_from(prefix: Prefix, at: float) -> str:
    """What sorts before every ordered identifier of unix seconds `at` or later, and after every earlier one."""
    ms = int(at * 1000)
    return f"{prefix}_{bytes([_ALPHABET[(ms >> shift) & 31] for shift in _TIME_SHIFTS]).decode()}"


def _random(length: int) -> str:
    return os.urandom(length).translate(_DIGITS).decode()


def new_key_secret() -> str:
    """The secret a client authenticates with: `sk-` and 256 random bits in the URL-safe alphabet."""
    return "sk-" + secrets.token_urlsafe(32)
