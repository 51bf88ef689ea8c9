"""What the console's own files may not do, read from the files."""

import re
from typing import Final

from tests.console.support import STATIC

PAGE: Final = (STATIC / "index.html").read_text(encoding="utf-8")
SCRIPTS: Final = {path: path.read_text(encoding="utf-8") for path in sorted((STATIC / "js").rglob("*.js"))}
MAKES_CODE: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|ContextualFragment|DOMParser|srcdoc|\beval\(|new Function"
)


def saying(pattern: str | re.Pattern[str]) -> set[str]:
    """The scripts in which the pattern is found."""
    return {path.name for path, text in SCRIPTS.items() if re.search(pattern, text)}


def test_the_page_has_no_inline_script_and_no_inline_style() -> None:
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\son\w+=|\sstyle=|javascript:", PAGE) == []


def test_everything_comes_from_this_host() -> None:
    links = re.findall(r'(?:src|href)="([^"]+)"', PAGE)
    assert [link for link in links if not link.startswith("/console/{version}/")] == []
    assert saying(r"https?://(?!www\.w3\.org/2000/svg)") == set()


def test_no_script_parses_html_or_makes_code() -> None:
    """What the admin API answers, prompts of clients above all, is only ever set as text."""
    assert saying(MAKES_CODE) == set()


def test_the_admin_key_is_in_session_storage_alone() -> None:
    assert saying(r"sessionStorage|document\.cookie|indexedDB") == {"session.js"}
    assert saying("localStorage") == {"theme.js"}


def test_every_import_leads_to_a_file() -> None:
    statement = re.compile(r'^import .* from "(.+)";$', re.MULTILINE)
    imports = [(path, name) for path, text in SCRIPTS.items() for name in statement.findall(text)]
    assert imports
    assert [(path.name, name) for path, name in imports if (path.parent / name).resolve() not in SCRIPTS] == []


def test_scripts_are_small_and_say_what_they_are() -> None:
    assert [path.name for path, text in SCRIPTS.items() if len(text.splitlines()) > 300] == []
    assert [path.name for path, text in SCRIPTS.items() if not text.startswith("// ")] == []


def test_what_others_wrote_keeps_its_licence() -> None:
    assert "MIT License" in (STATIC / "vendor/uplot/LICENSE").read_text(encoding="utf-8")
