"""The policy editor: its effect is seen before it is saved, and nobody overwrites unknowingly."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

INSULT = "You are an idiot and everybody knows it."


def fields(page: str) -> dict[str, str]:
    """What a browser would send of the policy's form."""
    form = page.split('id="policy"')[1].split("</form>")[0]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        if name and ("checkbox" not in tag or " checked" in tag):
            value = re.search(r'value="([^"]*)"', tag)
            found[name[1]] = value[1] if value else "on"
    for name, inner in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        found[name] = re.findall(r'value="([^"]*)" selected', inner)[0]
    for name, inner in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.S
    ):
        found[name] = inner
    return {name: html.unescape(value) for name, value in found.items()}


def opened(desk: Any, **query: str) -> dict[str, str]:
    answer = desk.http.get("/console/policy", params=query)
    assert answer.status_code == 200, answer.text
    return fields(answer.text)


def sent(desk: Any, values: dict[str, str], do: str) -> httpx.Response:
    return desk.http.post("/console/policy", data=values | {"do": do})


@pytest.fixture
def boss(desk: Callable[..., Any]) -> Any:
    return desk(role="admin", name="Boss")


def policy_of(site: Any) -> dict[str, Any]:
    return dict(site.ask("GET", f"/v1/sites/{site.id}/policy").json())


def test_saving_what_was_opened_changes_nothing_but_the_version(site: Any, boss: Any) -> None:
    site.policy(
        block=[{"text": "cas*no", "match": "wildcard", "outcome": "spam"}], links={"max": 3}
    )
    before = policy_of(site)
    answer = sent(boss, opened(boss), "save")
    assert answer.status_code == 303, answer.text
    assert policy_of(site) == before | {"version": before["version"] + 1}


@pytest.mark.browser
def test_a_preview_says_what_would_change_and_saves_nothing(
    site: Any, window: Callable[..., Any]
) -> None:
    site.policy(thresholds={"insult": {"hold": 0.5}})
    held = [site.submitted(body=f"{INSULT} {n}", name="Rude Rudi") for n in range(3)]
    assert {each["status"] for each in held} == {"pending"}
    assert site.decide(held[0]["id"], "reject", 1).status_code == 200
    before = policy_of(site)
    page = window(role="admin").page
    page.get_by_role("link", name="Policy").click()
    insult = page.locator('[name="thresholds.insult.hold"]')
    assert insult.input_value() == "0.5"
    slider = page.locator("[data-level]").filter(has=insult).locator("[data-slider]")
    slider.fill("1")
    assert insult.input_value() == "1"
    page.get_by_role("button", name="Preview").click()
    preview = page.locator("#preview")
    preview.wait_for()
    assert re.search(r"100\.0 %\s*→\s*then\s*0\.0 %", preview.inner_text())
    assert preview.get_by_text("people refused it", exact=True).count() == 1
    link = preview.get_by_role("link", name="Rude Rudi").first
    assert link.get_attribute("href").startswith("/console/comments/")
    assert policy_of(site) == before
    assert insult.input_value() == "1"
    preview.get_by_role("button", name="Save as version").click()
    page.get_by_text("Comments are decided by this version from now on").wait_for()
    assert policy_of(site)["thresholds"]["insult"] == {"hold": 1.0}
    page.get_by_text("Insult: hold from").first.wait_for()
    link_back = page.get_by_role("link", name="Edit from this version")
    page.get_by_text(f"Version {before['version']}", exact=False).first.click()
    assert link_back.count() >= 1
    assert site.submitted(body=INSULT)["status"] == "approved"


def test_the_second_of_two_editors_sees_what_the_first_changed(
    site: Any, boss: Any, desk: Callable[..., Any]
) -> None:
    other = desk(role="admin", name="Other")
    mine, theirs = opened(boss), opened(other)
    assert sent(other, theirs | {"links.max": "9"}, "save").status_code == 303
    refused = sent(boss, mine | {"authors.hold_first": "5"}, "save")
    assert refused.status_code == 412
    assert "Links: links that are fine" in refused.text
    assert policy_of(site)["authors"]["hold_first"] == 1
    kept = fields(refused.text)
    assert (kept["authors.hold_first"], kept["links.max"]) == ("5", "2")
    assert sent(boss, kept, "save").status_code == 303
    assert policy_of(site)["authors"]["hold_first"] == 5


def test_wrong_values_are_shown_at_their_fields_and_what_was_typed_stays(
    site: Any, boss: Any
) -> None:
    wrong = opened(boss) | {"links.max": "many", "block": "fine\r\n(x => spma", "patterns": "("}
    answer = sent(boss, wrong, "save")
    assert answer.status_code == 422
    for name in ("links.max", "block"):
        assert re.search(rf'name="{name}"[^>]*aria-invalid="true"', answer.text)
        assert f'id="wrong-{name}"' in answer.text
    assert fields(answer.text)["links.max"] == "many"
    assert policy_of(site)["version"] == 1


def test_an_earlier_version_can_be_edited_and_saved_over_the_present_one(
    site: Any, boss: Any
) -> None:
    assert sent(boss, opened(boss) | {"links.max": "7"}, "save").status_code == 303
    earlier = opened(boss, **{"from": "1"})
    assert (earlier["links.max"], earlier["version"]) == ("2", "2")
    assert sent(boss, earlier, "save").status_code == 303
    assert policy_of(site)["links"]["max"] == 2


@pytest.mark.parametrize("role", ["viewer", "moderator"])
def test_who_is_no_admin_reads_the_policy_and_cannot_change_it(
    site: Any, desk: Callable[..., Any], role: str
) -> None:
    dana = desk(role=role)
    page = dana.http.get("/console/policy").text
    assert '<fieldset class="bare" disabled>' in page
    assert 'name="do"' not in page
    values = fields(page) | {"csrf": dana.csrf()}
    assert sent(dana, values, "save").status_code == 403
    assert sent(dana, values, "preview").status_code == 403
    assert policy_of(site)["version"] == 1


@pytest.mark.browser
def test_the_editor_works_without_a_script(site: Any, window: Callable[..., Any]) -> None:
    page = window(role="admin", script=False).page
    page.get_by_role("link", name="Policy").click()
    page.locator('[name="links.max"]').fill("4")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("There is no comment yet to try it on").wait_for()
    page.get_by_role("button", name="Save as version").first.click()
    page.get_by_text("Comments are decided by this version").wait_for()
    assert policy_of(site)["links"]["max"] == 4


def test_a_list_of_thousands_of_words_is_edited(site: Any, boss: Any) -> None:
    words = "\r\n".join(f"forbidden word number {n} => spam" for n in range(3000))
    assert sent(boss, opened(boss) | {"block": words}, "save").status_code == 303
    assert len(policy_of(site)["block"]) == 3000
