"""Each cell of the table of routes and dialects is a picture in the pixels that were asked for; see `cells`."""

import pytest

from tests.gateway.cells import TALL, Cell, cells, picture_of
from tests.support.gateway import Running


def name(cell: Cell) -> str:
    return "-".join(
        (
            cell.route,
            cell.dialect,
            "image" if cell.with_image else "text",
            "b64_json" if cell.inline else "url",
        )
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("cell", list(cells()), ids=name)
async def test_every_surface_works_with_every_dialect(gateway: Running, cell: Cell) -> None:
    assert await picture_of(gateway, cell) == TALL


def test_there_are_eighty_cells() -> None:
    assert len(set(cells())) == 5 * 4 * 2 * 2
