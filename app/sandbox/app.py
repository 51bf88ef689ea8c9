"""Puts the simulated vendors side by side in one Starlette application, each under its own prefix."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from app.sandbox import ccapi, google, infinityblue, openai_chat, openai_images, uniall_chat
from app.sandbox.calls import CallLog
from app.sandbox.config import SandboxConfig
from app.sandbox.desk import Sandbox, counter
from app.sandbox.faults import FAULTS
from app.sandbox.files import FileStore, StoredFile
from app.sandbox.refusals import envelope_error, google_error, json_response, openai_error, relay_error
from app.sandbox.samples import sample_pictures
from app.sandbox.uniall_tasks import UniallTasks


def create_sandbox(config: SandboxConfig) -> Starlette:
    """The application. `app.state.closing` is an event; set it before stopping, to end answers that never end."""
    samples = {name: StoredFile(data, mime_type) for name, (data, mime_type) in sample_pictures().items()}
    sandbox = Sandbox(
        config=config,
        files=FileStore(config.files_max_bytes, samples),
        calls=CallLog(clock=config.clock, max_calls=config.calls_max, path=config.log_path),
    )
    routes: list[BaseRoute] = [
        _mount("/uniall", _uniall_routes(sandbox)),
        _mount("/infinityblue", _infinityblue_routes(sandbox)),
        _mount("/ccapi", _ccapi_routes(sandbox)),
        _mount("/google", _google_routes(sandbox)),
        _mount("/openai", _openai_routes(sandbox)),
        Route("/files/{name}", sandbox.files.serve, methods=["GET"]),
        Route("/samples/{name}", sandbox.files.serve, methods=["GET"]),
        Route("/_calls", sandbox.calls.show, methods=["GET"]),
        Route("/_calls", sandbox.calls.clear, methods=["DELETE"]),
        Route("/_faults", _show_faults, methods=["GET"]),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.state.closing = sandbox.closing
    return app


def _mount(prefix: str, routes: list[BaseRoute]) -> Mount:
    """A vendor under its prefix; a path with one slash more or less is another path."""
    return Mount(prefix, app=Router(routes, redirect_slashes=False))


def _uniall_routes(sandbox: Sandbox) -> list[BaseRoute]:
    tasks = UniallTasks()
    chat = counter(sandbox, "uniall", relay_error, uniall_chat.complete)
    create = counter(sandbox, "uniall-tasks", envelope_error, tasks.create)
    poll = counter(sandbox, "uniall-tasks", envelope_error, tasks.poll)
    return [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/images/tasks", create, methods=["POST"]),
        Route("/v1/images/tasks/{task_id}", poll, methods=["GET"]),
    ]


def _infinityblue_routes(sandbox: Sandbox) -> list[BaseRoute]:
    chat = counter(sandbox, "infinityblue", relay_error, infinityblue.complete)
    return [Route("/v1/chat/completions", chat, methods=["POST"])]


def _ccapi_routes(sandbox: Sandbox) -> list[BaseRoute]:
    generate = counter(sandbox, "ccapi", relay_error, ccapi.generate)
    return [Route("//v1/images/generations", generate, methods=["POST"])]


def _google_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Under both versions: google-genai 3 says `v1` unless told otherwise."""
    act = counter(sandbox, "google", google_error, google.act)
    models = counter(sandbox, "google", google_error, google.list_models)
    model = counter(sandbox, "google", google_error, google.show_model)
    return [
        route
        for version in ("/v1beta", "/v1")
        for route in (
            Route(f"{version}/models", models, methods=["GET"]),
            Route(f"{version}/models/{{action:path}}", act, methods=["POST"]),
            Route(f"{version}/models/{{action:path}}", model, methods=["GET"]),
        )
    ]


def _openai_routes(sandbox: Sandbox) -> list[BaseRoute]:
    return [
        Route("/v1/models", counter(sandbox, "openai-chat", openai_error, openai_chat.list_models), methods=["GET"]),
        Route(
            "/v1/chat/completions",
            counter(sandbox, "openai-chat", openai_error, openai_chat.complete),
            methods=["POST"],
        ),
        Route(
            "/v1/images/generations",
            counter(sandbox, "openai", openai_error, openai_images.generate),
            methods=["POST"],
        ),
        Route("/v1/images/edits", counter(sandbox, "openai", openai_error, openai_images.edit), methods=["POST"]),
    ]


async def _show_faults(request: Request) -> Response:
    del request
    table = {
        name: {"stage": fault.stage, "about": fault.about, "cases": fault.cases, "vendors": sorted(fault.vendors)}
        for name, fault in FAULTS.items()
    }
    return json_response(table)
