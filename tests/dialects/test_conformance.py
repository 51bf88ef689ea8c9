"""Every golden case of every dialect: the call is the one expected, and the recorded reply means what is expected."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from app.core.exchange import Exchange, Reply, VendorFailure
from app.core.image import ImageResult, ImageUsage, InlineImage, Pending
from app.dialects import DIALECTS
from tests.dialects.cases import FOLDER, Case, base64_of, outcome_of, read_case, shown_call

PATHS = sorted(FOLDER.glob("*/*.json"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_case_holds(path: Path) -> None:
    case = read_case(path)
    exchange = _exchange(case)
    call = next(exchange)
    if case.call is not None:
        shown = shown_call(call)
        assert {name: shown.get(name) for name in case.call} == case.call
    if case.reply is not None:
        assert case.expect is not None
        _check(case, exchange, case.reply)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_dialect_has_cases_for_its_call_its_answers_and_its_errors(dialect: str) -> None:
    cases = [read_case(path) for path in PATHS if path.parent.name == dialect]
    expected = [case.expect for case in cases if case.expect is not None]
    assert any(case.call is not None for case in cases)
    assert any("images" in expect for expect in expected)
    assert any("failure" in expect for expect in expected)


def _exchange(case: Case) -> Exchange[ImageResult | Pending]:
    dialect = DIALECTS[case.dialect]
    if case.poll is not None:
        return dialect.poll(case.poll, case.target)
    return dialect.start(case.request, case.target)


def _check(case: Case, exchange: Exchange[ImageResult | Pending], reply: Reply) -> None:
    expect: dict[str, Any] = dict(case.expect or {})
    outcome = outcome_of(exchange, reply)
    if isinstance(outcome, VendorFailure):
        shown = {name: getattr(outcome, name) for name in ("failure", "detail", "status", "retry_after_s")}
        assert {name: shown.get(name) for name in expect} == expect, outcome
    elif isinstance(outcome, Pending):
        assert expect == {"pending": asdict(outcome)}
    else:
        assert isinstance(outcome, ImageResult)
        _check_result(outcome, expect)


def _check_result(result: ImageResult, expect: dict[str, Any]) -> None:
    shown = [
        {"base64": base64_of(one.blob), "revised_prompt": one.revised_prompt}
        if isinstance(one, InlineImage)
        else {"url": one.url, "revised_prompt": one.revised_prompt}
        for one in result.images
    ]
    assert [
        {name: value for name, value in one.items() if name in wanted}
        for one, wanted in zip(shown, expect["images"], strict=True)
    ] == expect["images"]
    if "text" in expect:
        assert result.text == expect["text"]
    if "usage" in expect:
        assert result.usage == ImageUsage(**expect["usage"])
