"""Spoils the token counts of an answer, for the faults of stage `usage`."""

from collections.abc import Callable

from app.sandbox.reading import Json


def spoiled_usage(answer: Json, faults: frozenset[str], *, key: str = "usage") -> Json:
    """The answer with its counts (an object of integers and objects under `key`) spoiled as asked."""
    counts = answer.get(key)
    if not isinstance(counts, dict):
        return answer
    if "usage_absent" in faults:
        return {name: value for name, value in answer.items() if name != key}
    if "usage_null" in faults:
        return {**answer, key: None}
    if "usage_negative" in faults:
        return {**answer, key: _each(counts, lambda count: -count)}
    if "usage_strings" in faults:
        return {**answer, key: _each(counts, str)}
    if "usage_huge" in faults:
        return {**answer, key: _each(counts, lambda count: 10**18)}
    return answer


def _each(counts: Json, change: Callable[[int], object]) -> Json:
    return {name: change(count) if isinstance(count, int) else count for name, count in counts.items()}
