"""Requirements of `winnow shadow`: recorded answers of another service beside Winnow's own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.api.compat.recorded import Unreadable, recorded
from service.commands.agreement import Agreement, Findings

WINNOW = Path(sys.executable).with_name("winnow")
ABUSE, POLITE = "You are a fucking idiot.", "I agree with the second point."

ANALYZED = {
    "request": {
        "comment": {"text": ABUSE},
        "requestedAttributes": {"TOXICITY": {}, "FLIRTATION": {}},
        "languages": ["en"],
    },
    "response": {
        "attributeScores": {
            "TOXICITY": {
                "spanScores": [{"begin": 0, "end": 24, "score": {"value": 0.9}}],
                "summaryScore": {"value": 0.97, "type": "PROBABILITY"},
            },
            "FLIRTATION": {"summaryScore": {"value": 0.3, "type": "PROBABILITY"}},
        },
        "languages": ["en"],
    },
}
MODERATED = {
    "request": {"input": [POLITE, ABUSE], "model": "omni-moderation-latest"},
    "response": {
        "id": "modr-1",
        "results": [
            {"flagged": False, "category_scores": {"harassment": 0.001, "violence": 0.0002}},
            {"flagged": True, "category_scores": {"harassment": 0.98, "violence": 0.01}},
        ],
    },
}
CHECKED = {
    "request": {"user_ip": "203.0.113.9", "comment_content": POLITE, "is_test": True},
    "response": "false",
}
SHORT = {"text": POLITE, "scores": {"TOXICITY": 0.02, "INSULT": 0.01}}


def run(folder: Path, *arguments: str, given: str = "", **environ: str):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [WINNOW, "shadow", *arguments],
        input=given,
        capture_output=True,
        text=True,
        cwd=folder,
        env=kept | environ,
        timeout=60,
        check=False,
    )


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def written(folder: Path, *rows: Any) -> str:
    (folder / "calls.jsonl").write_text(lines(*rows))
    return "calls.jsonl"


# -------------------------------------------------------------------------------- figures


def test_figures_are_those_computed_by_hand():
    """Five texts; ranks 1 2 3 4 5 against 2 1 4 3 5."""
    found = Agreement()
    found.add([0.1, 0.4, 0.6, 0.8, 0.9], [0.2, 0.1, 0.7, 0.3, 0.9])
    figures = found.figures()
    assert figures["n"] == 5
    assert figures["rank_agreement"] == 0.8  # 1 - 6 * 4 / (5 * 24)
    assert figures["mean_difference"] == -0.12
    at = {row["threshold"]: row for row in figures["thresholds"]}
    assert at[0.5] == {
        "threshold": 0.5,
        "both": 2,
        "only_theirs": 1,
        "only_ours": 0,
        "agreement": 0.8,
        "kappa": 0.6154,  # (0.8 - 0.48) / (1 - 0.48), by chance (3 * 2 + 2 * 3) / 25
        "auc": 1.0,
        "same_share_at": 0.3,
    }
    assert (at[0.8]["both"], at[0.8]["only_theirs"], at[0.8]["auc"]) == (1, 1, 0.8333)
    assert at[0.8]["same_share_at"] == 0.7
    assert at[0.9]["same_share_at"] == 0.9


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_the_text_books_also_with_ties(seed):
    """Spearman over mean ranks, ROC-AUC over all pairs, Cohen's kappa from the four counts."""
    draw = np.random.default_rng(seed)
    theirs = np.round(draw.random(300), draw.integers(1, 4))
    ours = np.round(np.clip(theirs + draw.normal(0, 0.3, 300), 0, 1), 2)
    found = Agreement()
    found.add(theirs[:100].tolist(), ours[:100].tolist())
    found.add(theirs[100:].tolist(), ours[100:].tolist())
    figures = found.figures()
    ranks = [mean_ranks(theirs), mean_ranks(ours)]
    assert figures["rank_agreement"] == pytest.approx(np.corrcoef(ranks)[0, 1], abs=6e-5)
    assert figures["mean_difference"] == pytest.approx((ours - theirs).mean(), abs=6e-5)
    for row in figures["thresholds"]:
        flags, said = theirs >= row["threshold"], ours >= row["threshold"]
        counts = [(flags & said).sum(), (flags & ~said).sum(), (~flags & said).sum()]
        assert [row["both"], row["only_theirs"], row["only_ours"]] == counts
        agreed = (flags == said).mean()
        chance = flags.mean() * said.mean() + (1 - flags.mean()) * (1 - said.mean())
        assert row["agreement"] == pytest.approx(agreed, abs=6e-5)
        assert row["kappa"] == pytest.approx((agreed - chance) / (1 - chance), abs=6e-5)
        pairs = ours[flags][:, None] - ours[~flags][None]
        assert row["auc"] == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean(), abs=6e-5)
        flagged = [abs((ours >= step / 1000).sum() - flags.sum()) for step in range(1001)]
        share = round(row["same_share_at"] * 1000)
        assert flagged[share] == min(flagged) < min([len(ours), *flagged[share + 1 :]])


def mean_ranks(values):
    return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])


def test_a_figure_that_is_not_defined_is_none():
    """Nothing flagged, or every score the same."""
    found = Agreement()
    found.add([0.1, 0.1], [0.2, 0.2])
    figures = found.figures()
    assert figures["rank_agreement"] is None
    row = figures["thresholds"][0]
    assert [row[name] for name in ("kappa", "auc", "same_share_at")] == [None, None, None]
    assert row["agreement"] == 1.0
    assert Agreement().figures()["mean_difference"] is None


def test_a_score_on_a_threshold_counts_as_flagged():
    """Also where a float of it is a little below."""
    found = Agreement()
    found.add([0.57, 0.7, 0.9, 1.0], [0.57, 0.7, 0.9, 1.0])
    assert [row["both"] for row in found.figures()["thresholds"]] == [4, 3, 3, 2, 2]


def test_the_worst_pairs_are_kept_and_texts_only_when_asked():
    """The farthest apart first; of equal ones the first."""
    call = recorded(lines(SHORT).encode())
    for texts in (False, True):
        findings = Findings(worst=2, texts=texts)
        answers = [{"TOXICITY": 0.52, "INSULT": 0.0}, {"TOXICITY": 0.92, "INSULT": 0.41}]
        findings.add([(n, call, [ours]) for n, ours in enumerate(answers, 1)])
        assert [(p.line, p.attribute) for p in findings.worst] == [(2, "TOXICITY"), (1, "TOXICITY")]
        assert [p.text for p in findings.worst] == [POLITE if texts else ""] * 2


# -------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("row", "api", "texts", "theirs"),
    [
        (ANALYZED, "perspective", [ABUSE], [{"TOXICITY": 0.97, "FLIRTATION": 0.3}]),
        (SHORT, "perspective", [POLITE], [{"TOXICITY": 0.02, "INSULT": 0.01}]),
        (
            MODERATED,
            "openai",
            [POLITE, ABUSE],
            [{"harassment": 0.001, "violence": 0.0002}, {"harassment": 0.98, "violence": 0.01}],
        ),
        (CHECKED, "akismet", [POLITE], [{"spam": 0.0}]),
        (CHECKED | {"response": True}, "akismet", [POLITE], [{"spam": 1.0}]),
        (
            {"request": "user_ip=::1&comment_content=Gr%C3%BC%C3%9Fe+an+alle", "response": "true"},
            "akismet",
            ["Grüße an alle"],
            [{"spam": 1.0}],
        ),
    ],
)
def test_each_api_is_told_by_its_answer(row, api, texts, theirs):
    """As data, or as the text that was sent."""
    found = recorded(json.dumps(row).encode())
    assert (found.api, found.texts, found.theirs) == (api, texts, theirs)
    if "request" in row and not isinstance(row["response"], str):
        sent = {name: json.dumps(value) for name, value in row.items()}
        again = recorded(json.dumps(sent).encode(), api)
        assert (again.api, again.texts, again.theirs) == (api, texts, theirs)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"text": "x"}',
        b'{"text": "", "scores": {"TOXICITY": 0.5}}',
        b'{"text": 5, "scores": {"TOXICITY": 0.5}}',
        b'{"text": "x", "scores": {"TOXICITY": 1.5}}',
        b'{"text": "x", "scores": {"TOXICITY": "high"}}',
        b'{"text": "x", "scores": [0.5]}',
        b'{"request": {}, "response": {"attributeScores": {}}}',
        b'{"request": [], "response": "true"}',
        b'{"request": {"comment_content": "x"}, "response": "invalid"}',
        b'{"request": {"comment_content": ""}, "response": "true"}',
        b'{"request": {"comment": {"text": "x"}}, "response": {"error": {"code": 429}}}',
        b'{"request": {"input": ["a", "b"]}, "response": {"results": [{"category_scores": {}}]}}',
        b'{"request": {"input": 7}, "response": {"results": []}}',
        b'{"request": {"input": "a"}, "response": {"results": [{"flagged": true}]}}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_recorded_call_says_why(line):
    """In one sentence, whatever it is."""
    with pytest.raises(Unreadable) as caught:
        recorded(line)
    assert str(caught.value)


def test_an_api_that_is_forced_is_not_guessed():
    """An answer of another one is refused."""
    with pytest.raises(Unreadable):
        recorded(json.dumps(CHECKED).encode(), "perspective")


# ---------------------------------------------------------------------------- the command


def test_all_three_apis_in_one_file_are_compared(tmp_path):
    """By the doors' own tables; what they do not know is counted by its name."""
    file = written(tmp_path, ANALYZED, MODERATED, CHECKED, SHORT)
    done = run(tmp_path, file, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["calls"], found["bad"], found["errors"], found["worst"]) == (4, 0, [], [])
    assert found["unknown"] == {"violence": 2, "FLIRTATION": 1}
    assert {name: f["n"] for name, f in found["attributes"].items()} == {
        "TOXICITY": 2, "INSULT": 1, "harassment": 2, "spam": 1,
    }  # fmt: skip
    at = found["attributes"]["TOXICITY"]["thresholds"][0]
    assert (at["both"], at["only_theirs"], at["only_ours"], at["kappa"]) == (1, 0, 0, 1.0)


def test_a_person_reads_tables(tmp_path):
    """And texts only with --texts."""
    file = written(tmp_path, ANALYZED, SHORT)
    done = run(tmp_path, file, "--worst", "3")
    assert done.returncode == 0, done.stderr
    for words in ("RANK AGREEMENT", "KAPPA", "SAME SHARE", "FLIRTATION (1)", "2 calls compared"):
        assert words in done.stdout
    assert POLITE not in done.stdout
    assert POLITE in run(tmp_path, file, "--worst", "3", "--texts").stdout


def test_bad_lines_are_named_and_left_out(tmp_path):
    """Exit code 65; the others are compared all the same."""
    given = lines(SHORT) + "nonsense\n\n" + lines({"request": {}}, ANALYZED)
    done = run(tmp_path, "-", "--json", given=given)
    assert done.returncode == 65
    found = json.loads(done.stdout)
    assert (found["calls"], found["bad"]) == (2, 2)
    assert [error["line"] for error in found["errors"]] == [2, 4]
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["line 2", "line 4"]


def test_a_compressed_file_is_read_up_to_its_damage(tmp_path):
    """What stands before counts."""
    whole = gzip.compress(lines(*[SHORT, ANALYZED] * 400).encode())
    (tmp_path / "calls.jsonl.gz").write_bytes(whole)
    done = run(tmp_path, "calls.jsonl.gz", "--json")
    assert (done.returncode, json.loads(done.stdout)["calls"]) == (0, 800)
    (tmp_path / "calls.jsonl.gz").write_bytes(whole[:-20])
    done = run(tmp_path, "calls.jsonl.gz", "--json")
    assert (done.returncode, json.loads(done.stdout)["bad"]) == (65, 1)
    assert "damaged" in done.stderr


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    """In one line."""
    (tmp_path / "calls.jsonl").write_text(content)
    done = run(tmp_path, "calls.jsonl")
    assert (done.returncode, done.stderr) == (
        65, "winnow: calls.jsonl holds no recorded calls\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--url", "http://127.0.0.1:1"], 2),
        (["--key", "abcdefghijkl"], 2),
        (["--url", "http://127.0.0.1:1", "--key", "abcdefghijkl"], 69),
        (["--model", "nowhere"], 65),
        (["--api", "disqus"], 2),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, arguments, code):
    """And by the exit code."""
    done = run(tmp_path, written(tmp_path, *[SHORT] * 20), *arguments)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_running_winnow_answers_as_the_model_here_does(tmp_path, site):
    """Through its doors, and stores nothing; Akismet's answer is yes or no there."""
    key = site.key("compat")
    german = {"text": "Du bist so ein Idiot", "scores": {"INSULT": 0.9}, "languages": ["de"]}
    unspoken = {"text": "Eres idiota", "scores": {"INSULT": 0.9}, "languages": ["es"]}
    file = written(tmp_path, ANALYZED, MODERATED, SHORT, german, unspoken, CHECKED)
    here = json.loads(run(tmp_path, file, "--json").stdout)
    before = site.counts()
    done = run(tmp_path, file, "--json", "--url", site.winnow.url, SHADOW_KEY=key)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    assert there["attributes"].pop("spam")["n"] == here["attributes"].pop("spam")["n"] == 1
    assert there == here
    assert here["unknown"]["INSULT"] == 1
    assert site.counts() == before
    refused = run(tmp_path, file, "--json", "--url", site.winnow.url, SHADOW_KEY="0123456789ab")
    assert refused.returncode == 65
    assert "API key not valid" in refused.stderr
    assert "line 6: Winnow answered 200: invalid" in refused.stderr
