"""YAML and JSON of operators are read as plain values with lines, and nothing in them surprises (B35)."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.catalog.findings import CatalogInvalid
from app.gateway.catalog.yaml import MAX_BYTES, MAX_DEPTH, Format, Value, read, write
from app.wire.strict_json import dumps

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
KEYS = st.text("abcyno019:.-~ ", min_size=1, max_size=8)
LEAVES: st.SearchStrategy[Value] = st.one_of(
    TEXTS,
    st.sampled_from(
        ["NO", "yes", "null", "9:16", "0.1", "1e3", "12", "2020-01-01", "true", "~", "", "*a", "!x", "# c"]
    ),
    st.booleans(),
    st.none(),
    st.integers(-(10**15), 10**15),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def words(text: str | bytes, language: Format = "yaml") -> str:
    with pytest.raises(CatalogInvalid) as refused:
        read(text, format=language)
    return str(refused.value)


@pytest.mark.parametrize(
    "text", ["NO", "no", "yes", "On", "off", "9:16", "1:30:00", "2020-01-01", "0x1f", "1_000", ".inf", "=", "<<"]
)
def test_what_older_yaml_takes_for_another_value_stays_text(text: str) -> None:
    assert read(f"key: {text}", format="yaml")[0] == {"key": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("null", None),
        ("~", None),
    ],
)
def test_plain_values_follow_yaml_1_2(text: str, value: Value) -> None:
    read_value = read(f"key: {text}", format="yaml")[0]
    assert read_value == {"key": value}
    assert isinstance(read_value, dict)
    assert type(read_value["key"]) is type(value)


@pytest.mark.parametrize("text", ["true", "12", "null", "0.5"])
def test_what_stands_in_quotes_is_text(text: str) -> None:
    assert read(f"key: '{text}'", format="yaml")[0] == {"key": text}


def test_an_integer_too_long_to_be_meant_stays_text() -> None:
    assert read("key: " + "9" * 5000, format="yaml")[0] == {"key": "9" * 5000}


def test_a_key_written_twice_is_refused_with_both_lines() -> None:
    assert words("a:\n  b: 1\n  c: 2\n  b: 3\n") == "a (line 4): the key 'b' is written twice, first in line 2"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !!str 1", "tags"),
        ("!!map {a: 1}", "tags"),
        ("{!!python/name:os.system a: 1}", "keys must be plain texts"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "aliases"),
        ("? [a]\n: 1", "keys must be plain texts"),
        ("a: 1\n---\nb: 2", "second document"),
        ("", "is empty"),
        ("# only words", "is empty"),
        ("a: [1", "is not YAML"),
        ("a: b: c", "is not YAML"),
        ("a: \x07", "control characters"),
        (b"a: \xff", "is not UTF-8"),
        ("a: \ud800", "is not UTF-8"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("#" * MAX_BYTES + "#", "is larger"),
    ],
)
def test_hostile_yaml_is_refused(text: str | bytes, why: str) -> None:
    assert why in words(text)


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000, '{"a":', b'{"a":"\xff"}', "[" * 17 + "]" * 17]
)
def test_hostile_json_is_refused(text: str | bytes) -> None:
    assert words(text, "json")


def test_every_value_knows_its_line() -> None:
    _, lines = read("a:\n  - b: 1\n    c:\n      d: 2\n  -\n    e: 3\n", format="yaml")
    assert lines["a", 0, "b"] == 2
    assert lines["a", 0, "c", "d"] == 4
    assert lines["a", 1, "e"] == 6


def test_nothing_is_expanded() -> None:
    assert read("a: ${HOME}\nb: '{{ 7*7 }}'\nc: $HOME", format="yaml")[0] == {
        "a": "${HOME}",
        "b": "{{ 7*7 }}",
        "c": "$HOME",
    }


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_back_the_same(document: dict[str, Value]) -> None:
    again, _ = read(write(document), format="yaml")
    assert json.dumps(again) == json.dumps(document)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_json_is_read_as_the_same_values(document: dict[str, Value]) -> None:
    again, lines = read(dumps(document), format="json")
    assert json.dumps(again) == json.dumps(document)
    assert not lines


@given(st.text(max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@`, \n?0.", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CatalogInvalid):
        read(text, format="yaml")
