"""What is installed is what was chosen: hashes, versions with known holes closed, nothing that runs by itself."""

import re
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from benchmarks.sbom import bill_of_materials
from tests.house.repository import ROOT, text

LOCKS: Final = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")
# Below these a hole is known (fault-cases section 6): Host and path bypass, form parsing, smuggling, PSD writes.
FLOORS: Final = {
    "starlette": "1.3.1",
    "uvicorn": "0.54.0",
    "python-multipart": "0.0.27",
    "h11": "0.16.0",
    "aiohttp": "3.13.4",
    "pillow": "12.2.0",
}
# setuptools brings the first where a Python still brings setuptools; the second is this checkout.
EXPECTED_PTH: Final = {"distutils-precedence.pth", "oneshape.pth"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_is_pinned_and_carries_hashes(name: str) -> None:
    blocks = _blocks(name)
    assert blocks
    assert [block for block in blocks if not re.match(r"[a-z0-9-]+==\S+ ", block)] == []
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_registry_and_no_place_on_a_disk(name: str) -> None:
    """No address, no path, no option: each line is a package with its version, or a hash of it."""
    assert re.findall(r"^(?:-.*|.*(?:/|\s@\s|file:).*)$", text(name), re.MULTILINE) == []


def test_what_runs_is_what_is_tested() -> None:
    assert _pins("requirements.lock").items() <= _pins("requirements-dev.lock").items()


def test_every_dependency_that_is_declared_is_locked() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    extras = project["project"]["optional-dependencies"]
    declared = [
        *project["project"]["dependencies"],
        *extras["postgres"],
        *extras["s3"],
        *extras["redis"],
        *extras["otel"],
    ]
    _assert_locked(declared, "requirements.lock")
    _assert_locked(project["dependency-groups"]["dev"], "requirements-dev.lock")


def test_the_bill_of_materials_has_what_the_lock_has() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    made = bill_of_materials(text("requirements.lock"), project)
    assert {part["name"]: part["version"] for part in made["components"]} == _pins("requirements.lock")
    assert all(part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" for part in made["components"])
    digests = [one["value"] for part in made["components"] for one in part["properties"]]
    assert sum(digest.startswith("sha256:") for digest in digests) == text("requirements.lock").count("--hash=")
    assert made["metadata"]["component"]["version"] == project["version"]


def test_the_locked_uv_can_build_this_project_by_itself() -> None:
    _assert_locked([item.replace("uv_build", "uv") for item in _build_requirements()], "requirements-uv.lock")


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_no_installed_package_has_a_hole_that_is_known_to_be_closed_later(package: str, floor: str) -> None:
    assert Version(version(package)) >= Version(floor)


def test_no_installed_package_runs_code_at_start_up() -> None:
    """Supply chain row of fault-cases section 6: the malicious releases of 2026 ran from a .pth file."""
    site = Path(sysconfig.get_paths()["purelib"])
    assert {path.name for path in site.glob("*.pth")} - EXPECTED_PTH == set()


def test_this_checkouts_pth_is_a_path_and_no_program() -> None:
    for path in Path(sysconfig.get_paths()["purelib"]).glob("oneshape.pth"):
        assert Path(path.read_text(encoding="utf-8").strip()) == ROOT


def _build_requirements() -> list[str]:
    requires: list[str] = tomllib.loads(text("pyproject.toml"))["build-system"]["requires"]
    return requires


def _blocks(lock: str) -> list[str]:
    """The lock's requirements, each with its continuation lines."""
    return text(lock).replace("\\\n", " ").splitlines()


def _pins(lock: str) -> dict[str, str]:
    pins = (block.split(" ", 1)[0].partition("==") for block in _blocks(lock))
    return {name: pin for name, _, pin in pins}


def _assert_locked(requirements: list[str], lock: str) -> None:
    pins = _pins(lock)
    for requirement in map(Requirement, requirements):
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")]), requirement
