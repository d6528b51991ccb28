"""A moderator's journey: a morning's queue, with a colleague at the same desk."""

from __future__ import annotations

from tests.conftest import Site


def test_two_moderators_work_through_one_queue(site: Site) -> None:
    """claim → look → decide → conflict → undo → bulk → history."""
    made = [site.submitted(body=f"This is point number {i}.")["id"] for i in range(12)]
    ann, bob = site.person("moderator"), site.person("moderator")

    # They see the same overview, and each takes a share nobody else is offered.
    overview = site.ask("GET", "/v1/queues", ann).json()["items"]
    assert {row["status"]: row["count"] for row in overview}["pending"] == 12
    claim = {"count": 5, "ttl_s": 300}
    shares = [
        site.ask("POST", "/v1/queues/pending/claims", who, json=claim).json()["items"]
        for who in (ann, bob)
    ]
    mine, theirs = ([item["id"] for item in share] for share in shares)
    assert len(set(mine) | set(theirs)) == 10

    # Ann decides on her share, as she saw it.
    for item, action in zip(
        shares[0], ("approve", "approve", "reject", "spam", "spam"), strict=True
    ):
        answer = site.decide(item["id"], action, item["version"], key=ann, fields={"note": "ok"})
        assert answer.status_code == 200

    # Bob's tab is stale: he is told who decided what, and looks again.
    lost = site.decide(mine[0], "spam", 1, key=bob)
    assert lost.status_code == 409
    assert lost.json()["current"] == {"status": "approved", "version": 2}
    assert lost.json()["decision"]["note"] == "ok"
    assert site.decide(mine[0], "spam", 2, key=bob).status_code == 200

    # Ann overrules by undoing Bob's decision; hers stands again.
    undone = site.ask("POST", f"/v1/comments/{mine[0]}/undo", ann, json={"version": 3})
    assert (undone.json()["status"], undone.json()["version"]) == ("approved", 4)
    read = site.ask("GET", f"/v1/comments/{mine[0]}", ann).json()
    assert read["decision"]["action"] == "approve"

    # Bob does his share in one go; one of it Ann has decided meanwhile.
    site.decide(theirs[0], "reject", 1, key=ann)
    items = [{"id": i, "action": "approve", "version": 1} for i in theirs]
    results = site.ask("POST", "/v1/decisions", bob, json={"items": items}).json()["items"]
    assert [result["code"] for result in results] == [409, 200, 200, 200, 200]

    # What is left is what neither took; all figures agree.
    left = site.ask("GET", "/v1/queues/pending", ann).json()
    assert {item["id"] for item in left["items"]} == set(made) - set(mine) - set(theirs)
    assert site.counts() == {"pending": 2, "approved": 6, "rejected": 2, "spam": 2}

    # The history remembers every step and who took it.
    steps = site.ask("GET", f"/v1/comments/{mine[0]}/history", bob).json()["items"]
    assert [step["action"] for step in steps] == ["submit", "approve", "spam", "undo"]
    who = [step["by"] for step in steps]
    assert who[1] == who[3] != who[2]
