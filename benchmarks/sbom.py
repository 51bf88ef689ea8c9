"""`make sbom`: what a release consists of, as CycloneDX 1.6 in JSON, from the lock that it is installed from.

The same lock gives the same bytes: there is no time and no random serial number in it.
"""

import argparse
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PIN: Final = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; (.*?))? *$")


def bill_of_materials(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The document for a lock's text and the `project` table of pyproject.toml."""
    name, version = project["name"], project["version"]
    application = {"type": "application", "name": name, "version": version, "bom-ref": f"pkg:pypi/{name}@{version}"}
    components = [_component(block) for block in lock.replace("\\\n", " ").splitlines() if block.strip()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": application},
        "components": components,
    }


def _component(block: str) -> dict[str, Any]:
    """One pinned package: the digests of all the files that may be installed for it, and where only some need it."""
    said, *digests = re.split(r"\s+--hash=", block.strip())
    match = _PIN.match(said)
    if match is None:
        raise ValueError(f"no pinned package: {said}")
    name, version, marker = match.groups()
    purl = f"pkg:pypi/{name}@{version}"
    properties = [{"name": "oneshape:file", "value": digest.strip()} for digest in digests]
    if marker:
        properties.append({"name": "oneshape:needed-where", "value": marker})
    component = {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
    return {**component, "properties": properties}


def main() -> None:
    """Writes it to where it was asked for, or prints it."""
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = json.dumps(bill_of_materials((ROOT / "requirements.lock").read_text("utf-8"), project), indent=1) + "\n"
    if asked.output is None:
        print(text, end="")
    else:
        asked.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
