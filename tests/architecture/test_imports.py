"""Who may import whom: the contracts in pyproject.toml hold, and they can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache"],
        capture_output=True, text=True, cwd=folder, check=False,
        env={"PYTHONPATH": str(folder), "PATH": ""},
    )  # fmt: skip


def test_the_import_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("service/pipeline/decide.py", "import redis"),
        ("service/pipeline/decide.py", "from service.store import Store"),
        ("service/pipeline/submit.py", "import litestar"),
        ("service/store/queues.py", "from service.pipeline import submit"),
        ("service/api/queues.py", "import redis"),
        ("service/api/queues.py", "from service.console import pages"),
        ("service/workers/reap.py", "from service.api import queues"),
        ("service/auth.py", "from service import throttle"),
        ("service/api/score.py", "import classifier"),
        ("classifier/model.py", "import asyncio"),
        ("classifier/model.py", "from service import records"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tmp_path: Path, where: str, line: str) -> None:
    skipped = shutil.ignore_patterns("data", "__pycache__", "static", "templates")
    for package in ("service", "classifier"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / where
    changed.write_text(changed.read_text() + f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout[-2000:]
    assert "1 broken" in done.stdout or "2 broken" in done.stdout
