"""What the admin tests share: a clock that stands still, and a few words with the API. No fixtures."""

from typing import Any, Final

import httpx

from app.core.clock import Clock
from app.gateway.catalog.live import Revision

ADMIN_KEY: Final = "adm-5uP9qX2vL8mK4wT7"
SECRET_KEY: Final = "5c0f6e1d9b7a48e2a3f4c5d6e7f8091a"
NOW: Final = 1_790_000_000

CATALOG: Final = """
version: 1
currency: USD
vendors:
  painter: {dialect: openai_images, base_url: "http://127.0.0.1:9/v1", api_keys: [pk-not-for-anybody], concurrency: 4}
  writer: {dialect: openai_chat, base_url: "http://127.0.0.1:9/v1", api_keys: ["env:WRITER_KEY"]}
models:
  - id: picture-1k
    kind: image
    family: picture
    resolution: 1K
    aliases: [Pic]
    price: {per_image: "0.134"}
    targets: [{vendor: painter, model: pic-large, cost: {per_image: "0.09"}}]
  - id: words
    kind: chat
    price: {per_1m_input_tokens: "0.15", per_1m_output_tokens: "0.60"}
    targets: [{vendor: writer, model: words-v1, cost: {per_1m_input_tokens: "0.10", per_1m_output_tokens: "0.40"}}]
families:
  picture: {default: picture-1k}
"""


async def catalog() -> Revision:
    """A catalog of two models whose vendors are nobody."""
    return Revision(1, CATALOG, "yaml")


class StillClock(Clock):
    """Tells the time that it is set to; waiting is real."""

    def __init__(self) -> None:
        self.time = float(NOW)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def told(response: httpx.Response, status: int = 200) -> Any:
    """The document of an answer that must have this status."""
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """The message of an error that must be this one, with all four keys of the contract."""
    error = told(response, status)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param), error
    message: str = error["message"]
    return message


async def new_account(admin: httpx.AsyncClient, units: int = 0, **fields: Any) -> str:
    """The id of a new account with that many units."""
    account_id: str = told(await admin.post("/admin/accounts", json={"name": "Ada", **fields}), 201)["id"]
    if units:
        body = {"units": units, "reason": "paid"}
        told(await admin.post(f"/admin/accounts/{account_id}/grants", json=body), 201)
    return account_id


async def new_key(admin: httpx.AsyncClient, account_id: str, **fields: Any) -> dict[str, Any]:
    """A new key of the account, its secret in `key`."""
    body = {"account_id": account_id, "name": "app", **fields}
    key: dict[str, Any] = told(await admin.post("/admin/keys", json=body), 201)
    return key
