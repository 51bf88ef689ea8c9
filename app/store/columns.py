"""Column types of our own: JSON documents, and text that came from outside and must never make an INSERT fail."""

from typing import Final

import orjson
from sqlalchemy import JSON, Dialect, Text
from sqlalchemy.types import TypeDecorator

Document: Final = JSON(none_as_null=True)
"""A JSON value; Python's None is NULL."""


class VendorText(TypeDecorator[str]):
    """Text as a vendor or client wrote it, with what PostgreSQL cannot store (NUL, lone surrogates) replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The text that both databases can hold."""
        return None if value is None else value.replace("\0", "�").encode("utf-8", "replace").decode()


def to_json(value: object) -> str:
    """JSON text for a Document column. Raises: TypeError: not a JSON value."""
    return orjson.dumps(value).decode()
