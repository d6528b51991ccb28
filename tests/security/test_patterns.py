"""Requirement: no pattern of a site's owner costs more than a moment, whatever it is tried on."""

from __future__ import annotations

import os
import time

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.pipeline.needles import see
from service.pipeline.policy import check_policy
from service.pipeline.words import compile_lists
from service.records import Policy

PATTERNS = int(os.environ.get("WINNOW_PATTERNS", "60"))
"""How many are tried; the release tries 10,000."""
TEXT = 65_536
SECONDS = float(os.environ.get("WINNOW_PATTERN_S", "0.5"))
"""One may take 50 ms on a quiet machine; tests share theirs."""
EVIL = (
    r"(a+)+$", r"(a|a)*$", r"(a|aa)+$", r"(.*a){20}", r"([a-zA-Z]+)*$", r"(a*)*b",
    r"^(([a-z])+.)+[A-Z]",
    r"(x+x+)+y", r"(\w+\s?)*$", r"a{0,1000}", r"(?:a?){100}a{100}", r"[\w.]+@[\w.]+\.\w+$",
)  # fmt: skip
"""Patterns that stall engines which backtrack."""
ATOMS = st.sampled_from(
    ["a", "b", "ab", ".", r"\w", r"\s", r"\d", "[a-c]", "[^a]", "é", r"\b", "x|y"]
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Nested groups and repeats, as people who mean harm write them."""
    text = draw(ATOMS)
    for _ in range(draw(st.integers(0, 6))):
        again = draw(st.sampled_from(["*", "+", "?", "{2,9}", "{0,30}", "*?", ""]))
        text = draw(
            st.sampled_from(
                [f"({text}){again}", f"(?:{text}|{draw(ATOMS)}){again}", text + draw(ATOMS)]
            )
        )
    return text[:512]


def cost(pattern: str, text: str) -> float | None:
    """Seconds that a site with this pattern needs for a text; None where it is refused."""
    try:
        policy = msgspec.convert({"patterns": [{"pattern": pattern}]}, Policy)
        check_policy(policy)
    except (Invalid, msgspec.ValidationError):
        return None
    lists = compile_lists(policy, str.casefold)
    began = time.thread_time()
    lists.matched(see(text))
    return time.thread_time() - began


def texts() -> tuple[str, ...]:
    """64 KiB of what such patterns like least."""
    return ("a" * TEXT, "ab" * (TEXT // 2), "a" * (TEXT - 1) + "!", "a b@c.d " * (TEXT // 8))


def test_patterns_that_stall_other_engines_do_not_stall_this_one() -> None:
    for pattern in EVIL:
        for text in texts():
            spent = cost(pattern, text)
            assert spent is None or spent < SECONDS, (pattern, spent)


@settings(
    max_examples=PATTERNS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False
)
@given(pattern=patterns(), which=st.integers(0, 3))
def test_any_pattern_is_refused_or_quick(pattern: str, which: int) -> None:
    spent = cost(pattern, texts()[which])
    assert spent is None or spent < SECONDS, (pattern, spent)


def test_there_is_a_most_of_everything() -> None:
    """The longest pattern, the most of them, and what RE2 may hold of one."""
    assert cost("a" * 513, "a") is None
    assert cost("(a{100}){100}", "a") is None
    assert cost("(?=a)b", "a") is None
    assert cost(r"(a)\1", "a") is None
