"""Admins make, change, shut out and remove moderators in the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest


@pytest.fixture
def boss(desk: Callable[..., Any]) -> Any:
    """An admin of one site."""
    return desk(role="admin", name="Boss")


def post(desk: Any, path: str, **fields: Any) -> httpx.Response:
    return desk.http.post(path, data={"csrf": desk.csrf()} | fields)


def added(boss: Any, site: Any, **fields: Any) -> tuple[str, str]:
    """A new moderator's id and link."""
    plain = {"name": "New One", "email": f"new@{site.id}.example", "role": "viewer"}
    answer = post(boss, "/console/moderators", sites=[site.id], **(plain | fields))
    assert answer.status_code == 200, answer.text
    link = re.search(r'value="(http[^"]+token=[^"]+)"', answer.text)
    ids = re.findall(r'id="m-([^"]+)"', answer.text)
    shown = boss.http.get("/console/moderators").text
    assert link
    assert link[1] not in shown
    name = (plain | fields)["name"]
    found = [i for i in ids if name in shown.split(f'id="m-{i}"')[1].split("</li>")[0]]
    return found[0], link[1]


def test_a_new_moderator_comes_in_by_the_link_that_is_shown_once(
    winnow: Any, seated: Callable[[str], Any], boss: Any, site: Any
) -> None:
    _, link = added(boss, site)
    new = seated(link)
    assert "New One" in new.http.get("/console/account").text


def test_wrong_fields_are_named_and_what_was_typed_stays(boss: Any, site: Any) -> None:
    answer = post(boss, "/console/moderators", name="", email="nonsense", role="viewer")
    assert answer.status_code == 422
    assert "1 to 80 characters" in answer.text
    answer = post(boss, "/console/moderators", name="Kim", email="nonsense", role="viewer")
    assert 'value="nonsense"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    answer = post(boss, "/console/moderators", name="Kim", email="kim@a.example", role="viewer")
    assert "needs at least one site" in answer.text


def test_shutting_somebody_out_ends_their_session_at_once(
    winnow: Any, seated: Callable[[str], Any], boss: Any, site: Any
) -> None:
    moderator, link = added(boss, site)
    new = seated(link)
    path = f"/console/moderators/{moderator}"
    assert post(boss, path, do="shut-out").status_code == 303
    assert new.http.get("/console").status_code == 401
    assert post(boss, path, do="link").status_code == 409
    assert post(boss, path, do="let-in").status_code == 303
    assert "sign-in?token=" in post(boss, path, do="link").text


def test_a_role_and_sites_are_changed(boss: Any, site: Any) -> None:
    moderator, _ = added(boss, site)
    path = f"/console/moderators/{moderator}"
    assert post(boss, path, do="role", role="moderator", sites=[site.id]).status_code == 303
    assert post(boss, path, do="role", role="moderator").status_code == 422
    assert post(boss, path, do="role", role="king", sites=[site.id]).status_code == 422
    assert post(boss, path, do="remove").status_code == 303
    assert post(boss, path, do="remove").status_code == 404


def test_an_admin_cannot_lock_themselves_out(winnow: Any, boss: Any, site: Any) -> None:
    page = boss.http.get("/console/moderators").text
    own = re.search(r'id="m-([^"]+)">(?:(?!</li>).)*?>you<', page, re.DOTALL)
    assert own
    for fields in ({"do": "shut-out"}, {"do": "remove"}, {"do": "role", "role": "viewer"}):
        answer = post(boss, f"/console/moderators/{own[1]}", **fields, sites=[site.id])
        assert answer.status_code == 409
    assert boss.http.get("/console").status_code == 200


def test_an_admin_of_one_site_rules_nobody_elsewhere(winnow: Any, boss: Any, site: Any) -> None:
    other = winnow.site()
    asked = {"name": "Far Away", "email": "far@away.example", "role": "viewer", "sites": [other.id]}
    far = winnow.admin("POST", "/v1/moderators", json=asked).json()["id"]
    assert "Far Away" not in boss.http.get("/console/moderators").text
    assert post(boss, f"/console/moderators/{far}", do="remove").status_code == 404
    answer = post(
        boss, "/console/moderators", name="X", email="x@y.example", role="admin", sites=[other.id]
    )
    assert answer.status_code == 422
    answer = post(boss, "/console/moderators", name="X", email="x@y.example", role="admin")
    assert answer.status_code == 403
