"""The catalog over HTTP: tried or put as a whole, in revisions, with sealed keys; a file that rules is left alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.gateway.services import Services
from app.settings import Secrets, Settings
from app.store import catalog as revisions
from app.web.admin import routes
from app.web.errors import HANDLERS
from app.wiring import open_services
from tests.admin.support import ADMIN_KEY, CATALOG, SECRET_KEY, StillClock, refused, told

YAML = {"content-type": "application/yaml"}
PLACE = "/admin/catalog"


@pytest.fixture
async def services(tmp_path: Path, database_url: str, clock: StillClock) -> AsyncIterator[Services]:
    """A gateway whose catalog is the database's."""
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url, min_free_disk_mb=0)
    async with open_services(settings, Secrets(ADMIN_KEY, SECRET_KEY), env={}, clock=clock) as opened:
        yield opened


async def put(admin: httpx.AsyncClient, text: str, **query: str) -> Any:
    return told(await admin.put(PLACE, content=text, params=query, headers=YAML))


async def test_a_catalog_that_was_put_is_in_force_and_answered_as_it_was_written(
    admin: httpx.AsyncClient, services: Services
) -> None:
    text = "# ours\n" + CATALOG.replace("pk-not-for-anybody", "env:PAINTER_KEY")
    answer = await put(admin, text)
    assert (answer["revision"], answer["dry_run"]) == (2, False)
    assert set(services.catalog().models) == {"picture-1k", "words"}
    shown = await admin.get(PLACE, headers={"accept": "application/yaml"})
    assert (shown.text, shown.headers["etag"]) == (text, '"2"')
    document = told(await admin.get(PLACE))
    assert document["models"][0]["price"] == {"per_image": "0.134"}


async def test_what_is_answered_can_be_put_back_and_changes_nothing(admin: httpx.AsyncClient) -> None:
    """With a sealed key in it, which stays sealed under the same secret key."""
    await put(admin, CATALOG)
    document = told(await admin.get(PLACE))
    answer = told(await admin.put(PLACE, json=document))
    assert (answer["revision"], answer["changes"]) == (2, [])


async def test_a_key_that_is_written_out_is_sealed_before_it_is_stored_and_still_serves(
    admin: httpx.AsyncClient, services: Services
) -> None:
    await put(admin, CATALOG)
    stored = await services.database.read(revisions.latest)
    assert stored is not None
    assert "pk-not-for-anybody" not in stored.document
    assert "enc:v1:" in stored.document
    assert services.catalog().vendors["painter"].api_keys == ("pk-not-for-anybody",)
    for answer in (await admin.get(PLACE), await admin.get(f"{PLACE}/revisions"), await admin.get("/admin/audit")):
        assert "pk-not-for-anybody" not in answer.text


async def test_a_dry_run_tells_the_differences_and_changes_nothing(
    admin: httpx.AsyncClient, services: Services
) -> None:
    await put(admin, CATALOG)
    dearer = CATALOG.replace('"0.134"', '"0.2"')
    answer = await put(admin, dearer, dry_run="true")
    change = {"path": "models[picture-1k].price.per_image", "before": "0.134", "after": "0.2"}
    assert change in answer["changes"]
    assert (answer["revision"], answer["dry_run"]) == (2, True)
    assert [warning["path"] for warning in answer["warnings"]] == ["vendors.writer"]
    assert await services.database.read(revisions.latest_number) == 2


async def test_everything_that_is_wrong_is_told_at_once_with_its_line(
    admin: httpx.AsyncClient, services: Services
) -> None:
    broken = CATALOG.replace('"0.134"', "0.134").replace("default: picture-1k", "default: nobody")
    for query in ({}, {"dry_run": "true"}):
        answer = await admin.put(PLACE, content=broken, params=query, headers=YAML)
        message = refused(answer, 400, "invalid_value", "models[0].price.per_image")
        errors = {error["path"]: error["line"] for error in answer.json()["oneshape"]["errors"]}
        assert errors.keys() == {"models[0].price.per_image", "families.picture.default"}
        assert broken.splitlines()[errors["models[0].price.per_image"] - 1].strip() == "price: {per_image: 0.134}"
        assert "families.picture.default" in message
    assert await services.database.read(revisions.latest_number) == 1


@pytest.mark.parametrize(
    "text",
    ["vendors: !!python/object:os.system {}", "a: &a [1]\nb: *a", "vendors: {x: ${HOME}}", "\x00", "[" * 5000],
)
async def test_b35_a_hostile_document_is_refused(admin: httpx.AsyncClient, services: Services, text: str) -> None:
    answer = await admin.put(PLACE, content=text, headers=YAML)
    assert told(answer, 400)["error"]["code"] == "invalid_value"
    assert await services.database.read(revisions.latest_number) == 1


async def test_of_two_changes_made_from_one_revision_the_second_is_refused(admin: httpx.AsyncClient) -> None:
    seen = (await admin.get(PLACE)).headers["etag"]
    headers = {**YAML, "if-match": seen}
    told(await admin.put(PLACE, content=CATALOG, headers=headers))
    late = await admin.put(PLACE, content=CATALOG.replace("0.134", "0.2"), headers=headers)
    refused(late, 409, "conflict")
    assert told(await admin.get(PLACE))["models"][0]["price"] == {"per_image": "0.134"}
    refused(
        await admin.put(PLACE, content=CATALOG, headers={**YAML, "if-match": "2"}), 400, "invalid_value", "If-Match"
    )


async def test_an_earlier_revision_is_restored_as_a_new_one(admin: httpx.AsyncClient, services: Services) -> None:
    await put(admin, CATALOG, comment="ours")
    starter = told(await admin.post(f"{PLACE}/revisions/1/restore"))
    assert starter["revision"] == 3
    assert "nano-banana-pro-2k" in services.catalog().models
    listed = told(await admin.get(f"{PLACE}/revisions", params={"limit": 2}))
    assert [(item["revision"], item["author"], item["comment"]) for item in listed["items"]] == [
        (3, "admin", "Revision 1 again."),
        (2, "admin", "ours"),
    ]
    rest = told(await admin.get(f"{PLACE}/revisions", params={"after": listed["next_cursor"]}))
    assert [item["revision"] for item in rest["items"]] == [1]
    refused(await admin.post(f"{PLACE}/revisions/9/restore"), 404, "not_found")


async def test_a_change_is_audited_with_what_differs(admin: httpx.AsyncClient) -> None:
    await put(admin, CATALOG)
    await put(admin, CATALOG.replace("0.134", "0.2"))
    newest = told(await admin.get("/admin/audit", params={"subject": "catalog"}))["items"]
    change = next(item for item in newest if item["before"] == {"revision": 2})
    assert change["after"]["revision"] == 3
    paths = [changed["path"] for changed in change["after"]["changes"]]
    assert "models[picture-1k].price.per_image" in paths


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({}, 415, "unsupported_media_type"),
        ({**YAML, "content-encoding": "gzip"}, 415, "unsupported_media_type"),
    ],
)
async def test_a_body_that_is_not_declared_as_a_catalog_is_refused(
    admin: httpx.AsyncClient, headers: dict[str, str], status: int, code: str
) -> None:
    refused(await admin.put(PLACE, content=CATALOG, headers=headers), status, code)


async def test_a_catalog_above_the_admin_limit_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.put(PLACE, content="#" * 300_000, headers=YAML)
    refused(answer, 413, "request_too_large")


async def test_where_a_file_rules_it_is_shown_without_keys_and_edits_are_refused(
    tmp_path: Path, database_url: str, clock: StillClock
) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=database_url, catalog=file, min_free_disk_mb=0)
    async with open_services(settings, Secrets(ADMIN_KEY, SECRET_KEY), env={}, clock=clock) as services:
        app = FastAPI(exception_handlers=dict(HANDLERS))
        app.include_router(routes.router(services))
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as admin:
            shown = await admin.get(PLACE)
            assert "pk-not-for-anybody" not in shown.text
            assert told(shown)["vendors"]["painter"]["concurrency"] == 4
            dearer = CATALOG.replace("0.134", "0.2")
            refused(await admin.put(PLACE, content=dearer, headers=YAML), 409, "conflict")
            refused(await admin.post(f"{PLACE}/revisions/1/restore"), 409, "conflict")
            assert (await put(admin, dearer, dry_run="true"))["changes"]
    assert file.read_text() == CATALOG
