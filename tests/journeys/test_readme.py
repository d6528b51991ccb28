"""The README's walk-through is true, line by line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```(sh walk|json answer)\n(.*?)```", README, flags=re.DOTALL)


def agrees(shown: Any, answered: Any) -> bool:
    """Whether an answer holds everything the README shows of it."""
    if isinstance(shown, dict):
        return isinstance(answered, dict) and all(
            name in answered and agrees(value, answered[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(answered, list) and all(
            any(agrees(item, candidate) for candidate in answered) for item in shown
        )
    return bool(shown == answered)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_walk_through_answers_what_the_readme_shows(winnow, site):
    variables = {"WINNOW": winnow.url, "KEY": site.secret, "PATH": os.environ["PATH"]}
    shown = 0
    for i, (kind, text) in enumerate(BLOCKS):
        if kind == "json answer":
            continue
        following = BLOCKS[i + 1] if i + 1 < len(BLOCKS) else ("", "")
        if following[0] == "json answer":
            answered = json.loads(run(text, variables))
            assert agrees(json.loads(following[1]), answered), f"{text}\n{answered}"
            shown += 1
        else:  # sets a variable that later commands use
            name = text.partition("=")[0]
            variables[name] = run(f'{text}\nprintf %s "${name}"', variables)
    assert shown == 6


def run(text: str, variables: dict[str, str]) -> str:
    """What a piece of shell prints."""
    done = subprocess.run(
        ["bash", "-euc", text],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout
