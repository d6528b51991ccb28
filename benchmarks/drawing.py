"""Small plots as SVG, made by hand: bars from zero, and dots on a logarithmic scale.

They are 640 units wide, carry a title and their units, and have colours for light and dark pages
(`prefers-color-scheme`). Series differ by colour and by shape or place, so that colour alone never
has to be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, RIGHT = 640, 72
TOP, ROW, BAR, LEGEND = 64, 30, 16, 22
SHAPES = ("circle", "square", "diamond", "triangle")
STYLE = """
svg { font: 13px system-ui, sans-serif; --paper: #ffffff; --ink: #1f2328; --soft: #59636e;
  --line: #d1d9e0; --goal: #b35900; --s0: #0b62c4; --s1: #b0338f; --s2: #2f7d32; --s3: #8a5a00; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1;
  --line: #3d444d; --goal: #f0a356; --s0: #6cb2ff; --s1: #f29ad8; --s2: #7bd88f; --s3: #e3c26b; } }
.paper { fill: var(--paper); } text { fill: var(--ink); } .soft { fill: var(--soft); }
.title { font-size: 15px; font-weight: 600; } .line { stroke: var(--line); }
.goal { stroke: var(--goal); stroke-dasharray: 5 4; } text.goal { fill: var(--goal); stroke: none; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); }
"""


@dataclass(frozen=True)
class Plot:
    """What is drawn: rows, each with a value for every series (None where there is none)."""

    title: str
    unit: str
    series: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    goal: float | None = None
    """Drawn as a line across."""
    goal_says: str = ""

    @property
    def left(self) -> int:
        """Where the axis begins: behind the longest name."""
        return 28 + round(7.1 * max(len(name) for name, _ in self.rows))


def bars(plot: Plot) -> str:
    """Horizontal bars from zero, one below the other."""
    values = [value for _, row in plot.rows for value in row if value is not None]
    most = max([*values, plot.goal or 0.0]) or 1.0
    height_of_row = len(plot.series) * (BAR + 2) + 12
    bottom = TOP + _legend_height(plot) + len(plot.rows) * height_of_row

    def x(value: float) -> float:
        return plot.left + value / most * (WIDTH - plot.left - RIGHT)

    drawn = _ticks([0.0, *_steps(most)], x, plot, bottom)
    for number, (name, row) in enumerate(plot.rows):
        top = TOP + _legend_height(plot) + number * height_of_row
        drawn.append(_text(plot.left - 10, top + height_of_row / 2 + 4, name, anchor="end"))
        for k, value in enumerate(row):
            if value is None:
                continue
            y = top + 6 + k * (BAR + 2)
            wide = max(1.0, x(value) - plot.left)
            drawn.append(
                f'<rect class="s{k}" x="{plot.left}" y="{y}" width="{wide:.1f}" height="{BAR}" '
                'rx="2"/>'
            )
            drawn.append(_text(x(value) + 6, y + BAR - 3, shown(value)))
    return _whole(plot, drawn, bottom, _legend(plot, shape="square"))


def dots(plot: Plot) -> str:
    """One row a line, one mark a series, on a logarithmic scale."""
    values = [value for _, row in plot.rows for value in row if value]
    ends = [*values, *([plot.goal] if plot.goal else [])]
    low, high = math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends)))
    high = max(high, low + 1)
    bottom = TOP + _legend_height(plot) + len(plot.rows) * ROW

    def x(value: float) -> float:
        return plot.left + (math.log10(value) - low) / (high - low) * (WIDTH - plot.left - RIGHT)

    drawn = _ticks([10.0**power for power in range(low, high + 1)], x, plot, bottom)
    for number, (name, row) in enumerate(plot.rows):
        y = TOP + _legend_height(plot) + number * ROW + ROW / 2
        drawn.append(_text(plot.left - 10, y + 4, name, anchor="end"))
        drawn.append(
            f'<line class="line" x1="{plot.left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        )
        drawn += [_mark(k, x(value), y) for k, value in enumerate(row) if value]
        if last := max((value for value in row if value), default=None):
            drawn.append(_text(x(last) + 10, y + 4, shown(last)))
    return _whole(plot, drawn, bottom, _legend(plot))


def shown(value: float) -> str:
    """A number as people read it: three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _tick(value: float) -> str:
    """A round number beside others: millions spelt out would run into each other."""
    return f"{value / 1_000_000:g} M" if value >= 1_000_000 else shown(value)


def _steps(most: float) -> list[float]:
    """Three to six round numbers up to `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.2, 0.25, 0.5, 1.0, 2.0) if most / (power * part) <= 6)
    return [step * k for k in range(1, int(most / step) + 1)]


def _ticks(values: Sequence[float], x: object, plot: Plot, bottom: float) -> list[str]:
    drawn = []
    top = TOP + _legend_height(plot) - 4
    for value in values:
        at = x(value)  # type: ignore[operator]
        drawn.append(f'<line class="line" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        drawn.append(_text(at, bottom + 18, _tick(value), anchor="middle", kind="soft"))
    if plot.goal is not None:
        at = x(plot.goal)  # type: ignore[operator]
        drawn.append(f'<line class="goal" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>')
        drawn.append(_text(at, bottom + 34, plot.goal_says, anchor="middle", kind="goal"))
    return drawn


def _mark(series: int, x: float, y: float) -> str:
    kind = f'class="s{series % 4}"'
    shape = SHAPES[series % 4]
    if shape == "circle":
        return f'<circle {kind} cx="{x:.1f}" cy="{y}" r="6"/>'
    if shape == "square":
        return f'<rect {kind} x="{x - 5:.1f}" y="{y - 5}" width="10" height="10"/>'
    if shape == "diamond":
        return f'<path {kind} d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z"/>'
    return f'<path {kind} d="M{x:.1f} {y - 7}l7 12h-14z"/>'


def _legend_height(plot: Plot) -> int:
    return LEGEND if len(plot.series) > 1 else 0


def _legend(plot: Plot, *, shape: str = "") -> list[str]:
    drawn, x = [], 16.0
    for k, name in enumerate(plot.series) if len(plot.series) > 1 else ():
        y = 58
        if shape:
            drawn.append(f'<rect class="s{k}" x="{x}" y="{y - 5}" width="10" height="10"/>')
        else:
            drawn.append(_mark(k, x + 5, y))
        drawn.append(_text(x + 16, y + 4, name))
        x += 34 + 7.2 * len(name)
    return drawn


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _whole(plot: Plot, drawn: list[str], bottom: float, legend: list[str]) -> str:
    height = round(bottom + (46 if plot.goal is not None else 30))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="t">',
        f'<title id="t">{escape(plot.title)}, {escape(plot.unit)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        _text(16, 24, plot.title, kind="title"),
        _text(16, 42, plot.unit, kind="soft"),
        *legend,
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
