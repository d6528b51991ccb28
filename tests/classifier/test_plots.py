"""Plots are valid SVG on their own, readable by people and by screen readers, in both themes."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from classifier.metrics import curve, reliability
from classifier.plots import CURVES, precision_recall, precision_recall_line
from classifier.plots import reliability as reliability_plot

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def sample():
    draw = np.random.default_rng(3)
    truth = (draw.random(3000) < 0.3).astype(np.float64)
    return np.clip(0.3 + 0.3 * truth + draw.normal(0, 0.2, 3000), 0, 1), truth


@pytest.fixture(scope="module")
def drawn(sample):
    line = precision_recall_line("<set> & co", curve(*sample), "AP 0.5")
    return {
        "precision": precision_recall("Precision & recall", [line] * (CURVES + 2)),
        "calibration": reliability_plot("Calibration <1>", reliability(*sample), "As sampled."),
    }


@pytest.fixture(params=["precision", "calibration"])
def picture(request, drawn):
    return drawn[request.param]


def test_a_plot_is_well_formed_and_needs_nothing_else(picture):
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SPACE}svg"
    assert not re.search(r"href|src=|url\(|<script|<image|@import", picture)


def test_a_plot_says_in_words_what_it_shows(picture):
    root = ElementTree.fromstring(picture)
    assert root.get("role") == "img"
    named = root.get("aria-labelledby").split()
    found = {each.get("id"): each.text for each in root if each.get("id")}
    assert set(named) == set(found)
    assert all(found.values())


def test_a_plot_follows_the_light_or_dark_theme(picture):
    light, dark = picture.split("@media(prefers-color-scheme:dark)")
    assert "text{fill:#1d2430}" in light
    assert "text{fill:#e6eaf0}" in dark


def test_everything_lies_inside_of_the_picture(picture):
    root = ElementTree.fromstring(picture)
    _, _, wide, high = map(float, root.get("viewBox").split())
    for each in root.iter():
        x = [float(each.get(n)) for n in ("x", "x1", "x2", "cx") if "%" not in each.get(n, "%")]
        y = [float(each.get(n)) for n in ("y", "y1", "y2", "cy") if "%" not in each.get(n, "%")]
        assert all(0 <= value <= wide for value in x)
        assert all(0 <= value <= high for value in y)


def test_axes_are_labelled_with_what_they_measure(drawn):
    assert "recall (share of positive rows found)" in drawn["precision"]
    assert "mean score of the bin" in drawn["calibration"]


def test_curves_are_told_apart_by_dash_and_colour_and_are_no_more_than_six(drawn):
    lines = ElementTree.fromstring(drawn["precision"]).findall(f"{SPACE}polyline")
    assert len(lines) == CURVES
    assert len({line.get("stroke-dasharray") for line in lines}) == CURVES
    assert len({line.get("class") for line in lines}) == CURVES


def test_a_curve_is_thinned_but_keeps_its_ends_and_its_shape(sample):
    found = curve(*sample)
    line = precision_recall_line("all", found, "")
    assert len(line.x) <= 170
    assert line.x[-1] == 1.0
    assert np.trapezoid(line.y, line.x) == pytest.approx(found.average_precision, abs=0.01)


def test_every_bin_shows_its_interval_and_the_number_of_its_rows(sample, drawn):
    root = ElementTree.fromstring(drawn["calibration"])
    bins = reliability(*sample)
    assert len(root.findall(f"{SPACE}circle")) == len(bins)
    assert len(root.findall(f"{SPACE}line[@class='reach']")) == len(bins)
    words = {each.text for each in root.iter(f"{SPACE}text")}
    assert {str(found.count) for found in bins} <= words
