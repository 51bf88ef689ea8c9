"""A gateway's services on a database of the test's own, and an operator's client of the admin routes alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.gateway.services import Services
from app.settings import Secrets, Settings
from app.web.admin import routes
from app.web.errors import HANDLERS
from app.wiring import open_services
from tests.admin.support import ADMIN_KEY, SECRET_KEY, StillClock, catalog
from tests.support.databases import postgresql_copy, postgresql_template, sqlite_template, sqlite_url

__all__ = ["postgresql_copy", "postgresql_template", "sqlite_template", "sqlite_url"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite: what is tested here is HTTP. Modules that mean PostgreSQL say so."""
    return sqlite_url


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def services(tmp_path: Path, database_url: str, clock: StillClock) -> AsyncIterator[Services]:
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url=database_url, admin_key=ADMIN_KEY, secret_key=SECRET_KEY
    )
    secrets = Secrets(ADMIN_KEY, SECRET_KEY)
    # Queued tasks are looked at here, not done.
    async with open_services(settings, secrets, env={}, clock=clock, source=catalog, tasks=False) as opened:
        yield opened


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = FastAPI(exception_handlers=dict(HANDLERS))
    app.include_router(routes.router(services))
    return app


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
