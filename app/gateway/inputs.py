"""Reference pictures on their way to vendors: checked before anything is held, fetched once where a vendor takes only
bytes.
"""

from dataclasses import replace

from app.core.dialect import Takes
from app.core.errors import InvalidRequest
from app.core.image import ImageInput, ImageRequest
from app.core.media import Blob
from app.gateway.plan import Stop
from app.media.fetch import Fetcher
from app.media.pictures import CLIENT_LIMITS, measure
from app.media.spool import SpoolFolder
from app.media.structure import NotAPicture


class InputDesk:
    """Makes a request's inputs fit for sending."""

    def __init__(self, *, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def ready(self, request: ImageRequest, stops: tuple[Stop, ...], folder: SpoolFolder) -> ImageRequest:
        """The request with inputs that every stop can be told: each URL checked, and fetched once if a stop needs
        bytes.

        Raises:
            InvalidRequest: naming the input: not a picture, an address that is not allowed, or one that does not
            deliver.
        """
        pictures = [*request.inputs, *([request.mask] if request.mask else [])]
        if not pictures:
            return request
        fetch = any("url" not in stop.takes.input_forms for stop in stops)
        fetched: dict[str, Blob] = {}
        done = [await self._ready_one(picture, folder, fetched, fetch=fetch) for picture in pictures]
        inputs, mask = (done[:-1], done[-1]) if request.mask else (done, None)
        return replace(request, inputs=tuple(inputs), mask=mask)

    async def _ready_one(
        self, picture: ImageInput, folder: SpoolFolder, fetched: dict[str, Blob], *, fetch: bool
    ) -> ImageInput:
        if picture.url is None:
            assert picture.blob is not None
            return replace(picture, mime=_mime(picture.blob, picture.param))
        if not fetch:
            await self._fetcher.check_input(picture.url, param=picture.param)
            return picture
        if (blob := fetched.get(picture.url)) is None:
            blob = await self._fetcher.fetch_input(picture.url, folder.open_sink, param=picture.param)
            fetched[picture.url] = blob
        return replace(picture, blob=blob, mime=_mime(blob, picture.param))


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


def _mime(blob: Blob, param: str) -> str:
    try:
        return measure(blob, limits=CLIENT_LIMITS).mime
    except NotAPicture as error:
        raise InvalidRequest(f"The image cannot be used: {error}.", code="invalid_image", param=param) from error
