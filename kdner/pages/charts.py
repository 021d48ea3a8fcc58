"""Small drawings for a page, as SVG inside it: lines, bars, and an interval as a line with a dot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kdner.pages.page import Html, element

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 96, 26, 46
"""Room around a chart: for the numbers at its left, the names at its right, the numbers and the title below."""
CELL = 120
"""Width of a drawing inside a cell of a table."""
NAME_HEIGHT = 17
"""Least distance of two names at the right of a chart."""

Point = tuple[float, float]


def interval(value: float, low: float, high: float, span: tuple[float, float]) -> Html:
    """Draw a value as a dot and its interval as a line, on an axis from `span`'s first to its second value."""
    first, last = span
    scale = (CELL - 8) / max(last - first, 1e-9)
    x, left, right = (round(4 + (number - first) * scale, 1) for number in (value, low, high))
    return _svg(
        CELL,
        14,
        element("line", x1=4, x2=CELL - 4, y1=7, y2=7, class_="axis"),
        element("line", x1=left, x2=right, y1=7, y2=7, class_="whisker"),
        element("circle", cx=x, cy=7, r=3.5, class_="dot"),
        label=f"{value:.3f}, between {low:.3f} and {high:.3f}",
    )


def bar(share: float, kind: str = "fill") -> Html:
    """Draw a share, 0 to 1, as a bar; the figure stands beside it, so that it says nothing to a screen reader."""
    width = round(CELL * min(max(share, 0), 1), 1)
    return element(
        "svg",
        element("rect", x=0, y=4, width=CELL, height=7, class_="track"),
        element("rect", x=0, y=4, width=width, height=7, class_=kind),
        viewBox=f"0 0 {CELL} 14",
        width=CELL,
        height=14,
        aria_hidden="true",
    )


def lines(
    series: Mapping[str, Sequence[Point]],
    *,
    x: str,
    y: str,
    label: str,
    logarithmic: bool = False,
    y_range: tuple[float, float] | None = None,
) -> Html:
    """Draw lines, each with its name at its end and a stroke of its own.

    Args:
        series: points of each line by its name, by rising x.
        x: what the horizontal axis is.
        y: what the vertical axis is.
        label: what the chart shows, for those who do not see it.
        logarithmic: whether the vertical axis is logarithmic; all values must be above 0.
        y_range: least and greatest value of the vertical axis; by default those that occur.
    """
    points = [point for own in series.values() for point in own]
    first, last = min(p[0] for p in points), max(p[0] for p in points)
    low, high = y_range or (min(p[1] for p in points), max(p[1] for p in points))
    scaled = math.log10 if logarithmic else float
    bottom, top = scaled(low), scaled(high)

    def at(point: Point) -> tuple[float, float]:
        across = (point[0] - first) / max(last - first, 1e-9)
        up = (scaled(point[1]) - bottom) / max(top - bottom, 1e-9)
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(
            HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP), 1
        )

    drawn: list[Html] = []
    for tick in _logarithmic_ticks(low, high) if logarithmic else _ticks(low, high):
        _, height = at((first, tick))
        drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height, y2=height, class_="grid"))
        drawn.append(element("text", f"{tick:g}", x=LEFT - 8, y=height + 4, text_anchor="end"))
    for tick in _ticks(first, last):
        place, _ = at((tick, high))
        drawn.append(element("text", f"{tick:g}", x=place, y=HEIGHT - BOTTOM + 18, text_anchor="middle"))
    ends = _apart([(name, at(own[-1])[1]) for name, own in series.items()])
    for number, (name, own) in enumerate(series.items()):
        path = " ".join(f"{a},{b}" for a, b in map(at, own))
        drawn.append(element("polyline", points=path, class_=f"line l{number % 4}"))
        drawn.append(element("text", name, x=at(own[-1])[0] + 8, y=ends[name] + 4, class_=f"name t{number % 4}"))
    drawn.append(element("text", x, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="title"))
    drawn.append(element("text", y, x=LEFT, y=TOP - 10, class_="title"))
    return element("figure", _svg(WIDTH, HEIGHT, *drawn, label=label, class_="chart"))


def histogram(counts: Sequence[int], *, label: str, x: str) -> Html:
    """Draw how many values lie in each of the equal parts of 0 to 1."""
    height, most, wide = 162, max(max(counts), 1), WIDTH - LEFT - 20
    drawn = []
    for number, count in enumerate(counts):
        tall = round((height - BOTTOM - TOP) * count / most, 1)
        left = LEFT + number * wide / len(counts)
        drawn.append(
            element(
                "rect",
                x=round(left + 1, 1),
                width=round(wide / len(counts) - 2, 1),
                y=height - BOTTOM - tall,
                height=tall,
                class_="fill",
            )
        )
    drawn.append(element("line", x1=LEFT, x2=LEFT + wide, y1=height - BOTTOM, y2=height - BOTTOM, class_="axis"))
    for tick in _ticks(0, 1):
        drawn.append(element("text", f"{tick:g}", x=LEFT + tick * wide, y=height - BOTTOM + 18, text_anchor="middle"))
    drawn.append(element("text", f"{most:,}", x=LEFT - 8, y=TOP + 4, text_anchor="end"))
    drawn.append(element("text", x, x=LEFT + wide / 2, y=height - 6, text_anchor="middle", class_="title"))
    return element("figure", _svg(WIDTH, height, *drawn, label=label, class_="chart"))


def _svg(width: int, height: int, *parts: Html, label: str, class_: str | None = None) -> Html:
    box = f"0 0 {width} {height}"
    return element("svg", *parts, viewBox=box, width=width, height=height, role="img", aria_label=label, class_=class_)


def _ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers between two."""
    span = max(high - low, 1e-9)
    unit = 10 ** math.floor(math.log10(span))
    step = next(unit * k for k in (0.1, 0.2, 0.5, 1, 2) if span / (unit * k) <= 6)
    return [round(step * k, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [k * 10.0**decade for decade in decades for k in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def _apart(ends: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Move names at the ends of lines so far apart that each can be read."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for name, height in sorted(ends, key=lambda end: end[1]):
        lowest = placed[name] = max(height, lowest + NAME_HEIGHT)
    return placed
