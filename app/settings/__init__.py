"""What an operator sets, and the two secrets. Read by main, wiring and cli."""

from app.settings.own_secrets import Secrets, ensure_secrets
from app.settings.settings import (
    PREFIX,
    Settings,
    SettingsInvalid,
    environment,
    parse_networks,
    read_settings,
    unknown_settings,
)
from app.settings.strength import weakness

__all__ = [
    "PREFIX",
    "Secrets",
    "Settings",
    "SettingsInvalid",
    "ensure_secrets",
    "environment",
    "parse_networks",
    "read_settings",
    "unknown_settings",
    "weakness",
]
