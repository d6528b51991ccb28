"""Gates: nothing of ours turns text into markup, and secrets are compared in constant time."""

from __future__ import annotations

import re
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "service"
SINKS = re.compile(
    r"\.(inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|createContextualFragment"
    r"|\.srcdoc|\beval\(|new Function\(|DOMParser|javascript:|setTimeout\(\s*[\"'`]"
)
"""Where a browser parses text as markup or code."""
TRUST = re.compile(r"\|\s*safe\b|autoescape\s+false|Markup\(")
"""How a template, or what feeds one, would be told to believe a text."""
COMPARED = re.compile(r"\b(token|secret|password|signature|csrf)\s*(==|!=)(?!\s*[\"'(\d])")
"""A secret compared by a comparison that stops at the first difference."""
KNOWN = {
    'known is not None and known.token == line.token and known.status == "done"',
    "if any(there.token == line.token for there in read(data_dir)):",
}
"""Of an erasure, a token is a name in a file of ours: nobody sends it."""


def files(*kinds: str) -> list[Path]:
    return sorted(path for kind in kinds for path in SERVICE.rglob(f"*.{kind}"))


def test_no_script_of_ours_parses_text_as_markup_or_code() -> None:
    assert len(files("js")) > 5
    for path in files("js", "html"):
        found = [match[0] for match in SINKS.finditer(path.read_text())]
        assert found == [], path


def test_no_template_is_told_to_believe_a_text() -> None:
    assert len(files("html")) > 15
    for path in files("html", "py"):
        assert not TRUST.search(path.read_text()), path
    assert "autoescape=True" in (SERVICE / "html" / "__init__.py").read_text()


def test_secrets_are_compared_in_constant_time() -> None:
    """Or looked up by their hash; a plain comparison of one is a bug even where it looks safe."""
    for path in files("py"):
        lines = (line.strip() for line in path.read_text().splitlines())
        found = {line for line in lines if COMPARED.search(line)}
        assert found <= KNOWN, path
