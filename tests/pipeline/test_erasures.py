"""Erasing a person: the key first, then each comment, then the author; a kill delays it only."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from service.errors import Conflict, Invalid
from service.ids import Secrets
from service.pipeline.appeals import appeal
from service.pipeline.erase import Eraser, replay_erasures
from service.pipeline.review import Decision
from service.pipeline.subject import held
from service.records import Draft, Label, Policy, Site, StoredComment
from service.services import Services
from service.store import erasure_file
from service.store.callbacks import Callback
from service.store.idempotency import Idempotency
from service.store.keys import SiteKeys
from service.store.notes import Note
from tests.conftest import ROOT, SECRET, until
from tests.store.invariants import violations

EMAIL = "Canary.Person@example.org"
IP = "198.51.100.77"
SECRETS = (
    "canary-body",
    "canary-name",
    "canary-note",
    "canary-appeal",
    "canary-url",
    "canary-meta",
)


@pytest.fixture
async def parts(services: Services) -> Services:
    """A site without rules of its own."""
    await services.store.sites.create(Site(id="blog", number=0), Policy())
    return services


@pytest.fixture
def eraser(parts: Services, tmp_path: Path) -> Eraser:
    """With a data folder of its own."""
    return Eraser(parts.store, parts.secrets, tmp_path)


def draft(email: str = EMAIL, **fields: Any) -> Draft:
    plain = {
        "page": "https://news.example/a",
        "name": "canary-name",
        "email": email,
        "body": "canary-body says hello",
        "url": "https://canary-url.example/",
        "ip": IP,
        "user_agent": "canary-agent",
        "metadata": {"x": "canary-meta"},
    }
    return Draft(**(plain | fields))


async def submit(parts: Services, **fields: Any) -> StoredComment:
    key = fields.pop("key", "")
    made = await parts.intake.submit(
        draft(**fields),
        "blog",
        idempotency=Idempotency.of(key, b"{}") if key else None,
        now=parts.now(),
    )
    return await read(parts, made.id)


async def read(parts: Services, comment_id: str) -> StoredComment:
    stored = await parts.store.comments.read("blog", comment_id)
    assert stored is not None
    return stored


async def decide(parts: Services, stored: StoredComment, action: str, note: str = "") -> None:
    decision = Decision(
        id=stored.comment.id,
        action=action,  # type: ignore[arg-type]
        version=stored.version,
        reason="canary-note free text",
        note=note,
    )
    await parts.review.decide("blog", decision, actor="personal:a", operation=None, now=parts.now())


async def dump(parts: Services) -> bytes:
    """Everything the server holds, keys and values."""
    client, found = parts.store.wire.client, []
    async for name in client.scan_iter():
        kind = (await client.type(name)).decode()
        ask = {
            "string": client.get,
            "hash": client.hgetall,
            "set": client.smembers,
            "list": lambda n: client.lrange(n, 0, -1),
            "zset": lambda n: client.zrange(n, 0, -1, withscores=True),
            "stream": client.xrange,
        }[kind]
        found.append(name + b" " + repr(await ask(name)).encode())
    return b"\n".join(found)


async def full_life(parts: Services) -> list[StoredComment]:
    """One author's comments with everything that can hang on one."""
    edited = await submit(parts, key="k1")
    await parts.intake.edit(edited, "canary-body, edited", actor="secret:k", now=parts.now())
    refused = await submit(parts, body="canary-body refused")
    await decide(parts, refused, "reject", note="canary-note of a decision")
    await appeal(
        parts.store, await read(parts, refused.comment.id), "canary-appeal please", now=parts.now()
    )
    approved = await submit(parts, body="canary-body approved")
    await decide(parts, approved, "approve")
    test = await submit(parts, body="canary-body test", test=True)
    for stored in (edited, refused, approved, test):
        note = Note(id="n", at=1, actor="personal:a", text="canary-note about them")
        await parts.store.notes.add(stored.comment, note)
        told = Callback(url="https://c.example/", spam=False, waits=True, if_spam=b"", if_not=b"")
        await parts.store.callbacks.keep(stored.comment, told)
    author = edited.comment.author
    for source in ("akismet", "perspective"):
        label = Label(text="canary-body approved", labels={"spam": 1.0}, source=source, at=1)
        await parts.store.labels.add("blog", label, author=author if source == "akismet" else "")
    elsewhere = Label(text="canary-body never stored", labels={"spam": 1.0}, source="akismet", at=2)
    await parts.store.labels.add("blog", elsewhere, author=author)
    await parts.campaigns.prepare("blog")
    return [await read(parts, s.comment.id) for s in (edited, refused, approved, test)]


async def test_an_address_and_whence_a_comment_came_are_never_stored_in_the_open(
    parts: Services,
) -> None:
    await full_life(parts)
    found = await dump(parts)
    for plain in (EMAIL, EMAIL.lower(), "canary.person", IP, "canary-agent", "canary-note about"):
        assert plain.encode() not in found, plain
    assert b"canary-body" in found, "the dump shows what is stored in the open"


async def test_an_erasure_leaves_nothing_of_a_person_but_the_shape_of_the_thread(
    parts: Services, eraser: Eraser
) -> None:
    mine = await full_life(parts)
    reply = await submit(
        parts, email="other@example.org", name="Other", body="Reply.", url="",
        metadata={}, parent=mine[2].comment.id, ip="203.0.113.1",
    )  # fmt: skip
    author = eraser.author_of("blog", EMAIL.upper())
    assert author == mine[0].comment.author, "one person, however the address is spelled"
    rev = (await parts.store.pages.read("blog", mine[2].comment.page)).revision

    begun = await eraser.begin("blog", author, by="admin:settings", now=parts.now())
    assert begun.status == "running"
    assert (await parts.store.comments.private(mine[0].comment)).ip == "", "the key is gone at once"
    done = await eraser.go_on("blog", author)
    assert done is not None
    assert (done.status, done.comments) == ("done", 4)

    found = await dump(parts)
    for plain in (*SECRETS, EMAIL, IP):
        assert plain.encode() not in found, plain
    for before in mine:
        stored = await read(parts, before.comment.id)
        assert (stored.status, stored.comment.author) == ("erased", "")
        assert (stored.comment.page, stored.comment.created_at) == (
            before.comment.page, before.comment.created_at,
        )  # fmt: skip
    assert (await read(parts, reply.comment.id)).comment.parent == mine[2].comment.id
    assert (await parts.store.pages.read("blog", mine[2].comment.page)).revision == rev + 1
    assert await parts.store.labels.count("blog") == 0
    assert author.encode() in found, "the erasure list holds the keyed hash"
    assert await violations(parts.store, "blog") == []
    events = await parts.store.events.after("blog", "0-0", 500)
    assert sum(event.type == "comment.erased" for event in events) == 4


async def test_a_late_retry_of_an_erased_comment_is_told_so_and_stores_nothing(
    parts: Services, eraser: Eraser
) -> None:
    stored = await submit(parts, key="k1")
    await erased(eraser, parts)
    again = await parts.intake.submit(
        draft(), "blog", idempotency=Idempotency.of("k1", b"{}"), now=parts.now()
    )
    assert (again.id, again.status, again.replayed) == (stored.comment.id, "erased", True)
    assert await eraser._store.erasures.everything("blog", stored.comment.author) == []


async def erased(eraser: Eraser, parts: Services, email: str = EMAIL) -> int:
    author = eraser.author_of("blog", email)
    await eraser.begin("blog", author, by="test", now=parts.now())
    done = await eraser.go_on("blog", author)
    assert done is not None
    assert done.status == "done"
    return done.comments


async def test_nothing_can_be_done_to_an_erased_comment(parts: Services, eraser: Eraser) -> None:
    stored = await submit(parts)
    await erased(eraser, parts)
    gone = await read(parts, stored.comment.id)
    with pytest.raises(Conflict):
        await decide(parts, gone, "approve")
    with pytest.raises(Conflict):
        await parts.intake.edit(gone, "Back again", actor="a", now=parts.now())
    note = Note(id="n", at=1, actor="a", text="canary-note")
    for comment in (gone.comment, stored.comment):  # as it is, and as somebody still holds it
        with pytest.raises(Conflict):
            await parts.store.notes.add(comment, note)
    told = Callback(url="https://c.example/", spam=False, waits=True, if_spam=b"", if_not=b"")
    await parts.store.callbacks.keep(stored.comment, told)
    assert await parts.store.callbacks.read(stored.comment) is None


async def test_what_was_sealed_under_a_key_that_is_gone_is_not_written(
    parts: Services, eraser: Eraser
) -> None:
    """The erasure came between the reading of the key and the writing."""
    stored = await submit(parts)
    keys, comment, wire = SiteKeys("blog"), stored.comment, parts.store.wire
    key = await parts.store.author_keys.read("blog", comment.author)
    author = eraser.author_of("blog", EMAIL)

    async def noted() -> int:
        names = [keys.comment(comment.id), keys.notes(comment.id), keys.author(author)]
        return int(await wire.script("note", names, ["n", b"sealed", 100, key]))

    async def kept() -> int:
        names = [keys.comment(comment.id), keys.author(author), keys.callback(comment.id)]
        return int(await wire.script("keep_callback", names, [b"sealed", key, 60]))

    assert await kept() == 1
    await eraser.begin("blog", author, by="test", now=parts.now())
    assert (await noted(), await kept()) == (-3, 0), "the key is gone, the comment not yet erased"
    await eraser.go_on("blog", author)
    assert (await noted(), await kept()) == (-3, 0)
    assert await parts.store.wire.client.exists(keys.notes(comment.id)) == 0
    assert await parts.store.wire.client.exists(keys.callback(comment.id)) == 0


async def test_who_is_erased_and_comes_back_is_somebody_new_under_a_new_key(
    parts: Services, eraser: Eraser
) -> None:
    first = await submit(parts)
    old = await parts.store.author_keys.read("blog", first.comment.author)
    await erased(eraser, parts)
    assert await parts.store.author_keys.read("blog", first.comment.author) is None
    again = await submit(parts, body="I am back.")
    ((record, email),) = await parts.store.comments.authors("blog", [again.comment.author])
    assert (record.pending, email) == (1, EMAIL)
    assert await parts.store.author_keys.read("blog", again.comment.author) not in (None, old)
    assert await erased(eraser, parts) == 2, "asked again, the same erasure counts on"
    assert await violations(parts.store, "blog") == []


async def test_a_key_that_was_read_before_an_erasure_never_comes_back(
    parts: Services, eraser: Eraser
) -> None:
    """The hard race: a comment sealed under a key that is erased before it is written."""
    stored = await submit(parts)
    comment, key = stored.comment, await parts.store.author_keys.read("blog", stored.comment.author)
    await erased(eraser, parts)
    configuration = await parts.store.sites.configuration("blog")
    assert configuration is not None
    late = parts.intake._ids.next(parts.now(), configuration.site.number)
    await parts.store.comments.submit(
        type(comment)(**{n: getattr(comment, n) for n in comment.__struct_fields__} | {"id": late}),
        "pending", email=EMAIL, private=await parts.store.comments.private(comment),
        page_title="", config_version=configuration.version, text_window_s=0,
        idempotency=None, answer=b"", now=parts.now(), key=key,
    )  # fmt: skip
    assert await parts.store.author_keys.read("blog", comment.author) not in (None, key)
    ((_, email),) = await parts.store.comments.authors("blog", [comment.author])
    assert email == EMAIL, "it was sealed again, under the new key"


async def test_first_comments_at_once_share_one_key(parts: Services) -> None:
    made = await asyncio.gather(*(submit(parts, body=f"First {i}.") for i in range(20)))
    for stored in made:
        assert (await parts.store.comments.private(stored.comment)).ip == IP
    assert await violations(parts.store, "blog") == []


async def test_comments_that_come_while_an_erasure_runs_end_with_it_or_are_somebody_newly(
    parts: Services, eraser: Eraser
) -> None:
    await asyncio.gather(*(submit(parts, body=f"Before {i}.") for i in range(300)))
    author = eraser.author_of("blog", EMAIL)
    await eraser.begin("blog", author, by="test", now=parts.now())

    async def more() -> None:
        for i in range(40):
            await submit(parts, body=f"Meanwhile {i}.")

    await asyncio.gather(eraser.go_on("blog", author), more())
    await eraser.go_on("blog", author)
    for name in await parts.store.erasures.everything("blog", author):
        stored = await read(parts, name)
        assert (await parts.store.comments.private(stored.comment)).ip == IP
    assert await violations(parts.store, "blog") == []


async def test_an_erasure_does_not_end_while_a_comment_is_left(
    parts: Services, eraser: Eraser
) -> None:
    for test in (False, True):
        stored = await submit(parts, body="It came in the last moment.", test=test)
        author = stored.comment.author
        await eraser.begin("blog", author, by="test", now=parts.now())
        assert await parts.store.erasures.end("blog", author) is False
        assert await parts.store.erasures.running("blog") == [author]
        await eraser.go_on("blog", author)
        assert await parts.store.erasures.running("blog") == []


async def test_decisions_edits_and_an_erasure_at_once_end_erased(
    parts: Services, eraser: Eraser
) -> None:
    stored = await asyncio.gather(*(submit(parts, body=f"Text {i}.") for i in range(60)))
    author = eraser.author_of("blog", EMAIL)
    await eraser.begin("blog", author, by="test", now=parts.now())
    await asyncio.gather(
        eraser.go_on("blog", author),
        *(decide(parts, s, "reject") for s in stored[:30]),
        *(parts.intake.edit(s, "canary-body", actor="a", now=parts.now()) for s in stored[30:]),
        return_exceptions=True,
    )
    await eraser.go_on("blog", author)
    assert {(await read(parts, s.comment.id)).status for s in stored} == {"erased"}
    assert b"canary-body" not in await dump(parts)
    assert await violations(parts.store, "blog") == []


WORKER = """
import asyncio, sys
from pathlib import Path
from service.ids import Secrets
from service.pipeline.erase import Eraser
from service.store import Store

async def main(url, secret, folder, author):
    secrets = Secrets(bytes.fromhex(secret))
    store = Store(url, secrets)
    await store.open()
    print("ready", flush=True)
    await Eraser(store, secrets, Path(folder)).go_on("blog", author)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_large_erasure_survives_a_kill_and_the_worker_ends_it(
    parts: Services, eraser: Eraser, redis_url: str, tmp_path: Path
) -> None:
    for _ in range(5):
        await asyncio.gather(*(submit(parts, body=f"Text {i}.") for i in range(200)))
    author = eraser.author_of("blog", EMAIL)
    await eraser.begin("blog", author, by="test", now=parts.now())
    asked = [sys.executable, "-c", WORKER, redis_url, SECRET.hex(), str(tmp_path), author]
    process = subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while len(await parts.store.erasures.everything("blog", author)) == 1000:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    left = len(await parts.store.erasures.everything("blog", author))
    assert 0 < left < 1000, "it was killed on its way"
    assert await violations(parts.store, "blog") == []
    assert await parts.store.erasures.running("blog") == [author]

    from service.workers.erase import erase

    await erase(parts)
    found = await parts.store.erasures.read("blog", author)
    assert found is not None
    assert (found.status, found.comments) == ("done", 1000)
    assert await violations(parts.store, "blog") == []


async def test_the_file_of_erasures_is_whole_after_a_torn_line(tmp_path: Path) -> None:
    line = erasure_file.Line("blog", "a" * 22, "t1", 5)
    erasure_file.add(tmp_path, line)
    erasure_file.add(tmp_path, line)
    with (tmp_path / erasure_file.NAME).open("ab") as file:
        file.write(b'{"site":"blog","auth')
    later = erasure_file.Line("blog", "b" * 22, "t2", 9)
    erasure_file.add(tmp_path, later)
    assert erasure_file.read(tmp_path) == [line, later]
    assert erasure_file.forget(tmp_path, 9) == 1
    assert erasure_file.read(tmp_path) == [later]


async def test_a_restored_backup_erases_again_whom_it_brought_back_and_nobody_else(
    parts: Services, eraser: Eraser, tmp_path: Path, operator: redis.Redis
) -> None:
    await submit(parts)
    keys, client = SiteKeys("blog"), parts.store.wire.client
    names = list(operator.scan_iter())
    backup = {name: operator.execute_command("DUMP", name, NEVER_DECODE=True) for name in names}
    await erased(eraser, parts)
    assert EMAIL not in (tmp_path / erasure_file.NAME).read_text()
    later = await submit(parts, body="I came back.")  # in no backup that lacks the erasure
    assert await replay_erasures(parts.store, parts.secrets, tmp_path) == 0
    assert (await read(parts, later.comment.id)).status == "pending"

    operator.flushall()
    for name, dumped in backup.items():
        operator.restore(name, 0, dumped)
    assert b"canary-body" in await dump(parts)
    assert await replay_erasures(parts.store, parts.secrets, tmp_path) == 1
    assert b"canary" not in await dump(parts)
    assert await client.exists(keys.author(later.comment.author)) == 0
    assert await replay_erasures(parts.store, parts.secrets, tmp_path) == 0, "once is enough"
    assert await violations(parts.store, "blog") == []


async def test_a_person_gets_everything_that_is_held_about_them(parts: Services) -> None:
    mine = await full_life(parts)
    await submit(parts, email="other@example.org", body="Somebody else's.")
    lines = b"".join([line async for line in held(parts.store, "blog", mine[0].comment.author)])
    for said in (
        EMAIL,
        IP,
        "canary-agent",
        "canary-note about them",
        "canary-appeal",
        "canary-meta",
    ):
        assert said.encode() in lines, said
    assert b'"replaced"' in lines, "earlier versions, too"
    assert b"Somebody else" not in lines
    assert lines.count(b'{"kind":"comment"') == 4


async def test_what_is_no_address_is_refused(eraser: Eraser) -> None:
    with pytest.raises(Invalid):
        eraser.author_of("blog", "not an address")


async def test_the_audit_holds_no_texts_and_its_chain_stays_whole(
    parts: Services, eraser: Eraser
) -> None:
    await full_life(parts)
    rows = await parts.store.wire.client.xrange(SiteKeys("blog").audit())
    assert rows
    assert b"canary" not in repr(rows).encode()
    await erased(eraser, parts)
    head = ""
    rows = await parts.store.wire.client.xrange(SiteKeys("blog").audit())
    for _, row in rows:
        linked = head.encode() + row[b"id"] + row[b"v"] + row[b"e"]
        head = hashlib.sha1(linked, usedforsecurity=False).hexdigest()
        assert row[b"h"].decode() == head


def test_one_person_is_one_author_however_the_address_is_spelled() -> None:
    secrets = Secrets(SECRET)
    plain = secrets.author_id("blog", "straße@example.org")
    for spelled in ("STRASSE@EXAMPLE.ORG", "ｓｔｒａｓｓｅ@example.org", "Straße@Example.org"):
        assert secrets.author_id("blog", spelled) == plain
    assert secrets.author_id("shop", "straße@example.org") != plain


async def test_the_append_only_file_holds_nothing_of_it_after_the_rewrite(
    parts: Services, eraser: Eraser, operator: redis.Redis
) -> None:
    from service.workers.erase import erase

    await full_life(parts)
    folder = Path(operator.config_get("dir")["dir"])

    def holds() -> bool:
        return any(b"canary-body" in path.read_bytes() for path in folder.rglob("*.aof"))

    assert holds(), "what was written stands in the file"
    author = eraser.author_of("blog", EMAIL)
    await eraser.begin("blog", author, by="test", now=parts.now())
    await erase(parts, pause_s=0)
    assert await parts.store.rewrites.wanted() == 0
    await asyncio.to_thread(until, lambda: not holds(), 30)  # old files are unlinked a moment later


async def test_the_file_is_rewritten_once_an_hour_at_most(parts: Services, eraser: Eraser) -> None:
    await submit(parts)
    await erased(eraser, parts)
    began = time.monotonic()
    assert await parts.store.rewrites.rewrite() is True
    await submit(parts)
    await erased(eraser, parts)
    assert await parts.store.rewrites.rewrite() is False
    assert await parts.store.rewrites.wanted() == 1
    assert 0 < await parts.store.wire.client.ttl("w:rewrite-pause") <= 3600
    assert time.monotonic() - began < 60
