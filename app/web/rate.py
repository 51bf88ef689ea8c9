"""Counts a request against its key's limit, and tells the client how it stands, whatever the answer is."""

from starlette.types import Scope

from app.gateway.caller import Caller
from app.gateway.services import Services
from app.web.note import note_of

_COUNTED = "oneshape.counted"


async def count(scope: Scope, services: Services, caller: Caller) -> Caller:
    """The caller, when the key may make this request. A request that is passed on is counted once.

    Raises: RateLimited.
    """
    if _COUNTED in scope:
        return caller
    scope[_COUNTED] = True
    note = note_of(scope)
    note.key_id = caller.key.id
    allowance = await services.rates.count(caller)
    if allowance is not None:
        note.headers.extend(
            [
                (b"x-ratelimit-limit-requests", b"%d" % allowance.limit),
                (b"x-ratelimit-remaining-requests", b"%d" % allowance.remaining),
                (b"x-ratelimit-reset-requests", duration(allowance.reset_s).encode()),
            ]
        )
        allowance.demand()
    return caller


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: `12ms`, `1.5s`, `6m0s` (wire-facts 3.4)."""
    milliseconds = max(round(seconds * 1000), 0)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    told = f"{rest / 1000:g}s"
    return f"{minutes}m{told}" if minutes else told
