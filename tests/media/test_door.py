"""The door by itself: what a request carries, what becomes of an answer, what sending may fail with (D53, D56, D57)."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.core.errors import InvalidRequest
from app.media.door import UNDELIVERED, Door, Patience
from app.media.guard import AddressPolicy, parse_url
from tests.media.fetching import PUBLIC, Names, Stage, script


class Body(httpx.AsyncByteStream):
    """An answer that nobody reads; knows whether it was closed."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"unread"

    async def aclose(self) -> None:
        self.closed = True


class Asked(httpx.AsyncBaseTransport):
    """Answers every request, or fails, and keeps the last one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.body = Body()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        if self.error is not None:
            raise self.error
        return httpx.Response(200, stream=self.body)


async def sent(url: str, content: bytes = b"", *, transport: Asked | None = None) -> Asked:
    """What one POST became."""
    transport = transport or Asked()
    names = Names({"inside.example": [["10.0.0.1"]], "nowhere.example": [[]]})
    door = Door(AddressPolicy(), resolver=names, transport=transport)
    async with door.send("POST", parse_url(url), headers={}, content=content, patience=Patience()):
        assert not transport.body.closed
    return transport


async def test_an_answer_is_closed_whether_it_was_read_or_not() -> None:
    assert (await sent("https://a.example/")).body.closed


async def test_a_body_goes_along() -> None:
    assert (await sent("https://a.example/", b"event")).request.content == b"event"


async def test_five_seconds_to_connect_and_fifteen_for_each_step_after_that() -> None:
    told = (await sent("https://a.example/")).request.extensions["timeout"]
    assert told == {"connect": 5, "read": 15, "write": 15, "pool": 10}


@pytest.mark.parametrize(
    ("url", "name"), [("https://a.example/", "a.example"), ("http://a.example/", None), (f"https://{PUBLIC}/", None)]
)
async def test_d53_tls_is_told_a_name_where_there_is_one(url: str, name: str | None) -> None:
    assert (await sent(url)).request.extensions.get("sni_hostname") == name


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://[", None),
        ("http://127.0.0.1/", None),
        ("http://inside.example/", None),
        ("http://nowhere.example/", None),
        ("http://a.example/", httpx.ConnectError("refused")),
        ("http://a.example/", httpx.TransportError("reset")),
    ],
)
async def test_d57_whatever_sending_fails_with_is_known_as_such(url: str, error: Exception | None) -> None:
    with pytest.raises(UNDELIVERED):
        await sent(url, transport=Asked(error))


async def test_d57_so_is_what_takes_too_long() -> None:
    with pytest.raises(UNDELIVERED):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_d57_a_webhook_inside_is_refused_at_sight_and_a_name_only_when_it_is_delivered() -> None:
    stage = Stage(script())
    stage.fetcher.check_webhook("https://a.example/hook", param="webhook_url")
    stage.fetcher.check_webhook(f"https://{PUBLIC}/hook", param="webhook_url")
    for url in ("http://127.0.0.1/hook", "https://8.8.8.8:22/hook", "http://user@a.example/hook"):
        with pytest.raises(InvalidRequest):
            stage.fetcher.check_webhook(url, param="webhook_url")
    assert stage.names.asked == []
