"""Vendor keys are named, written out or sealed; they are never shown, and only `env:NAME` looks anything up (B35)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.catalog.secrets import SEALED, conceal, open_secret, seal
from app.gateway.catalog.yaml import Value, read, write
from tests.catalog.support import SECRET_KEY, SMALL, changed, loaded, refusal

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80).filter(
    lambda key: "${" not in key and not key.startswith(("env:", "enc:"))
)


def document(*keys: str) -> dict[str, Value]:
    return {"vendors": {"painter": {"api_keys": list(keys)}}}


def only_key(sealed: Value) -> str:
    assert isinstance(sealed, dict)
    vendors = sealed["vendors"]
    assert isinstance(vendors, dict)
    painter = vendors["painter"]
    assert isinstance(painter, dict)
    keys = painter["api_keys"]
    assert isinstance(keys, list)
    assert isinstance(keys[0], str)
    return keys[0]


@given(KEYS)
def test_a_sealed_key_is_opened_under_the_same_secret_key_only(key: str) -> None:
    entry = only_key(seal(document(key), SECRET_KEY))
    assert entry.startswith(SEALED)
    assert key not in entry or len(key) < 4
    assert open_secret(entry, env={}, secret_key=SECRET_KEY) == key
    with pytest.raises(ValueError, match="another secret key"):
        open_secret(entry, env={}, secret_key=b"another one")


def test_sealing_the_same_key_twice_does_not_show_that_it_is_the_same() -> None:
    assert only_key(seal(document("pk-one"), SECRET_KEY)) != only_key(seal(document("pk-one"), SECRET_KEY))


def test_what_is_named_or_sealed_stays_as_it_is() -> None:
    sealed = seal(document("env:A_KEY", "pk-one"), SECRET_KEY)
    assert only_key(sealed) == "env:A_KEY"
    assert seal(sealed, SECRET_KEY) == sealed


def test_a_sealed_catalog_serves_like_the_open_one() -> None:
    sealed = seal(read(SMALL, format="yaml")[0], SECRET_KEY)
    text = write(sealed)
    assert "pk-one" not in text
    assert loaded(text).catalog.vendors == loaded(SMALL).catalog.vendors


@pytest.mark.parametrize("entry", [SEALED, SEALED + "AAAA", SEALED + "!", SEALED + "A" * 64])
def test_a_sealed_key_that_was_changed_is_refused(entry: str) -> None:
    errors = refusal(changed("pk-one", f'"{entry}"'))
    why = "cannot be opened: it was sealed under another secret key, or changed since"
    assert errors == [f"vendors.painter.api_keys[0] (line 7): {why}"]


def test_a_named_key_is_looked_up_where_it_is_told_to() -> None:
    text = changed("pk-one", '"env:PAINTER_KEY"')
    assert loaded(text, env={"PAINTER_KEY": " pk-from-env\n"}).catalog.vendors["painter"].api_keys == ("pk-from-env",)


@pytest.mark.parametrize("env", [{}, {"PAINTER_KEY": ""}, {"PAINTER_KEY": "  "}])
def test_a_vendor_whose_key_is_not_set_is_there_and_not_used(env: dict[str, str]) -> None:
    built = loaded(changed("pk-one", '"env:PAINTER_KEY"'), env=env)
    assert not built.catalog.vendors["painter"].configured
    assert not built.catalog.models["picture-1k"].available
    assert [str(warning) for warning in built.warnings] == [
        "vendors.painter (line 4): has no key, so it is not used: env:PAINTER_KEY is not set"
    ]


def test_of_several_keys_those_that_are_set_are_used_each_once() -> None:
    built = loaded(changed("pk-one", '"env:A", "env:B", "env:C"'), env={"B": "pk-b", "C": "pk-b"})
    assert built.catalog.vendors["painter"].api_keys == ("pk-b",)
    assert [str(warning) for warning in built.warnings] == ["vendors.painter.api_keys[0] (line 7): env:A is not set"]


@pytest.mark.parametrize(
    "entry", ["env:", "env:A B", "env:A-B", "env:${A}", "${PAINTER_KEY}", "pk one", "pk\\none", "pk-ö", ""]
)
def test_an_entry_that_is_no_key_is_refused_and_not_repeated(entry: str) -> None:
    errors = refusal(changed("pk-one", f'"{entry}"'), env={"PAINTER_KEY": "x", "A": "x"})
    assert len(errors) == 1
    assert errors[0].startswith("vendors.painter.api_keys[0] (line 7): ")
    assert "pk" not in errors[0]


def test_a_variable_that_holds_no_key_is_refused_without_its_value() -> None:
    assert refusal(changed("pk-one", '"env:A"'), env={"A": "first line\nsecond"}) == [
        "vendors.painter.api_keys[0] (line 7): the value of A must be visible ASCII characters without spaces"
    ]


def test_env_is_looked_up_in_keys_and_nowhere_else() -> None:
    env = {"HOST": "painter.example"}
    assert refusal(changed("https://painter.example/v1", '"env:HOST"'), env=env)
    assert (
        loaded(changed("model: paint-1k", 'model: "env:HOST"'), env=env).catalog.models["picture-1k"].targets[0].model
        == "env:HOST"
    )


def test_a_document_is_shown_without_its_keys() -> None:
    shown = write(conceal(read(SMALL, format="yaml")[0]))
    assert "pk-one" not in shown
    assert "tk-one" not in shown
    assert conceal(document("env:A_KEY")) == document("env:A_KEY")


@pytest.mark.parametrize(
    "value", [None, [], "x", {"vendors": []}, {"vendors": {"a": 1}}, {"vendors": {"a": {"api_keys": "k"}}}]
)
def test_a_document_of_another_shape_is_left_to_validation(value: Value) -> None:
    assert seal(value, SECRET_KEY) == value
    assert conceal(value) == value
