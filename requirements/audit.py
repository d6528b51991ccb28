"""Known vulnerabilities of the pinned packages: `python requirements/audit.py` (`make audit`).

Asks the advisory database behind the package index through pip-audit, without installing anything.
Exits 1 where a pinned version has a known vulnerability. Where the database cannot be asked (no
network, or a mirror without it), it says so plainly and exits 0: that is no finding, and no
all-clear either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TIMEOUT_S = 300


def main(files: Iterable[Path]) -> int:
    """Audits each file; the exit code."""
    found = 0
    for path in files:
        report, problem = ask(path)
        for line in lines(path.name, report, problem):
            print(line)
        found += sum(len(row.get("vulns", ())) for row in report)
    return int(found > 0)


def ask(path: Path) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit says of every package of a file; and why it could not say anything."""
    command = [sys.executable, "-m", "pip_audit", "-s", "pypi", "-f", "json", "--disable-pip"]
    command += ["--require-hashes", "--progress-spinner", "off", "-r", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 (our own tool)
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        return list(json.loads(done.stdout)["dependencies"]), ""
    except subprocess.TimeoutExpired:
        return [], "the advisory database does not answer"
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines()
        return [], said[-1] if said else "pip-audit said nothing"


def lines(name: str, report: list[dict[str, Any]], problem: str) -> Iterator[str]:
    """What is told of one file."""
    for row in report:
        for flaw in row.get("vulns", ()):
            mended = ", ".join(flaw.get("fix_versions", ())) or "none yet"
            yield f"{name}: {row['name']} {row['version']}: {flaw['id']} (mended in: {mended})"
    unasked = sum("skip_reason" in row for row in report)
    if problem or unasked:
        why = problem or "the index has no advisory database for them"
        share = f"{unasked} of {len(report)} packages" if report else "any package"
        yield f"WARNING: {name}: could not audit {share}: {why}"
    else:
        yield f"{name}: {len(report)} packages, no known vulnerability but those above"


if __name__ == "__main__":
    sys.exit(main(sorted(HERE.glob("*.txt"))))
