"""The ops page shows what is so, and the model page what the model's card says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.console.conftest import varied


def tiles(page: str) -> dict[str, str]:
    cut = page.split('<dl class="tiles">')[1].split("</dl>")[0]
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", cut, re.DOTALL)
    return {re.sub(r"<.*?>", "", k).split(" ")[0]: re.sub(r"<.*?>", "", v) for k, v in pairs}


def test_the_figures_are_the_sites_own(site: Any, desk: Callable[..., Any]) -> None:
    made = [site.submitted(body=varied(n), email=f"r{n}@example.org") for n in range(5)]
    for each in made[:2]:
        assert site.decide(each["id"], "approve", 1).status_code == 200
    told = tiles(desk(role="viewer").http.get("/console/ops").text)
    assert (told["Waiting"], told["Arrived"], told["Decided"]) == ("3", "5", "2")
    assert re.fullmatch(r"\d+ s|under 1 s", told["Oldest"])


def test_an_empty_site_is_said_to_be_at_rest(desk: Callable[..., Any]) -> None:
    page = desk().http.get("/console/ops").text
    assert tiles(page) == {
        "Waiting": "0",
        "Oldest": "–",
        "Arrived": "0",
        "Decided": "0",
        "95": "–",
        "Empty": "empty",
    }
    assert "Everything works." in page
    assert "Nobody waits" in page


@pytest.mark.browser
def test_the_charts_say_in_words_what_they_show(site: Any, window: Callable[..., Any]) -> None:
    for n in range(3):
        site.submitted(body=varied(n), email=f"r{n}@example.org")
    page = window().page
    page.get_by_role("link", name="Ops").click()
    drawn = page.get_by_role("img", name="Arrivals and decisions per hour")
    assert "3 comments arrived and 0 were decided" in drawn.locator("desc").text_content()
    assert drawn.locator("rect.one").count() == 1
    figure = page.locator("figure").filter(has=drawn)
    figure.locator("summary").click()
    assert figure.locator("tbody tr").first.inner_text().split()[-3:] == ["3", "3", "0"]
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url("**hours=168**")
    assert page.get_by_role("link", name="7 days").get_attribute("aria-current") == "true"


def test_nonsense_in_the_address_shows_a_day(desk: Callable[..., Any]) -> None:
    dana = desk()
    for hours in ("", "0", "999999", "x", "-1"):
        answer = dana.http.get("/console/ops", params={"hours": hours})
        assert answer.status_code == 200
        assert re.search(r'aria-current="true">24 h<', answer.text)


def test_a_moderator_sees_the_figures_of_their_own_sites_only(
    winnow: Any, desk: Callable[..., Any]
) -> None:
    other = winnow.site()
    dana = desk()
    assert other.id not in dana.http.get("/console/ops").text
    assert dana.http.get("/console/ops", params={"site": other.id}).status_code == 403


@pytest.mark.browser
def test_the_page_is_refreshed_while_it_is_looked_at_if_asked_to(
    window: Callable[..., Any],
) -> None:
    page = window().page
    page.clock.install()
    page.get_by_role("link", name="Ops").click()
    page.get_by_label("Refresh every minute").check()
    page.evaluate("window.before = true")
    page.clock.run_for(61_000)
    page.wait_for_function("window.before === undefined")
    assert page.get_by_label("Refresh every minute").is_checked()


def test_the_model_page_shows_the_cards_warnings_figures_and_plots(
    desk: Callable[..., Any],
) -> None:
    page = desk(role="viewer").http.get("/console/model").text
    assert "What it does not do well" in page
    assert page.count('role="img"') == 2
    assert "Roman Urdu" in page
    assert "ROC-AUC" in page
