"""Faults of the stage `request`: what a vendor does not bear of a request that others take."""

from typing import Any

import httpx
import pytest

from app.sandbox.faults import CHAT_SHAPED, FAULTS
from tests.sandbox.visiting import request_of

PARTS = [{"type": "text", "text": "a cat"}]


def test_every_fault_of_this_stage_has_a_check() -> None:
    assert {name for name, fault in FAULTS.items() if fault.stage == "request"} == {"string_content_400", "short_texts"}


@pytest.mark.parametrize(
    ("fault", "refused", "taken"),
    [
        ("string_content_400", "a cat", PARTS),
        ("short_texts", "x" * 8_001, "a cat"),
        ("short_texts", [{"type": "text", "text": "x" * 8_001}], PARTS),
    ],
)
async def test_a_chat_is_refused_unpaid_or_answered_as_ever(
    client: httpx.AsyncClient, fault: str, refused: Any, taken: Any
) -> None:
    for vendor in sorted(CHAT_SHAPED):
        path, body = request_of(vendor, "a cat")
        for content, status, paid in ((refused, 400, 0), (taken, 200, 1)):
            await client.delete("/_calls")
            messages = [{"role": "user", "content": content}]
            answer = await client.post(path, json={**body, "messages": messages}, headers={"x-sandbox-fault": fault})
            assert answer.status_code == status, (vendor, answer.text[:300])
            assert (await client.get("/_calls")).json()["count"] == paid
