"""Plots as SVG: bars with the figures of every pair, and lines over sizes. No library needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.side_by_side.spread import shown

_WIDTH = 760
_LABELS = 250
_VALUES = 90
_ROW = 30
_HEAD = 52
_FONT = "font-family='system-ui, sans-serif'"
OURS, THEIRS, BOUND = "#2563eb", "#9ca3af", "#10b981"
"""Colours that can be told from each other without seeing red or green."""
_COLOURS = (OURS, "#d97706", BOUND, "#7c3aed")


@dataclass(frozen=True)
class Bar:
    """A figure with a name; ``each`` are the ones that it is the middle of."""

    name: str
    value: float
    each: Sequence[float]
    colour: str


def bars(title: str, unit: str, rows: Sequence[Bar], *, logarithmic: bool = False) -> str:
    """Horizontal bars, a dot for each single figure."""
    values = [value for row in rows for value in (row.value, *row.each)]
    place = _scale(values, _WIDTH - _LABELS - _VALUES, logarithmic)
    drawn = []
    for number, row in enumerate(rows):
        y = _HEAD + number * _ROW
        end = place(row.value)
        drawn += [
            _text(_LABELS - 10, y + 16, row.name, "end"),
            f"<rect x='{_LABELS}' y='{y + 2}' width='{end:.1f}' height='{_ROW - 10}' rx='2'"
            f" fill='{row.colour}'/>",
            *(
                f"<circle cx='{_LABELS + place(value):.1f}' cy='{y + 12}' r='2.5' fill='#111827'"
                " fill-opacity='0.55'/>"
                for value in row.each
            ),
            _text(_LABELS + max(map(place, (row.value, *row.each))) + 8, y + 16, shown(row.value)),
        ]
    note = f"{unit}, logarithmic" if logarithmic else unit
    return _picture(title, note, _HEAD + len(rows) * _ROW + 8, drawn)


def lines(
    title: str, unit: str, across: str, series: dict[str, Sequence[tuple[float, float]]]
) -> str:
    """A line for each series of points, from zero upwards, over sizes in logarithmic steps."""
    height, left, right, bottom = 300, 60, _WIDTH - 200, 250
    points = [point for each in series.values() for point in each]
    sizes = sorted({x for x, _ in points})
    wide = _scale(sizes, right - left, True)
    high = _scale([y for _, y in points], bottom - _HEAD, False)
    drawn = [
        f"<line x1='{left}' y1='{bottom}' x2='{right}' y2='{bottom}' stroke='#6b7280'/>",
        *(_text(left + wide(size), bottom + 18, f"{size:,.0f}", "middle") for size in sizes),
        _text((left + right) / 2, bottom + 38, across, "middle"),
    ]
    for number, (name, each) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{left + wide(x):.1f},{bottom - high(y):.1f}" for x, y in each)
        drawn.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        for x, y in each:
            at_x, at_y = left + wide(x), bottom - high(y)
            drawn.append(f"<circle cx='{at_x:.1f}' cy='{at_y:.1f}' r='3.5' fill='{colour}'/>")
            drawn.append(_text(at_x, at_y - 8, shown(y), "middle"))
        drawn.append(_text(right + 16, _HEAD + 20 * number + 12, name, colour=colour))
    return _picture(title, unit, height, drawn)


def _scale(values: Sequence[float], length: float, logarithmic: bool) -> Callable[[float], float]:
    """Where on a length a value lies: linear from zero, or with every decade as long."""
    if not logarithmic:
        most = max([*values, 1e-9])
        return lambda value: value / most * length
    positive = [value for value in values if value > 0] or [1.0]
    least, most = math.log10(min(positive)) - 0.3, math.log10(max(positive)) + 0.01
    return lambda value: (
        max(0.0, (math.log10(value) - least) / (most - least) * length) if value > 0 else 0.0
    )


def _picture(title: str, unit: str, height: float, drawn: Sequence[str]) -> str:
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}'"
            f" width='{_WIDTH}' height='{height}' role='img'>",
            f"<title>{escape(title)}</title>",
            "<rect width='100%' height='100%' fill='white'/>",
            f"<text x='12' y='22' {_FONT} font-size='15' font-weight='600'>{escape(title)}</text>",
            _text(12, 40, unit, colour="#4b5563"),
            *drawn,
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#111827") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {_FONT} font-size='12' text-anchor='{anchor}'"
        f" fill='{colour}'>{escape(words)}</text>"
    )
