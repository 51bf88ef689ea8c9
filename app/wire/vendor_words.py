"""What vendors call their errors, in lower case: codes, types, Google's status and reason names, and turns of prose.

Sources: wire-facts 3.2, 4.5, 4.6, 6.1 and section 5, row 21. A word that is missing here is read by its status.
"""

import re
from typing import Final

from app.core.exchange import Failure

MODERATED: Final = frozenset(
    {
        "moderation_blocked",
        "moderation",
        "content_moderated",
        "content_moderation",
        "content_policy_violation",
        "image_content_policy_violation",
        "image_generation_user_error",
        "content_filter",
        "content_filtered",
        "prompt_blocked",
        "responsibleaipolicyviolation",
        "safety",
        "safety_block",
        "image_safety",
        "prohibited_content",
        "image_prohibited_content",
        "blocklist",
        "model_armor",
        "nsfw",
        "sensitive_content",
        "sensitive_words_detected",
        "request moderated",
        "content moderated",
    }
)
OUT_OF_FUNDS: Final = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_funds",
        "pre_consume_token_quota_failed",
        "billing_hard_limit_reached",
        "billing_not_active",
        "quota_exhausted",
        "arrearage",
    }
)
UNKNOWN_MODEL: Final = frozenset({"model_not_found", "model_not_exist", "model_not_supported", "unsupported_model"})
UNAUTHORIZED: Final = frozenset({"invalid_api_key", "api_key_invalid", "unauthenticated", "invalid_token"})
# Used only where the HTTP status says that all is well.
STATUS_OF_WORD: Final = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "authentication_error": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "not_found": 404,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
STATUSES: Final = {
    401: Failure.UNAUTHORIZED,
    402: Failure.OUT_OF_FUNDS,
    403: Failure.UNAUTHORIZED,
    404: Failure.UNKNOWN_MODEL,
    408: Failure.TIMED_OUT,
    429: Failure.RATE_LIMITED,
    503: Failure.UNAVAILABLE,
    504: Failure.TIMED_OUT,
    524: Failure.TIMED_OUT,
}
_POLICY: Final = re.compile(
    r"safety (?:system|polic|guideline|filter|reason|setting)|content (?:polic|filter|moderation|guideline)"
    r"|usage polic|prohibited (?:content|use)|violat\w+ (?:of )?(?:our|the|its) \w+|inappropriate content"
    r"|sensitive (?:content|words)|flagged as|\bnsfw\b|违规|敏感|安全策略|内容政策|不合规",
    re.IGNORECASE,
)
_REFUSAL: Final = re.compile(
    r"\b(?:can(?:no|['\u2019])t|can not|won['\u2019]t|unable to|not able to|not allowed to|must decline|refuse to)\b",
    re.IGNORECASE,
)
_TOPIC: Final = re.compile(
    r"sexual|explicit|nud(?:e|ity)|minor|child|violen|gore|hate|harass|harmful|unsafe|illegal|weapon"
    r"|real (?:person|people)|public figure|copyright|guideline|polic(?:y|ies)|inappropriate",
    re.IGNORECASE,
)
_FUNDS: Final = re.compile(
    r"insufficient (?:\w+ )?(?:quota|balance|credit|fund)|(?:quota|balance) (?:\S+ ){0,4}(?:exhausted|not enough)"
    r"|余额不足|额度不足",
    re.IGNORECASE,
)
_MODEL: Final = re.compile(r"not supported model|model \S+ (?:does not exist|not found)|unknown model", re.IGNORECASE)


def by_prose(message: str) -> Failure | None:
    """What an error's message says where its code says nothing."""
    if _POLICY.search(message) is not None:
        return Failure.MODERATED
    if _FUNDS.search(message) is not None:
        return Failure.OUT_OF_FUNDS
    return Failure.UNKNOWN_MODEL if _MODEL.search(message) is not None else None


def reads_as_refusal(text: str) -> bool:
    """Whether a model's words say that it will not draw this for its content, and not that it could not."""
    head = text[:2_000]
    return _POLICY.search(head) is not None or (_REFUSAL.search(head) is not None and _TOPIC.search(head) is not None)
