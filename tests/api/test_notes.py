"""Requirements of notes: moderators tell each other what they know of a comment."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import Conflict, NotFound
from service.store import Store
from service.store.notes import NOTES_MAX, Note
from tests.conftest import Site
from tests.store.builders import build, make_site, put


def test_a_note_stands_in_the_history_and_changes_no_version(site: Site) -> None:
    made, ann = site.submitted(), site.person("moderator")
    path = f"/v1/comments/{made['id']}"
    for text in ("  Looks like the one from Monday.  ", "It is."):
        answer = site.ask("POST", path + "/notes", ann, json={"text": text})
        assert answer.status_code == 201
        assert answer.json()["text"] == text.strip()
    history = site.ask("GET", path + "/history").json()
    assert [note["text"] for note in history["notes"]] == [
        "Looks like the one from Monday.", "It is.",
    ]  # fmt: skip
    assert all(note["by"].startswith("personal:") for note in history["notes"])
    assert [step["version"] for step in history["items"]] == [1]
    assert site.decide(made["id"], "approve", 1).status_code == 200
    assert "Monday" not in site.ask("GET", path).text


def test_a_retry_with_the_same_key_leaves_one_note(site: Site) -> None:
    path = f"/v1/comments/{site.submitted()['id']}"
    headers = {"Idempotency-Key": "note-1"}
    sent = [
        site.ask("POST", path + "/notes", json={"text": "Once."}, headers=headers).json()
        for _ in range(2)
    ]
    assert sent[0] == sent[1]
    assert len(site.ask("GET", path + "/history").json()["notes"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/text"), ({"text": ""}, "/text"), ({"text": " \n"}, "/text"),
     ({"text": "x" * 2001}, "/text"), ({"text": "a", "by": "eve"}, "/by")],
)  # fmt: skip
def test_a_wrong_note_is_refused_with_a_pointer(
    site: Site, body: dict[str, str], pointer: str
) -> None:
    answer = site.ask("POST", f"/v1/comments/{site.submitted()['id']}/notes", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_viewer_reads_notes_and_leaves_none(site: Site) -> None:
    path, viewer = f"/v1/comments/{site.submitted()['id']}", site.person("viewer")
    assert site.ask("POST", path + "/notes", viewer, json={"text": "Hi."}).status_code == 403
    assert site.ask("GET", path + "/history", viewer).status_code == 200


async def test_notes_are_encrypted_bounded_and_belong_to_a_comment(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)

    def note(i: int, text: str = "Secret remark.") -> Note:
        return Note(id=f"n{i}", at=i, actor="personal:ann", text=text)

    await asyncio.gather(*(store.notes.add(comment, note(i)) for i in range(NOTES_MAX)))
    with pytest.raises(Conflict):
        await store.notes.add(comment, note(NOTES_MAX))
    stands = await store.notes.add(comment, note(0, "Rewritten."))
    assert stands.text == "Secret remark.", "what is written stays"
    assert len(await store.notes.of(comment)) == NOTES_MAX
    with pytest.raises(NotFound):
        await store.notes.add(build(site, id="0" * 26), note(1))
    async for key in store.wire.client.scan_iter("*no:*"):
        assert b"Secret" not in str(await store.wire.client.hgetall(key)).encode()
