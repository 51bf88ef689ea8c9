"""`oneshape prune` on an empty database, and what it refuses."""

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import Oneshape


def test_nothing_old_is_nothing_removed(oneshape: Oneshape, told: Callable[..., Any]) -> None:
    told("accounts", "create", "Ada")
    nothing = {"tasks": 0, "attempts": 0, "media": 0, "webhook_deliveries": 0, "chats": 0, "audit": 0}
    assert told("prune", "--older-than", "400", "--dry-run") == nothing
    assert told("prune", "--older-than", "400") == nothing
    assert oneshape("prune", "--older-than", "29").exit_code == 2
