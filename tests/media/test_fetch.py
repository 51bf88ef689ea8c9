"""What a download does at each answer: whom it asks, what it says, what it keeps (fault-cases D52-D58, F75)."""

import asyncio

import httpx
import pytest

from app.core.errors import InvalidRequest
from app.media.door import Door
from app.media.fetch import Fetcher, FetchFailed, FetchLimits
from app.media.guard import AddressPolicy
from tests.media.fetching import PUBLIC, Names, PatientClock, Stage, redirect, script

OK = b"picture"


async def refused(stage: Stage, url: str) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await stage.fetch_input(url)
    assert caught.value.param == "image"
    assert "closed" not in stage.sinks.states
    assert "open" not in stage.sinks.states
    return caught.value


async def test_a_picture_is_downloaded_into_the_sink() -> None:
    stage = Stage(script(httpx.Response(200, content=OK)))
    assert await stage.fetch_input("https://a.example/x.png") == OK
    assert stage.sinks.states == ["closed"]


async def test_d53_the_connection_goes_to_the_checked_address_and_the_name_stays_in_host_and_tls() -> None:
    names = Names({"a.example": [["93.184.216.34"], ["127.0.0.1"]]})
    stage = Stage(script(httpx.Response(200, content=OK)), names=names)
    await stage.fetch_input("https://a.example/x?y=%2F")
    request = stage.requests[0]
    assert names.asked == ["a.example"]
    assert str(request.url) == "https://93.184.216.34/x?y=%2F"
    assert request.headers["host"] == "a.example"
    assert request.extensions["sni_hostname"] == "a.example"


async def test_d53_a_name_that_turns_inside_between_two_hops_is_refused_at_the_second() -> None:
    names = Names({"a.example": [[PUBLIC], ["127.0.0.1"]]})
    stage = Stage(script(redirect("/again")), names=names)
    assert (await refused(stage, "http://a.example/")).code == "image_url_not_allowed"
    assert len(stage.requests) == 1


async def test_the_next_address_is_tried_when_the_first_cannot_be_reached() -> None:
    names = Names({"a.example": [["2606:4700::1", "8.8.8.8"]]})
    stage = Stage(script(httpx.ConnectError("no route"), httpx.Response(200, content=OK)), names=names)
    assert await stage.fetch_input("http://a.example/") == OK
    assert [request.url.host for request in stage.requests] == ["2606:4700::1", "8.8.8.8"]


async def test_an_amplifier_of_many_dead_addresses_gets_three_tries_in_all() -> None:
    names = Names({"a.example": [[f"8.8.8.{n}" for n in range(1, 100)]]})
    stage = Stage(script(*[httpx.ConnectError("dead")] * 99), names=names)
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert len(stage.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_d52_a_redirect_is_followed_and_checked_anew(status: int) -> None:
    names = Names({"b.example": [["9.9.9.9"]]})
    stage = Stage(script(redirect("http://b.example/y", status), httpx.Response(200, content=OK)), names=names)
    assert await stage.fetch_input("http://a.example/x") == OK
    assert [request.url.host for request in stage.requests] == [PUBLIC, "9.9.9.9"]
    assert stage.requests[1].headers["host"] == "b.example"


async def test_d52_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    hops = [redirect(f"/{n}") for n in range(1, 5)]
    stage = Stage(script(*hops[:3], httpx.Response(200, content=OK)))
    assert await stage.fetch_input("http://a.example/") == OK
    stage = Stage(script(*hops, httpx.Response(200, content=OK)))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert len(stage.requests) == 4


async def test_d52_a_loop_ends() -> None:
    stage = Stage(lambda request: redirect("/"))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert len(stage.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://inside.example/",
        "https://8.8.8.8:6379/",
        "https://2130706433/",
        "http://public.example/",
        "file:///etc/passwd",
        "//user@public.example/",
    ],
)
async def test_d52_a_redirect_inside_or_down_to_http_is_refused_without_a_request(location: str) -> None:
    names = Names({"inside.example": [["10.0.0.1"]]})
    stage = Stage(script(redirect(location)), names=names)
    assert (await refused(stage, "https://a.example/")).code == "image_url_not_allowed"
    assert len(stage.requests) == 1


async def test_d55_a_body_beyond_the_cap_is_cut_and_forgotten() -> None:
    stage = Stage(script(httpx.Response(200, content=bytes(1000))))
    assert len(await stage.fetch_input("http://a.example/")) == 1000
    stage = Stage(script(httpx.Response(200, content=bytes(1001))))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert stage.sinks.states == ["aborted"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "zstd"])
async def test_d55_a_compressed_answer_is_refused_and_never_inflated(encoding: str) -> None:
    bomb = httpx.Response(200, headers={"Content-Encoding": encoding}, stream=httpx.ByteStream(b"\x1f\x8b"))
    stage = Stage(script(bomb))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert stage.requests[0].headers["accept-encoding"] == "identity"


async def test_d55_a_server_that_never_answers_is_left_when_the_time_is_over() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    stage = Stage(never, limits=FetchLimits(max_bytes=1000, total_s=0.05))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"


async def test_d55_a_body_that_never_ends_is_left_when_the_time_is_over() -> None:
    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]  # the base class has no return type either
            yield b"x"
            await asyncio.Event().wait()

    stage = Stage(script(httpx.Response(200, stream=Trickle())), limits=FetchLimits(max_bytes=1000, total_s=0.05))
    assert (await refused(stage, "http://a.example/")).code == "failed_to_download_image"
    assert stage.sinks.states == ["aborted"]


async def test_d56_nothing_of_ours_goes_along_and_nothing_of_theirs_comes_back() -> None:
    cookie = httpx.Response(302, headers={"Location": "https://b.example/", "Set-Cookie": "a=b; Domain=example"})
    stage = Stage(script(cookie, httpx.Response(200, content=OK)))
    await stage.fetch_input("https://a.example/")
    for request in stage.requests:
        assert sorted(request.headers) == ["accept", "accept-encoding", "host", "user-agent"]
        assert request.content == b""


async def test_d58_the_words_do_not_tell_what_is_behind_the_url() -> None:
    behind = {
        "refused": script(*[httpx.ConnectError("refused")] * 3),
        "reset": script(httpx.TransportError("reset")),
        "empty": script(httpx.Response(200)),
        **{
            str(status): script(httpx.Response(status)) for status in (204, 206, 304, 400, 401, 403, 404, 418, 500, 503)
        },
    }
    errors = [await refused(Stage(answer), "https://a.example/secret?token=t") for answer in behind.values()]
    assert len({(error.code, error.message) for error in errors}) == 1
    assert "a.example" not in errors[0].message


async def test_d58_nor_whether_there_is_such_a_name_inside() -> None:
    names: dict[str, list[list[str]]] = {"inside.example": [["10.0.0.1"]], "nowhere.example": [[]]}
    urls = (
        "http://127.0.0.1/",
        "http://10.0.0.1:1/",
        "http://0/",
        "https://inside.example/",
        "https://nowhere.example/",
    )
    errors = [await refused(Stage(script(), names=Names(names)), url) for url in urls]
    assert {error.code for error in errors} == {"image_url_not_allowed"}
    assert len({error.message for error in errors}) == 1


@pytest.mark.parametrize("url", ["ftp://a.example/", "http://user:pass@a.example/", "picture.png", "http:///", ""])
async def test_d50_d51_what_is_no_url_says_so(url: str) -> None:
    assert (await refused(Stage(script()), url)).code == "invalid_image_url"


async def test_a_url_for_the_vendor_is_checked_and_not_asked_for() -> None:
    stage = Stage(script(), names=Names({"inside.example": [["10.0.0.1"]], "nowhere.example": [[]]}))
    for url in ("https://a.example/x", "https://nowhere.example/x"):
        await stage.fetcher.check_input(url, param="image")
    for url, code in {
        "https://inside.example/x": "image_url_not_allowed",
        "http://127.0.0.1/x": "image_url_not_allowed",
        "https://a.example:22/x": "image_url_not_allowed",
        "file:///etc/passwd": "invalid_image_url",
    }.items():
        with pytest.raises(InvalidRequest) as caught:
            await stage.fetcher.check_input(url, param="image")
        assert (caught.value.code, caught.value.param) == (code, "image")
    assert stage.requests == []


async def test_a_name_that_takes_too_long_to_look_up_does_not_hold_the_request() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    limits = FetchLimits(max_bytes=1000, total_s=0.05)
    door = Door(AddressPolicy(), resolver=never, transport=httpx.MockTransport(script()))
    await Fetcher(door, clock=PatientClock(), inputs=limits).check_input("https://a.example/x", param="image")


@pytest.mark.parametrize("status", [404, 408, 429, 500, 502, 503])
async def test_f75_a_result_that_is_not_there_yet_is_asked_for_again(status: int) -> None:
    stage = Stage(script(httpx.Response(status), httpx.Response(status), httpx.Response(200, content=OK)))
    assert await stage.fetch_result("https://a.example/x") == OK
    assert stage.clock.waits_s == [0.5, 2.0]


async def test_f75_a_result_cut_on_the_way_is_asked_for_again_into_a_new_sink() -> None:
    class Cut(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]  # the base class has no return type either
            yield b"pict"
            raise httpx.TransportError("cut")

    stage = Stage(script(httpx.Response(200, stream=Cut()), httpx.Response(200, content=OK)))
    assert await stage.fetch_result("https://a.example/x") == OK
    assert stage.sinks.states == ["aborted", "closed"]


async def test_f75_a_result_that_stays_away_is_given_up_after_three_tries() -> None:
    stage = Stage(script(*[httpx.Response(404)] * 3))
    with pytest.raises(FetchFailed, match="status 404"):
        await stage.fetch_result("https://a.example/x?token=secret")
    assert len(stage.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(403), httpx.Response(410), httpx.Response(200, content=bytes(1001)), redirect("http://10.0.0.1/")],
)
async def test_f75_a_result_that_another_try_cannot_bring_is_given_up_at_once(answer: httpx.Response) -> None:
    stage = Stage(script(answer))
    with pytest.raises(FetchFailed):
        await stage.fetch_result("http://a.example/x")
    assert stage.clock.waits_s == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://169.254.169.254/", "file:///etc/passwd", "http://0x7f.1/"]
)
async def test_a_vendors_result_url_is_not_trusted_either(url: str) -> None:
    stage = Stage(script())
    with pytest.raises(FetchFailed) as caught:
        await stage.fetch_result(url)
    assert url not in caught.value.reason
    assert stage.requests == []


async def test_an_allowed_network_may_be_reached_at_any_port() -> None:
    stage = Stage(script(httpx.Response(200, content=OK)), allowed=["10.0.0.0/8"])
    assert await stage.fetch_result("http://10.1.2.3:8081/x") == OK
    assert str(stage.requests[0].url) == "http://10.1.2.3:8081/x"
