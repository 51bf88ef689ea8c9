"""Vendor keys in a catalog: named (`env:NAME`), written out, or sealed (`enc:v1:…`) for the database."""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.gateway.catalog.yaml import Value

ENV: Final = "env:"
SEALED: Final = "enc:v1:"
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"oneshape: vendor keys in the catalog, v1"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[!-~]+")


def open_secret(entry: str, *, env: Mapping[str, str], secret_key: bytes) -> str | None:
    """The key that an entry of `api_keys` means; None when the variable it names is not set.

    Raises:
        ValueError: it is malformed, or sealed under another secret key. The message never repeats a key.
    """
    if entry.startswith(ENV):
        name = entry.removeprefix(ENV)
        if not _NAME.fullmatch(name):
            raise ValueError("must name a variable after env:")
        key = env.get(name, "").strip()
        return _checked(key, f"the value of {name}") if key else None
    if entry.startswith(SEALED):
        return _checked(_unsealed(entry, secret_key), "the sealed key")
    return _checked(entry, "a key")


def seal(document: Value, secret_key: bytes) -> Value:
    """The document with every key that is written out sealed; what is named or sealed stays as it is."""
    derived = _derived(secret_key)
    return _with_open_keys(document, lambda key: _sealed(key, derived))


def conceal(document: Value) -> Value:
    """The document as it may be shown: instead of a key that is written out, the beginning of its SHA-256."""
    return _with_open_keys(document, lambda key: f"(a key, {hashlib.sha256(key.encode()).hexdigest()[:8]})")


def _with_open_keys(document: Value, change: Callable[[str], str]) -> Value:
    """A copy, valid or not, with `change` applied to the keys that are neither named nor sealed."""
    vendors = document.get("vendors") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(vendors, dict):
        return document
    return document | {"vendors": {name: _vendor_with_open_keys(vendor, change) for name, vendor in vendors.items()}}


def _vendor_with_open_keys(vendor: Value, change: Callable[[str], str]) -> Value:
    if not isinstance(vendor, dict) or not isinstance(keys := vendor.get("api_keys"), list):
        return vendor
    return vendor | {"api_keys": [change(key) if _is_open(key) else key for key in keys]}


def _is_open(entry: Value) -> TypeGuard[str]:
    return isinstance(entry, str) and not entry.startswith((ENV, SEALED))


def _sealed(key: str, derived: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return SEALED + base64.urlsafe_b64encode(nonce + AESGCM(derived).encrypt(nonce, key.encode(), _PURPOSE)).decode()


def _unsealed(entry: str, secret_key: bytes) -> str:
    try:
        sealed = base64.urlsafe_b64decode(entry.removeprefix(SEALED))
        return AESGCM(_derived(secret_key)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _PURPOSE).decode()
    except (ValueError, InvalidTag):
        raise ValueError("cannot be opened: it was sealed under another secret key, or changed since") from None


def _derived(secret_key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key)


def _checked(key: str, what: str) -> str:
    """Keys go into headers, so they are visible ASCII. `${…}` is refused since nothing is expanded here."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{what} must be visible ASCII characters without spaces")
    if "${" in key:
        raise ValueError("nothing is expanded here: name a variable as env:NAME")
    return key
