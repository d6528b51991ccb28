"""The whole API by its own OpenAPI document, against a running service.

`WINNOW_FUZZ_CASES` says how many cases each operation gets; the seed is printed with a failure.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Site, Winnow

CASES = int(os.environ.get("WINNOW_FUZZ_CASES", "3"))
SEED = os.environ.get("WINNOW_FUZZ_SEED", "20261128")
LONG = CASES > 20
PHASES = "examples,coverage,fuzzing,stateful"

WITHOUT = ("/v1/events",)
"""An answer without end; tests/api/test_events has it."""
UNCHECKED = (
    "positive_data_acceptance",  # hooks.py has one that looks at the code of a refusal
    "ignored_auth",  # tests/api/test_access has every route by every key
    "use_after_free",
    "ensure_resource_availability",  # ids are given by path, of sites that others may remove
    "missing_required_header",
)


@pytest.fixture(scope="module")
def winnow(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A service of its own: what is fuzzed may change everything."""
    return launch_winnow(WINNOW_WEB_PROCESSES="1" if not LONG else "2")


def known(site: Site) -> dict[str, str]:
    """One of each thing that exists."""
    comment = site.submitted()
    wanted = {"url": "https://hooks.example/w", "events": ["comment.approved"]}
    made = site.winnow.admin("POST", f"/v1/sites/{site.id}/webhooks", json=wanted)
    assert made.status_code == 201, made.text
    person = {"name": "Dana", "email": "dana@staff.example", "role": "viewer", "sites": [site.id]}
    return {
        "site": site.id,
        "comment_id": comment["id"],
        "token": comment["receipt"].rpartition("/")[2],
        "webhook": made.json()["id"],
        "moderator_id": site.winnow.admin("POST", "/v1/moderators", json=person).json()["id"],
        "status": "pending",
    }


def test_every_operation_answers_as_the_document_says(winnow: Winnow, tmp_path: Path) -> None:
    phases = os.environ.get("WINNOW_FUZZ_PHASES", PHASES if LONG else "fuzzing")
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run"),
            f"{winnow.url}/openapi.json",
            *("-H", f"Authorization: Bearer {winnow.admin_key}"),
            *("--phases", phases, "--max-examples", str(CASES), "--seed", SEED),
            *("--checks", "all", "--exclude-checks", ",".join(UNCHECKED)),
            *(word for path in WITHOUT for word in ("--exclude-path", path)),
            *("--continue-on-failure", "--request-timeout", "30", "--no-color"),
            *("--suppress-health-check", "all", "--warnings", "off"),
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            "WINNOW_FUZZ_KNOWN": json.dumps(known(winnow.site())),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = "\n".join(line[:400] for line in done.stdout.splitlines())
    if kept := os.environ.get("WINNOW_FUZZ_LOG"):
        Path(kept).write_text(said)
    print("\n".join(said.splitlines()[-30:]))
    assert done.returncode == 0, f"{said[-12_000:]}\n{done.stderr[-2000:]}"
    found = re.search(r"(\d+) generated", said)
    assert found is not None
    assert int(found[1]) > 40 * CASES
    assert winnow.process.poll() is None
