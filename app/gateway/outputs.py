"""From what a vendor returned to pictures that are ours: fetched, measured, converted if asked, stored durably."""

from app.core.exchange import Failure, VendorFailure
from app.core.ids import new_id
from app.core.image import MIME_OF, DeliveredImage, ImageRequest, ImageResult, InlineImage, RemoteImage, Warning
from app.core.media import EXTENSIONS, Blob, MediaStore
from app.core.shape import RATIO_TOLERANCE, RESOLUTIONS, Size, nearest_resolution, parse_ratio
from app.media.fetch import Fetcher, FetchFailed
from app.media.pictures import Converter
from app.media.spool import SpoolFolder
from app.media.structure import NotAPicture


def media_name(media_id: str, mime: str) -> str:
    """The name a picture is stored and served under."""
    return f"{media_id}.{EXTENSIONS[mime]}"


class OutputDesk:
    """Takes vendors' pictures in. What cannot be had or read is the vendor's failure."""

    def __init__(self, *, fetcher: Fetcher, converter: Converter, media: MediaStore) -> None:
        self._fetcher = fetcher
        self._converter = converter
        self._media = media

    async def keep(self, result: ImageResult, request: ImageRequest, folder: SpoolFolder) -> tuple[DeliveredImage, ...]:
        """Up to `request.n` pictures of the result, stored. Where there are more, copies are dropped first.

        Raises:
            VendorFailure: not one of them could be fetched and read.
            Overloaded: our own store failed.
        """
        blobs: list[tuple[Blob, str | None]] = []
        failure: VendorFailure | None = None
        for image in result.images:
            try:
                blobs.append((await self._bytes(image, folder), image.revised_prompt))
            except FetchFailed as error:
                failure = VendorFailure(Failure.UNREADABLE, f"the picture could not be fetched: {error}")
        kept: list[DeliveredImage] = []
        for blob, revised_prompt in _without_surplus(blobs, request.n):
            try:
                kept.append(await self._keep_one(blob, revised_prompt, request, folder))
            except NotAPicture as error:
                failure = VendorFailure(Failure.UNREADABLE, f"not a picture: {error}")
        if not kept:
            raise failure or VendorFailure(Failure.NO_IMAGE, result.text)
        return tuple(kept)

    async def _bytes(self, image: RemoteImage | InlineImage, folder: SpoolFolder) -> Blob:
        if isinstance(image, InlineImage):
            return image.blob
        return await self._fetcher.fetch_result(image.url, folder.open_sink)

    async def _keep_one(
        self, blob: Blob, revised_prompt: str | None, request: ImageRequest, folder: SpoolFolder
    ) -> DeliveredImage:
        picture = await self._converter.verify(blob)
        if request.output_format is not None and picture.mime != MIME_OF[request.output_format]:
            blob = await self._converter.convert(
                blob, to=request.output_format, quality=request.output_compression, sink=folder.open_sink()
            )
            picture = await self._converter.verify(blob)
        media_id = new_id("med")
        await self._media.put(media_name(media_id, picture.mime), blob)
        return DeliveredImage(
            media_id=media_id,
            mime=picture.mime,
            width=picture.width,
            height=picture.height,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
            revised_prompt=revised_prompt,
        )


def mismatches(images: tuple[DeliveredImage, ...], request: ImageRequest) -> tuple[Warning, ...]:
    """What the pixels say against the request: vendors drop the ratio in silence (wire-facts section 5, row 17)."""
    asked = parse_ratio(request.aspect_ratio) if request.aspect_ratio else None
    if asked is None:
        return ()
    # Real pictures drift by a few pixels, so twice the tolerance of a size is allowed.
    return tuple(
        Warning(
            "mismatch",
            "aspect_ratio",
            f"Asked for {request.aspect_ratio}, but a picture of {image.width}x{image.height} was delivered.",
        )
        for image in images
        if abs(image.width / image.height / asked - 1) > 2 * RATIO_TOLERANCE
    )


def as_asked(images: tuple[DeliveredImage, ...], request: ImageRequest) -> bool:
    """Whether the pixels are of the ratio and the tier that were paid for (fault-cases F77). Larger is no fault."""
    if mismatches(images, request):
        return False
    if request.resolution is None:
        return True
    asked = RESOLUTIONS.index(request.resolution)
    drawn = (nearest_resolution(Size(image.width, image.height), RESOLUTIONS) for image in images)
    return all(tier is not None and RESOLUTIONS.index(tier) >= asked for tier in drawn)


def _without_surplus(blobs: list[tuple[Blob, str | None]], wanted: int) -> list[tuple[Blob, str | None]]:
    """At most `wanted`. Some vendors name one picture in several places; others may draw two alike on purpose."""
    if len(blobs) <= wanted:
        return blobs
    distinct = list({blob.sha256: (blob, prompt) for blob, prompt in reversed(blobs)}.values())
    return distinct[::-1][:wanted]
