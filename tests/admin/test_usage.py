"""Usage over HTTP: the same sums as JSON and as CSV, from and until the moments that were said."""

import csv
import io
from typing import Any

import httpx
import pytest

from app.gateway.services import Services
from app.store import chats
from app.store.chats import Chat
from app.store.database import Tx
from tests.admin.support import NOW, refused, told
from tests.store.rows import add_account

DAY = 24 * 3600


@pytest.fixture
async def used(services: Services) -> None:
    """Three answers on two days, 2026-09-21 and -22; the later ones of another model."""

    def unit(tx: Tx) -> None:
        add_account(tx)
        for number, (model, at) in enumerate((("words", NOW), ("others", NOW + DAY), ("others", NOW + DAY + 60))):
            spent: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5, "units": 100, "cost_units": 60}
            chats.record(
                tx, Chat(f"chat_{number}", "acc_1", "key_1", model, "succeeded", at, at, vendor="writer", **spent)
            )

    await services.database.write(unit)


@pytest.mark.usefixtures("used")
async def test_usage_is_summed_by_what_is_asked(admin: httpx.AsyncClient) -> None:
    one = {
        "requests": 1,
        "images": 0,
        "input_tokens": 10,
        "output_tokens": 5,
        "price_units": 100,
        "cost_units": 60,
        "margin_units": 40,
        "exposure_units": 0,
    }
    answer = told(await admin.get("/admin/usage", params={"group_by": "day,model"}))
    assert answer == {
        "group_by": ["day", "model"],
        "items": [
            {"day": "2026-09-21", "model": "words", **one},
            {"day": "2026-09-22", "model": "others", **{name: 2 * value for name, value in one.items()}},
        ],
    }
    assert told(await admin.get("/admin/usage"))["items"] == [{name: 3 * value for name, value in one.items()}]


@pytest.mark.usefixtures("used")
async def test_l16_csv_says_what_json_says(admin: httpx.AsyncClient) -> None:
    query = {"group_by": "account,key,model,vendor,day"}
    rows = told(await admin.get("/admin/usage", params=query))["items"]
    answer = await admin.get("/admin/usage", params={**query, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    written = list(csv.DictReader(io.StringIO(answer.text)))
    assert written == [{name: str(value) for name, value in row.items()} for row in rows]
    assert len(rows) == 2


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ({"from": "2026-09-22"}, 2),
        ({"to": "2026-09-22"}, 1),
        ({"from": str(NOW + DAY), "to": str(NOW + DAY + 60)}, 1),
        ({"from": "2026-09-23"}, 0),
        ({"account": "acc_1"}, 3),
        ({"account": "acc_2"}, 0),
        ({"key": "key_1", "from": "9999-12-31"}, 0),
    ],
)
async def test_usage_begins_with_from_and_ends_before_to(
    admin: httpx.AsyncClient, query: dict[str, str], requests: int
) -> None:
    assert told(await admin.get("/admin/usage", params=query))["items"][0]["requests"] == requests


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("group_by", "account,secret_hash", "group_by[1]"),
        ("group_by", "day,day", "group_by"),
        ("group_by", "", "group_by[0]"),
        ("from", "0000-01-01", "from"),
        ("from", "yesterday", "from"),
        ("to", "99999999999999", "to"),
        ("to", "-1", "to"),
        ("to", "nan", "to"),
        ("format", "xml", "format"),
    ],
)
async def test_b33_a_query_that_makes_no_sense_is_refused(
    admin: httpx.AsyncClient, name: str, value: str, param: str
) -> None:
    refused(await admin.get("/admin/usage", params={name: value}), 400, "invalid_value", param)
