"""Charts: every value is where it belongs, and is told in words as well."""

from __future__ import annotations

import pytest

from service.console import charts
from service.console.charts import (
    FOOT,
    HIGH,
    HOUR_MS,
    LEFT,
    RIGHT,
    TOP,
    WIDE,
    Frame,
    Interval,
    Series,
    count,
    count_step,
    span,
    span_step,
)

START = 1_764_000_000_000 // HOUR_MS * HOUR_MS


def frame(hours: int = 4) -> Frame:
    return Frame(
        id="x",
        title="Title",
        about="About",
        start=START,
        end=START + hours * HOUR_MS,
        said=count,
        step=count_step,
    )


def test_a_curve_breaks_where_nothing_is_known_and_a_lone_point_is_a_dot() -> None:
    points = [(START, 0.0), (START + HOUR_MS, 10.0), (START + 2 * HOUR_MS, None)]
    points.append((START + 3 * HOUR_MS, 5.0))
    chart = charts.curves(frame(), [Series("waiting", "one", points, filled=True)])
    (line,) = chart.lines
    floor, quarter = HIGH - FOOT, (WIDE - LEFT - RIGHT) / 4
    top = next(tick.at for tick in chart.up if tick.text == "10")
    assert line.path == f"M{LEFT}.0 {floor}.0L{LEFT + quarter} {top}"
    assert line.area == f"{line.path}L{LEFT + quarter} {floor}.0L{LEFT}.0 {floor}.0Z"
    assert [x for x, _ in line.dots] == [LEFT + 3 * quarter]


def test_bars_stand_side_by_side_within_their_hour_and_on_the_floor() -> None:
    a = Series("a", "one", [(START, 4.0), (START + HOUR_MS, 0.0)])
    b = Series("b", "two", [(START, 2.0), (START + HOUR_MS, 1.0)])
    chart = charts.hourly(frame(2), [a, b])
    assert len(chart.bars) == 3, "a zero has no bar"
    first, second = sorted(chart.bars)[:2]
    assert first.x + first.wide <= second.x + 0.2
    assert {round(bar.y + bar.high) for bar in chart.bars} == {HIGH - FOOT}
    assert first.high == pytest.approx(2 * second.high, abs=0.2)
    assert min(bar.y for bar in chart.bars) >= TOP


def test_the_table_and_the_words_on_hover_say_what_the_chart_shows() -> None:
    chart = charts.curves(frame(), [Series("waiting", "one", [(START + HOUR_MS + 5, 1234.0)])])
    assert chart.head == ["Hour (UTC)", "waiting"]
    assert [row[1] for row in chart.rows] == ["–", "–", "1,234", "–"]
    assert [spot.text.rpartition(": ")[2] for spot in chart.spots][1] == "waiting 1,234"


def test_a_chart_of_nothing_can_be_drawn() -> None:
    for chart in (
        charts.curves(frame(), [Series("a", "one", [])]),
        charts.hourly(frame(), [Series("a", "one", [(START, 0.0)])]),
    ):
        assert [tick.text for tick in chart.up] == ["0", "1"]
        assert chart.bars == []


@pytest.mark.parametrize(("most", "step"), [(1, 1), (3, 1), (8, 2), (30, 10), (4321, 2000)])
def test_counts_are_ruled_in_round_steps(most: float, step: float) -> None:
    assert count_step(most) == step


@pytest.mark.parametrize(
    ("most", "step"), [(0.5, 1), (100, 30), (3600, 900), (30 * 86_400, 14 * 86_400)]
)
def test_durations_are_ruled_in_steps_that_people_count_in(most: float, step: float) -> None:
    assert span_step(most) == step


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "under 1 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (7200, "2 h"),
        (90_061, "1 d 1 h"),
        (86_400 + 60, "1 d"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_intervals_stay_inside_their_plot() -> None:
    plot = charts.dots("p", "Plot", [Interval("a", "", 0.75, 0.3, 1.2)])
    ((_, _, (value, low, high)),) = plot.rows
    assert (low, high) == (plot.across[0].at, plot.across[-1].at)
    assert value == (low + high) / 2
