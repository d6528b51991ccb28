"""Another model comes into use without a restart, and an admin goes back to the one before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Site, Winnow, until
from tests.fuzz.artifacts import tiny

WINNOW = "from service.cli import main; main()"


@pytest.fixture(scope="module")
def winnow(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A service of its own: the model is everybody's."""
    return launch_winnow()


def command(winnow: Winnow, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WINNOW, "model", *words],
        cwd=winnow.home,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "WINNOW_DATA_DIR": str(winnow.home / "data")}
        | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def told(winnow: Winnow) -> dict[str, Any]:
    answer = winnow.admin("GET", "/v1/model")
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    return dict(answer.json())


def in_use(winnow: Winnow, version: str) -> bool:
    """Whether every web process says so: twenty answers of two processes."""
    return {told(winnow)["version"] for _ in range(20)} == {version}


def test_a_model_is_activated_scores_and_is_rolled_back(winnow: Winnow, tmp_path: Path) -> None:
    site = winnow.site()
    shipped = told(winnow)["version"]
    assert winnow.admin("POST", "/v1/model/rollback").status_code == 409
    made = []
    for seed in (1, 2):
        done = command(winnow, "activate", str(tiny(tmp_path / str(seed), seed)), "--json")
        assert done.returncode == 0, done.stderr
        made.append(json.loads(done.stdout)["model"])
        until(lambda: in_use(winnow, made[-1]), 30)
    assert site.submitted()["verdict"]["model"] == made[1]
    assert told(winnow)["earlier"] == [made[0], "shipped"]

    answer = winnow.admin("POST", "/v1/model/rollback", headers={"If-Match": f'"{made[1]}"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == made[0]
    again = winnow.admin("POST", "/v1/model/rollback", headers={"If-Match": f'"{made[1]}"'})
    assert again.status_code == 412
    until(lambda: in_use(winnow, made[0]), 30)
    assert site.submitted(body="Another point.")["verdict"]["model"] == made[0]
    assert [
        (each["action"], each["after"], each["by"].partition(":")[0])
        for each in told(winnow)["history"]
    ] == [
        ("activate", made[0], "command line"),
        ("activate", made[1], "command line"),
        ("rollback", made[0], "admin"),
    ]

    listed = json.loads(command(winnow, "list", "--json").stdout)["items"]
    assert [(row["model"], row["state"]) for row in listed] == [
        (made[0], "active"),
        ("shipped", "earlier"),
        (made[1], "kept"),
    ]
    assert command(winnow, "rollback").returncode == 0
    until(lambda: in_use(winnow, shipped), 30)


def test_a_damaged_model_is_refused_and_the_old_one_stays(winnow: Winnow, tmp_path: Path) -> None:
    before = told(winnow)["version"]
    bad = tiny(tmp_path / "bad")
    raw = bytearray((bad / "weights.npy").read_bytes())
    raw[300] ^= 4
    (bad / "weights.npy").write_bytes(bytes(raw))
    done = command(winnow, "activate", str(bad))
    assert (done.returncode, "SHA-256" in done.stderr) == (65, True)
    assert told(winnow)["version"] == before

    (winnow.home / "data" / "models" / "active.json").write_text("{")
    until(lambda: '"model_refused"' in winnow.log.read_text(), 30)
    assert winnow.admin("GET", "/v1/model").status_code == 409
    assert winnow.site().submitted()["verdict"]["model"] == before
    assert command(winnow, "list").returncode == 65
    (winnow.home / "data" / "models" / "active.json").unlink()


def test_only_admins_of_the_installation_go_back(winnow: Winnow) -> None:
    site: Site = winnow.site()
    for key in (site.secret, site.publishable, site.person("moderator"), site.person("admin")):
        assert site.ask("POST", "/v1/model/rollback", key).status_code == 403
    assert "history" not in site.ask("GET", "/v1/model").json()


def test_a_model_that_the_settings_name_is_changed_there(
    launch_winnow: Callable[..., Winnow], tmp_path: Path
) -> None:
    pinned = launch_winnow(WINNOW_MODEL=str(tiny(tmp_path / "one")), WINNOW_WEB_PROCESSES="1")
    assert (told(pinned)["pinned"], told(pinned)["version"]) == (True, "tiny-1")
    answer = pinned.admin("POST", "/v1/model/rollback")
    assert (answer.status_code, "WINNOW_MODEL" in answer.text) == (409, True)
    done = command(pinned, "list", WINNOW_MODEL=str(tmp_path / "one"))
    assert (done.returncode, "WINNOW_MODEL" in done.stderr) == (78, True)


def test_a_start_with_a_damaged_model_takes_the_one_before_it(
    winnow: Winnow, tmp_path: Path
) -> None:
    made = [
        json.loads(command(winnow, "activate", str(tiny(tmp_path / str(n), n)), "--json").stdout)
        for n in (3, 4)
    ]
    until(lambda: in_use(winnow, made[1]["model"]), 30)
    card = winnow.home / "data" / "models" / made[1]["model"] / "CARD.md"
    card.write_text("Another card\n")
    winnow.stop()
    winnow.start()
    assert told(winnow)["version"] == made[0]["model"]
    assert winnow.site().submitted()["verdict"]["model"] == made[0]["model"]
