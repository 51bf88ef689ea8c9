"""Bracketed form names as the JSON they stand for (wire-facts 1.3, as the official SDKs flatten it)."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.wire.forms import unbracket


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([("n", "2")], {"n": "2"}),
        ([("google[image_config][aspect_ratio]", "16:9")], {"google": {"image_config": {"aspect_ratio": "16:9"}}}),
        ([("tags[]", "a"), ("tags[]", "b")], {"tags": ["a", "b"]}),
        ([("image[0]", "a"), ("image[1]", "b")], {"image": ["a", "b"]}),
        ([("metadata[a]", "1"), ("metadata[b]", "2")], {"metadata": {"a": "1", "b": "2"}}),
        ([("n", "1"), ("n", "2")], {"n": ["1", "2"]}),
        ([("a[b][]", "1"), ("a[b][]", "2")], {"a": {"b": ["1", "2"]}}),
        ([("a]b[", "1")], {"a]b[": "1"}),
    ],
)
def test_names_are_unbracketed(fields: list[tuple[str, str]], body: dict[str, Any]) -> None:
    assert unbracket(fields) == body


@pytest.mark.parametrize(
    "fields",
    [
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "2"), ("a", "1")],
        [("a" + "[b]" * 1000, "1")],
    ],
)
def test_names_that_make_no_sense_together_are_refused(fields: list[tuple[str, str]]) -> None:
    """B29."""
    with pytest.raises(InvalidRequest) as refused:
        unbracket(fields)

    assert refused.value.param == "a"
