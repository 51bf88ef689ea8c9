"""The application: routers, error handlers and middleware around one Services value."""

import random

from fastapi import FastAPI

from app.gateway.services import Services
from app.web import account, chat, gemini, health, images, media, metrics, models, tasks
from app.web.access import Access
from app.web.admin import routes as admin
from app.web.allow import Allowed
from app.web.console import routes as console
from app.web.errors import HANDLERS
from app.web.front import Gateway
from app.web.guard import Guard
from app.web.load import Load
from app.web.memory import Memory
from app.web.openapi import routes as openapi
from app.web.proxies import Proxies
from app.web.tracing import Traced
from app.web.wrong_keys import WrongKeys


def create_app(services: Services) -> FastAPI:
    """An ASGI application that serves with `services`; opening and closing them is the caller's."""
    app, load = _bare(services), _load(services)
    for room in (chat, images, tasks, gemini, media, models, account, health, admin, console):
        app.include_router(room.router(services))
    app.include_router(metrics.router(services, load))
    app.include_router(openapi.router(services, lambda: app.routes, version=app.version))
    app.add_middleware(Guard, load=load)
    app.add_middleware(Access, metrics=services.metrics, clock=services.clock)
    if services.traces is not None:
        app.add_middleware(Traced, traces=services.traces)
    if services.limits.trusted_proxies:
        app.add_middleware(Proxies, trusted=services.limits.trusted_proxies)
    app.go_straight(chat.PATH, chat.endpoint(services))
    return app


def create_watched_app(services: Services) -> FastAPI:
    """What a process without clients answers: whether it lives, and its metrics."""
    app = _bare(services)
    app.include_router(health.router(services))
    app.include_router(metrics.router(services, _load(services)))
    app.add_middleware(Access, metrics=services.metrics, clock=services.clock)
    return app


def _bare(services: Services) -> Gateway:
    wrong_keys = WrongKeys(per_minute=services.limits.wrong_keys_per_minute, clock=services.clock)
    app = Gateway(
        title="Oneshape",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={**HANDLERS, **wrong_keys.handlers(), 405: Allowed(lambda: app.routes).on_error},
    )
    return app


def _load(services: Services) -> Load:
    limits = services.limits.load
    memory = Memory.of_this_process(limits.memory_bytes)
    return Load(limits, rng=random.SystemRandom(), metrics=services.metrics, memory=memory.fullness)
