from __future__ import annotations

import re

import pytest
from html_pages import Page

from kdner.pages.charts import CELL, HEIGHT, WIDTH, bar, histogram, interval, lines


def test_an_interval_lies_where_its_values_are():
    read = Page(interval(0.8, 0.7, 0.9, (0.6, 1.0)))
    (_, whisker), (dot,) = read.all("line"), read.all("circle")
    middle, reach = CELL / 2, (CELL - 8) / 4
    assert float(dot["cx"]) == middle
    assert (float(whisker["x1"]), float(whisker["x2"])) == (middle - reach, middle + reach)
    assert read.all("svg")[0]["aria-label"] == "0.800, between 0.700 and 0.900"


@pytest.mark.parametrize(("share", "width"), [(0, 0), (0.5, CELL / 2), (1, CELL), (7, CELL), (-1, 0)])
def test_a_bar_stays_in_its_track(share, width):
    assert float(Page(bar(share)).all("rect")[1]["width"]) == width


def points(markup):
    return [
        [tuple(map(float, pair.split(","))) for pair in line["points"].split()] for line in Page(markup).all("polyline")
    ]


def test_lines_stay_in_the_chart_and_names_apart():
    markup = lines({"a": [(1, 0.5), (2, 1.0)], "b": [(1, 0.0), (2, 0.99)]}, x="epoch", y="loss", label="two <lines>")
    (a, b) = points(markup)
    assert a[0][0] == b[0][0] < a[1][0] and a[1][1] < a[0][1] < b[0][1]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in a + b)
    heights = [float(y) for y in re.findall(r'y="([\d.]+)" class="name', markup)]
    assert abs(heights[0] - heights[1]) >= 16
    assert Page(markup).all("svg")[0]["aria-label"] == "two <lines>"


def test_a_logarithmic_chart_has_equal_steps_for_equal_ratios():
    (line,) = points(lines({"a": [(1, 1.0), (2, 0.1), (3, 0.01)]}, x="x", y="y", label="l", logarithmic=True))
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.2)


@pytest.mark.parametrize("own", [[(1, 0.5)], [(1, 0.5), (2, 0.5)], [(3, 0.0)]])
def test_one_value_makes_a_chart(own):
    assert len(points(lines({"a": own}, x="x", y="y", label="l"))[0]) == len(own)


def test_a_histogram_has_a_bar_for_each_part_also_where_nothing_is():
    assert [float(r["height"]) for r in Page(histogram([0, 2, 4], label="l", x="score")).all("rect")] == [0, 45, 90]
    assert [float(r["height"]) for r in Page(histogram([0, 0], label="l", x="score")).all("rect")] == [0, 0]
