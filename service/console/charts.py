"""Charts as figures a template draws: where lines, bars and labels go. Pure.

A chart is drawn once, in user units, and scales with the page; every hour or row carries its
figures as words, which browsers show on hover, and a table says all of it to who cannot look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from math import ceil, floor, log10
from typing import Final, NamedTuple

from msgspec import Struct

WIDE: Final = 520
HIGH: Final = 230
LEFT: Final = 50
RIGHT: Final = 10
TOP: Final = 12
FOOT: Final = 28
HOUR_MS: Final = 3_600_000
LINES: Final = 4
"""Horizontal lines of a chart, about."""
LABELS: Final = 6
"""Moments named below a chart, at most."""
STEPS_H: Final = (1, 2, 3, 4, 6, 12, 24, 48)
"""Hours between two of them."""
SPANS_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900),
    *(3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400),
)
"""Seconds between two lines of a chart of durations."""


class Tick(NamedTuple):
    """A place on an axis, and what is written there."""

    at: float
    text: str


class Line(Struct, frozen=True):
    """One curve: the path of its line, and of the area below it where it is filled."""

    name: str
    tone: str
    path: str
    area: str
    dots: list[tuple[float, float]]
    """Points with no neighbour: no line would show them."""


class Bar(NamedTuple):
    """One bar."""

    x: float
    y: float
    wide: float
    high: float
    tone: str


class Spot(NamedTuple):
    """A strip of the chart with the words for what it shows."""

    x: float
    wide: float
    text: str


class Chart(Struct, frozen=True, kw_only=True):
    """All that a template draws."""

    id: str
    title: str
    about: str
    """The chart in words."""
    names: list[tuple[str, str]]
    """What each colour stands for: tone, name."""
    up: list[Tick]
    across: list[Tick]
    lines: list[Line]
    bars: list[Bar]
    spots: list[Spot]
    head: list[str]
    rows: list[list[str]]
    """The same as a table."""
    wide: int = WIDE
    high: int = HIGH
    left: int = LEFT
    floor: int = HIGH - FOOT


class Series(Struct, frozen=True):
    """What a curve or a row of bars shows: moments in ms, values; None = not known."""

    name: str
    tone: str
    points: Sequence[tuple[int, float | None]]
    filled: bool = False


class Scale(Struct, frozen=True):
    """From moments and values to places."""

    start: int
    end: int
    top: float

    def x(self, at: int) -> float:
        """Where a moment is."""
        share = (at - self.start) / max(1, self.end - self.start)
        return round(LEFT + share * (WIDE - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value is."""
        floor_y = HIGH - FOOT
        return round(floor_y - value / (self.top or 1) * (floor_y - TOP), 1)


Said = Callable[[float], str]
"""How a value is written."""


class Frame(Struct, frozen=True, kw_only=True):
    """What a chart is about, besides its values."""

    id: str
    title: str
    about: str
    start: int
    end: int
    said: Said
    step: Callable[[float], float]
    """How far apart the lines of the scale are, for the highest value."""


def curves(frame: Frame, series: Sequence[Series]) -> Chart:
    """Values over time as lines; the table has a row for each hour."""
    scale, up = _scale(frame, series)
    lines = [_line(each, scale) for each in series]
    hours = _by_hour(series, frame)
    return _chart(frame, scale, up, hours, series, lines=lines)


def hourly(frame: Frame, series: Sequence[Series]) -> Chart:
    """Counts of each hour as bars side by side."""
    scale, up = _scale(frame, series)
    slot = scale.x(frame.start + HOUR_MS) - scale.x(frame.start)
    wide = slot * 0.8 / len(series)
    bars = [
        Bar(
            round(scale.x(at) + slot * 0.1 + i * wide, 1),
            scale.y(value),
            round(max(wide, 0.8), 1),
            round(scale.y(0) - scale.y(value), 1),
            each.tone,
        )
        for i, each in enumerate(series)
        for at, value in each.points
        if value
    ]
    return _chart(frame, scale, up, _by_hour(series, frame), series, bars=bars)


Hours = dict[int, list[float | None]]


def _chart(
    frame: Frame,
    scale: Scale,
    up: list[Tick],
    hours: Hours,
    series: Sequence[Series],
    *,
    lines: Iterable[Line] = (),
    bars: Iterable[Bar] = (),
) -> Chart:
    wide = scale.x(frame.start + HOUR_MS) - scale.x(frame.start)
    rows = [(at, [_told(v, frame.said) for v in values]) for at, values in hours.items()]
    names = [each.name for each in series]
    return Chart(
        id=frame.id,
        title=frame.title,
        about=frame.about,
        names=[(each.tone, each.name) for each in series],
        up=up,
        across=_moments(frame, scale),
        lines=list(lines),
        bars=list(bars),
        spots=[
            Spot(
                scale.x(at),
                round(min(wide, WIDE - RIGHT - scale.x(at)), 1),
                f"{_clock(at, '%a %H:%M')}: "
                + ", ".join(f"{n} {t}" for n, t in zip(names, texts, strict=True)),
            )
            for at, texts in rows
        ],
        head=["Hour (UTC)", *names],
        rows=[[_clock(at, "%-d %b %H:%M"), *texts] for at, texts in reversed(rows)],
    )


def _scale(frame: Frame, series: Sequence[Series]) -> tuple[Scale, list[Tick]]:
    most = max((v for each in series for _, v in each.points if v is not None), default=0) or 1
    step = frame.step(most)
    count = max(1, ceil(most / step - 1e-9))
    scale = Scale(frame.start, frame.end, step * count)
    return scale, [Tick(scale.y(i * step), frame.said(i * step)) for i in range(count + 1)]


def _line(series: Series, scale: Scale) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in series.points:
        if value is not None:
            pieces[-1].append((scale.x(at), scale.y(value)))
        elif pieces[-1]:
            pieces.append([])
    drawn = [piece for piece in pieces if len(piece) > 1]
    paths = ["M" + "L".join(f"{x} {y}" for x, y in piece) for piece in drawn]
    areas = [
        f"{path}L{piece[-1][0]} {scale.y(0)}L{piece[0][0]} {scale.y(0)}Z"
        for path, piece in zip(paths, drawn, strict=True)
    ]
    return Line(
        series.name,
        series.tone,
        "".join(paths),
        "".join(areas) if series.filled else "",
        [piece[0] for piece in pieces if len(piece) == 1],
    )


def _by_hour(series: Sequence[Series], frame: Frame) -> Hours:
    """The last value of each series in each hour."""
    first = frame.start // HOUR_MS * HOUR_MS
    hours: Hours = {at: [None] * len(series) for at in range(first, frame.end, HOUR_MS)}
    for i, each in enumerate(series):
        for at, value in each.points:
            row = hours.get(at // HOUR_MS * HOUR_MS)
            if row is not None and value is not None:
                row[i] = value
    return hours


def _moments(frame: Frame, scale: Scale) -> list[Tick]:
    hours = (frame.end - frame.start) / HOUR_MS
    step = next((h for h in STEPS_H if hours / h <= LABELS), STEPS_H[-1]) * HOUR_MS
    first = -(-frame.start // step) * step
    shape = "%H:%M" if step < 24 * HOUR_MS else "%-d %b"
    return [Tick(scale.x(at), _clock(at, shape)) for at in range(first, frame.end, step)]


def _told(value: float | None, said: Said) -> str:
    return "–" if value is None else said(value)


def _clock(at: int, shape: str) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):{shape}}"


def count_step(most: float) -> float:
    """Steps of 1, 2 or 5 times a power of ten, never below one."""
    rough = most / LINES
    power = 10.0 ** floor(log10(rough)) if rough > 0 else 1.0
    return max(1.0, next(power * n for n in (1, 2, 5, 10) if power * n >= rough))


def span_step(most_s: float) -> float:
    """Steps that people count time in."""
    weeks = ceil(most_s / LINES / SPANS_S[-1]) * SPANS_S[-1]
    return next((s for s in SPANS_S if s >= most_s / LINES), weeks)


def count(value: float) -> str:
    """A count as people read it."""
    return f"{value:,.0f}"


def span(seconds: float) -> str:
    """A duration in its two largest units at most: `2 h`, `1 d 4 h`, `40 s`."""
    if 0 < seconds < 1:
        return "under 1 s"
    left, told = round(seconds), []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, size)
        if number:
            told.append(f"{number} {unit}")
        elif told:
            break
    return " ".join(told[:2]) or "0 s"


class Interval(Struct, frozen=True):
    """One row of a plot of figures with their intervals."""

    name: str
    note: str
    value: float
    low: float
    high: float


class Dots(Struct, frozen=True, kw_only=True):
    """Figures between 0.5 and 1 with their intervals, one below the other."""

    id: str
    title: str
    about: str
    across: list[Tick]
    rows: list[tuple[Interval, float, tuple[float, float, float]]]
    """Each with its height, and where value, low and high are."""
    wide: int
    high: int
    left: int


DOTS_WIDE: Final = 520
DOTS_LEFT: Final = 148
ROW: Final = 26


def dots(name: str, title: str, found: Sequence[Interval]) -> Dots:
    """A plot of figures that are 0.5 by chance and 1 at best."""

    def x(value: float) -> float:
        share = (min(1.0, max(0.5, value)) - 0.5) / 0.5
        return round(DOTS_LEFT + share * (DOTS_WIDE - DOTS_LEFT - 16), 1)

    rows = [
        (each, TOP + ROW * (i + 0.5), (x(each.value), x(each.low), x(each.high)))
        for i, each in enumerate(found)
    ]
    told = "; ".join(f"{e.name} {e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for e in found)
    return Dots(
        id=name,
        title=title,
        about=told,
        across=[Tick(x(n / 10), f"{n / 10:.1f}") for n in range(5, 11)],
        rows=rows,
        wide=DOTS_WIDE,
        high=round(TOP + ROW * len(found) + FOOT),
        left=DOTS_LEFT,
    )
