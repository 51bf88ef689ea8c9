"""Reads /metrics as Prometheus does. No fixtures."""

from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway import ADMIN_KEY

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
AS_ADMIN: Final = {"authorization": f"Bearer {ADMIN_KEY}"}


async def scrape(client: httpx.AsyncClient) -> Series:
    """Every sample by its name and labels."""
    answer = await client.get("/metrics", headers=AS_ADMIN)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels; 0 when there is none."""
    wanted = set(labels.items())
    return sum(found for (told, has), found in series.items() if told == name and wanted <= has)
