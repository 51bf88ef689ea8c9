"""The two secrets of an installation: set, or made on the first start of a single machine."""

import json
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from app.settings.settings import Settings, SettingsInvalid
from app.settings.strength import weakness


@dataclass(frozen=True, slots=True)
class Secrets:
    """The two secrets of an installation. `generated`: this call made them, so they are to be printed once."""

    admin_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    generated: bool = False


def ensure_secrets(settings: Settings) -> Secrets:
    """The secrets set, or on one machine those of `DATA_DIR/secrets.json`, made (mode 0600) when there is none.

    Raises:
        SettingsInvalid: the file cannot be read or made, or is not what was written.
    """
    admin, secret = settings.admin_key, settings.secret_key
    if admin is not None and secret is not None:
        return Secrets(admin.get_secret_value(), secret.get_secret_value())
    path = settings.data_dir / "secrets.json"
    try:
        generated = not path.exists() and _make_secrets(path)
        kept = json.loads(path.read_text("utf-8"))
        return Secrets(
            admin.get_secret_value() if admin else _kept(kept["admin_key"]),
            secret.get_secret_value() if secret else _kept(kept["secret_key"]),
            generated,
        )
    except OSError as error:
        raise SettingsInvalid([f"{path}: {error.strerror}"]) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsInvalid([f"{path} does not hold the generated secrets; restore it, or set both keys"]) from error


def _make_secrets(path: Path) -> bool:
    """Writes new secrets beside `path` and links them there: of two starting processes one wins and both agree."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = {"admin_key": "adm-" + secrets.token_urlsafe(32), "secret_key": secrets.token_urlsafe(48)}
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secrets-", encoding="utf-8") as file:
        json.dump(made, file)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return False
    return True


def _kept(secret: object) -> str:
    if not isinstance(secret, str) or weakness(secret):
        raise ValueError("not a secret that was generated")
    return secret
