"""What schemathesis cannot read in the document: texts with rules beyond JSON Schema, models that there are, cursors.

Loaded by its command line, in its own process.
"""

import re
from datetime import date
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st

CURSOR: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
MODELS: Final = ("nano-banana", "nano-banana-pro-1k", "gpt-4o-mini")

schemathesis.openapi.format(
    "printable", st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=100)
)
schemathesis.openapi.format("web-address", st.sampled_from(["https://hooks.example/a", "http://hooks.example:8080/"]))
schemathesis.openapi.format("date", st.dates(min_value=date(1970, 1, 1)).map(str))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """No cursor that was made up: it names nothing, and a list says so. And models that there are, in place of made-up
    names: else nothing would ever be asked of a vendor.
    """
    query: Any = case.query
    if query and isinstance(after := query.get("after"), str) and CURSOR.fullmatch(after):
        del query["after"]
    if query and case.operation.path == "/v1/models" and str(query.get("pageSize", "")).isdecimal():
        query.pop("pageSize")  # asked without it, this is OpenAI's list; Google's has a path of its own
    if isinstance(case.body, dict):
        body: Any = _whole(case.body)
        if isinstance(said := body.get("model"), str) and said.strip():
            body["model"] = MODELS[len(said) % len(MODELS)]
        case.body = body


def _whole(value: Any) -> Any:
    """5.0 is an integer to JSON Schema; money is written as one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return {name: _whole(item) for name, item in value.items()} if isinstance(value, dict) else value
