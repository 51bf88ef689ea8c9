"""What a client is told when vendors failed: the contract's error for each way to fail, with nothing of the vendor's in
it.
"""

from collections.abc import Sequence

from app.core.errors import (
    BadUpstream,
    GatewayError,
    InvalidRequest,
    ModerationBlocked,
    NoVendorAvailable,
    RateLimited,
    UpstreamTimeout,
)
from app.core.exchange import Failure, VendorFailure
from app.wire.vendor_errors import scrub

RETRY_AFTER_S = 10.0


def answer_for(failures: Sequence[VendorFailure], *, task_id: str | None, hidden: Sequence[str]) -> GatewayError:
    """The error for a task, or a text request (`task_id` None), whose attempts all failed. `hidden`: vendor names and
    the like that no message may carry.

    One failure that may have been paid, or a refused content, ends the attempts, so it is the last and decides. Where
    every target refused, the last refusal decides, except that a rate limit is only the answer when nothing else was
    met.
    """
    if not failures:
        return NoVendorAvailable(
            "No vendor is configured for this model.", retry_after_s=60, should_retry=False, task_id=task_id
        )
    telling = next((f for f in reversed(failures) if f.failure is not Failure.RATE_LIMITED), failures[-1])
    words = scrub(telling.detail, hidden)
    said = f": {words}" if words else "."
    wait = telling.retry_after_s or RETRY_AFTER_S
    match telling.failure:
        case Failure.MODERATED:
            return ModerationBlocked(f"The request was refused for its content{said}", task_id=task_id)
        case Failure.REJECTED:
            return InvalidRequest(f"The request was refused by the model{said}", task_id=task_id)
        case Failure.RATE_LIMITED:
            return RateLimited("The model is busy; try again later.", retry_after_s=wait, task_id=task_id)
        case Failure.UNAVAILABLE | Failure.UNREACHABLE:
            return NoVendorAvailable(
                "No vendor can serve this model at the moment.", retry_after_s=wait, should_retry=True, task_id=task_id
            )
        case Failure.UNAUTHORIZED | Failure.OUT_OF_FUNDS | Failure.UNKNOWN_MODEL:
            return BadUpstream("The vendor refused the gateway's request.", should_retry=False, task_id=task_id)
        case Failure.NO_IMAGE:
            return BadUpstream(
                f"The model answered without an image{said}",
                code="no_image_generated",
                should_retry=False,
                task_id=task_id,
            )
        case Failure.UNREADABLE:
            return BadUpstream(
                "The vendor's answer could not be read.",
                code="upstream_invalid_response",
                should_retry=False,
                task_id=task_id,
            )
        case Failure.FAILED | Failure.CUT:
            return BadUpstream("The vendor failed to answer the request.", should_retry=False, task_id=task_id)
        case Failure.TIMED_OUT:
            return UpstreamTimeout("The vendor did not answer in time.", should_retry=False, task_id=task_id)
