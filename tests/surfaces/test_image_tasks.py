"""The task API by the contract's example and wire-facts 6.4."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import InvalidRequest, NotFound, UpstreamTimeout
from app.core.image import Warning
from app.core.media import Blobs
from app.core.task import TaskStatus
from app.core.task_view import TaskView
from app.surfaces import image_tasks
from tests.surfaces.answers import PNG_BASE64, picture, sent

URL = "https://gw.example/v1/media/med_x.png?exp=1&sig=s"
DONE = TaskView(
    task_id="task_1",
    status=TaskStatus.SUCCEEDED,
    model="nano-banana-2-0.5k",
    task_type="text2image",
    images_requested=1,
    created_at=1790000000.9,
    progress=95,
    started_at=1790000001.2,
    finished_at=1790000009.0,
    expires_at=1790086400.0,
    results=(picture(),),
    images_delivered=1,
    units=45000,
    user_metadata={"order": "7"},
)
QUEUED = TaskView("task_2", TaskStatus.QUEUED, "m", "image2image", 2, 1790000000.0)


def parse(**body: Any) -> Any:
    return image_tasks.parse({"model": "NanoBanana2-0.5K", "prompt": "a cat", **body}, Blobs())


def test_an_order_is_read_as_the_vendors_page_writes_it() -> None:
    """Wire-facts 0.2."""
    request = parse(
        task_type="image2image",
        images=["https://a.example/1.png", "https://a.example/2.png"],
        aspect_ratio="3:4",
        output_format="png",
        n=1,
        response_format="url",
        webhook_url="https://me.example/hook",
        metadata={"order": "7"},
    )

    assert [image.url for image in request.inputs] == ["https://a.example/1.png", "https://a.example/2.png"]
    assert (request.task_type, request.aspect_ratio, request.output_format) == ("image2image", "3:4", "png")
    assert (request.webhook_url, request.metadata) == ("https://me.example/hook", {"order": "7"})
    assert (request.response_format, request.warnings) == ("url", ())


@pytest.mark.parametrize("url", [5, "", "ftp://a.example", "hook", "https://", "https://a.example/" + "x" * 3000])
def test_a_webhook_url_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(webhook_url=url)

    assert refused.value.param == "webhook_url"


def test_a_task_cannot_be_streamed() -> None:
    """B32."""
    with pytest.raises(InvalidRequest) as refused:
        parse(stream=True)

    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "stream")


def test_a_finished_task_is_the_contracts() -> None:
    assert sent(image_tasks.render_task(DONE)) == {
        "code": "success",
        "message": "",
        "data": {
            "task_id": "task_1",
            "status": "succeeded",
            "progress": "100%",
            "result_url": URL,
            "results": [{"url": URL, "revised_prompt": None, "mime_type": "image/png", "width": 2752, "height": 1536}],
            "metadata": {"task_type": "text2image", "result_count": 1},
            "model": "nano-banana-2-0.5k",
            "created_at": 1790000000,
            "started_at": 1790000001,
            "finished_at": 1790000009,
            "expires_at": 1790086400,
            "error": None,
            "user_metadata": {"order": "7"},
            "oneshape": {
                "task_id": "task_1",
                "units": 45000,
                "images_requested": 1,
                "images_delivered": 1,
                "warnings": [],
            },
        },
    }


def test_a_task_that_waits_has_the_same_keys() -> None:
    waiting, done = sent(image_tasks.render_task(QUEUED)), sent(image_tasks.render_task(DONE))

    assert waiting["data"].keys() == done["data"].keys()
    assert (waiting["data"]["status"], waiting["data"]["progress"]) == ("queued", "0%")
    assert (waiting["data"]["result_url"], waiting["data"]["results"]) == (None, [])
    assert (waiting["data"]["started_at"], waiting["data"]["expires_at"]) == (None, None)


def test_base64_is_in_results_and_result_url_stays_a_url() -> None:
    data = sent(image_tasks.render_task(replace(DONE, response_format="b64_json")))["data"]

    assert data["results"][0]["b64_json"] == PNG_BASE64
    assert data["result_url"] == URL


def test_a_failed_task_is_a_success_to_tell() -> None:
    error = InvalidRequest("No.", param="prompt").body()

    body = sent(image_tasks.render_task(replace(QUEUED, status=TaskStatus.FAILED, progress=40, error=error)))

    assert (body["code"], body["message"]) == ("success", "")
    assert (body["data"]["status"], body["data"]["progress"]) == ("failed", "40%")
    assert body["data"]["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": "invalid_value",
    }


def test_warnings_are_told() -> None:
    warned = replace(DONE, warnings=(Warning("ignored", "style", "It was not used."),))

    assert sent(image_tasks.render_task(warned))["data"]["oneshape"]["warnings"] == [
        {"code": "ignored", "param": "style", "message": "It was not used."}
    ]


def test_a_list_is_in_the_envelope() -> None:
    body = sent(image_tasks.render_list([DONE, QUEUED], has_more=True, next_cursor="c"))

    assert (body["code"], body["message"]) == ("success", "")
    assert [item["task_id"] for item in body["data"]["items"]] == ["task_1", "task_2"]
    assert (body["data"]["has_more"], body["data"]["next_cursor"]) == (True, "c")


def test_an_error_is_in_the_envelope_and_in_openais_shape() -> None:
    error = NotFound("The model 'x' does not exist.", code="model_not_found", param="model")

    assert image_tasks.render_error(error) == {
        "code": "model_not_found",
        "message": "The model 'x' does not exist.",
        "data": None,
        "error": {
            "message": "The model 'x' does not exist.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        },
    }
    assert image_tasks.render_error(UpstreamTimeout("Late.", task_id="task_1"))["oneshape"] == {"task_id": "task_1"}
