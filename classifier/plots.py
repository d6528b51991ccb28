"""Two plots as SVG, written by hand: calibration, and precision against recall.

They need no library to draw and none to show, follow the reader's light or dark theme, and say
in words (title and description) what they show. Curves differ by dash as well as by colour;
the colours are those of Okabe and Ito (2008), told apart by colour-blind readers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Final

import numpy as np

from classifier.metrics import BINS, Bin, Curve, Floats

CURVES: Final = 6  # told apart at a glance
_SIDE: Final = 340  # of the square that is plotted in, in user units
_LEFT: Final = 66
_TOP: Final = 60
_STRIP: Final = 64  # height of the bars of counts
_POINTS: Final = 160  # of a curve at most
_TICKS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DASHES: Final = ("none", "9 4", "3 3", "12 3 3 3", "6 2", "1 3")
_INK: Final = {  # part: its colour on light and on dark paper
    "paper": ("#ffffff", "#14181f"),
    "ink": ("#1d2430", "#e6eaf0"),
    "soft": ("#5b6675", "#a3adba"),
    "grid": ("#d9dee5", "#39414d"),
    "0": ("#0072b2", "#56b4e9"),
    "1": ("#c04a00", "#ff9a4d"),
    "2": ("#00805c", "#2fd0a2"),
    "3": ("#a3437a", "#e79ac7"),
    "4": ("#7a5c00", "#f0e442"),
    "5": ("#3a3a3a", "#d0d0d0"),
}
_SHAPE: Final = """text{font-family:system-ui,sans-serif;font-size:13px}
.head{font-size:16px;font-weight:600}.small{font-size:11px}.even{stroke-dasharray:5 5}
.bar{opacity:.45}.reach{stroke-width:2}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}"""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a plot: its points, 0..1 each, and what the legend says of it."""

    name: str
    note: str
    x: Floats
    y: Floats


def precision_recall_line(name: str, curve: Curve, note: str) -> Line:
    """Precision against recall of a curve, thinned to what can be seen."""
    recall = curve.true / max(float(curve.true[-1]), 1e-12)
    precision = curve.true / np.maximum(curve.true + curve.false, 1e-12)
    kept = np.flatnonzero(np.append(True, np.diff(recall) > 0))
    wanted = np.linspace(0, 1, _POINTS)
    near = np.unique(np.append(np.searchsorted(recall[kept], wanted).clip(0, len(kept) - 1), 0))
    x, y = recall[kept][near], precision[kept][near]
    return Line(name, note, np.append(0.0, x), np.append(y[0], y))


def precision_recall(title: str, lines: Sequence[Line]) -> str:
    """Up to six curves; ``title`` in plain text."""
    words = "; ".join(f"{line.name}: {line.note}" for line in lines[:CURVES])
    body = [
        *_axes(
            "recall (share of positive rows found)",
            "precision (share of found rows that are positive)",
        )
    ]
    for number, line in enumerate(lines[:CURVES]):
        path = " ".join(
            f"{_x(x):.1f},{_y(y):.1f}"
            for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True)
        )
        body.append(f'<polyline class="line c{number}" points="{path}" {_stroke(number)}/>')
        body.extend(_legend(number, line))
    described = f"Precision against recall. Average precision, {words}."
    return _svg(title, described, body, (_LEFT + _SIDE + 250, _TOP + _SIDE + 58))


def reliability(title: str, bins: Sequence[Bin], note: str) -> str:
    """Mean score against the share that is positive, by bin, with intervals and counts."""
    body = [*_axes("mean score of the bin", "share that is positive")]
    body.append(_segment((_x(0), _y(0)), (_x(1), _y(1)), "even"))
    most = max((found.count for found in bins), default=1)
    for found in bins:
        body.extend(_bin(found, most))
    low = _TOP + _SIDE + 58 + _STRIP
    body.append(_text(_LEFT - 10, low, "rows", "small soft", "end"))
    body.append(_text(_LEFT + _SIDE / 2, low + 46, note, "small soft", "middle"))
    told = "; ".join(f"{b.score:.2f}: {b.share[0]:.2f} of {b.count}" for b in bins)
    described = f"Share of positive rows by mean score, {told}. {note}"
    return _svg(title, described, body, (_LEFT + _SIDE + 40, low + 58))


def _bin(found: Bin, most: int) -> Iterator[str]:
    x = _x(found.score)
    value, low, high = found.share
    yield _segment((x, _y(low)), (x, _y(high)), "reach")
    yield f'<circle class="dot" cx="{x:.1f}" cy="{_y(value):.1f}" r="4"/>'
    height = (_STRIP - 14) * (0.15 + 0.85 * log10(1 + found.count) / log10(1 + most))
    foot, middle = _TOP + _SIDE + 58 + _STRIP, _x((found.number + 0.5) / BINS)
    yield (
        f'<rect class="bar" x="{middle - 9:.1f}" y="{foot - height:.1f}" width="18"'
        f' height="{height:.1f}"/>'
    )
    line = foot + (12 if found.number % 2 else 24)  # neighbours do not run into each other
    yield _text(middle, line, f"{found.count}", "small soft", "middle")


def _legend(number: int, line: Line) -> Iterator[str]:
    left, y = _LEFT + _SIDE + 24, _TOP + 14 + number * 42
    yield f'<path class="line c{number}" d="M{left} {y}h26" {_stroke(number)}/>'
    yield _text(left + 34, y + 4, line.name, "", "start")
    yield _text(left + 34, y + 20, line.note, "small soft", "start")


def _axes(across: str, up: str) -> Iterator[str]:
    for tick in _TICKS:
        yield _segment((_x(tick), _y(0)), (_x(tick), _y(1)), "axis" if not tick else "grid")
        yield _segment((_x(0), _y(tick)), (_x(1), _y(tick)), "axis" if not tick else "grid")
        yield _text(_x(tick), _y(0) + 18, f"{tick:.1f}", "small soft", "middle")
        yield _text(_x(0) - 8, _y(tick) + 4, f"{tick:.1f}", "small soft", "end")
    yield _text(_x(0.5), _y(0) + 40, across, "", "middle")
    middle = f"translate({_LEFT - 42} {_y(0.5):.1f}) rotate(-90)"
    yield f'<text transform="{middle}" text-anchor="middle">{escape(up)}</text>'


def _svg(title: str, described: str, body: Sequence[str], size: tuple[float, float]) -> str:
    wide, high = size
    head = _text(_LEFT, 32, title, "head", "start")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}"'
        f' height="{high:g}" role="img" aria-labelledby="title about">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="about">{escape(described)}</desc>\n'
        f'<style>{_style()}</style>\n<rect class="paper" width="100%" height="100%"/>\n{head}\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _segment(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line class="{kind}" {ends}/>'


def _style() -> str:
    light, dark = (_colours(side) for side in (0, 1))
    return f"{_SHAPE}{light}\n@media(prefers-color-scheme:dark){{{dark}}}"


def _colours(side: int) -> str:
    """One theme's rules; plain ones, because few programs but browsers know CSS variables."""
    ink = {part: both[side] for part, both in _INK.items()}
    lines = "".join(f".c{n}{{stroke:{ink[str(n)]}}}" for n in range(CURVES))
    return (
        f"text{{fill:{ink['ink']}}}.paper{{fill:{ink['paper']}}}.soft{{fill:{ink['soft']}}}"
        f".grid{{stroke:{ink['grid']}}}.axis,.even{{stroke:{ink['soft']}}}"
        f".bar,.dot{{fill:{ink['0']}}}.reach{{stroke:{ink['0']}}}{lines}"
    )


def _stroke(number: int) -> str:
    return f'stroke-dasharray="{_DASHES[number]}"'


def _x(value: float) -> float:
    return _LEFT + value * _SIDE


def _y(value: float) -> float:
    return _TOP + (1 - value) * _SIDE
