"""The starter catalog with simulated vendors: what `demo` and `serve --sandbox` run with, and the tests."""

from typing import Any

from app.gateway.catalog.builtin import starter
from app.gateway.catalog.live import Revision, Source
from app.gateway.catalog.yaml import read, write
from app.sandbox.vendors import BASE_PATHS, CREDENTIAL


def sandboxed_catalog(base_url: str) -> str:
    """The starter catalog as YAML, every vendor of it at the sandbox under `base_url`.

    Each image model is there once more for each of its vendors alone, as `model@vendor`, so that a vendor can be
    chosen.
    """
    document: Any = read(starter(), format="yaml")[0]
    for name, vendor in document["vendors"].items():
        vendor |= {"base_url": base_url + BASE_PATHS[name], "api_keys": [CREDENTIAL]}
    document["models"] += [
        _only(model, target) for model in document["models"] if model["kind"] == "image" for target in model["targets"]
    ]
    return write(document)


def sandboxed_source(base_url: str) -> Source:
    """The same as a source that never changes."""
    revision = Revision(1, sandboxed_catalog(base_url), "yaml")

    async def source() -> Revision:
        return revision

    return source


def _only(model: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in model.items() if name not in ("aliases", "family", "targets")}
    return {**kept, "id": f"{model['id']}@{target['vendor']}", "targets": [target]}
