"""F81: a vendor that repeats the key it was called with, which no pattern of keys knows: nobody is told of it."""

from pathlib import Path
from typing import Final

from app.store import attempts
from tests.security.painter import KEY, Shelf, catalog, painting, said
from tests.support.gateway import ADMIN_KEY, running_gateway

WORDS: Final = f"Your key {KEY} is not good enough for this picture"


async def test_f81_a_key_that_looks_like_words_is_neither_told_nor_recorded(tmp_path: Path) -> None:
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    body = {"model": "of-the-first", "prompt": "a fox"}
    async with (
        painting() as painter,
        running_gateway(tmp_path, source=Shelf(catalog(painter.url)), breaker_failures=100) as gateway,
        gateway.client() as client,
    ):
        for status in (400, 403, 500, 503):
            painter.reply = said(status, {"error": {"message": WORDS, "type": "x", "code": "y", "param": None}})
            answer = await client.post("/v1/images/generations", json=body)
            assert answer.status_code >= 400
            task_id = answer.headers["oneshape-task-id"]
            [tried] = await gateway.services.database.read(lambda tx, at=task_id: attempts.list_for_task(tx, at))  # type: ignore[misc]  # bound at once
            shown = await client.get(f"/admin/tasks/{task_id}", headers=admin)
            assert tried.detail is not None
            assert "not good enough" in tried.detail
            for text in (answer.text, tried.detail, shown.text):
                assert KEY not in text
    found = scanned(tmp_path)
    assert b"not good enough" in found
    assert KEY.encode() not in found


def scanned(directory: Path) -> bytes:
    """All that the database's files have in them."""
    return b"".join(path.read_bytes() for path in directory.glob("oneshape.db*"))
