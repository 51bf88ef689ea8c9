"""Clients' JSON: what is refused and why (fault-cases B16-B24, M8), and that the rest is read as it was written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidRequest
from app.wire.strict_json import dumps, loads

# Floats that JSON writes as zero with a minus, or that are subnormal, are refused: they are not among the good values.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != 0 or str(number) == "0.0")
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | FLOATS | KEYS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def refusal(data: bytes, **limits: int) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        loads(data, **limits)
    assert caught.value.code == "invalid_json"
    return caught.value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_good_json_is_read_as_the_standard_library_reads_it(value: Any, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert loads(data) == value
    assert loads(dumps(value)) == value


@given(st.text('[]{}",:\\01e-. u"ntrue', max_size=30))
def test_nothing_is_read_that_the_standard_library_refuses(text: str) -> None:
    try:
        value = loads(text.encode())
    except InvalidRequest:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b'{"a":1',
        b'{"a":1} x',
        b"{}{}",
        b"[1,]",
        b"{'a':1}",
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":"é"}'.encode("latin-1"),
        b"<html>",
        b"]",
        b'{"a":1]',
        b'{"a" "b"}',
    ],
)
def test_b16_what_is_not_json_in_utf_8_is_refused(data: bytes) -> None:
    refusal(data)


def test_b16_a_byte_order_mark_is_named_since_it_cannot_be_seen() -> None:
    assert "byte order mark" in refusal(b"\xef\xbb\xbf{}").message


@pytest.mark.parametrize("data", [b"null", b"[]", b'"x"', b"1"])
def test_a_document_need_not_be_an_object_since_that_is_for_the_caller_to_ask(data: bytes) -> None:
    assert loads(data) == json.loads(data)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [65, 1_000, 100_000])
def test_b19_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    refusal(opening * depth + b"1" + closing * depth)
    refusal(opening * depth)


def test_b19_depth_is_counted_exactly_and_brackets_in_strings_do_not_count() -> None:
    assert loads(b'[{"a":' * 32 + b'"[[[{{{\\"[["' + b"}]" * 32) is not None
    assert loads(b"[[1],[2]]", max_depth=2) == [[1], [2]]
    assert "deeper than 2" in refusal(b"[[1],[[2]]]", max_depth=2).message


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"1", 1),
        (b"[]", 1),
        (b"[ ]", 1),
        (b'["a"]', 2),
        (b'{"a":{}, "b":[1,"2, 3",[]]}', 6),
        (b'[[ ],{ },"[",null]', 5),
    ],
)
def test_b20_values_are_counted_exactly(data: bytes, values: int) -> None:
    assert loads(data, max_values=values) == json.loads(data)
    assert f"more than {values - 1} values" in refusal(data, max_values=values - 1).message


@pytest.mark.parametrize(
    "data",
    [
        b"{" + b",".join(b'"k%d":1' % number for number in range(100_001)) + b"}",
        b"[" + b"[]," * 100_000 + b"[]]",
        b"[]" * 200_000,
        b'"' * 500_000,
        b":" * 5_000_000,
        b"1" * 5_000_000,
    ],
)
def test_b20_too_many_values_are_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"n":1,"n":1000}', "n"),
        (b'{"model":"a","x":{"y":[{"q":1,"r":2,"q":3}]}}', "q"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"a\\"b":1,"a\\"b":2}', 'a"b'),
        (b'{"":1,"":2}', ""),
        (b'{"%s":1,"%s":2}' % (b"k" * 500, b"k" * 500), "k" * 64 + "…"),
    ],
)
def test_b21_a_duplicate_key_is_refused_and_named(data: bytes, key: str) -> None:
    error = refusal(data)
    assert error.param == key
    assert repr(key) in error.message


def test_the_same_key_in_different_objects_is_no_duplicate() -> None:
    assert loads(b'[{"a":{"a":":"}},{"a":"\\\\"}]') == [{"a": {"a": ":"}}, {"a": "\\"}]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "-0", "-0.0", "-0e5", "1e999", "-1E999", "1e-400"])
@pytest.mark.parametrize("body", ["%s", '{"n": %s}', '[1,"-0",%s ]'])
def test_b22_numbers_that_have_no_value_are_refused(number: str, body: str) -> None:
    refusal((body % number).encode())


@pytest.mark.parametrize(
    "number",
    ["1" * 5_000, str(2**63), str(-(2**63)), str(2**64), "0." + "1" * 5_000, "9" * 309 + ".5", "1" * 200 + "e200"],
)
def test_b23_numbers_out_of_range_are_refused(number: str) -> None:
    refusal(f'{{"n":{number}}}'.encode())


@pytest.mark.parametrize(
    "number",
    [str(2**63 - 1), str(-(2**63) + 1), str(2**53 + 1), "-1", "0", "1.0", "1.5", "-0.5", "1e3", "0e5", "5e-324"],
)
def test_b23_numbers_in_range_are_read_exactly(number: str) -> None:
    assert loads(f"[{number}]".encode()) == json.loads(f"[{number}]")
    assert type(loads(number.encode())) is type(json.loads(number))


@pytest.mark.parametrize(
    "data",
    [
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b'"\\udc00\\ud800"',
        b'"\xed\xa0\x80"',
        b'"a\\u0000b"',
        b'{"a\\u0000":1}',
        b'"a\x00b"',
        b'"\\\\\\u0000"',
        b'{"a":1}\x00',
        b'"a\nb"',
    ],
)
def test_b24_lone_surrogates_and_nul_are_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\u202eabc", "a\u200bb", "\U0001f600", "é", "e\u0301"])
def test_b24_other_characters_are_kept_as_they_are(text: str) -> None:
    assert loads(json.dumps({"prompt": text}).encode()) == {"prompt": text}
    assert loads(json.dumps({"prompt": text}, ensure_ascii=False).encode()) == {"prompt": text}


def test_nan_and_infinity_are_never_written() -> None:
    assert dumps([float("nan"), float("inf"), -float("inf")]) == b"[null,null,null]"
