"""Every comment says which checks looked at it, to those who may know, and takes it along."""

from __future__ import annotations

import json

from service.incoming import read_line
from tests.conftest import ORIGIN, Site

NOW = 1_790_000_000_000


def test_a_comment_says_which_checks_looked_at_it(plain_site: Site) -> None:
    made = plain_site.submitted(ip="203.0.113.9")
    read = plain_site.ask("GET", f"/v1/comments/{made['id']}").json()
    assert read["verdict"] == made["verdict"]
    assert read["verdict"]["checks"] == {
        "model": "ran",
        "second_stage": "off",
        "signals": "ran",
        "author": "ran",
        "network": "ran",
    }
    elsewhere = plain_site.submitted(body="Without an address of the network.")
    assert elsewhere["verdict"]["checks"]["network"] == "no_ip"
    visitor = plain_site.submit(
        key=plain_site.publishable, headers={"Origin": ORIGIN}, body="From a page."
    )
    assert (visitor.status_code, "verdict" in visitor.json()) == (201, False)


def test_an_export_takes_along_what_scored_a_comment_and_what_did_not(plain_site: Site) -> None:
    made = plain_site.submitted(body="Without an address of the network.")
    export = plain_site.winnow.admin("GET", f"/v1/sites/{plain_site.id}/export")
    (line,) = export.text.splitlines()
    said = json.loads(line)
    assert (said["model"], said["checks"]) == (made["verdict"]["model"], {"network": "no_ip"})
    incoming = read_line(line.encode(), NOW * 2)
    assert (incoming.model, incoming.checks) == (said["model"], said["checks"])
