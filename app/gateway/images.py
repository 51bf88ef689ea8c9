"""The use case: a client asks for pictures and gets them, or a clear error, and every unit is accounted for."""

import asyncio
from dataclasses import dataclass

import structlog

from app.core.errors import GatewayError, InternalError
from app.core.image import ImageAnswer, ImageRequest, ServedImage
from app.core.media import EXTENSIONS, MediaStore
from app.gateway.admission import Admission
from app.gateway.blame import answer_for
from app.gateway.caller import Caller
from app.gateway.dispatch import Dispatcher
from app.gateway.outputs import media_name
from app.gateway.settlement import Settlement
from app.gateway.work import Drawn, Surface, Work
from app.media.signing import MediaSigner
from app.media.spool import SpoolFolder
from app.store.tasks import Finish, LeaseLost

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """An admitted request that is being drawn. It finishes whether its client waits or not."""

    work: Work
    finishing: "asyncio.Task[tuple[Drawn, Finish]]"


class Images:
    """Takes orders for pictures and serves them."""

    def __init__(
        self,
        *,
        admission: Admission,
        dispatcher: Dispatcher,
        settlement: Settlement,
        media: MediaStore,
        signer: MediaSigner,
        link_ttl_s: int,
    ) -> None:
        self._admission = admission
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._media = media
        self._signer = signer
        self._link_ttl_s = link_ttl_s
        self._orders: set[asyncio.Task[tuple[Drawn, Finish]]] = set()

    async def order(
        self, caller: Caller, request: ImageRequest, folder: SpoolFolder, *, surface: Surface, strict: bool = False
    ) -> Order:
        """Admits the request and sets it going. `folder` holds the request's bytes; the order releases it when it is
        done.

        Raises: GatewayError, when it is not admitted: nothing was held, no vendor called, the folder is still the
        caller's.
        """
        work = await self._admission.admit(caller, request, folder, surface=surface, strict=strict)
        finishing = asyncio.create_task(self._finish(work, folder), name=work.task_id)
        self._orders.add(finishing)
        finishing.add_done_callback(self._ended)
        return Order(work, finishing)

    async def answer(self, order: Order, *, base_url: str, with_bytes: bool) -> ImageAnswer:
        """Waits for an order's pictures. Cancelling the wait cancels nothing else. `with_bytes`: they will be inlined.

        Raises: GatewayError, as the task's error says.
        """
        drawn, outcome = await asyncio.shield(order.finishing)
        served = []
        for image in drawn.images:
            url = self._signer.url(base_url, image.media_id, EXTENSIONS[image.mime], lifetime_s=self._link_ttl_s)
            blob = await self._media.blob(media_name(image.media_id, image.mime)) if with_bytes else None
            served.append(ServedImage(image, url, blob))
        work = order.work
        return ImageAnswer(
            task_id=work.task_id,
            model=work.request.model,
            created_at=work.created_at,
            images=tuple(served),
            images_requested=work.request.n,
            units=outcome.units,
            response_format=work.request.response_format or "url",
            text=drawn.text,
            usage=drawn.usage,
            warnings=(*work.request.warnings, *drawn.warnings),
        )

    async def drain(self) -> None:
        """Waits for every order that was admitted; the server calls it on its way out, within its grace."""
        while self._orders:
            await asyncio.wait(self._orders)

    async def _finish(self, work: Work, folder: SpoolFolder) -> tuple[Drawn, Finish]:
        """The owner of an admitted work: whatever happens, it ends in a settlement."""
        try:
            drawn = await self._dispatcher.draw(work, folder)
            if not drawn.images:
                raise answer_for(drawn.failures, task_id=work.task_id, hidden=_hidden(work))
            return drawn, await self._settlement.succeed(work, drawn)
        except LeaseLost as lost:
            raise InternalError("The task was ended by somebody else.", task_id=work.task_id) from lost
        except GatewayError as error:
            await self._settlement.fail(work, error)
            raise
        except Exception as bug:
            log.error("task.broken", task_id=work.task_id, exc_info=bug)
            opaque = InternalError("Something went wrong on our side.", task_id=work.task_id)
            await self._settlement.fail(work, opaque)
            raise opaque from bug
        finally:
            await folder.release()

    def _ended(self, finishing: "asyncio.Task[tuple[Drawn, Finish]]") -> None:
        self._orders.discard(finishing)
        if not finishing.cancelled() and (error := finishing.exception()) is not None:
            log.info("task.failed", task_id=finishing.get_name(), code=getattr(error, "code", "internal_error"))


def _hidden(work: Work) -> tuple[str, ...]:
    return tuple({word for stop in work.stops for word in (stop.vendor.name, stop.target.model, stop.vendor.base_url)})
