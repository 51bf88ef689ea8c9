"""What operators start from holds together: the image, the compose file, the example of the environment."""

import re
from typing import Any, Final

import yaml

from tests.house.repository import ROOT, text

SECRET: Final = re.compile(r"KEY|SECRET|PASSWORD|TOKEN")


def test_the_image_is_built_in_stages_and_runs_without_root() -> None:
    run = _dockerfile()[_last_from() :]
    users = [words for instruction, words in run if instruction == "USER"]
    assert sum(instruction == "FROM" for instruction, _ in _dockerfile()) == 2
    assert users
    assert users[-1] not in {"root", "0"}


def test_the_image_says_whether_it_is_alive() -> None:
    assert [words for instruction, words in _dockerfile() if instruction == "HEALTHCHECK" and "/healthz" in words]


def test_the_image_starts_the_server() -> None:
    assert ("ENTRYPOINT", '["oneshape"]') in _dockerfile()
    assert [words for instruction, words in _dockerfile() if instruction == "CMD" and words.startswith('["serve"')]


def test_the_image_carries_no_secret() -> None:
    assert [
        words for instruction, words in _dockerfile() if instruction in {"ARG", "ENV"} and SECRET.search(words)
    ] == []


def test_everything_the_image_copies_exists_and_reaches_the_builder() -> None:
    let_through = {line.removeprefix("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    copied = [words.split() for instruction, words in _dockerfile() if instruction == "COPY" and "--from" not in words]
    sources = {source for words in copied for source in words[:-1]}
    assert sources
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert sources - let_through == set()


def test_compose_uses_only_variables_that_the_example_explains() -> None:
    named = set(re.findall(r"\$\{(\w+)", text("docker-compose.yml")))
    given = {name for name in _services()["gateway"]["environment"] if name.startswith("ONESHAPE_")}
    assert (named | given) - _explained() == set()


def test_compose_knows_no_secret_and_starts_nothing_without_one() -> None:
    for service in _services().values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET.search(name) or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


def test_compose_pins_every_image() -> None:
    images = [service["image"] for service in _services().values()]
    assert [image for image in images if not re.search(r":[^:/]*\d+\.\d+[^:/]*$", image)] == []


def test_compose_waits_for_healthy_services_and_keeps_their_data() -> None:
    services = _services()
    for needed, condition in services["gateway"]["depends_on"].items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in services[needed]
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    files = {name for name in mounted if name.startswith("./")}
    assert {name for name in files if not (ROOT / name).is_file()} == set()
    assert mounted - files == set(yaml.safe_load(text("docker-compose.yml"))["volumes"])


def test_a_container_is_given_longer_to_finish_than_the_gateway_takes() -> None:
    grace_s = int(_services()["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= int(_example()["ONESHAPE_GRACE_HARD_S"]) + 20


def test_compose_serves_through_the_balancer_from_several_gateways() -> None:
    services = _services()
    assert services["gateway"]["deploy"]["replicas"] >= 2
    assert {name for name, service in services.items() if "ports" in service} == {"balancer"}
    assert all(port.startswith("127.0.0.1:") for port in services["balancer"]["ports"])


def test_the_balancer_outwaits_the_gateway_in_everything_and_sends_nothing_twice() -> None:
    said, example = text("deploy/nginx.conf"), _example()
    numbers = {name: int(value) for name, value in re.findall(r"^ *(\w+) (\d+)[sm];", said, re.MULTILINE)}
    assert numbers["proxy_read_timeout"] > int(example["ONESHAPE_TASK_DEADLINE_S"])
    assert numbers["client_max_body_size"] > int(example["ONESHAPE_MAX_MULTIPART_BODY_MB"])
    idle_s = re.findall(r"^ *keepalive_timeout (\d+)s;", said, re.MULTILINE)
    assert int(idle_s[0]) < int(example["ONESHAPE_KEEP_ALIVE_S"])
    assert re.findall(r"proxy_next_upstream (.*);", said) == ["error timeout"]
    assert {"proxy_buffering off;", "proxy_request_buffering off;"} <= {line.strip() for line in said.splitlines()}


def _dockerfile() -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n", " ", text("Dockerfile")).splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    return [(instruction, words) for instruction, words in pairs]


def _last_from() -> int:
    return max(index for index, (instruction, _) in enumerate(_dockerfile()) if instruction == "FROM")


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(text("docker-compose.yml"))["services"]
    return services


def _example() -> dict[str, str]:
    """The settings of .env.example, most of them commented out, with the values that stand there."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text(".env.example"), re.MULTILINE))


def _explained() -> set[str]:
    return set(_example())
