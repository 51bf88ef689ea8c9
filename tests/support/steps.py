"""A polled vendor and a bucket that take each step only when a test lets them, and tell how far it is."""

import asyncio
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.cli.serving import serving
from app.gateway.catalog.live import Revision, Source

KEYS: Final = ("vendor-key-one-4f1c", "vendor-key-two-9b7e", "vendor-key-three-2d5a")
MODEL: Final = "cube-drawer"
PRICE_UNITS: Final = 40_000
BUCKET_SETTINGS: Final = {"media_url": "s3://pictures/all"}
REACHED_S: Final = 60.0


@dataclass(slots=True)
class Steps:
    """What has happened, and what is held back.

    Steps: `create`, `poll`, `file` (the vendor), `store` (the bucket). `done` makes polls tell of a picture; until then
    they tell `progress`, the first of the list as long as there are more. `created`: the prompts of what was created,
    the first under the handle `work-1`. `keys`: the credentials that each handle was created and polled with, in order.
    """

    url: str = ""
    done: bool = False
    progress: list[str] = field(default_factory=lambda: ["0%"])
    created: list[str] = field(default_factory=list)
    keys: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    picture: bytes = field(default_factory=lambda: a_picture(1))
    _reached: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _objects: dict[str, bytes] = field(default_factory=dict)

    def hold(self, step: str) -> None:
        """From now on this step is begun and not finished."""
        self._held[step] = asyncio.Event()
        self._reached[step].clear()

    def let_go(self) -> None:
        """Whatever is held back goes on."""
        for held in self._held.values():
            held.set()
        self._held.clear()

    async def reached(self, step: str) -> None:
        """Waits until the step has begun, since it was held or ever."""
        async with asyncio.timeout(REACHED_S):
            await self._reached[step].wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until a condition on what has happened holds."""
        async with asyncio.timeout(REACHED_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self._answer(request, await request.body())
        await answer(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        if path.startswith("/pictures/"):
            return await self._object(request, body)
        if path == "/file.png":
            await self._step("file")
            return Response(self.picture, media_type="image/png")
        step = "create" if request.method == "POST" else "poll"
        if step == "create":
            self.created.append(orjson.loads(body)["prompt"])
        handle = f"work-{len(self.created)}" if step == "create" else path.rpartition("/")[2]
        self.keys[handle].append(request.headers["authorization"].removeprefix("Bearer "))
        await self._step(step)
        return JSONResponse({"code": "success", "message": "", "data": self._task(handle)})

    def _task(self, handle: str) -> dict[str, Any]:
        if self.done:
            result = {"status": "succeeded", "progress": "100%", "result_url": f"{self.url}/file.png"}
            return {"task_id": handle, **result}
        progress = self.progress.pop(0) if len(self.progress) > 1 else self.progress[0]
        return {"task_id": handle, "status": "in_progress", "progress": progress}

    async def _object(self, request: Request, body: bytes) -> Response:
        name = request.url.path
        if request.method == "PUT":
            if not name.endswith("probe"):
                await self._step("store")
            self._objects[name] = body
            return Response(headers={"etag": '"1"'})
        if name not in self._objects:
            return Response(status_code=404)
        whole = self._objects[name]
        headers = {"etag": '"1"', "last-modified": "Fri, 20 Nov 2026 12:00:00 GMT"}
        if (asked := request.headers.get("range")) is None:
            return Response(whole, media_type="image/png", headers=headers)
        start, _, end = asked.removeprefix("bytes=").partition("-")
        part = whole[int(start) : int(end) + 1 if end else None]
        headers["content-range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(whole)}"
        return Response(part, status_code=206, media_type="image/png", headers=headers)

    async def _step(self, step: str) -> None:
        self._reached[step].set()
        self._news.set()
        if (held := self._held.get(step)) is not None:
            await held.wait()

    def source(self, *, keys: tuple[str, ...] = KEYS, concurrency: int = 32) -> Source:
        """A catalog of this vendor's one model."""
        vendor = {
            "dialect": "image_tasks",
            "base_url": f"{self.url}/v1",
            "api_keys": list(keys),
            "concurrency": concurrency,
            "options": {"poll_seconds": 0.05},
        }
        model = {
            "id": MODEL,
            "kind": "image",
            "price": {"per_image": "0.04"},
            "targets": [{"vendor": "steps", "model": "drawer", "cost": {"per_image": "0.02"}}],
        }
        document = {"version": 1, "currency": "USD", "vendors": {"steps": vendor}, "models": [model]}
        revision = Revision(1, orjson.dumps(document).decode(), "json")

        async def source() -> Revision:
            return revision

        return source


def a_picture(side: int) -> bytes:
    """A square PNG of noise: about three bytes a pixel."""
    written = io.BytesIO()
    Image.effect_noise((side, side), 100.0).convert("RGB").save(written, "PNG")
    return written.getvalue()


@asynccontextmanager
async def running_steps() -> AsyncIterator[Steps]:
    """Serves it; what is held back at the end is let go."""
    steps = Steps()
    async with serving(steps) as steps.url:
        try:
            yield steps
        finally:
            steps.let_go()
