"""Dashboard, alerts and documentation speak of metrics, settings and sections that there are."""

import json
import re
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import Settings
from tests.house.repository import text
from tests.metrics.scraping import AS_ADMIN
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS: Final = re.compile(r"\b(?:oneshape|process)_[a-z_]+\b")
LABELS: Final = re.compile(r"(\w+)=~?\"|(\w+)!~?=?\"|by \(([^)]*)\)")
KNOWN_LABELS: Final = {
    *("surface", "kind", "model", "status", "vendor", "outcome", "state", "version", "reason", "table"),
    *("le", "job", "instance"),
}
ALERTS: Final[list[dict[str, Any]]] = yaml.safe_load(text("deploy/prometheus/alerts.yml"))["groups"][0]["rules"]
DASHBOARD: Final = json.loads(text("deploy/grafana/oneshape.json"))


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return panels + [alert["expr"] for alert in ALERTS]


async def told(gateway: Running) -> dict[str, str]:
    """Every name that a sample of ours may have, and its metric's type."""
    async with gateway.client() as client:
        answer = await client.get("/metrics", headers=AS_ADMIN)
    names: dict[str, str] = {}
    for family in text_string_to_metric_families(answer.text):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix: family.type for suffix in suffixes}
    return names


async def test_every_metric_that_is_asked_for_exists(gateway: Running) -> None:
    names = await told(gateway)
    asked = {name for expression in expressions() for name in OURS.findall(expression)}
    assert len(asked) > 30
    assert asked - set(names) == set()


async def test_every_metric_of_ours_is_shown_somewhere(gateway: Running) -> None:
    whole = " ".join(expressions())
    shown = re.compile(r"_(?:bucket|sum|count)$")
    ours = {shown.sub("", name) for name in await told(gateway) if name.startswith("oneshape_")}
    # When a series began is told beside each; nobody looks at it.
    assert {name for name in ours if name not in whole and not name.endswith("_created")} == set()


async def test_only_counters_and_buckets_are_asked_for_a_rate(gateway: Running) -> None:
    names = await told(gateway)
    rated = {
        name for text in expressions() for name in re.findall(r"(?:rate|increase)\((\w+)", text) if OURS.fullmatch(name)
    }
    assert rated
    assert {name for name in rated if names[name] not in ("counter", "histogram")} == set()


async def test_every_label_that_is_asked_for_exists() -> None:
    asked = {
        name.strip()
        for expression in expressions()
        for match in LABELS.findall(expression)
        for part in match
        for name in part.split(",")
        if name.strip()
    }
    assert asked - KNOWN_LABELS == set()


async def test_every_alert_has_a_section_of_the_runbook_and_every_section_an_alert() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert re.findall(r"^## (\w+)$", text("docs/runbook.md"), re.MULTILINE) == names
    for alert in ALERTS:
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]


async def test_every_section_of_the_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for section in text("docs/runbook.md").split("\n## ")[1:]:
        assert re.findall(r"^\*\*(\w+):\*\*", section, re.MULTILINE) == ["Means", "Look", "Do"], section[:40]


async def test_the_operators_pages_name_only_settings_that_there_are_and_all_of_them() -> None:
    known = {name.upper() for name in Settings.model_fields}
    pages = text("docs/operations.md") + text("docs/runbook.md")
    assert set(re.findall(r"ONESHAPE_([A-Z][A-Z0-9_]+)", pages)) - known == set()
    table = text("docs/operations.md").partition("## Settings\n")[2].partition("\n## ")[0]
    rows = "\n".join(line for line in table.splitlines() if line.startswith("| "))
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", rows)) == known


async def test_the_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
