"""A site owner takes comments along: out of one site, into another, whatever happens on the way."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.bootstrap import with_secret
from service.errors import Invalid, Malformed
from service.ids import Secrets, new_id
from service.incoming import imported_id, read_line
from service.pipeline.review import Decision, Review
from service.pipeline.rules import RuleBook
from service.pipeline.score import Scorer, load_scorer
from service.records import Policy, Site
from service.settings import Settings
from service.store import Store, embedded
from service.transfer import Import, export

WINNOW = Path(sys.executable).with_name("winnow")
NOW = 1_800_000_000_000
STATUSES = ("pending", "approved", "rejected", "spam")
TEXTS = (
    "Plain words",
    "Größe, naïve café",
    "Привет, спасибо",
    "مرحبا بالعالم",
    "שלום עולם",
    "こんにちは世界",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "안녕하세요",
    "two\nlines\tand a tab",
    "👩‍👩‍👧 🇪🇺 zalgo̵̡",
    'quote " backslash \\ </script>',
    "zero\u200bwidth \u202ebidi\u202c",
)


class Installation:
    """The store of a data folder, for one test."""

    def __init__(self, home):
        chosen = with_secret(Settings(data_dir=home))
        self.secrets = Secrets(chosen.secret_bytes)
        self.store = Store(embedded.running_url(home), self.secrets)

    async def __aenter__(self):
        await self.store.open()
        return self

    async def __aexit__(self, *_):
        await self.store.close()

    async def site(self, name):
        """A new, empty site."""
        if await self.store.sites.configuration(name):
            await self.store.sites.delete(name)
        return await self.store.sites.create(Site(id=name, number=0), Policy())

    async def bring(self, site, lines, **how):
        """Imports lines (objects, or bytes as they are) in one stretch."""
        book = RuleBook(self.store, Scorer.fold)
        importing = Import(self.store, book, self.secrets, site, clock=lambda: NOW, **how)
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        return await importing.take(list(enumerate(texts, 1)))

    async def lines(self, site):
        return [json.loads(line) async for line in export(self.store, site)]


def line(**fields):
    return {
        "page": "https://blog.example/a",
        "name": "Ann",
        "email": "ann@example.org",
        "body": "Hello",
    } | fields


def run(home, *arguments, given=b""):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [WINNOW, *arguments],
        input=given,
        capture_output=True,
        cwd=home.parent,
        env=kept | {"WINNOW_DATA_DIR": str(home)},
        timeout=60,
        check=False,
    )


# -------------------------------------------------------------------------- round trips


def times():
    return st.integers(1_000_000_000_000, NOW)


def texts(limit):
    written = st.text(
        st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf", "Cn", "Co"]), min_size=1
    )
    return (st.sampled_from(TEXTS) | written.map(lambda text: "x" + text)).map(
        lambda text: " ".join(text.split()[:20])[:limit].strip() or "x"
    )


@st.composite
def threads(draw):
    """Lines of one site; a parent may stand before or after its replies, or nowhere."""
    count = draw(st.integers(1, 12))
    ids = [new_id(draw(times()), 7) for _ in range(count + 1)]
    return [draw(one_line(ids[i], draw(st.sampled_from([None, *ids])))) for i in range(count)]


@st.composite
def one_line(draw, comment_id, parent):
    found = {
        "id": comment_id,
        "page": draw(st.sampled_from(["https://a.example/", "/b", "https://a.example/?q=%C3%BC"])),
        "name": draw(texts(80)),
        "email": draw(st.sampled_from(["a@example.org", "Ü.b@example.org", "c@test.example"])),
        "body": draw(st.sampled_from(TEXTS) | texts(500)),
        "status": draw(st.sampled_from(STATUSES)),
        "created_at": draw(times()),
    }
    optional = {
        "parent": st.just(parent) if parent else st.nothing(),
        "edited_at": times(),
        "page_title": texts(100),
        "url": st.just("https://me.example/"),
        "ip": st.sampled_from(["203.0.113.9", "2001:db8::1"]),
        "user_agent": texts(60),
        "referrer": st.just("https://from.example/"),
        "locale": st.sampled_from(["en", "pt-BR"]),
        "metadata": st.just({"section": "ü", "n": [1, None, {"deep": 0.5}]}),
    }
    if draw(st.booleans()):
        found |= {
            "decision": draw(st.sampled_from(["approve", "reject", "spam"])),
            "decided_by": "personal:abc",
            "decided_at": draw(times()),
            "reason": draw(st.sampled_from(["", "insult"])),
            "note": draw(st.sampled_from(["", "seen\ntwice"])),
        }
    keys = [name for name, values in optional.items() if not values.is_empty]
    for name in draw(st.lists(st.sampled_from(keys), unique=True)):
        found[name] = draw(optional[name])
    return {name: value for name, value in found.items() if value != ""}


def essence(lines, number):
    """Lines as a set, their ids as they would be on the site with that number."""
    shown = []
    for one in lines:
        named = {n: imported_id(one[n], number) for n in ("id", "parent") if n in one}
        kept = {n: v for n, v in one.items() if (n, v) != ("status", "pending")}
        shown.append(json.dumps(kept | named, sort_keys=True))
    return sorted(shown)


@given(lines=threads())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_goes_in_comes_out_and_again(home, lines):
    """Import, export, import elsewhere, export: equal but for the site's part of each id."""

    async def journey():
        async with Installation(home) as on:
            first, second = await on.site("trip-a"), await on.site("trip-b")
            tally, bad = await on.bring("trip-a", lines)
            assert (tally.imported, bad) == (len(lines), [])
            out = await on.lines("trip-a")
            assert essence(out, first.number) == essence(lines, first.number)
            await on.bring("trip-b", out)
            assert essence(await on.lines("trip-b"), 0) == essence(out, 0)
            assert second.number != first.number

    asyncio.run(journey())


async def test_test_comments_are_imported_but_not_exported(home):
    """Their addresses were never kept, so no line of theirs could be read back."""
    async with Installation(home) as on:
        await on.site("tests")
        tally, _ = await on.bring("tests", [line(id=1, test=True), line(id=2)])
        assert tally.imported == 2
        assert len(await on.lines("tests")) == 1


async def test_importing_again_changes_nothing(home):
    """The same lines, in any order, on the same site: known, not doubled."""
    lines = [line(id=str(i), body=text) for i, text in enumerate(TEXTS)]
    lines += [line(body=text, created_at=NOW - 1000) for text in TEXTS]  # named by their content
    async with Installation(home) as on:
        await on.site("again")
        first, _ = await on.bring("again", [*lines, lines[0]])
        assert (first.lines, first.imported, first.known) == (27, 26, 1)
        before = await on.lines("again")
        second, _ = await on.bring("again", lines[::-1])
        assert (second.imported, second.known) == (0, 26)
        assert await on.lines("again") == before
        back, _ = await on.bring("again", before)  # an export, into the site it came from
        assert (back.imported, back.known) == (0, 26)


async def test_a_reply_finds_its_parent_whichever_comes_first(home):
    """Ids of any system: numbers, UUIDs, other ULIDs."""
    uuid, ulid = "6f0c6cd8-8e4e-4f1e-9c43-0a6e0d7a6c11", new_id(NOW, 99)
    lines = [line(id=2, parent=uuid), line(id=uuid, body="first", parent=ulid), line(id=ulid)]
    async with Installation(home) as on:
        await on.site("replies")
        for one in (lines[:1], lines[1:]):
            await on.bring("replies", one)
        out = {each["id"]: each.get("parent") for each in await on.lines("replies")}
    chains = [out[out[parent]] for parent in out.values() if parent and out[parent]]
    assert chains == [None]
    assert len(out) == 3


async def test_an_imported_comment_lives_on(home):
    """It stands in its queue, shows its decision and history, and can be decided again."""
    decided = {"decision": "spam", "decided_by": "ann", "decided_at": NOW - 5, "reason": "ads"}
    async with Installation(home) as on:
        site = await on.site("lives")
        await on.bring("lives", [line(id="1", status="spam", created_at=NOW - 9, **decided)])
        comment_id = imported_id("1", site.number)
        stored = await on.store.comments.read("lives", comment_id)
        assert (stored.status, stored.version, stored.comment.imported) == ("spam", 2, True)
        assert (stored.decision.actor, stored.decision.reason) == ("ann", "ads")
        assert stored.comment.verdict.checks == {"model": "skipped", "signals": "skipped"}
        assert (stored.comment.scores, stored.comment.verdict.model) == (None, "")
        reviewed = await Review(on.store).undo(
            "lives", comment_id, 2, actor="bob", operation=None, now=NOW
        )
        assert reviewed.status == "pending"
        approve = Decision(id=comment_id, action="approve", version=3)
        await Review(on.store).decide("lives", approve, actor="bob", operation=None, now=NOW)
        (out,) = await on.lines("lives")
        assert (out["status"], out["decided_by"], out["created_at"]) == ("approved", "bob", NOW - 9)


async def test_a_line_without_a_status_gets_the_asked_one_and_scores_only_on_demand(home):
    """Bodies of `POST /v1/comments` are lines, too; with a scorer their verdict decides."""
    plain = line(
        site="elsewhere", created_at="2020-01-31T12:00:00.250Z", elapsed_ms=900, honeypot=""
    )
    async with Installation(home) as on:
        await on.site("plain")
        await on.bring("plain", [plain], status="approved")
        (out,) = await on.lines("plain")
        assert (out["status"], out["created_at"]) == ("approved", 1_580_472_000_250)
        site = await on.site("scored")
        worse = plain | {"id": "w", "body": "You are a complete idiot, get lost."}
        await on.bring("scored", [worse], status="approved", scorer=load_scorer(""))
        stored = await on.store.comments.read("scored", imported_id("w", site.number))
        assert stored.status == "pending"
        assert stored.comment.scores["insult"] > 0.5
        assert {reason.code for reason in stored.comment.verdict.reasons} >= {"author.first"}


# ---------------------------------------------------------------------------- bad lines


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        (line(email="x"), "/email", "invalid_email"),
        (line(body=" "), "/body", "empty"),
        (line(nmae="x"), "/nmae", "unknown_field"),
        ({"page": "/a"}, "/name", "required"),
        (line(status="erased"), "/status", "out_of_range"),
        (line(id=["x"]), "/id", "wrong_type"),
        (line(id="x" * 201), "/id", "too_long"),
        (line(decision="hold"), "/decision", "out_of_range"),
        (line(decided_at="yesterday"), "/decided_at", "invalid_date"),
        (line(edited_at=NOW * 2), "/edited_at", "out_of_range"),
        (line(created_at=-1), "/created_at", "out_of_range"),
        (line(created_at=10**18), "/created_at", "invalid_date"),
        (line(created_at=1.5), "/created_at", "wrong_type"),
        (line(body="nul\0"), "/body", "control_character"),
    ],
)
def test_a_bad_line_is_named_by_pointer_and_code(text, pointer, code):
    """By the rules of the API."""
    with pytest.raises(Invalid) as caught:
        read_line(json.dumps(text).encode(), NOW)
    assert (pointer, code) in [(error.pointer, error.code) for error in caught.value.errors]


@pytest.mark.parametrize("text", [b"nope", b"[]", b'"x"', b"\xff", b"[" * 5000, b"1" * 2_000_000])
def test_what_is_no_object_is_malformed(text):
    """And no reason to stop."""
    with pytest.raises(Malformed):
        read_line(text, NOW)


def test_bad_lines_never_stop_an_import(home, tmp_path):
    """Each is named with its number on stderr; the rest is imported; the exit code is 65."""
    rows = [line(id=1), line(id=2, email="no"), "nope", "", line(id=3, status="x"), line(id=4)]
    texts_ = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    huge = json.dumps(line(id=5, body="x" * 2_000_000))
    path = tmp_path / "in.jsonl"
    path.write_text("\r\n".join(["\ufeff" + texts_[0], *texts_[1:], huge, json.dumps(line(id=6))]))
    assert run(home, "site", "add", "bad-lines").returncode == 0
    checked = run(home, "import", "bad-lines", str(path), "--dry-run", "--json")
    done = run(home, "import", "bad-lines", str(path), "--json")
    assert (checked.returncode, done.returncode) == (65, 65)
    report = json.loads(done.stdout)
    assert (report["lines"], report["imported"], report["bad"]) == (8, 3, 4)
    assert json.loads(checked.stdout)["imported"] == 3  # a dry run writes nothing
    named = [text.partition(":")[0] for text in done.stderr.decode().splitlines()]
    assert [name.split(" /")[0] for name in named] == ["line 2", "line 3", "line 5", "line 7"]
    assert [error["line"] for error in report["errors"]] == [2, 3, 5, 7]


def test_a_damaged_archive_is_refused_behind_what_it_held(home, tmp_path):
    """What could be read is imported; the exit code is 65."""
    rows = [line(id=i, body=str(uuid4())) for i in range(1000)]
    whole = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    path = tmp_path / "in.gz"
    path.write_bytes(whole[:-2000])
    assert run(home, "site", "add", "damaged").returncode == 0
    done = run(home, "import", "damaged", str(path))
    assert done.returncode == 65
    assert b"file is damaged" in done.stderr
    path.write_bytes(whole)
    resumed = json.loads(run(home, "import", "damaged", str(path), "--resume", "--json").stdout)
    assert resumed["lines"] == resumed["imported"] + resumed["known"] == 1000


# ----------------------------------------------------------------------- the whole program


@pytest.mark.parametrize("zipped", [False, True])
def test_an_import_killed_in_the_middle_is_resumed_to_exact_counts(home, tmp_path, zipped):
    """kill -9, then --resume: every line once, and not from the beginning."""
    site, count = f"killed-{zipped}".lower(), 8000
    rows = [
        line(id=i, status=STATUSES[i % 4], decision="spam" if i % 4 == 3 else "")
        for i in range(count)
    ]
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path = tmp_path / "in"
    path.write_bytes(gzip.compress(text, 1) if zipped else text)
    assert run(home, "site", "add", site).returncode == 0
    command = [WINNOW, "import", site, str(path), "--data-dir", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    cursor = tmp_path / "in.cursor"
    until = time.monotonic() + 30
    while not cursor.exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    stopped_at = json.loads(cursor.read_bytes())["line"]
    assert 0 < stopped_at < count
    with redis.Redis.from_url(embedded.running_url(home)) as client:
        before = sum(client.zcard(f"w:{{{site}}}:q:{status}") for status in STATUSES)
        assert stopped_at <= before < count
        done = run(home, "import", site, str(path), "--resume", "--json")
        report = json.loads(done.stdout)
        assert (done.returncode, report["lines"], report["bad"]) == (0, count, 0)
        assert report["imported"] + report["known"] == count
        for status in STATUSES:
            assert client.zcard(f"w:{{{site}}}:q:{status}") == count // 4
    assert not cursor.exists()
    out = [json.loads(each) for each in run(home, "export", site).stdout.splitlines()]
    assert sum("decision" in each for each in out) == count // 4


def test_a_cursor_of_another_file_or_site_is_refused(home, tmp_path):
    """--resume never skips lines it has not seen."""
    path = tmp_path / "in"
    path.write_text(json.dumps(line(id=1)))
    (tmp_path / "in.cursor").write_text('{"site": "other", "file": "", "line": 5, "offset": 9}')
    assert run(home, "site", "add", "cursor").returncode == 0
    refused = run(home, "import", "cursor", str(path), "--resume")
    assert (refused.returncode, b"another site" in refused.stderr) == (65, True)
    assert run(home, "import", "cursor", str(path)).returncode == 0


def test_an_export_is_whole_or_absent_and_readable_by_its_owner_only(home, tmp_path):
    """FILE.gz is compressed; an export of nothing is an empty file; an unknown site is refused."""
    given = "".join(json.dumps(line(id=i, body=text)) + "\n" for i, text in enumerate(TEXTS))
    assert run(home, "site", "add", "whole").returncode == 0
    assert run(home, "import", "whole", "-", given=given.encode()).returncode == 0
    path = tmp_path / "out.jsonl.gz"
    assert run(home, "export", "whole", "-o", str(path)).returncode == 0
    assert path.stat().st_mode & 0o077 == 0
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert {json.loads(each)["body"] for each in lines} == set(TEXTS)
    assert run(home, "export", "nowhere", "-o", str(tmp_path / "no")).returncode == 65
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl.gz"]
