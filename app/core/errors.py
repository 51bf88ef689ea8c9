"""Every error that may reach a client, drawn as one tree. What is not in this tree is answered as an opaque 500.

GatewayError
├── ClientError                whose fault: the client's
│   ├── InvalidRequest         400  the request cannot be understood or fulfilled as written
│   ├── ModerationBlocked      400  a vendor refused the content
│   ├── Unauthenticated        401
│   ├── InsufficientQuota      402  balance or budget
│   ├── PermissionDenied       403
│   ├── NotFound               404  unknown, or another account's: the answers are the same
│   ├── MethodNotAllowed       405
│   ├── RequestTimeout         408  the request did not arrive in time
│   ├── Conflict               409
│   ├── Gone                   410
│   ├── RequestTooLarge        413
│   ├── TargetTooLong          414
│   ├── UnsupportedMediaType   415
│   ├── IdempotencyKeyReused   422
│   ├── RateLimited            429
│   └── HeadersTooLarge        431
├── ServerError                ours
│   ├── InternalError          500
│   └── Overloaded             503
└── UpstreamError              a vendor's
    ├── BadUpstream            502
    ├── NoVendorAvailable      503
    └── UpstreamTimeout        504

Status, type and code follow the contract's error table. Messages say what was wrong and what is allowed; they never
carry a vendor's name, a key, a URL of ours or a stack trace.
"""

from typing import ClassVar, Literal

ErrorType = Literal[
    "invalid_request_error",
    "image_generation_user_error",
    "authentication_error",
    "insufficient_quota",
    "permission_error",
    "conflict_error",
    "rate_limit_error",
    "server_error",
    "upstream_error",
]


class GatewayError(Exception):
    """An error with an answer. `status` is the HTTP status, `type`, `code` and `param` are the contract's fields.

    `should_retry` becomes `x-should-retry` (None: not said), `retry_after_s` becomes `Retry-After` (clamped to 1-60),
    `task_id` is told where a result may still appear.
    """

    status: ClassVar[int] = 500
    type: ClassVar[ErrorType] = "server_error"
    default_code: ClassVar[str] = "internal_error"
    codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        assert self.code in self.codes, f"{self.code} is not a code of {self.__class__.__name__}"
        self.param = param
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.task_id = task_id

    def body(self) -> dict[str, str | None]:
        """The four keys of an OpenAI-shaped error object."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


class ClientError(GatewayError):
    """The client can mend it."""

    type: ClassVar[ErrorType] = "invalid_request_error"


class InvalidRequest(ClientError):
    status = 400
    default_code = "invalid_value"
    codes = frozenset(
        {
            "invalid_value",
            "missing_required_parameter",
            "unsupported_parameter",
            "conflicting_parameters",
            "invalid_json",
            "invalid_image",
            "invalid_image_url",
            "failed_to_download_image",
            "image_url_not_allowed",
            "idempotency_key_invalid",
        }
    )


class ModerationBlocked(ClientError):
    status = 400
    type: ClassVar[ErrorType] = "image_generation_user_error"
    default_code = "moderation_blocked"
    codes = frozenset({"moderation_blocked"})


class Unauthenticated(ClientError):
    status = 401
    type: ClassVar[ErrorType] = "authentication_error"
    default_code = "invalid_api_key"
    codes = frozenset({"invalid_api_key", "missing_api_key", "expired_api_key"})


class InsufficientQuota(ClientError):
    status = 402
    type: ClassVar[ErrorType] = "insufficient_quota"
    default_code = "insufficient_balance"
    codes = frozenset({"insufficient_balance", "budget_exceeded"})


class PermissionDenied(ClientError):
    status = 403
    type: ClassVar[ErrorType] = "permission_error"
    default_code = "model_not_allowed"
    codes = frozenset({"model_not_allowed", "account_disabled", "invalid_signature", "admin_only"})


class NotFound(ClientError):
    status = 404
    default_code = "not_found"
    codes = frozenset({"model_not_found", "task_not_found", "media_not_found", "not_found"})


class MethodNotAllowed(ClientError):
    status = 405
    default_code = "method_not_allowed"
    codes = frozenset({"method_not_allowed"})


class RequestTimeout(ClientError):
    status = 408
    default_code = "request_timeout"
    codes = frozenset({"request_timeout"})


class Conflict(ClientError):
    status = 409
    type: ClassVar[ErrorType] = "conflict_error"
    default_code = "idempotency_in_progress"
    codes = frozenset({"idempotency_in_progress", "conflict"})


class Gone(ClientError):
    status = 410
    default_code = "media_expired"
    codes = frozenset({"media_expired"})


class RequestTooLarge(ClientError):
    status = 413
    default_code = "request_too_large"
    codes = frozenset({"request_too_large"})


class TargetTooLong(ClientError):
    status = 414
    default_code = "request_too_large"
    codes = frozenset({"request_too_large"})


class UnsupportedMediaType(ClientError):
    status = 415
    default_code = "unsupported_media_type"
    codes = frozenset({"unsupported_media_type"})


class IdempotencyKeyReused(ClientError):
    status = 422
    default_code = "idempotency_key_reused"
    codes = frozenset({"idempotency_key_reused"})


class RateLimited(ClientError):
    status = 429
    type: ClassVar[ErrorType] = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    codes = frozenset({"rate_limit_exceeded", "concurrency_limit_exceeded"})


class HeadersTooLarge(ClientError):
    status = 431
    default_code = "request_too_large"
    codes = frozenset({"request_too_large"})


class ServerError(GatewayError):
    """Ours to mend."""


class InternalError(ServerError):
    codes = frozenset({"internal_error"})


class Overloaded(ServerError):
    status = 503
    default_code = "overloaded"
    codes = frozenset({"overloaded", "storage_unavailable"})


class UpstreamError(GatewayError):
    """A vendor's doing; the client is not charged."""

    type: ClassVar[ErrorType] = "upstream_error"


class BadUpstream(UpstreamError):
    status = 502
    default_code = "upstream_error"
    codes = frozenset({"upstream_error", "upstream_invalid_response", "no_image_generated"})


class NoVendorAvailable(UpstreamError):
    status = 503
    default_code = "no_vendor_available"
    codes = frozenset({"no_vendor_available"})


class UpstreamTimeout(UpstreamError):
    status = 504
    default_code = "upstream_timeout"
    codes = frozenset({"upstream_timeout"})
