"""A process whose spool is full begins nothing new; what is queued waits for room, here or elsewhere."""

import pytest

from app.core.image import ImageRequest
from app.worker.claim import LOOK_S
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE_THAN_ALL = 2**50


async def test_a_queued_task_waits_until_the_spool_has_room_again(gateway: Running) -> None:
    services = gateway.services
    caller = await services.callers.authenticate(gateway.key)
    services.spool.grew(MORE_THAN_ALL)
    async with services.spool.folder() as folder, gateway.client() as client:
        request = ImageRequest(model="nano-banana@uniall-tasks", prompt="a cube")
        task = await services.tasks.create(caller, request, folder, base_url=gateway.url)
        path = f"/v1/images/tasks/{task.task_id}"
        await services.clock.sleep(3 * LOOK_S)
        refused = await client.post("/v1/images/tasks", json={"model": "nano-banana", "prompt": "a cube"})
        waiting = (await client.get(path)).json()["data"]
        services.spool.grew(-MORE_THAN_ALL)
        ended = (await client.get(f"{path}?wait=60")).json()["data"]
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert (waiting["status"], ended["status"]) == ("queued", "succeeded")
