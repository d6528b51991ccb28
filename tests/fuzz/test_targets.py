"""Every target of the fuzzer keeps its promises on what was found before and on random bytes.

`WINNOW_FUZZ_EXAMPLES` says how many of the latter each target gets.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

EXAMPLES = int(os.environ.get("WINNOW_FUZZ_EXAMPLES", "40"))
CORPUS = Path(__file__).parent / "corpus"


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A seed with pieces cut out, doubled and put in."""
    raw = bytearray(draw(st.sampled_from(seeds(name))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 8))] = draw(
            st.one_of(st.binary(max_size=12), st.text(max_size=6).map(str.encode))
        )
    return bytes(raw)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_its_promises(name: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES <= 40,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(damaged(name), st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
    def one(data: bytes) -> None:
        TARGETS[name](data)

    for seed in seeds(name):
        TARGETS[name](seed)
    one()


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name[:20]}"
)
def test_what_once_failed_does_not_fail_again(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())
