"""What the sandbox draws: exact pixels, one picture for one prompt, and everything that arrived."""

import httpx
import pytest

from app.sandbox.draw import Sketch, draw
from app.sandbox.orders import PictureFormat, Reference
from app.sandbox.pixels import STANDARD_RATIOS, nano, nano_first, nano_ultra
from app.sandbox.samples import sample_pictures
from tests.sandbox.support import looks


def sketch(prompt: str = "a cat", *, width: int = 384, height: int = 256, references: int = 0) -> Sketch:
    mug, _ = sample_pictures()["mug.png"]
    return Sketch(
        prompt=prompt,
        footer="SIMULATED",
        width=width,
        height=height,
        references=tuple(Reference("mug", mug) for _ in range(references)),
    )


@pytest.mark.parametrize(("picture_format", "found"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_a_picture_has_the_format_and_pixels_that_were_asked(picture_format: PictureFormat, found: str) -> None:
    assert looks(draw(sketch(), picture_format)) == (found, (384, 256))


def test_the_same_prompt_gives_the_same_picture() -> None:
    assert draw(sketch(), "png") == draw(sketch(), "png")
    assert draw(sketch(), "png") != draw(sketch("a dog"), "png")


@pytest.mark.parametrize(
    "prompt", ["", " ", "x" * 30_000, "word " * 6_000, "猫が好き", "\N{ZERO WIDTH SPACE}\x00", "\ud800"]
)
@pytest.mark.parametrize(("width", "height"), [(8, 8), (192, 1536), (1536, 192)])
def test_any_prompt_fits_any_canvas(prompt: str, width: int, height: int) -> None:
    assert looks(draw(sketch(prompt, width=width, height=height), "png")) == ("PNG", (width, height))


@pytest.mark.parametrize("count", [1, 14])
def test_references_are_pasted(count: int) -> None:
    assert draw(sketch(references=count), "png") != draw(sketch(), "png")


# Wire facts, section 4.3.
@pytest.mark.parametrize(
    ("ratio", "pixels"),
    [
        ("1:1", (1024, 1024)),
        ("2:3", (848, 1264)),
        ("3:2", (1264, 848)),
        ("3:4", (896, 1200)),
        ("4:3", (1200, 896)),
        ("4:5", (928, 1152)),
        ("5:4", (1152, 928)),
        ("9:16", (768, 1376)),
        ("16:9", (1376, 768)),
        ("21:9", (1584, 672)),
    ],
)
def test_the_pixel_table_is_the_documented_one(ratio: str, pixels: tuple[int, int]) -> None:
    assert nano("1K").pixels(ratio) == pixels


def test_ultra_ratios_and_tiers_follow_the_table() -> None:
    assert nano_ultra("512").pixels("1:8") == (192, 1536)
    assert nano_ultra("4K").pixels("4:1") == (8192, 2048)
    assert nano("4K").pixels(None) == (4096, 4096)


def test_the_first_generation_has_its_own_pixels() -> None:
    documented = {
        (1024, 1024), (832, 1248), (1248, 832), (864, 1184), (1184, 864),
        (896, 1152), (1152, 896), (768, 1344), (1344, 768), (1536, 672),
    }  # fmt: skip
    assert {nano_first().pixels(ratio) for ratio in STANDARD_RATIOS} == documented


async def test_samples_are_served_to_users(client: httpx.AsyncClient) -> None:
    for name, found in (("mug.png", "PNG"), ("hills.jpeg", "JPEG")):
        answer = await client.get(f"/samples/{name}")
        assert (answer.headers["content-type"], looks(answer.content)[0]) == (f"image/{found.lower()}", found)
    assert (await client.get("/samples/none.png")).status_code == 404
    assert (await client.get("/files/none.png")).status_code == 404
