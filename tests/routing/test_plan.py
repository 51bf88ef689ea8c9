"""What can serve a request is asked before how its vendors are doing."""

from dataclasses import replace

import pytest

from app.core.errors import InvalidRequest, NoVendorAvailable
from app.core.image import ImageInput, ImageRequest, Turn
from app.core.media import Blob
from app.dialects import DIALECTS
from app.gateway.plan import Planner
from tests.routing.support import HandClock, fail, model_of, pool_of, router_of, target

REQUEST = ImageRequest("picture", "a cat", aspect_ratio="1:8")


async def test_a_request_that_only_a_resting_vendor_can_draw_is_drawn_there() -> None:
    """The health of a vendor never makes a fine request a 400."""
    pool = pool_of(HandClock())
    able, unable = target("able"), replace(target("unable"), aspect_ratios=("1:1",))
    await fail(pool, able, times=5)
    stops = Planner(DIALECTS, router_of(pool)).plan(model_of(able, unable), REQUEST)
    assert [stop.vendor.name for stop in stops] == ["able"]


def test_bytes_that_no_target_takes_are_refused_and_never_reach_one() -> None:
    urls_only = replace(
        target("a"), vendor=replace(target("a").vendor, dialect="image_tasks", options={"inputs": "url"})
    )
    planner = Planner(DIALECTS, router_of(pool_of(HandClock())))
    request = replace(REQUEST, inputs=(ImageInput(blob=Blob.of(b"picture")),))
    with pytest.raises(InvalidRequest) as refused:
        planner.plan(model_of(urls_only), request)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "image")
    assert planner.plan(model_of(urls_only), replace(REQUEST, inputs=(ImageInput(url="https://a.example/p.png"),)))


def test_at_most_three_targets_are_tried() -> None:
    planner = Planner(DIALECTS, router_of(pool_of(HandClock())))
    assert len(planner.plan(model_of(*(target(name) for name in "abcde")), REQUEST)) == 3


def test_a_model_whose_vendors_are_all_drained_is_unavailable() -> None:
    planner = Planner(DIALECTS, router_of(pool_of(HandClock()), drained=frozenset({"a"})))
    with pytest.raises(NoVendorAvailable):
        planner.plan(model_of(target("a")), REQUEST)


@pytest.mark.parametrize("where", ["messages", "contents", "systemInstruction"])
def test_earlier_turns_that_cannot_be_told_are_reported_in_the_clients_own_words(where: str) -> None:
    picture = target("a")
    [stop] = Planner(DIALECTS, router_of(pool_of(HandClock()))).plan(model_of(picture), REQUEST)
    request = replace(REQUEST, history=(Turn("user", "a dog", f"{where}[0]"),))
    told = [warning.param for warning in stop.ignores(request) if "before it" in warning.message]
    assert told == [where]
