"""C42: what a proxy says of a client is believed where the operator named the proxy, and nowhere else."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.web.proxies import Proxies
from tests.support.gateway import Running, running_gateway

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "127.0.0.0/8")))


async def seen(peer: str | None, *headers: tuple[bytes, bytes]) -> Scope:
    """The scope that the application gets."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "client": peer and (peer, 5000),
        "headers": [(b"host", b"inner:8080"), *headers],
    }
    await Proxies(app, TRUSTED)(scope, None, None)  # type: ignore[arg-type]  # neither is used
    return scopes[0]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("fd00::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", ", ".join(["198.51.100.1"] * 1000 + ["203.0.113.7"]), "203.0.113.7"),
    ],
)
async def test_c42_the_client_is_the_last_hop_that_is_no_proxy_of_ours(
    peer: str, forwarded_for: str, client: str
) -> None:
    scope = await seen(peer, (b"x-forwarded-for", forwarded_for.encode()))
    assert scope["client"][0] == client


async def test_c42_a_line_of_the_clients_own_stands_before_the_proxys() -> None:
    lines = ((b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"203.0.113.7"))
    assert (await seen("10.0.0.1", *lines))["client"][0] == "203.0.113.7"


async def test_c42_a_thousand_hops_of_our_own_are_not_followed_to_their_end() -> None:
    scope = await seen("10.0.0.1", (b"x-forwarded-for", b"203.0.113.7" + b", 10.0.0.2" * 1000))
    assert scope["client"][0] == "10.0.0.2"


@pytest.mark.parametrize(
    ("headers", "scheme", "host"),
    [
        ([(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"gw.example")], "https", b"gw.example"),
        ([(b"x-forwarded-proto", b"ftp"), (b"x-forwarded-host", b"gw.example/x")], "http", b"inner:8080"),
        ([(b"x-forwarded-proto", b"https, http"), (b"x-forwarded-host", b"a\r\nb")], "http", b"inner:8080"),
        ([(b"x-forwarded-host", b"a.example"), (b"x-forwarded-host", b"b.example")], "http", b"inner:8080"),
        ([(b"x-forwarded-host", b"a@evil.example")], "http", b"inner:8080"),
        ([(b"forwarded", b"host=evil.example;proto=https")], "http", b"inner:8080"),
    ],
)
async def test_c42_scheme_and_host_are_taken_when_they_are_such(
    headers: list[tuple[bytes, bytes]], scheme: str, host: bytes
) -> None:
    scope = await seen("10.0.0.1", *headers)
    assert (scope["scheme"], dict(scope["headers"])[b"host"]) == (scheme, host)
    stranger = await seen("203.0.113.9", *headers)
    assert (stranger["scheme"], dict(stranger["headers"])[b"host"]) == ("http", b"inner:8080")


async def test_a_request_without_an_address_comes_from_no_proxy() -> None:
    assert (await seen(None, (b"x-forwarded-for", b"203.0.113.7")))["client"] is None


async def test_c42_behind_a_trusted_proxy_each_client_has_its_own_limit_and_its_own_links(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, wrong_keys_per_minute=3, trusted_proxies="127.0.0.0/8") as gateway:
        assert await guesses(gateway, "203.0.113.1") == [401, 401, 401, 429, 429]
        assert await guesses(gateway, "203.0.113.2") == [401, 401, 401, 429, 429]
        headers = {"x-forwarded-proto": "https", "x-forwarded-host": "gw.example"}
        async with gateway.client(headers=headers) as client:
            body = {"model": "nano-banana", "prompt": "a fox"}
            told = (await client.post("/v1/images/generations", json=body)).json()
        assert told["data"][0]["url"].startswith("https://gw.example/v1/media/")


async def guesses(gateway: Running, address: str) -> list[int]:
    """What five wrong keys from that address are answered, another forged one before it each time."""
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        return [
            (
                await client.get(
                    "/v1/models",
                    headers={"x-forwarded-for": f"198.51.100.{n}, {address}", "authorization": f"Bearer sk-{n}"},
                )
            ).status_code
            for n in range(5)
        ]
