"""Every setting of the process, read once from the environment and `.env` by main, wiring and cli; never a global."""

import ipaddress
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.settings.strength import weakness

PREFIX: Final = "ONESHAPE_"

Network = IPv4Network | IPv6Network

# What "true" means for ALLOW_PRIVATE_NETWORKS: in-house networks and this machine. Link-local addresses are never among
# them, since clouds answer their instances' credentials there.
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
_DATABASE = re.compile(r"(?:sqlite\+aiosqlite:///|postgresql\+asyncpg://).+")


class SettingsInvalid(Exception):
    """The process cannot start with these settings. `problems` name each variable; they never repeat a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """All settings, validated. Names are the variables' without the prefix; an empty variable is not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # What it stores, and where.
    data_dir: Path = Field(Path("data"), description="Database, media and generated secrets of a single machine.")
    database_url: str = Field(
        default_factory=lambda data: f"sqlite+aiosqlite:///{data['data_dir']}/oneshape.db",
        repr=False,
        description="Or postgresql+asyncpg://user:password@host:5432/oneshape, for several replicas. "
        "Default: SQLite in DATA_DIR.",
    )
    database_pool: int = Field(
        10, ge=1, le=200, description="PostgreSQL connections of one process, beside 5 for bursts."
    )
    media_url: str = Field(
        default_factory=lambda data: f"file://{data['data_dir']}/media",
        description="Or s3://bucket/prefix, with the usual AWS_* variables and, outside of AWS, the endpoint. "
        "Default: files in DATA_DIR.",
    )
    media_s3_endpoint: str | None = Field(None, description="The S3-compatible store's address, outside of AWS.")
    media_delivery: Literal["proxied", "presigned"] = Field(
        "proxied",
        description="How links to pictures in a bucket are answered: proxied: with the bytes; presigned: with a 302 to "
        "the bucket, good for five minutes at most.",
    )
    media_s3_public_endpoint: str | None = Field(
        None, description="The bucket's address for clients that are sent to it, where it has another one for us."
    )
    media_ttl_hours: int = Field(168, ge=1, le=87_600, description="Results are erased after this; task rows stay.")
    media_link_ttl_s: int = Field(
        3600, ge=60, le=604_800, description="How long a signed link to a result is good for."
    )
    keep_tasks_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Image tasks that are over are removed after so many days, with their attempts and webhooks. "
        "Default: never.",
    )
    keep_chats_days: int | None = Field(
        None, ge=1, le=36_500, description="So are the records of text requests. The ledger is kept for ever."
    )
    keep_audit_days: int | None = Field(None, ge=1, le=36_500, description="So is the audit of operators' changes.")
    min_free_disk_mb: int = Field(1024, ge=0, description="Paid image work is refused while less than this is free.")

    # Secrets.
    admin_key: SecretStr | None = Field(
        None,
        description="The key of /admin and /console. With SQLite it is generated into DATA_DIR on the first start and "
        "printed once; with PostgreSQL it must be set, as must SECRET_KEY. At least 16 characters, better 32: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
    )
    secret_key: SecretStr | None = Field(
        None, description="Signs media links and seals vendor keys stored in the database. Same rules as ADMIN_KEY."
    )
    metrics_token: SecretStr | None = Field(None, description="A key for /metrics alone. Default: the admin key.")

    # What it serves.
    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on; 0.0.0.0 for all.")
    port: int = Field(
        8080,
        ge=1,
        le=65_535,
        description="The port to listen on. Kubernetes sets a variable of this name, and not to a number, beside a "
        "service called oneshape: say enableServiceLinks: false there.",
    )
    catalog: Path | None = Field(
        None,
        description="A YAML catalog: the file then rules, and admin edits answer 409. Unset: it lives in the database.",
    )
    public_url: str | None = Field(
        None, description="The base of media links, as clients reach it. Default: taken from each request."
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Networks (CIDRs, comma between) of the proxies in front. What they say in X-Forwarded-For, -Proto "
        "and -Host is believed: for the limit on wrong keys, logs and links. Default: nobody is.",
    )
    redis_url: str | None = Field(
        None, repr=False, description="Rate limits shared by replicas; money never depends on it."
    )
    allow_private_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Networks (CIDRs, comma between) that image inputs, result URLs and webhooks may reach although "
        "they are private; true: all private networks, false: none.",
    )

    # Logs.
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error."
    )
    log_format: Literal["json", "console"] = Field("json", description="json or console.")
    trace_vendors: bool = Field(
        False, description="Whether calls of vendors carry a traceparent, where traces are recorded (OTEL_*)."
    )

    # Limits on requests.
    max_chat_body_mb: int = Field(20, ge=1, le=512, description="Bodies of chat requests.")
    max_image_body_mb: int = Field(32, ge=1, le=512, description="JSON bodies of image requests.")
    max_multipart_body_mb: int = Field(64, ge=1, le=1024, description="Multipart bodies of image edits.")
    max_admin_body_kb: int = Field(256, ge=64, le=4096, description="Bodies of admin requests, the catalog among them.")
    max_file_mb: int = Field(20, ge=1, le=512, description="One input picture, uploaded, inlined or fetched.")
    max_pixels: int = Field(33_554_432, ge=1_000_000, le=178_000_000, description="Pixels of any picture.")
    max_side_px: int = Field(8192, ge=1024, le=16_384, description="Width and height of an input picture.")
    max_in_flight_mb: int = Field(512, ge=32, description="Bytes of bodies in memory at once, before a 503.")
    max_memory_mb: int | None = Field(
        None,
        ge=128,
        description="What one process may have in all: with 85 % of it in use no work is begun, with 95 % no body is "
        "taken. Default: the container's limit, else the machine's memory.",
    )
    max_spool_mb: int = Field(4096, ge=64, description="Bytes of unfinished pictures on disk at once, before a 503.")
    header_timeout_s: float = Field(10, ge=1, le=120, description="For a request's headers to arrive.")
    body_idle_timeout_s: float = Field(
        15, ge=1, le=300, description="Without a byte of a request's body, before it is cut off."
    )
    body_timeout_s: float = Field(300, ge=5, le=3600, description="For a request's whole body.")
    min_body_kb_s: int = Field(
        64, ge=0, le=100_000, description="A body that has taken half a minute must have come at this pace; 0: any."
    )
    max_header_kb: int = Field(32, ge=8, le=1024, description="All headers of a request together.")
    max_headers: int = Field(100, ge=20, le=1000, description="Headers of one request.")
    max_target_kb: int = Field(8, ge=1, le=64, description="Path and query of a request.")
    write_idle_timeout_s: float = Field(
        60, ge=1, le=600, description="Without a byte taken by a client that reads an answer, before it is cut off."
    )
    max_connections: int = Field(
        4096, ge=16, le=1_000_000, description="Connections of clients at once; then the longest silent one is closed."
    )
    keep_alive_s: int = Field(
        75,
        ge=1,
        le=3600,
        description="An idle connection is kept for this; choose longer than the balancer's idle time.",
    )
    wrong_keys_per_minute: int = Field(20, ge=1, le=10_000, description="Unknown keys from one address, before a 429.")
    idempotency_hours: int = Field(24, ge=1, le=720, description="How long an Idempotency-Key is remembered.")

    # Limits on work.
    max_running: int = Field(200, ge=1, le=100_000, description="Synchronous requests at once.")
    max_waiting: int = Field(100, ge=0, le=100_000, description="Synchronous requests that may wait for a place.")
    max_wait_s: float = Field(
        5, ge=0, le=120, description="How long a synchronous request may wait for a place, before a 503."
    )
    key_concurrency: int = Field(
        20, ge=1, le=100_000, description="Image requests of a key at work at once, where the key does not say."
    )
    key_queued_tasks: int = Field(1000, ge=1, le=1_000_000, description="Tasks of a key that wait or run at once.")
    worker_tasks: int = Field(32, ge=1, le=10_000, description="Async tasks that one worker runs at once.")
    task_deadline_s: int = Field(900, ge=30, le=86_400, description="A task that is not done after this has failed.")
    task_lease_s: int = Field(60, ge=3, le=3600, description="A worker that is silent for this long has lost its task.")
    task_heartbeat_s: int = Field(10, ge=1, le=1200, description="How often a worker says that it is alive.")
    task_sweep_s: int = Field(15, ge=1, le=1200, description="How often lost and overdue tasks are looked for.")
    webhook_timeout_s: float = Field(10, ge=1, le=60, description="For a webhook's receiver to answer.")
    webhook_attempts: int = Field(8, ge=1, le=20, description="Deliveries tried, over about a day.")

    # Patience with vendors. For a whole answer each has its own, timeout_s in the catalog.
    connect_timeout_s: float = Field(5, ge=0.1, le=60, description="To connect to a vendor, TLS included.")
    image_first_byte_s: float = Field(180, ge=1, le=3600, description="For an image vendor to begin its answer.")
    chat_first_byte_s: float = Field(120, ge=1, le=3600, description="For a chat vendor to begin its answer.")
    stream_first_byte_s: float = Field(60, ge=1, le=3600, description="For a chat vendor to begin a streamed answer.")
    vendor_idle_s: float = Field(
        60, ge=1, le=3600, description="Between two bytes of a vendor's answer, before it is given up."
    )
    max_vendor_reply_mb: int = Field(128, ge=1, le=2048, description="An answer of a vendor with one picture.")
    max_result_file_mb: int = Field(40, ge=1, le=512, description="One picture fetched from a vendor.")
    fetch_timeout_s: float = Field(
        30, ge=1, le=600, description="To fetch one picture from a client's URL; from a vendor's, twice as long."
    )
    breaker_failures: int = Field(5, ge=1, le=1000, description="Failures in a row that set a vendor aside.")
    breaker_open_s: float = Field(
        30, ge=1, le=3600, description="How long a vendor is set aside at first; longer each time, up to 300 s."
    )

    # End of life.
    grace_s: int = Field(150, ge=0, le=3600, description="After SIGTERM, work may finish for this long.")
    grace_hard_s: int = Field(
        180, ge=1, le=3600, description="After SIGTERM, everything is cut off after this; give the container 20 s more."
    )

    @property
    def postgres(self) -> bool:
        """Whether the database is PostgreSQL, which replicas share."""
        return self.database_url.startswith("postgresql")

    @property
    def media_in_bucket(self) -> bool:
        """Whether pictures are kept in an S3-compatible store, which replicas share."""
        return self.media_url.startswith("s3://")

    @property
    def unfinished_dir(self) -> Path:
        """Where processes keep what is not finished: beside the pictures, so that storing one copies nothing."""
        return (self.data_dir if self.media_in_bucket else self.media_dir) / "unfinished"

    @property
    def media_dir(self) -> Path:
        """The directory of pictures that are files."""
        url = urlsplit(self.media_url)
        return Path(unquote(url.netloc + url.path))

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        # An empty secret is refused below instead: it is what a failed substitution in a deployment leaves behind.
        return {name: value for name, value in values.items() if value != "" or name in {"admin_key", "secret_key"}}

    @field_validator("admin_key", "secret_key", "metrics_token")
    @classmethod
    def _strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and (problem := weakness(secret.get_secret_value())):
            raise ValueError(problem)
        return secret

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not _DATABASE.fullmatch(url):
            raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        return url

    @field_validator("media_url")
    @classmethod
    def _known_store(cls, url: str) -> str:
        if not re.fullmatch(r"file://.+|s3://[a-z0-9][a-z0-9.-]{2,62}(?:/.*)?", url):
            raise ValueError("must be file://PATH or s3://BUCKET/PREFIX")
        return url

    @field_validator("public_url", "media_s3_endpoint", "media_s3_public_endpoint")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#@]*", url):
            raise ValueError("must be an http or https address without credentials, query and fragment")
        return url.rstrip("/") if url is not None else None

    @field_validator("log_level", "log_format", "media_delivery", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _proxies(cls, value: object) -> object:
        # No word for "all private networks" here: clients often come from one.
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allow_private_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return parse_networks(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        unset = [name for name in ("ADMIN_KEY", "SECRET_KEY") if getattr(self, name.lower()) is None]
        if self.postgres and unset:
            raise ValueError(f"with PostgreSQL {' and '.join(PREFIX + name for name in unset)} must be set")
        if self.task_lease_s < 3 * self.task_heartbeat_s:
            raise ValueError(f"{PREFIX}TASK_LEASE_S must be at least three times {PREFIX}TASK_HEARTBEAT_S")
        if self.media_delivery == "presigned" and not self.media_in_bucket:
            raise ValueError(f"{PREFIX}MEDIA_DELIVERY=presigned needs a bucket in {PREFIX}MEDIA_URL")
        if self.grace_hard_s < self.grace_s:
            raise ValueError(f"{PREFIX}GRACE_HARD_S must not be below {PREFIX}GRACE_S")
        return self


def read_settings(*, env_file: Path = Path(".env"), **overrides: Any) -> Settings:
    """The settings of the environment over those of `env_file`; `overrides` (the command line's) go before both.

    Raises:
        SettingsInvalid: with every problem at once.
    """
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        details = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        raise SettingsInvalid([_problem(detail["loc"], detail["msg"]) for detail in details]) from None


def environment(*, env_file: Path = Path(".env"), process: Mapping[str, str] = os.environ) -> dict[str, str]:
    """All variables, the process's over those of `env_file`: where the catalog's `env:NAME` secrets are looked up."""
    return {name: value for name, value in dotenv_values(env_file).items() if value is not None} | dict(process)


def unknown_settings(variables: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that are no settings: a misspelt one is to be told, not ignored."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in variables if name.startswith(PREFIX) and name.upper() not in known)


def parse_networks(text: str) -> tuple[Network, ...]:
    """A comma list of CIDRs; `true` is every private network but link-local, `false` or nothing is none.

    Raises:
        ValueError: naming the part that is no network.
    """
    if text.strip().lower() in {"", "false", "no", "0", "none"}:
        return ()
    parts = _PRIVATE if text.strip().lower() in {"true", "yes", "1"} else text.split(",")
    return tuple(ipaddress.ip_network(part.strip()) for part in parts if part.strip())


def _problem(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(location[0]).upper()}: {message}" if location else message
