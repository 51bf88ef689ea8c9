"""What changed between two catalog documents, told by names and not by positions. Keys are never shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from app.gateway.catalog.secrets import conceal
from app.gateway.catalog.yaml import Value


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` is like `models[nano-banana].price.per_image`; None means not there."""

    path: str
    before: Value
    after: Value


def diff(old: Value, new: Value) -> list[Change]:
    """The differences from `old` to `new`, the outermost value that came, went or changed each."""
    return list(_changes("", conceal(old), conceal(new)))


def _changes(path: str, old: Value, new: Value) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys(chain(old, new)):
            yield from _changes(f"{path}.{key}" if path else key, old.get(key), new.get(key))
        return
    before, after = _by_name(old), _by_name(new)
    if before is not None and after is not None:
        for name in dict.fromkeys(chain(before, after)):
            yield from _changes(f"{path}[{name}]", before.get(name), after.get(name))
    elif old != new or type(old) is not type(new):
        yield Change(path, old, new)


def _by_name(value: Value) -> Mapping[str, Value] | None:
    """A list of models by id, or of targets by vendor and name; None for anything else."""
    if not isinstance(value, list) or not value:
        return None
    named = {name: item for item in value if (name := _name(item)) is not None}
    return named if len(named) == len(value) else None


def _name(item: Value) -> str | None:
    if not isinstance(item, dict):
        return None
    if "id" in item:
        return str(item["id"])
    if "vendor" in item and "model" in item:
        return "/".join(str(item[key]) for key in ("vendor", "model", "resolution") if key in item)
    return None
