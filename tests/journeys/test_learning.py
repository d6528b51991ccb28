"""A site teaches the model: decisions become labels, labels a model, and the service uses it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import classifier
from service.learning import site_labels
from service.records import Label
from service.store import Store
from tests.conftest import Site, Winnow

WINNOW = Path(sys.executable).with_name("winnow")
WORDS = ["the", "walk", "along", "that", "river", "with", "some", "old", "friends", "of", "ours"]
OURS = ["zorbing", "flumpet", "quandle"]


def winnow(home: Winnow, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command on the data folder of a running service."""
    return subprocess.run(
        [WINNOW, *arguments, "--data-dir", str(home.home / "data")],
        capture_output=True,
        text=True,
        cwd=home.home,
        timeout=120,
        check=False,
    )


def text(draw: random.Random, *, spam: bool) -> str:
    words = [*draw.sample(WORDS, 8), draw.choice(OURS if spam else ["garden", "bread"])]
    return " ".join(draw.sample(words, len(words)))


def taught(site: Site, count: int) -> None:
    """Comments that moderators decided on: this site's own words mean spam here."""
    draw, items = random.Random(7), []
    for place in range(count):
        spam = place % 2 == 0
        made = site.submitted(body=text(draw, spam=spam), email=f"a{place}@example.org")
        items.append({"id": made["id"], "action": "spam" if spam else "approve", "version": 1})
    answer = site.ask("POST", "/v1/decisions", json={"items": items})
    assert all(item["code"] == 200 for item in answer.json()["items"])


def test_decisions_become_labels_without_names_or_addresses(winnow_home: Winnow) -> None:
    site = winnow_home.site(plain=True)
    spam, good, cruel, late, _undecided = (
        site.submitted(body=f"Text {n}", email=f"person{n}@example.org") for n in range(5)
    )
    site.decide(spam["id"], "spam", 1)
    site.decide(good["id"], "approve", 1)
    site.decide(cruel["id"], "reject", 1, fields={"reason": "insult"})
    site.decide(late["id"], "reject", 1, fields={"reason": "off topic"})
    done = winnow(winnow_home, "labels", site.id)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["text"]: row["labels"] for row in rows} == {
        "Text 0": {"spam": 1.0},
        "Text 1": {"spam": 0.0, "toxicity": 0.0},
        "Text 2": {"insult": 1.0, "toxicity": 1.0},
    }
    assert "person" not in done.stdout
    assert "A reader" not in done.stdout


def test_an_undone_decision_is_no_label_any_more(winnow_home: Winnow) -> None:
    site = winnow_home.site(plain=True)
    made = site.submitted(body="Taken back")
    site.decide(made["id"], "spam", 1)
    site.ask("POST", f"/v1/comments/{made['id']}/undo", json={"version": 2})
    assert winnow(winnow_home, "labels", site.id).stdout == ""


async def test_feedback_through_other_doors_counts_as_well(store: Store) -> None:
    label = Label(text="Said elsewhere", labels={"spam": 1.0}, source="akismet", at=5)
    await store.labels.add("blog", label)
    assert [found async for found in site_labels(store, "blog", classifier.LABELS)] == [label]


def test_a_model_that_learnt_from_a_site_is_served(
    launch_winnow: Callable[..., Winnow], winnow_home: Winnow
) -> None:
    site = winnow_home.site(plain=True)
    taught(site, 160)
    done = winnow(winnow_home, "adapt", site.id, "--out", str(winnow_home.home / "own"), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["labels"] == 160
    (learnt,) = [one for one in report["learnt"] if one["label"] == "spam"]
    assert learnt["kept"]
    assert learnt["after"]["log_loss"] < learnt["before"]["log_loss"]
    running = launch_winnow(WINNOW_MODEL=str(winnow_home.home / "own"))
    fresh = random.Random(8)
    good = [text(fresh, spam=False) for _ in range(10)]
    spam = [each.replace("garden", OURS[0]).replace("bread", OURS[1]) for each in good]
    asked = {"texts": [*spam, *good], "explain": False}
    now = spam_scores(running, asked, model=f".{site.id}")
    before = spam_scores(winnow_home, asked)
    assert all(after > 10 * known for after, known in zip(now[:10], before[:10], strict=True))
    assert all(ours > theirs for ours, theirs in zip(now[:10], now[10:], strict=True))


def spam_scores(service: Winnow, asked: dict[str, Any], model: str = "") -> list[float]:
    scored = service.admin("POST", "/v1/score", json=asked).json()
    assert scored["model"].endswith(model)
    return [item["scores"]["spam"] for item in scored["items"]]


def test_where_nothing_is_to_be_learnt_no_model_is_written(winnow_home: Winnow) -> None:
    site = winnow_home.site(plain=True)
    taught(site, 10)
    out = winnow_home.home / "nothing"
    done = winnow(winnow_home, "adapt", site.id, "--out", str(out))
    assert done.returncode == 65
    assert "fewer than 30" in done.stdout
    assert "nothing was learnt" in done.stderr
    assert not out.exists()


def test_a_site_that_is_not_there_is_named(winnow_home: Winnow) -> None:
    done = winnow(winnow_home, "labels", "nowhere")
    assert done.returncode != 0
    assert "nowhere" in done.stderr


@pytest.fixture(scope="module")
def winnow_home(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A running service of this file's own."""
    return launch_winnow()
