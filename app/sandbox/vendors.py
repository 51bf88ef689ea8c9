"""Where each known vendor is simulated: what takes the place of its base URL."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

BASE_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "uniall-chat": "/uniall/v1",
        "uniall-tasks": "/uniall/v1",
        "infinityblue": "/infinityblue/v1",
        "ccapi": "/ccapi//v1",
        "google": "/google/v1beta",
        "openai": "/openai/v1",
        "openai-chat": "/openai/v1",
    }
)
"""By the vendor's name in the starter catalog. A double slash is the vendor's own."""

CREDENTIAL: Final = "sandbox-key"
"""A credential that every simulated vendor accepts."""
