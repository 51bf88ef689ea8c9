"""Differences are told by names, whatever the order, and never show a key."""

from app.gateway.catalog.diff import Change, diff
from app.gateway.catalog.yaml import Value, read
from tests.catalog.support import SMALL, changed


def document(text: str) -> Value:
    return read(text, format="yaml")[0]


def test_the_same_document_has_no_differences() -> None:
    assert diff(document(SMALL), document(SMALL)) == []


def test_a_changed_price_is_told_by_the_models_name() -> None:
    after = changed('per_image: "0.05"', 'per_image: "0.06"')
    assert diff(document(SMALL), document(after)) == [Change("models[picture-1k].price.per_image", "0.05", "0.06")]


def test_a_target_is_told_by_its_vendor_and_its_name_there() -> None:
    after = changed("paint-1k}", "paint-1k, weight: 3}\n      - {vendor: painter, model: other}")
    assert diff(document(SMALL), document(after)) == [
        Change("models[picture-1k].targets[painter/paint-1k].weight", None, 3),
        Change("models[picture-1k].targets[painter/other]", None, {"vendor": "painter", "model": "other"}),
    ]


def test_what_comes_and_goes_is_told_whole() -> None:
    family: Value = {"aliases": ["pic"], "default": "picture-1k"}
    after = changed("  picture: {aliases", "  image: {aliases")
    assert diff(document(SMALL), document(after)) == [
        Change("families.picture", family, None),
        Change("families.image", None, family),
    ]


def test_the_order_of_models_is_no_difference() -> None:
    old: Value = {"models": [{"id": "a"}, {"id": "b"}]}
    new: Value = {"models": [{"id": "b"}, {"id": "a"}]}
    assert diff(old, new) == []


def test_one_and_true_are_different() -> None:
    assert diff({"a": 1}, {"a": True}) == [Change("a", 1, True)]


def test_a_changed_key_is_told_and_not_shown() -> None:
    changes = diff(document(SMALL), document(changed("pk-one", "pk-two")))
    assert [change.path for change in changes] == ["vendors.painter.api_keys"]
    assert "pk-" not in repr(changes)


def test_a_new_vendors_key_is_not_shown() -> None:
    text = "version: 1\nvendors: {other: {dialect: gemini, api_keys: [gk-one]}}"
    changes = diff(document("version: 1"), document(text))
    assert [change.path for change in changes] == ["vendors"]
    assert "gk-one" not in repr(changes)
