"""A website's journey: a reader's comment from the form to the page and back."""

from __future__ import annotations

import asyncio

from tests.conftest import ORIGIN, PAGE, Site
from tests.store.invariants import violations


def test_a_comment_travels_from_its_author_to_the_page_and_to_the_websites_server(
    site: Site,
) -> None:
    """submit → held → approved → thread → edit → events, with the author looking on."""
    winnow, page = site.winnow, {"Origin": ORIGIN}

    # A reader posts from the page; the answer tells the reader nothing of scores.
    answer = site.submit(key=site.publishable, headers=page, body="I agree, mostly.")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["status"], "scores" in made) == ("pending", False)
    token = made["receipt"].rpartition("/r/")[2]
    assert winnow.ask("GET", f"/v1/receipts/{token}").json()["status"] == "pending"

    def thread() -> list[dict[str, str]]:
        params = {"page": PAGE}
        answer = site.ask(
            "GET", "/v1/pages/comments", site.publishable, params=params, headers=page
        )
        return list(answer.json()["items"])

    # Nobody else reads it yet; the website's server does, with the verdict.
    assert thread() == []
    seen = site.ask("GET", f"/v1/comments/{made['id']}").json()
    assert (seen["status"], seen["verdict"]["outcome"]) == ("pending", "hold")

    # The website's server approves; now it is on the page, and the author knows.
    assert site.decide(made["id"], "approve", seen["version"]).status_code == 200
    assert [(item["id"], item["body"]) for item in thread()] == [(made["id"], "I agree, mostly.")]
    assert winnow.ask("GET", f"/v1/receipts/{token}").json()["status"] == "approved"

    # The same author is known a little now, replies, and is published at once.
    reply = site.submit(
        key=site.publishable, headers=page, body="And one thing more.", parent=made["id"]
    ).json()
    assert reply["status"] == "approved"
    assert [item["parent"] for item in thread()] == [None, made["id"]]

    # The website edits on the author's behalf.
    edited = site.ask("PATCH", f"/v1/comments/{made['id']}", json={"body": "I agree entirely."})
    assert edited.status_code == 200
    assert edited.json()["version"] == 3
    assert edited.json()["status"] == "approved"
    assert thread()[0]["body"] == "I agree entirely."

    # And the events told the website all of it, in order.
    from tests.api.test_events import listening, types

    with listening(site, after="0") as stream:
        heard = stream.heard(6)
    assert types(heard) == [
        "comment.submitted", "comment.pending", "comment.approved",
        "comment.submitted", "comment.approved", "comment.edited",
    ]  # fmt: skip
    assert [event["data"]["id"] for event in heard].count(reply["id"]) == 2

    async def check() -> list[str]:
        store = winnow.open_store()
        try:
            return await violations(store, site.id)
        finally:
            await store.close()

    assert asyncio.run(check()) == []
