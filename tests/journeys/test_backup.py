"""Backup and restore, on a running service, with kill -9 in the middle and damage of every kind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from service.store import embedded, epochs
from service.store.backups import copying, sheet
from service.store.keys import SiteKeys
from tests.conftest import ROOT, Winnow, until

ERASED = "erased-canary@example.org"
CANARY = "canary-of-the-erased-7341"


def command(*args: str, **environ: str) -> subprocess.Popen[str]:
    """A `winnow` command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environ,
    )


def run(*args: str, code: int = 0, **environ: str) -> str:
    """What a `winnow` command prints; it must exit with `code`."""
    process = command(*args, **environ)
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, out + err
    return out + err


def report(*args: str, **environ: str) -> Any:
    """A command's JSON."""
    process = command(*args, "--json", **environ)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    return json.loads(out)


def killed_at(said: str, *args: str) -> None:
    """Kills a command with SIGKILL once it said that."""
    process = command(*args)
    assert process.stderr is not None
    for line in process.stderr:
        if said in line:
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait(60) == -signal.SIGKILL
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()


def served_without_success(data: Path, code: int, **environ: str) -> str:
    """What `winnow serve` says when it refuses a folder."""
    asked = {"WINNOW_DATA_DIR": str(data), "WINNOW_PORT": "0"} | environ
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "serve"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=data.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | asked,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


def all_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".lock" not in path.name
    }


class Installation:
    """A running service with some comments, and one backup of it."""

    def __init__(self, winnow: Winnow, dest: Path) -> None:
        self.winnow, self.dest = winnow, dest
        self.data = winnow.home / "data"
        self.site = winnow.site(plain=True)
        self.texts: dict[str, str] = {}
        for i in range(40):
            made = self.site.submitted(body=f"Comment number {i}", email=f"r{i % 7}@example.org")
            self.texts[made["id"]] = f"Comment number {i}"
        self.erased = self.site.submitted(body=CANARY, email=ERASED)["id"]
        ids = list(self.texts)
        for i, comment_id in enumerate(ids[:10]):
            action = ("reject", "spam")[i % 2]
            assert self.site.decide(comment_id, action, 1).status_code == 200
        self.said = report("backup", str(dest), "--data-dir", str(self.data))
        self.backup = Path(self.said["path"])


@pytest.fixture(scope="module")
def installation(
    launch_winnow: Callable[..., Winnow], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    return Installation(launch_winnow(), tmp_path_factory.mktemp("backups"))


@pytest.fixture
def copy(installation: Installation, tmp_path: Path) -> Path:
    """A copy of the backup, to damage."""
    return Path(shutil.copytree(installation.backup, tmp_path / installation.backup.name))


def test_a_backup_says_what_is_in_it_and_was_tried(installation: Installation) -> None:
    assert installation.said["tried"] is True
    assert installation.said["violations"] == 0
    assert installation.said["comments"] == 41
    made = sheet.read(installation.backup)
    assert list(sheet.damage(installation.backup, made)) == []
    kept = {file.path for file in made.files}
    assert {"epoch", "secret"} < kept
    there = {str(p.relative_to(installation.backup)) for p in installation.backup.rglob("*")}
    assert kept | {sheet.SHEET, sheet.SUMS, "redis", "redis/appendonlydir"} == there
    for path in (installation.backup, *installation.backup.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    subprocess.run(["sha256sum", "-c", sheet.SUMS], cwd=installation.backup, check=True)
    assert report("restore", str(installation.backup), "--check-only")["comments"] == 41


def test_all_that_was_acknowledged_comes_back_and_the_service_goes_on(
    installation: Installation, tmp_path: Path, launch_winnow: Callable[..., Winnow]
) -> None:
    """Taken while comments come in: what was acknowledged before is in it, each with its state."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            made = installation.site.submitted(body=f"While it runs {len(acknowledged)}")
            acknowledged.append(made["id"])

    intake = threading.Thread(target=submit)
    intake.start()
    until(lambda: len(acknowledged) > 20, 30)
    before = list(acknowledged)
    said = report("backup", str(tmp_path / "b"), "--data-dir", str(installation.data))
    after = len(acknowledged)
    stop.set()
    intake.join(30)
    assert after > len(before), "intake stopped while the backup was taken"
    assert said["comments"] >= 41 + len(before)

    data = tmp_path / "home" / "data"
    data.parent.mkdir()
    told = report("restore", said["path"], "--data-dir", str(data))
    assert told["comments"] == said["comments"]
    assert told["violations"] == 0
    original, restored = [
        (folder / "epoch").read_text().strip() for folder in (installation.data, data)
    ]
    assert epochs.origin(original) == epochs.origin(restored)
    assert (epochs.generation(original), epochs.generation(restored)) == (1, 2)

    again = Winnow(tmp_path / "home")
    try:
        for comment_id in [*before, *installation.texts]:
            found = again.ask("GET", f"/v1/comments/{comment_id}", installation.site.secret)
            assert found.status_code == 200, comment_id
            if comment_id in installation.texts:
                assert found.json()["body"] == installation.texts[comment_id]
        assert again.http.get("/readyz").json()["ready"] is True
        posted = again.ask(
            "POST", "/v1/comments", installation.site.secret,
            json={"page": "https://news.example/a/1", "name": "A", "email": "a@example.org",
                  "body": "Afterwards"},
        )  # fmt: skip
        assert posted.status_code == 201
        counted = again.admin("GET", "/metrics").text
        age = next(
            line for line in counted.splitlines() if line.startswith("winnow_backup_age_seconds ")
        )
        assert float(age.split()[1]) < 600
    finally:
        again.stop()


# ------------------------------------------------------------------------------ kill -9


@pytest.mark.parametrize("moment", ["writes its file anew", "copying", "trying the copy"])
def test_a_killed_backup_leaves_none_that_looks_whole(
    installation: Installation, tmp_path: Path, moment: str
) -> None:
    dest, data = tmp_path / "b", str(installation.data)
    killed_at(moment, "backup", str(dest), "--data-dir", data)
    assert sheet.found_in(dest) == []
    assert installation.site.submit().status_code == 201
    left = list(dest.glob(".unfinished-*"))
    records = [json.loads(p.read_text()) for p in dest.rglob("server.json")]
    made = report("backup", str(dest), "--data-dir", data)
    assert [path.name for path, _ in sheet.found_in(dest)] == [Path(made["path"]).name]
    assert not any(path.exists() for path in left)
    # The server that was trying the killed one's copy is gone as well.
    until(lambda: not any(_runs(record["pid"]) for record in records))


def _runs(pid: int) -> bool:
    """Whether it does anything: one that nobody has fetched yet is over, too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("moment", ["copying", "starting a server", "checking the data"])
def test_a_killed_restore_leaves_a_folder_that_no_server_starts_in_and_is_run_again(
    installation: Installation, tmp_path: Path, moment: str
) -> None:
    for place in range(10):
        data = tmp_path / f"data{place}"
        killed_at(moment, "restore", str(installation.backup), "--data-dir", str(data))
        if (data / ".restore").exists():
            break  # else it was over before it was killed
    secret = {"WINNOW_SECRET": (installation.data / "secret").read_text().strip()}
    said = served_without_success(data, 65, **secret)
    assert "a backup was being restored" in said
    assert "run `winnow restore` again" in said
    told = report("restore", str(installation.backup), "--data-dir", str(data))
    assert told["comments"] == 41
    assert not (data / ".restore").exists()
    assert report("verify", "--data-dir", str(data))["violations"] == 0


# ------------------------------------------------------------------------------- damage


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("hurt", ["flipped", "cut", "gone"])
def test_every_file_of_a_backup_is_compared_before_anything_is_restored(
    copy: Path, tmp_path: Path, hurt: str
) -> None:
    original = sheet.read(copy)
    for file in original.files:
        if not file.size:
            continue
        path, kept = copy / file.path, (copy / file.path).read_bytes()
        if hurt == "flipped":
            flipped(path)
        elif hurt == "cut":
            path.write_bytes(kept[:-1])
        else:
            path.unlink()
        assert [file.path in said for said in sheet.damage(copy, original)] == [True]
        path.write_bytes(kept)
    flipped(copy / "epoch")
    data = tmp_path / "data"
    said = run("restore", str(copy), "--data-dir", str(data), code=65)
    assert "epoch is damaged" in said
    assert [path.name for path in data.iterdir()] == ["owner.lock"]


def test_a_damaged_sheet_and_what_is_no_backup_are_refused(copy: Path, tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    flipped(copy / sheet.SHEET)
    assert "backup.json is damaged" in run("restore", str(copy), *data, code=65)
    assert "damaged" in run("backup", str(copy.parent), "--list")
    (copy / sheet.SUMS).unlink()
    assert "no whole backup" in run("restore", str(copy), *data, code=65)


def test_a_sheet_that_names_files_outside_or_a_newer_form_is_refused(copy: Path) -> None:
    made = sheet.read(copy)
    outside = sheet.Kept("../../etc/passwd", 1, "0" * 64)
    for wrong, said in (
        ({"files": (outside,)}, "outside of the backup"),
        ({"format": 2}, "does not know"),
        ({"epoch": "x"}, "no epoch"),
    ):
        sheet.write(
            copy, sheet.Sheet(**({f: getattr(made, f) for f in made.__struct_fields__} | wrong))
        )
        with pytest.raises(sheet.BackupError, match=said) as refused:
            sheet.read(copy)
        assert refused.value.exit_code == 65


def test_a_copy_with_fewer_comments_than_its_sheet_says_is_refused(
    copy: Path, tmp_path: Path
) -> None:
    """Whole files of another moment under this sheet's name would pass the sums alone."""
    made = sheet.read(copy)
    counts = {site: by | {"approved": by["approved"] + 1} for site, by in made.counts.items()}
    fields = {f: getattr(made, f) for f in made.__struct_fields__} | {"counts": counts}
    sheet.write(copy, sheet.Sheet(**fields))
    said = run("restore", str(copy), "--data-dir", str(tmp_path / "data"), code=65)
    assert "the backup's sheet says" in said


def test_a_folder_that_is_not_empty_is_not_touched(
    installation: Installation, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "precious").write_text("mine")
    said = run("restore", str(installation.backup), "--data-dir", str(data), code=2)
    assert "is not empty (precious)" in said
    assert all_files(data) == {"precious": b"mine"}
    run("restore", str(installation.backup), "--data-dir", str(installation.data), code=75)


def test_an_empty_or_foreign_store_is_not_backed_up(
    installation: Installation, tmp_path: Path
) -> None:
    """Else a store that lost its data would push the good backups out."""
    with redis.Redis.from_url(installation.winnow.admin_redis_url) as client:
        epoch = client.get(epochs.KEY)
        client.delete(epochs.KEY)
        try:
            said = run("backup", str(tmp_path / "b"), "--data-dir", str(installation.data), code=65)
        finally:
            client.set(epochs.KEY, epoch or b"")
    assert "the store is empty" in said
    assert sheet.found_in(tmp_path / "b") == []


# ------------------------------------------------------------------- secret, keep, erasures


def test_without_its_secret_a_backup_says_so_and_is_restored_with_it(
    installation: Installation, tmp_path: Path
) -> None:
    data = str(installation.data)
    said = run("backup", str(tmp_path / "b"), "--data-dir", data, "--without-secret", "--quick")
    assert "does not hold the installation's secret" in said
    [(path, _)] = sheet.found_in(tmp_path / "b")
    assert not (path / "secret").exists()
    target = ("--data-dir", str(tmp_path / "data"))
    assert "WINNOW_SECRET" in run("restore", str(path), *target, code=78)
    secret = (installation.data / "secret").read_text().strip()
    run("restore", str(path), *target, WINNOW_SECRET=secret)
    # The folder has data now; a new secret made in silence would open nothing of it.
    assert "put the secret back" in served_without_success(tmp_path / "data", 78)


def test_only_the_newest_of_ones_own_backups_stay(
    installation: Installation, copy: Path, tmp_path: Path
) -> None:
    dest, data = copy.parent, str(installation.data)
    foreign = Path(shutil.copytree(copy, dest / "winnow-19990101T000000000Z-other"))
    made = sheet.read(foreign)
    fields = {f: getattr(made, f) for f in made.__struct_fields__} | {"epoch": "ab" * 16}
    sheet.write(foreign, sheet.Sheet(**fields))
    for _ in range(2):
        told = report("backup", str(dest), "--data-dir", data, "--quick", "--as-is", "--keep", "2")
    assert told["removed"] == [copy.name]
    names = [row["name"] for row in report("backup", str(dest), "--list")["items"]]
    assert names[0] == foreign.name
    assert len(names) == 3


def test_who_was_erased_since_stays_erased_and_no_byte_of_them_is_left(
    installation: Installation, tmp_path: Path
) -> None:
    site = installation.site
    run("erase", site.id, ERASED, "--yes", "--data-dir", str(installation.data))
    path = f"/v1/comments/{installation.erased}"
    until(lambda: site.ask("GET", path).json()["status"] == "erased", 60)
    data = tmp_path / "data"
    erasures = installation.data / "erasures.jsonl"
    told = report(
        "restore", str(installation.backup), "--data-dir", str(data), "--erasures", str(erasures)
    )
    assert told["erased_again"] == 1
    assert (told["comments"], told["violations"]) == (40, 0)
    written = b"".join(path.read_bytes() for path in (data / "redis").rglob("*") if path.is_file())
    assert CANARY.encode() not in written
    assert b"Comment number 3" in written, "the texts are not where this test looks"
    assert (data / "erasures.jsonl").read_bytes() == erasures.read_bytes()
    # A folder that nobody serves is backed up as well, as the next generation.
    report("backup", str(tmp_path / "b"), "--data-dir", str(data), "--quick")
    [(_, made)] = sheet.found_in(tmp_path / "b")
    assert isinstance(made, sheet.Sheet)
    assert (epochs.generation(made.epoch), made.comments) == (2, 40)


# -------------------------------------------------------------------------- whose data


def test_the_folder_that_was_backed_up_is_not_taken_for_the_restored_one(
    installation: Installation, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    run("restore", str(installation.backup), "--data-dir", str(data))
    shutil.rmtree(data / "redis")
    shutil.copytree(installation.backup / "redis", data / "redis")
    assert "are another installation's" in served_without_success(data, 65)


def test_sessions_claims_and_limits_do_not_come_back(
    installation: Installation, tmp_path: Path
) -> None:
    site, winnow = installation.site, installation.winnow
    with redis.Redis.from_url(winnow.admin_redis_url) as client:
        for name in ("w:session:x", "w:sessions:x", "w:sign-in:x", "w:rate:{w}:key:x"):
            client.set(name, "1")
        keys = SiteKeys(site.id)
        waiting = next(iter(installation.texts))
        client.zadd(keys.leases(), {waiting: 1})
        client.hset(keys.holders(), waiting, "ann\nx")
        said = report(
            "backup",
            str(tmp_path / "b"),
            "--data-dir",
            str(installation.data),
            "--quick",
            "--as-is",
        )
        client.delete("w:session:x", "w:sessions:x", "w:sign-in:x", "w:rate:{w}:key:x")
        client.delete(keys.leases(), keys.holders())
    run("restore", said["path"], "--data-dir", str(tmp_path / "data"))
    with _server(tmp_path / "data") as url, redis.Redis.from_url(url) as client:
        names = {name.decode() for name in client.scan_iter(count=1000)}
    assert not any(name.startswith(("w:session", "w:sign-in", "w:rate:")) for name in names)
    assert keys.leases() not in names
    assert keys.comment(waiting) in names


class _server:  # noqa: N801
    """The server of a data folder, for a moment."""

    def __init__(self, data: Path) -> None:
        from service.settings import Settings

        self._server = embedded.start(Settings(data_dir=data))

    def __enter__(self) -> str:
        self._server.wait_ready()
        return self._server.admin_url

    def __exit__(self, *_: object) -> None:
        self._server.stop()


# ------------------------------------------------------------------- files of one moment


def test_what_is_held_stays_as_it_was_though_the_server_writes_and_rewrites(
    home: Path, tmp_path: Path
) -> None:
    url = embedded.running_admin_url(home)
    assert url is not None
    from service.store.launching import find_binary

    with redis.Redis.from_url(url, decode_responses=True) as client:
        client.set("w:before", "1")
        with copying.held(home / "redis") as held:
            client.set("w:after", "1")
            client.bgrewriteaof()
            until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 30)
            time.sleep(0.3)
            held.copy(tmp_path, find_binary(None))
    shutil.copy(home / "epoch", tmp_path / "epoch")
    with _server(tmp_path) as copied, redis.Redis.from_url(copied) as client:
        assert client.exists("w:before") == 1
        assert client.exists("w:after") == 0


def test_a_copy_is_cut_behind_its_last_whole_command(tmp_path: Path) -> None:
    """A write that is only half in the file while it is read is left out, not taken for damage."""
    from service.store.launching import find_binary

    folder = tmp_path / "redis" / "appendonlydir"
    folder.mkdir(parents=True)
    whole = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    half = b"*1\r\n$5\r\nMULTI\r\n" + whole
    (folder / "a.incr.aof").write_bytes(whole + half)
    (folder / "a.manifest").write_text("file a.incr.aof seq 1 type i\n")
    with copying.held(tmp_path / "redis") as held:
        held.copy(tmp_path / "copy", find_binary(None))
    copied = tmp_path / "copy" / "redis" / "appendonlydir" / "a.incr.aof"
    assert copied.read_bytes() == whole
    broken = whole.replace(b"$3", b"$9") + whole * 3
    (folder / "a.incr.aof").write_bytes(broken)
    with (
        copying.held(tmp_path / "redis") as held,
        pytest.raises(sheet.BackupError, match="is damaged: readable up to byte 0"),
    ):
        held.copy(tmp_path / "another", find_binary(None))


@pytest.fixture(autouse=True)
def _no_server_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    for path in tmp_path.rglob("server.json"):
        pid = json.loads(path.read_text())["pid"]
        if pid and _runs(pid):
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"a server runs on in {path.parent}")
