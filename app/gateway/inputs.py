"""Reference pictures on their way to vendors: checked before anything is held, fetched once where a vendor takes only
bytes.
"""

from dataclasses import replace
from typing import Final

from app.core.dialect import Takes
from app.core.errors import Gone, InvalidRequest
from app.core.image import ImageInput, ImageRequest, Warning
from app.core.media import Blob
from app.gateway.own_pictures import OwnPictures
from app.gateway.plan import Stop
from app.media.fetch import Fetcher
from app.media.pictures import PictureLimits, measure
from app.media.spool import SpoolFolder
from app.media.structure import NotAPicture, Picture

LEFT_OUT: Final = frozenset({"failed_to_download_image", "image_url_not_allowed", "invalid_image_url", "invalid_image"})
"""Why a picture of an earlier turn could not be had. The conversation goes on without it."""


class InputDesk:
    """Makes a request's inputs fit for sending."""

    def __init__(self, *, fetcher: Fetcher, own: OwnPictures, limits: PictureLimits) -> None:
        """`limits`: how large a client's picture may be."""
        self._fetcher = fetcher
        self._own = own
        self._limits = limits

    def demand_webhook(self, request: ImageRequest) -> None:
        """Raises: InvalidRequest, where nothing will ever be delivered to the request's webhook (fault-cases D57)."""
        if request.webhook_url is not None:
            self._fetcher.check_webhook(request.webhook_url, param="webhook_url")

    async def ready(
        self, request: ImageRequest, stops: tuple[Stop, ...], folder: SpoolFolder, *, account_id: str
    ) -> ImageRequest:
        """The request with inputs that every stop can be told: our own pictures read, each other URL checked, and
        fetched once if a stop needs bytes. Pictures of earlier turns that cannot be had are left out, with a warning.

        Raises:
            InvalidRequest: naming the input: not a picture, an address that is not allowed, or one that does not
            deliver.
        """
        pictures = [*request.inputs, *([request.mask] if request.mask else [])]
        if not pictures:
            return request
        desk = _Desk(self._fetcher, self._own, self._limits, folder, account_id, stops)
        inputs: list[ImageInput] = []
        warnings = list(request.warnings)
        for picture in request.inputs:
            try:
                inputs.append(await desk.ready(picture))
            except InvalidRequest as refusal:
                if not picture.earlier or refusal.code not in LEFT_OUT:
                    raise
                told = "A picture of an earlier turn could not be had and was not used."
                warnings.append(Warning("ignored", picture.param, told))
        mask = await desk.ready(request.mask) if request.mask else None
        if mask is not None and inputs:
            desk.demand_same_sides(mask, inputs[0])
        return replace(request, inputs=tuple(inputs), mask=mask, warnings=tuple(warnings))


class _Desk:
    """The pictures of one request: one that is named twice is fetched once."""

    def __init__(
        self,
        fetcher: Fetcher,
        own: OwnPictures,
        limits: PictureLimits,
        folder: SpoolFolder,
        account_id: str,
        stops: tuple[Stop, ...],
    ) -> None:
        self._fetcher = fetcher
        self._own = own
        self._limits = limits
        self._folder = folder
        self._account_id = account_id
        self._takes_bytes = all("data" in stop.takes.input_forms for stop in stops)
        self._fetches = any("url" not in stop.takes.input_forms for stop in stops)
        self._fetched: dict[str, Blob] = {}

    async def ready(self, picture: ImageInput) -> ImageInput:
        """The picture as it can be handed over. Raises: InvalidRequest."""
        if picture.url is None:
            assert picture.blob is not None
            return replace(picture, mime=self._mime(picture.blob, picture.param))
        if (blob := await self._ours(picture.url, picture.param)) is not None:
            # A vendor may not reach us, so it is given the bytes where it takes bytes.
            url = None if self._takes_bytes else picture.url
            return replace(picture, url=url, blob=blob, mime=self._mime(blob, picture.param))
        if not self._fetches:
            await self._fetcher.check_input(picture.url, param=picture.param)
            return picture
        if (blob := self._fetched.get(picture.url)) is None:
            blob = await self._fetcher.fetch_input(picture.url, self._folder.open_sink, param=picture.param)
            self._fetched[picture.url] = blob
        return replace(picture, blob=blob, mime=self._mime(blob, picture.param))

    async def _ours(self, url: str, param: str) -> Blob | None:
        try:
            return await self._own.find(url, account_id=self._account_id)
        except Gone as error:
            raise InvalidRequest(error.message, code="failed_to_download_image", param=param) from error

    def demand_same_sides(self, mask: ImageInput, picture: ImageInput) -> None:
        """A mask covers the first picture, pixel by pixel. Raises: InvalidRequest (invalid_image, fault-cases E63).

        What only a vendor will fetch is not known here.
        """
        if mask.blob is None or picture.blob is None:
            return
        covers, covered = self._measured(mask.blob, mask.param), self._measured(picture.blob, picture.param)
        if (covers.width, covers.height) != (covered.width, covered.height):
            raise InvalidRequest(
                f"The mask has {covers.width}x{covers.height} pixels and the image {covered.width}x{covered.height}; "
                "they must be the same.",
                code="invalid_image",
                param=mask.param,
            )

    def _mime(self, blob: Blob, param: str) -> str:
        return self._measured(blob, param).mime

    def _measured(self, blob: Blob, param: str) -> Picture:
        try:
            return measure(blob, limits=self._limits)
        except NotAPicture as error:
            raise InvalidRequest(f"The image cannot be used: {error}.", code="invalid_image", param=param) from error


def told(request: ImageRequest, takes: Takes, count: int) -> ImageRequest:
    """The request as one call asks it: `count` pictures, each input in the first form that the target takes."""
    return replace(
        request,
        n=count,
        inputs=tuple(_in_form(picture, takes) for picture in request.inputs),
        mask=_in_form(request.mask, takes) if request.mask else None,
    )


def _in_form(picture: ImageInput, takes: Takes) -> ImageInput:
    for form in takes.input_forms:
        if form == "url" and picture.url is not None:
            return replace(picture, blob=None)
        if form == "data" and picture.blob is not None:
            return replace(picture, url=None)
    raise AssertionError("inputs are made ready for every stop of the plan")
