"""The header `Prefer` (RFC 7240) on image requests: a client that would rather have a task's id than wait for long."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import Overloaded
from app.gateway.caller import Caller
from app.gateway.images import Order
from app.gateway.services import Services
from app.gateway.watch import untold
from app.web.accepted import accepted_response

_WAIT: Final = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)


def preference_of(request: Request) -> tuple[float, str] | None:
    """How many seconds the client would wait, and the preference as it is to be confirmed; None: as long as it takes.

    What cannot be read is ignored, as the RFC wants it (section 2).
    """
    words = [word.strip() for value in request.headers.getlist("prefer") for word in re.split("[,;]", value)]
    at_once = any(word.lower() == "respond-async" for word in words)
    wait = next((match[1] for word in words if (match := _WAIT.fullmatch(word))), None)
    said = [*(["respond-async"] if at_once else []), *([f"wait={wait}"] if wait is not None else [])]
    return (float(wait or 0), ", ".join(said)) if said else None


async def accepted_instead(
    request: Request, services: Services, caller: Caller, order: Order, base_url: str
) -> Response | None:
    """202 with the task, when the client prefers that and the order takes longer than it would wait; else None."""
    preference = preference_of(request)
    if preference is None:
        return None
    seconds, said = preference
    if await services.images.done_within(order, seconds):
        return None
    try:
        view = await services.tasks.get(caller, order.task_id, base_url=base_url)
    except Overloaded as error:  # the task is at work all the same
        raise untold(order.task_id) from error
    return accepted_response(view, {"preference-applied": said})
