"""Requirements of the command line, asked of the real program on real data folders."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import classifier
from classifier.evaluation import HOLDS
from service import settings
from service.commands import models
from service.records import Policy
from service.store import embedded
from service.store.launching import find_binary

WINNOW = Path(sys.executable).with_name("winnow")
QUICK = {"WINNOW_WEB_PROCESSES": "1", "WINNOW_PORT": "0", "WINNOW_DRAIN_S": "5"}
LISTENS = re.compile(r"^Winnow listens on (http://127\.0\.0\.1:[0-9]+)\.", re.MULTILINE)


def environ(home, **more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"WINNOW_DATA_DIR": str(home)} | more


def run(home, *arguments, given="", **more):
    """One command, to its end."""
    return subprocess.run(
        [WINNOW, *arguments],
        input=given,
        capture_output=True,
        text=True,
        cwd=home.parent,
        env=environ(home, **more),
        timeout=60,
        check=False,
    )


def asked(home, *arguments, **more):
    """What a command answers as JSON."""
    done = run(home, *arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(home, *arguments, **more):
    """The exit code and the one line of a command that fails."""
    done = run(home, *arguments, **more)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("winnow: ")
    return done.returncode, lines[0]


class Serving:
    """`winnow serve` on a data folder, until `stop`."""

    def __init__(self, home, *arguments, **more):
        self.home = home
        self.process = subprocess.Popen(
            [WINNOW, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home.parent,
            env=environ(home, **QUICK, **more),
        )
        self.lines, self.said = [], threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self.said.wait(30), self.process.stderr.read()
        assert LISTENS.search(self.out), self.process.stderr.read()
        self.url = LISTENS.search(self.out)[1]

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if LISTENS.match(line):
                self.said.set()
        self.said.set()

    @property
    def out(self):
        return "".join(self.lines)

    def value(self, name):
        return re.search(rf"^  {name} +(\S+)", self.out, re.MULTILINE)[1]

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        self.process.stdout.close()
        self.err = self.process.stderr.read()
        self.process.stderr.close()
        return code


def ask(url, key="", body=None):
    """Status and JSON of one request."""
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


COMMENT = {
    "page": "https://blog.example/a",
    "name": "A reader",
    "email": "reader@example.org",
    "body": "I agree.",
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The first start of an installation, still running."""
    service = Serving(tmp_path_factory.mktemp("running") / "data")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """An installation that does not run, and what its first start printed."""
    service = Serving(tmp_path_factory.mktemp("stopped") / "data")
    assert service.stop() == 0
    return service


# ------------------------------------------------------------------------------ serve


def test_the_first_start_prints_keys_that_work(first):
    """The secret key submits to the demo site, the admin key sees it, under the printed URL."""
    status, answer = ask(f"{first.url}/v1/comments", first.value("Demo site, secret key"), COMMENT)
    assert (status, answer["site"]) == (201, "demo")
    status, answer = ask(f"{first.url}/v1/sites", first.value("Admin key"))
    assert [site["id"] for site in answer["items"]] == ["demo"]
    assert first.value("Demo site, publishable key").startswith("pk_")


def test_what_the_first_start_prints_carries_the_real_port(first):
    """Port 0 takes any free one; demo page, console link and curl line name the one it took."""
    assert not first.url.endswith(":0")
    assert first.value("Winnow") == first.url
    assert first.value("Demo page") == f"{first.url}/demo"
    assert first.value("Console").startswith(f"{first.url}/console/sign-in?token=")
    assert f"curl {first.url}/v1/comments" in first.out
    assert first.url in asked(first.home, "site", "show", "demo")["origins"]


def test_the_printed_curl_line_works(first):
    """Copied into a shell as it stands."""
    line = first.out[first.out.index("  curl ") : first.out.index("}'") + 2]
    done = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=20, check=False
    )
    assert json.loads(done.stdout)["site"] == "demo", done.stderr


def test_later_starts_print_nothing_secret_and_a_stop_leaves_nothing(stopped):
    """Only where it listens; after SIGTERM no process, socket or notice is left."""
    assert "ak_" in stopped.out
    second = Serving(stopped.home)
    assert second.out.count("\n") == 1
    pids = children(second.process.pid)
    assert len(pids) >= 3  # server, web process, worker
    assert second.stop() == 0
    for secret in (stopped.value("Admin key"), stopped.value("Demo site, secret key")):
        assert secret not in second.out + second.err + stopped.err
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    left = {path.name for path in stopped.home.iterdir()}
    assert not left & {"redis.sock", "server.json", "serve.json"}


def children(pid):
    """Every process below one."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [child for child, parent in pairs if parent == pid]
    return found + [deeper for child in found for deeper in children(child)]


def test_log_lines_do_not_drown_the_first_words(stopped):
    """A start logs that it is ready and nothing of the web server's own."""
    events = [json.loads(line)["event"] for line in stopped.err.splitlines()]
    assert events == ["ready", "stopping"]


def test_a_second_serve_is_refused_and_leaves_the_metrics_alone(first):
    """One data folder, one service: exit code 75."""
    before = sorted(path.name for path in (first.home / "metrics").iterdir())
    assert before
    code, line = refused(first.home, "serve", "--port", "0")
    assert (code, "already runs" in line) == (75, True)
    assert set(before) <= {path.name for path in (first.home / "metrics").iterdir()}


def test_metrics_of_all_processes_add_up(first):
    """PROMETHEUS_MULTIPROC_DIR lies in the data folder before any child runs."""
    with urllib.request.urlopen(f"{first.url}/metrics", timeout=10) as answer:
        answer.read()  # the request that counts itself
    with urllib.request.urlopen(f"{first.url}/metrics", timeout=10) as answer:
        assert b"winnow_http_requests_total" in answer.read()
    assert any(path.suffix == ".db" for path in (first.home / "metrics").iterdir())


@pytest.mark.parametrize("name", settings.table())
def test_serve_help_lists_every_setting(name, serve_help):
    """As an option, with its variable."""
    assert f"--{name.replace('_', '-')} VALUE" in serve_help
    assert f"WINNOW_{name.upper()}" in serve_help


@pytest.fixture(scope="module")
def serve_help(tmp_path_factory):
    done = run(tmp_path_factory.mktemp("help") / "data", "serve", "--help", COLUMNS="200")
    return re.sub(r"\s+", " ", done.stdout)


def test_help_answers_at_once(tmp_path):
    """Below 300 ms of processor time: nothing heavy is imported to say what there is."""
    script = "import sys, service.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numpy", "litestar", "redis", "uvicorn", "structlog", "rich", "asyncio.runners"}
    assert not heavy - {"asyncio.runners"} & set(loaded)
    before = os.times()
    assert run(tmp_path / "data", "--help").returncode == 0
    after = os.times()
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < 0.6  # of a loaded machine


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve", "--port", "x"], 78, "--port"),
        (["serve", "--web-only"], 78, "WINNOW_REDIS_URL"),
        (["worker"], 78, "WINNOW_REDIS_URL"),
        (["serve", "--nothing"], 2, "--nothing"),
        (["site", "list"], 78, "--data-dir"),
        (["site", "list", "--redis-url", "redis://127.0.0.1:1"], 78, "WINNOW_SECRET"),
        (["site", "list", "--redis-url", "redis://127.0.0.1:1", "--secret", "ab" * 16], 69, ""),
        (["worker", "--redis-url", "redis://127.0.0.1:1"], 78, "WINNOW_SECRET"),
        (["score", "--policy", "/dev/null", "x"], 65, "policy"),
        (["score", "--model", "nowhere", "x"], 65, "manifest"),
        (["key", "add", "--kind", "secret"], 2, "SITE"),
        (["bench", "--folder", "nowhere"], 69, "source tree"),
    ],
)
def test_a_failure_is_one_line_and_its_exit_code(tmp_path, arguments, code, words):
    """78 settings, 69 unavailable, 65 bad data, 2 usage; no traceback, and nothing is made."""
    done, line = refused(tmp_path / "data", *arguments)
    assert (done, words in line) == (code, True), line
    assert not (tmp_path / "data" / "redis").exists()


# --------------------------------------------------------- sites, keys, moderators, policy


@pytest.fixture(params=["running", "stopped"])
def home(request, first, stopped):
    """The commands work whether the service runs or not."""
    return (first if request.param == "running" else stopped).home


def test_sites_are_made_shown_listed_and_removed(home):
    """By the rules of `POST /v1/sites`."""
    made = asked(home, "site", "add", "news", "--name", "Neues", "--origin", "https://n.example/")
    assert made["origins"] == ["https://n.example"]
    assert asked(home, "site", "show", "news")["pending"] == 0
    assert "news" in [site["id"] for site in asked(home, "site", "list")["items"]]
    assert "Neues" in run(home, "site", "list").stdout
    assert refused(home, "site", "add", "news")[0] == 65
    assert refused(home, "site", "add", "No!")[0] == 2
    for option, turned in (("--akismet-queue", True), ("--no-akismet-queue", False)):
        assert asked(home, "site", "change", "news", option)["akismet_queue"] is turned
        assert asked(home, "site", "show", "news")["akismet_queue"] is turned
    assert asked(home, "site", "remove", "news", "--yes")["removed"] is True
    assert refused(home, "site", "show", "news")[0] == 65


def test_corals_secrets_are_counted_replaced_and_never_shown(home, tmp_path):
    """One a line; a file without any asks for no signature."""
    path = tmp_path / "secrets"
    path.write_text("first-secret-of-coral\n\n second-secret-of-coral \nfirst-secret-of-coral\n")
    assert asked(home, "site", "coral", "demo")["secrets"] == 0
    done = run(home, "site", "coral", "demo", "--secrets", str(path))
    assert (done.returncode, "second-secret" in done.stdout) == (0, False)
    assert asked(home, "site", "coral", "demo")["secrets"] == 2
    path.write_text("short\n")
    assert refused(home, "site", "coral", "demo", "--secrets", str(path))[0] == 65
    assert refused(home, "site", "coral", "none")[0] == 65
    none = run(home, "site", "coral", "demo", "--secrets", "-", "--json", given="\n")
    assert json.loads(none.stdout)["secrets"] == 0


def test_removing_a_site_asks_first(home):
    """Without --yes and without an answer nothing happens."""
    done = run(home, "site", "remove", "demo", given="n\n")
    assert done.returncode == 130
    assert asked(home, "site", "show", "demo")["id"] == "demo"


def test_keys_are_shown_once_listed_without_themselves_and_revoked(home):
    """A revoked key is gone from the list."""
    made = asked(home, "key", "add", "demo", "--kind", "secret", "--label", "ci")
    listed = run(home, "key", "list", "demo", "--json").stdout
    assert made["id"] in listed
    assert made["key"] not in listed
    assert asked(home, "key", "revoke", made["id"])["revoked"] is True
    assert made["id"] not in run(home, "key", "list", "--json").stdout
    assert refused(home, "key", "revoke", made["id"])[0] == 65
    assert (
        refused(
            home, "key", "add", "demo", "--kind", "secret", "--expires-at", "2001-01-01T00:00:00Z"
        )[0]
        == 2
    )


def test_a_running_service_knows_new_and_revoked_keys_within_a_second(first):
    """No restart, no signal."""
    made = asked(first.home, "key", "add", "demo", "--kind", "secret")
    assert ask(f"{first.url}/v1/comments", made["key"], COMMENT)[0] == 201
    asked(first.home, "key", "revoke", made["id"])
    time.sleep(1)
    assert ask(f"{first.url}/v1/comments", made["key"], COMMENT)[0] == 401


def test_moderators_get_a_token_and_links(home):
    """Each link has its own token; a name that is not unique is refused."""
    made = asked(home, "moderator", "add", "Ann", "ann@example.org", "--site", "demo")
    assert (made["token"][:3], made["role"], made["sites"]) == ("mt_", "moderator", ["demo"])
    again = asked(home, "moderator", "link", "ann@example.org")
    assert again["sign_in"] != made["sign_in"]
    assert "/console/sign-in?token=" in again["sign_in"]
    names = [each["name"] for each in asked(home, "moderator", "list")["items"]]
    assert names == ["Ann", "Owner"]
    assert refused(home, "moderator", "link", "nobody")[0] == 65
    assert refused(home, "moderator", "add", "B", "b@example.org", "--site", "none")[0] == 65
    assert refused(home, "moderator", "add", "B", "b@example.org")[0] == 2
    assert refused(home, "moderator", "add", "B", "no address", "--role", "admin")[0] == 2


def test_links_name_where_the_running_service_listens(first):
    """Whatever port it took."""
    assert asked(first.home, "moderator", "link", "Owner")["sign_in"].startswith(first.url)


def test_a_policy_is_shown_and_set_as_its_next_version(home, tmp_path):
    """What `show` prints `set` takes; a wrong document changes nothing."""
    before = asked(home, "policy", "show", "demo")
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(before | {"links": {"max": 7}}))
    saved = asked(home, "policy", "set", "demo", str(path))
    assert saved["version"] == before["version"] + 1
    assert asked(home, "policy", "show", "demo")["links"]["max"] == 7
    assert asked(home, "policy", "show", "demo", "--version", "1")["version"] == 1
    path.write_text('{"thresholds": {"rudeness": {"hold": 0.5}}}')
    assert refused(home, "policy", "set", "demo", str(path))[0] == 65
    assert refused(home, "policy", "set", "demo", "-", "--if-version", "99", given="{}")[0] == 65
    assert asked(home, "policy", "show", "demo")["version"] == saved["version"]


def test_a_command_that_is_told_to_end_leaves_no_server(stopped):
    """SIGTERM unwinds; the embedded server it started ends with it."""
    process = subprocess.Popen(
        [WINNOW, "policy", "set", "demo", "-"],
        stdin=subprocess.PIPE,
        cwd=stopped.home.parent,
        env=environ(stopped.home),
    )
    process.stdin.write(b"{}")
    process.stdin.close()
    until = time.monotonic() + 20
    while process.poll() is None and not (stopped.home / "server.json").exists():
        assert time.monotonic() < until
        time.sleep(0.005)
    process.terminate()
    assert process.wait(20) in (0, 143)
    assert embedded.running_url(stopped.home) is None


# ------------------------------------------------------------------------------ score


def test_jsonl_is_answered_line_by_line(tmp_path):
    """Texts and objects in order; a bad line is answered in its place, with exit code 65."""
    given = '"You are an idiot"\n{"text": "Thanks, this helped", "id": 7}\n{}\nnope\n'
    done = run(tmp_path / "data", "score", "--format", "jsonl", given=given)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 65
    assert [set(answer) >= {"scores", "reasons"} for answer in answers] == [
        True,
        True,
        False,
        False,
    ]
    assert answers[0]["scores"]["insult"] > answers[1]["scores"]["insult"]
    assert answers[2]["error"]["code"] == "wrong_type"
    assert not (tmp_path / "data").exists()


def test_jsonl_answers_before_its_input_ends(tmp_path):
    """Who writes one line and waits is answered: a program can talk to it."""
    with subprocess.Popen(
        [WINNOW, "score", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ(tmp_path / "data"),
    ) as process:
        for text in (b'"one"\n', b'{"text": "two"}\n'):
            process.stdin.write(text)
            process.stdin.flush()
            assert "spam" in json.loads(process.stdout.readline())["scores"]
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_text_is_shown_readably_and_explained(tmp_path):
    """A table for people; the words that count with --explain; one object with --json."""
    done = run(tmp_path / "data", "score", "You idiot", "--explain")
    assert re.search(r"insult +0\.", done.stdout)
    assert "idiot" in done.stdout.partition("Words that count")[2]
    found = asked(tmp_path / "data", "score", "You idiot", "--explain")
    assert found["tokens"][1]["text"] == "idiot"
    assert json.loads(run(tmp_path / "data", "score", "--json", given="piped").stdout)["scores"]


def test_a_policy_decides_the_reasons(tmp_path):
    """--policy FILE instead of the default one."""
    path = tmp_path / "policy.json"
    path.write_text('{"block": [{"text": "teapot", "match": "word", "outcome": "reject"}]}')
    found = asked(tmp_path / "data", "score", "a teapot", "--policy", str(path))
    assert (found["outcome"], found["reasons"][0]["code"]) == ("reject", "list.block")


# ----------------------------------------------------------------- train, evaluate, bench


def test_train_and_evaluate_make_and_measure_a_model(tmp_path):
    """On a folder without a known source both say so, with exit code 65."""
    (tmp_path / "rows").mkdir()
    for command in ("train", "evaluate"):
        code, line = refused(tmp_path / "data", command, "--data", str(tmp_path / "rows"))
        assert (code, "jsonl.gz" in line) == (65, True)
    assert refused(tmp_path / "data", "train", "--data", "nowhere")[0] == 2


@pytest.fixture
def labelled(tmp_path):
    """A folder of labelled rows that are none of the project's own sources."""
    folder = tmp_path / "rows"
    folder.mkdir()
    said = ["You are a complete idiot and a moron", "Thank you, this fixed the build"]
    rows = [
        {"text": f"{said[n % 2]}, number {n}.", "label": 1 - n % 2, "lang": ("en", "de")[n % 4 > 1]}
        for n in range(120)
    ]
    (folder / "forum.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_evaluate_measures_any_folder_by_set_language_and_label(tmp_path, labelled):
    """Every figure has an interval; --label says what a plain label judges."""
    given = ("--data", str(labelled), "--rounds", "5")
    found = asked(tmp_path / "data", "evaluate", *given)
    assert found["rows"] == 120
    assert set(found["languages"]) == {"en", "de"}
    for name in ("auc", "average_precision", "recall_at_1%", "recall_at_5%", "ece"):
        value, low, high = found["sets"]["forum"]["toxicity"][name]
        assert 0 <= low <= high <= 1
        assert 0 <= value <= 1
    assert len(found["evasion"]["disguised"]["kinds"]) == 11
    assert found["fairness"]["groups"]["groups"]
    done = run(tmp_path / "data", "evaluate", *given, "--label", "insult")
    assert re.search(r"forum +insult +120 +60 +[01]\.\d{3} \(", done.stdout), done.stdout
    assert refused(tmp_path / "data", "evaluate", *given, "--label", "nice")[0] == 65


def test_a_model_card_speaks_of_the_default_policy():
    """The classifier may not import the service: its thresholds are a copy that must not drift."""
    assert {label: limit.hold for label, limit in Policy().thresholds.items()} == HOLDS


def test_evaluate_writes_a_report_with_plots(tmp_path, labelled):
    """--out FOLDER."""
    out = tmp_path / "out"
    done = run(tmp_path / "data", "evaluate", "--data", str(labelled), "--out", str(out),
               "--rounds", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        "REPORT.md", "report.json", "precision-recall-toxicity.svg", "reliability-toxicity.svg",
    }  # fmt: skip
    assert json.loads((out / "report.json").read_text())["sets"]["forum"]


class Weaker:
    """The shipped model with its scores blurred by each text's checksum."""

    version = "weaker"

    def __init__(self, model):
        self.manifest, self.spans, self._score = model.manifest, model.spans, model.score

    def score(self, texts):
        blur = [[zlib.crc32(text.encode()) / 2**32] for text in texts]
        return (0.2 * self._score(texts) + 0.8 * np.array(blur)).astype(np.float32)


def test_evaluate_compares_two_models_and_gates_a_promotion(tmp_path, labelled, monkeypatch):
    """A model may take its own place; a weaker one may not: the reasons, and exit code 1."""
    ours = str(classifier.default_artifact())
    given = ("--data", str(labelled), "--rounds", "20", "--gate")
    found = asked(tmp_path / "data", "evaluate", *given, "--against", ours)
    assert found["gate"] == {"passed": True, "reasons": []}
    assert found["against"]["sets"]["forum"]["verdict"] == "same"
    load = classifier.load
    monkeypatch.setattr(
        classifier, "load", lambda f: load(f) if str(f) == ours else Weaker(load(Path(ours)))
    )
    asked_for = [*given, "--model", str(tmp_path), "--against", ours]
    done = CliRunner().invoke(models.evaluate, asked_for)
    assert done.exit_code == 1, done.output
    told = done.stdout.partition("Promotion blocked:")[2]
    assert "- ROC-AUC of toxicity on forum went from" in told
    assert "worse" in done.stdout.partition("Model weaker against")[2]
    assert refused(tmp_path / "data", "evaluate", *given)[0] == 2  # against what?


def test_bench_runs_scripts_and_merges_what_they_say(tmp_path):
    """Modules that only help are no benchmarks; a failing one is named, with exit code 1."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "lib.py").write_text('"""Helps."""\n')
    (folder / "good.py").write_text(
        '"""Measures well."""\nif __name__ == "__main__":\n    print(\'{"rate": 5}\')\n'
    )
    named = ("bench", "--folder", str(folder))
    listed = asked(tmp_path / "data", *named, "--list")["items"]
    assert listed == [{"name": "good", "about": "Measures well."}]
    assert asked(tmp_path / "data", *named)["good"]["rate"] == 5
    (folder / "bad.py").write_text('if __name__ == "__main__":\n    raise SystemExit(3)\n')
    done = run(tmp_path / "data", *named)
    assert done.returncode == 1
    assert "exit code 3" in json.loads(done.stdout)["bad"]["error"]
    assert refused(tmp_path / "data", *named, "other")[0] == 2


def test_bench_follows_a_plan_and_names_the_data_where_they_are_wanted(tmp_path):
    """A plan chooses what runs, in its order, with which arguments; no plan is exit code 65."""
    folder, rows = tmp_path / "benchmarks", tmp_path / "rows"
    folder.mkdir()
    rows.mkdir()
    said = "import json, sys\nassert __name__ == '__main__'\n"
    said += "print(json.dumps({'got': sys.argv[1:]}))"
    (folder / "first.py").write_text('"""Needs "--data"."""\n' + said)
    (folder / "second.py").write_text('"""Needs none."""\n' + said)
    (folder / "third.py").write_text('"""Is not planned."""\n' + said)
    plan = tmp_path / "plan.toml"
    plan.write_text('second = []\nfirst = ["--rounds", "1"]\n')
    named = ("bench", "--folder", str(folder), "--plan", str(plan))
    found = asked(tmp_path / "data", *named, "--data", str(rows))
    assert list(found) == ["second", "first"]
    assert found["first"]["got"] == ["--json", "--rounds", "1", "--data", str(rows)]
    assert found["second"]["got"] == ["--json"]
    assert list(asked(tmp_path / "data", *named, "third")) == ["third"]
    listed = asked(tmp_path / "data", *named, "--list")["items"]
    assert [row["name"] for row in listed] == ["second", "first"]
    plan.write_text("other = []\n")
    assert refused(tmp_path / "data", *named)[0] == 2
    for wrong in ("first = 5\n", "first = [\n"):
        plan.write_text(wrong)
        assert refused(tmp_path / "data", *named)[0] == 65


@pytest.mark.parametrize("name", ["short", "long"])
def test_the_plans_of_the_source_tree_name_its_benchmarks(tmp_path, name):
    """`make bench` and `make bench-long` begin with the machine they describe."""
    plan = Path(__file__).parents[2] / "benchmarks" / f"{name}.toml"
    listed = asked(tmp_path / "data", "bench", "--plan", str(plan), "--list")["items"]
    assert listed[0]["name"] == "machine"
    assert all(row["about"] for row in listed)


# ------------------------------------------------------------------------------ doctor


def states(home, *arguments, **more):
    done = run(home, "doctor", "--json", *arguments, **more)
    report = json.loads(done.stdout)
    assert report["ok"] is (done.returncode == 0)
    return done.returncode, {check["check"]: check for check in report["checks"]}


def test_the_doctor_finds_a_running_installation_healthy(first):
    """Every check is there; the service is asked at its real port."""
    code, found = states(first.home)
    assert code == 0
    assert found["service"]["detail"] == f"ready at {first.url}"
    for name in ("settings", "data folder", "embedded server", "model", "store", "data", "clock"):
        assert found[name]["state"] == "ok", found[name]
    assert "WARNING" in (text := run(first.home, "doctor").stdout) or "ok" in text


def test_the_doctor_finds_a_stopped_installation_healthy(stopped):
    """Nothing runs and nothing is started; the port is free."""
    code, found = states(stopped.home, WINNOW_PORT="0")
    assert code == 0
    assert "is free" in found["service"]["detail"]
    assert embedded.running_url(stopped.home) is None


@pytest.mark.parametrize(
    ("variable", "value", "check", "state"),
    [
        ("WINNOW_REDIS_SERVER", "/bin/true", "embedded server", "failed"),
        ("WINNOW_MODEL", "nowhere", "model", "failed"),
        ("WINNOW_DATA_DIR", "/proc/winnow", "data folder", "failed"),
        ("WINNOW_PORT", "no", "settings", "failed"),
        ("WINNOW_REDIS_URL", "redis://127.0.0.1:1", "store", "failed"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path, variable, value, check, state):
    """Exit code 1, and an advice."""
    given = {"WINNOW_PORT": "0"} | {variable: value}
    done = subprocess.run(
        [WINNOW, "doctor", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ(tmp_path / "data") | given,
        check=False,
    )
    found = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert (done.returncode, found[check]["state"]) == (1, state)
    assert found[check]["advice"]
    assert not (tmp_path / "data").exists()


def test_the_doctor_warns_of_a_store_that_may_lose_comments(tmp_path):
    """A server without an append-only file works, with a warning."""
    path = tmp_path / "r.sock"
    server = subprocess.Popen(
        [find_binary(None), "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        code, found = states(tmp_path / "data", WINNOW_REDIS_URL=f"unix://{path}", WINNOW_PORT="0")
        assert (code, found["store"]["state"]) == (0, "warning")
        assert "appendfsync always" in found["store"]["advice"]
    finally:
        server.terminate()
        server.wait(10)


def test_the_doctor_finds_a_port_that_is_taken(first, tmp_path):
    """Another installation listens there already."""
    code, found = states(tmp_path / "data", WINNOW_PORT=first.url.rpartition(":")[2])
    assert (code, found["service"]["state"]) == (1, "failed")
