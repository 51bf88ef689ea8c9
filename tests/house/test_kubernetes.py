"""The manifests hold together, and agree with the settings and with what the gateway serves."""

import re
from typing import Any, Final

import yaml

from app.settings import unknown_settings
from tests.house.repository import ROOT, text

DIRECTORY: Final = "deploy/kubernetes"


def test_everything_that_is_applied_is_listed_and_the_secret_is_not_among_it() -> None:
    listed = set(_manifest("kustomization")["resources"])
    present = {path.name for path in (ROOT / DIRECTORY).glob("*.yaml")}
    assert listed == present - {"kustomization.yaml", "secret.example.yaml"}


def test_the_secret_is_an_example_and_holds_nothing() -> None:
    assert set(_manifest("secret.example")["stringData"].values()) == {""}


def test_every_variable_is_a_setting_and_the_pods_get_them_all() -> None:
    config, secret = _manifest("config"), _manifest("secret.example")
    assert unknown_settings({**config["data"], **secret["stringData"]}) == []
    references = [next(iter(source.values()))["name"] for source in _container()["envFrom"]]
    assert references == [config["metadata"]["name"], secret["metadata"]["name"]]
    assert {"ONESHAPE_DATABASE_URL", "ONESHAPE_ADMIN_KEY", "ONESHAPE_SECRET_KEY"} <= set(secret["stringData"])


def test_nothing_that_looks_like_a_secret_is_in_the_config() -> None:
    assert [name for name in _manifest("config")["data"] if re.search(r"KEY|SECRET|PASSWORD|TOKEN", name)] == []


def test_a_service_cannot_overwrite_a_setting() -> None:
    assert _pod()["enableServiceLinks"] is False


def test_each_probe_asks_a_route_that_exists_and_liveness_does_not_ask_the_database() -> None:
    paths = {name: _container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert all(f'"{path}"' in text("app/web/health.py") for path in paths.values())


def test_a_pod_is_given_longer_to_finish_than_the_gateway_takes() -> None:
    hard_s = int(re.findall(r"^#?ONESHAPE_GRACE_HARD_S=(\d+)", text(".env.example"), re.MULTILINE)[0])
    pause_s = int(_container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert _pod()["terminationGracePeriodSeconds"] >= pause_s + hard_s + 20


def test_there_are_several_replicas_and_never_fewer_while_they_are_replaced() -> None:
    deployment = _manifest("deployment")["spec"]
    assert deployment["replicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert _manifest("disruption-budget")["spec"]["maxUnavailable"] < deployment["replicas"]


def test_service_budget_and_deployment_mean_the_same_pods() -> None:
    labels = _manifest("deployment")["spec"]["template"]["metadata"]["labels"]
    selected = [
        _manifest("deployment")["spec"]["selector"]["matchLabels"],
        _manifest("disruption-budget")["spec"]["selector"]["matchLabels"],
        _manifest("service")["spec"]["selector"],
    ]
    assert selected == [labels] * 3
    ports = {port["name"] for port in _container()["ports"]}
    assert {port["targetPort"] for port in _manifest("service")["spec"]["ports"]} <= ports


def test_pods_run_with_as_few_rights_as_the_image_needs() -> None:
    user = re.findall(r"--uid (\d+)", text("Dockerfile"))
    assert [str(_pod()["securityContext"]["runAsUser"])] == user
    assert _pod()["securityContext"]["runAsNonRoot"] is True
    assert _pod()["automountServiceAccountToken"] is False
    rights = _container()["securityContext"]
    assert rights == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {mount["mountPath"] for mount in _container()["volumeMounts"]}
    assert {"/data", "/tmp"} == mounted


def test_the_image_is_the_one_that_compose_builds() -> None:
    built = yaml.safe_load(text("docker-compose.yml"))["services"]["gateway"]["image"]
    assert _container()["image"] == built
    assert [f"{image['name']}:{image['newTag']}" for image in _manifest("kustomization")["images"]] == [built]


def _manifest(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(text(f"{DIRECTORY}/{name}.yaml"))
    return document


def _pod() -> dict[str, Any]:
    pod: dict[str, Any] = _manifest("deployment")["spec"]["template"]["spec"]
    return pod


def _container() -> dict[str, Any]:
    (container,) = _pod()["containers"]
    return dict(container)
