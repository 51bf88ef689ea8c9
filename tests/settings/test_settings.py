"""Settings are read with their bounds, and what is wrong is told at once, by name and without its value."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, SettingsInvalid, environment, parse_networks, read_settings, unknown_settings

STRONG = "Zq7-4hT9_w2Lx8Vb"
NO_FILE = Path("/nonexistent/.env")


def problems(**overrides: object) -> list[str]:
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(env_file=NO_FILE, **overrides)
    return refused.value.problems


def settings(**overrides: object) -> Settings:
    return read_settings(env_file=NO_FILE, **overrides)


def test_everything_has_a_default_on_one_machine() -> None:
    ours = settings()
    assert ours.database_url == "sqlite+aiosqlite:///data/oneshape.db"
    assert ours.media_url == "file://data/media"
    assert not ours.postgres


def test_what_is_stored_goes_into_the_data_directory(tmp_path: Path) -> None:
    ours = settings(data_dir=tmp_path)
    assert ours.database_url == f"sqlite+aiosqlite:///{tmp_path}/oneshape.db"
    assert ours.media_url == f"file://{tmp_path}/media"


# Fault cases, section 5, and the contract, section 6.
def test_defaults_are_those_of_the_contract() -> None:
    ours = settings()
    assert (ours.port, ours.media_ttl_hours, ours.media_link_ttl_s) == (8080, 168, 3600)
    assert (ours.log_level, ours.log_format, ours.allow_private_networks) == ("info", "json", ())
    assert (ours.max_chat_body_mb, ours.max_image_body_mb, ours.max_multipart_body_mb, ours.max_admin_body_kb) == (
        20,
        32,
        64,
        256,
    )
    assert (ours.task_lease_s, ours.task_heartbeat_s, ours.task_sweep_s, ours.task_deadline_s) == (60, 10, 15, 900)
    assert (ours.max_running, ours.max_waiting, ours.max_wait_s) == (200, 100, 5)
    assert (ours.image_first_byte_s, ours.chat_first_byte_s, ours.stream_first_byte_s, ours.vendor_idle_s) == (
        180,
        120,
        60,
        60,
    )
    assert (ours.grace_s, ours.grace_hard_s, ours.min_free_disk_mb) == (150, 180, 1024)


def test_every_setting_is_explained_and_bounded() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if field.annotation in (int, float):
            assert field.metadata, f"{name} has no bounds"


def test_an_env_file_is_read_and_an_empty_line_in_it_is_unset(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ONESHAPE_PORT=9090\nONESHAPE_CATALOG=\nONESHAPE_MEDIA_TTL_HOURS=\nUNIALL_API_KEY=x\n")
    ours = read_settings(env_file=file)
    assert (ours.port, ours.catalog, ours.media_ttl_hours) == (9090, None, 168)


def test_the_command_line_goes_before_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ONESHAPE_PORT=9090\n")
    assert read_settings(env_file=file, port=7070).port == 7070


def test_everything_that_is_wrong_is_told_at_once_by_its_name() -> None:
    told = problems(port="tcp://10.0.0.1:8080", media_ttl_hours=0, admin_key="sk-1234", log_level="loud")
    assert sorted(problem.split(":")[0] for problem in told) == [
        "ONESHAPE_ADMIN_KEY",
        "ONESHAPE_LOG_LEVEL",
        "ONESHAPE_MEDIA_TTL_HOURS",
        "ONESHAPE_PORT",
    ]


def test_a_refused_value_is_not_repeated() -> None:
    url = "postgres://user:hunter2@host/db"
    assert not any(
        "hunter2" in problem or "sk-1234" in problem for problem in problems(database_url=url, admin_key="sk-1234")
    )


def test_a_refused_value_is_not_repeated_to_whoever_reads_settings_otherwise() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, admin_key="sk-1234", database_url="postgres://user:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(
        settings(
            admin_key=STRONG,
            secret_key=STRONG,
            metrics_token=STRONG,
            database_url=f"postgresql+asyncpg://u:{STRONG}@h/d",
            redis_url=f"redis://:{STRONG}@h",
        )
    )
    assert STRONG not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://host/db"),
        ("database_url", "sqlite:///x.db"),
        ("database_url", "mysql://host/db"),
        ("media_url", "/var/media"),
        ("media_url", "s3://"),
        ("media_url", "gs://bucket"),
        ("public_url", "gw.example"),
        ("public_url", "https://gw.example/?a=1"),
        ("public_url", "https://user:secret@gw.example"),
        ("media_link_ttl_s", 604_801),
        ("port", 0),
        ("log_format", "xml"),
        ("allow_private_networks", "10.0.0.1/8"),
        ("allow_private_networks", "intranet"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: object) -> None:
    assert [problem.split(":")[0] for problem in problems(**{name: value})] == [f"ONESHAPE_{name.upper()}"]


def test_a_worker_is_not_declared_lost_between_two_heartbeats() -> None:
    assert problems(task_lease_s=29) == ["ONESHAPE_TASK_LEASE_S must be at least three times ONESHAPE_TASK_HEARTBEAT_S"]
    assert settings(task_lease_s=30).task_lease_s == 30


def test_the_hard_end_is_not_before_the_soft_one() -> None:
    assert problems(grace_s=200) == ["ONESHAPE_GRACE_HARD_S must not be below ONESHAPE_GRACE_S"]


def test_a_public_address_is_kept_without_its_last_slash() -> None:
    assert settings(public_url="https://gw.example/images/").public_url == "https://gw.example/images"


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", []),
        ("false", []),
        ("10.1.0.0/16", ["10.1.0.0/16"]),
        ("10.0.0.0/8, fd00::/8,127.0.0.1", ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"]),
    ],
)
def test_private_networks_are_a_comma_list(text: str, networks: list[str]) -> None:
    assert settings(allow_private_networks=text).allow_private_networks == tuple(map(ip_network, networks))


def test_all_private_networks_leave_out_where_clouds_answer_credentials() -> None:
    allowed = parse_networks("true")
    metadata = [ip_network("169.254.169.254/32"), ip_network("fe80::/10"), ip_network("168.63.129.16/32")]
    assert not any(
        network.version == other.version and network.overlaps(other) for network in allowed for other in metadata
    )
    assert ip_network("192.168.0.0/16") in allowed


def test_variables_of_the_process_go_before_those_of_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("UNIALL_API_KEY=from-file\nCCAPI_API_KEY=from-file\nBARE\n")
    variables = environment(env_file=file, process={"CCAPI_API_KEY": "from-process"})
    assert variables == {"UNIALL_API_KEY": "from-file", "CCAPI_API_KEY": "from-process"}


def test_a_misspelt_setting_is_named() -> None:
    given = {"ONESHAPE_MEDIA_TTL_HOUR": "1", "ONESHAPE_PORT": "1", "oneshape_port": "1", "PATH": "x"}
    assert unknown_settings(given) == ["ONESHAPE_MEDIA_TTL_HOUR"]
