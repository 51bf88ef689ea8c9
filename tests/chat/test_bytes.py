"""What passes through, passes through: the client's bytes to the vendor, the vendor's bytes to the client."""

import json
import re

import pytest

from tests.chat.vendor import DONE, PUBLIC, SAID, USAGE, VENDORS_OWN, WORDS, Vendor, World, completion, streamed, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD = (
    b' {"messages" : [ {"role":"user","content":"\\u00e9\\/ \\"model\\":\\"x\\" \xe2\x80\xa8"} ],\n'
    b'"metadata":{"model":"nested"} , "model":  "PUBLIC_model" ,"logit_bias":{"50256":-100},"seed":1e2,'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"model":{"type":"string"}}}}}],'
    b'"brand_new_parameter":[1.50,null,true]}  '
)


async def test_the_vendor_gets_the_clients_bytes_but_for_the_models_name(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    response = await payer.post(ODD)
    assert response.status_code == 200, response.text
    assert vendor.received[0].body == ODD.replace(b'  "PUBLIC_model" ', b'"secret-vendor-model"')
    assert vendor.received[0].path == "/first/chat/completions"


async def test_the_vendor_gets_our_credential_and_nothing_of_the_clients(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    async with payer.client() as client:
        await client.post("/v1/chat/completions", json=SAID, headers={"x-secret": "1", "cookie": "a=b"})
    headers = vendor.received[0].headers
    assert headers["authorization"] == "Bearer secret-key-of-first"
    assert headers["accept-encoding"] == "identity"
    assert set(headers) == {
        "host", "user-agent", "accept", "accept-encoding", "content-type", "authorization", "content-length"
    }  # fmt: skip


async def test_the_client_gets_the_vendors_bytes_but_for_the_models_name_and_our_account(
    shared: World, vendor: Vendor
) -> None:
    answer = completion(system_fingerprint="fp_1", service_tier="default", new_field={"model": "nested"}, reasoning="…")
    vendor.reply = lambda _: whole(answer)
    response = await (await shared.new_account()).post()
    ours = b',"oneshape":{"units":56,"estimated":false}}'
    assert response.content.endswith(ours)
    assert response.content.removesuffix(ours) == answer.replace(
        b'"model": "secret-vendor-model"', b'"model":"public-model"'
    ).removesuffix(b"}")


async def test_streamed_events_go_on_unchanged_but_for_the_models_name(shared: World, vendor: Vendor) -> None:
    vendor.reply = lambda _: streamed(*WORDS, USAGE, DONE)
    response = await (await shared.new_account()).post({**SAID, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b"".join(WORDS).replace(VENDORS_OWN.encode(), PUBLIC.encode()) + DONE


@pytest.mark.parametrize("asked", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False, "x": 1}}])
async def test_usage_is_asked_for_in_streams_and_hidden_from_who_did_not_ask(
    shared: World, vendor: Vendor, asked: dict[str, object]
) -> None:
    vendor.reply = lambda _: streamed(*WORDS, USAGE, DONE)
    response = await (await shared.new_account()).post({**SAID, "stream": True, **asked})
    sent = vendor.received[0].document
    assert sent["stream_options"]["include_usage"] is True
    assert {key: value for key, value in sent["stream_options"].items() if key != "include_usage"} == (
        {"x": 1} if asked.get("stream_options") else {}
    )
    assert b'"usage":{' not in response.content
    assert not re.search(rb'"choices":\[\]', response.content)


async def test_usage_is_shown_to_who_asked_and_their_bytes_are_left_alone(shared: World, vendor: Vendor) -> None:
    vendor.reply = lambda _: streamed(*WORDS, USAGE, DONE)
    body = json.dumps({**SAID, "stream": True, "stream_options": {"include_usage": True}}).encode()
    response = await (await shared.new_account()).post(body)
    assert vendor.received[0].body == body.replace(b'"public-model"', b'"secret-vendor-model"')
    assert response.content.endswith(USAGE.replace(VENDORS_OWN.encode(), PUBLIC.encode()) + DONE)


async def test_a_body_of_many_megabytes_arrives_whole(shared: World, vendor: Vendor) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 700_000}}
    said = {**SAID, "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, picture]}]}
    body = json.dumps(said).encode()
    response = await (await shared.new_account(billing="unlimited")).post(body)
    assert response.status_code == 200
    assert vendor.received[0].body == body.replace(b'"public-model"', b'"secret-vendor-model"')
    assert list(shared.gateway.directory.rglob("spool/*/*/*")) == []


async def test_headers_of_the_vendor_stay_with_us(shared: World, vendor: Vendor) -> None:
    vendor.reply = lambda _: whole(completion(), set_cookie="a=b", x_request_id="theirs", x_should_retry="true")
    response = await (await shared.new_account()).post()
    assert set(response.headers) == {"date", "content-type", "content-length", "oneshape-units", "x-request-id"}
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["oneshape-units"] == "56"
