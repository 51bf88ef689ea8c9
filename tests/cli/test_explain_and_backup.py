"""`oneshape catalog explain`, `probe` and `backup`, as an operator types them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Oneshape


def test_explain_tells_the_exact_requests_without_a_key_or_a_network(told: Callable[..., Any]) -> None:
    document = told("catalog", "explain", "nano-banana-pro-2k", "--prompt", "a cat", "--aspect-ratio", "16:9")
    assert document["hold_units"] == 134_000
    assert document["refusal"]["code"] == "no_vendor_available"
    assert {target["reason"] for target in document["targets"]} == {"no_credential"}
    assert document["targets"][0]["request"]["body"]["aspect_ratio"] == "16:9"


def test_explain_prints_targets_in_order_for_people(oneshape: Oneshape, environment: dict[str, str]) -> None:
    environment |= {"UNIALL_API_KEY": "uk-not-for-anybody", "CCAPI_API_KEY": "ck-not-for-anybody"}
    result = oneshape("catalog", "explain", "nano-banana-pro-2k", "--path", "/v1/chat/completions")
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line[:2] in ("1.", "2.", "3.")]
    assert [line.split()[1] for line in lines] == ["uniall-tasks", "ccapi", "uniall-chat"]
    assert "not-for-anybody" not in result.stdout


def test_explain_refuses_what_a_client_would_be_refused(oneshape: Oneshape) -> None:
    result = oneshape("catalog", "explain", "nobody")
    assert (result.exit_code, "does not exist" in result.stderr) == (2, True)


def test_probe_names_what_is_missing(oneshape: Oneshape) -> None:
    assert "no credential" in oneshape("probe", "google").stderr
    assert "no vendor" in oneshape("probe", "nobody").stderr


def test_backup_tells_where_the_copy_is(told: Callable[..., Any], tmp_path: Path) -> None:
    document = told("backup")
    assert Path(document["path"]).parent == tmp_path / "data" / "backups"
    assert Path(document["path"]).stat().st_size == document["size_bytes"]
