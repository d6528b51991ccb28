"""Requirements of the page on performance, which `benchmarks/report.py` makes of results."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
RESULTS = {
    "machine": {
        "processor": "One of a kind",
        "cores": 2,
        "memory_gb": 8.0,
        "kernel": "Linux 6.1",
        "system": "Debian",
        "python": "3.11.7",
        "store": "valkey 9.1.0",
        "winnow": "1.0",
        "packages": {"redis": "8.1"},
        "load_before": 0.1,
        "at": "2026-11-28 08:51 UTC",
    },
    "intake": {
        "texts": "generated",
        "load": "wrk",
        "results": {
            "winnow, 1": {"per_second": 900.0, "server_us": 500.0, "store_us": 90.0, "failed": 0},
            "isso, 1": {"per_second": 30.0, "server_us": 9000.0, "ratio": 30.0, "cpu_ratio": 18.0},
        },
        "took_s": 12.5,
    },
    "wire": {"error": "it ended with exit code 3", "took_s": 0.1},
    "other": {"seconds": 3, "found": {"rate": 5.25}},
}


def made(folder):
    """The page and its plots."""
    results = folder / "results.json"
    results.write_text(json.dumps(RESULTS))
    command = [sys.executable, ROOT / "benchmarks" / "report.py", results, "--into", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, (folder / "performance.md").read_text()


def test_a_page_tells_what_was_reached_what_failed_and_on_which_machine(tmp_path):
    """What was not measured is named; a benchmark without tables of its own is shown."""
    said, page = made(tmp_path)
    assert "| intake against Isso | 30 × | ≥ 20 × | yes | by CPU time 18 × |" in page
    assert said.strip() in page
    assert "| p99 at 300 requests a second, open loop | – | ≤ 25 ms | not measured here |" in page
    assert "It did not run: it ended with exit code 3." in page
    assert "| found · rate | 5.25 |" in page
    assert "One of a kind, 2 cores" in page
    assert "texts: generated; load: wrk; took 12.5 s." in page


def test_plots_are_readable_on_light_and_dark_pages(tmp_path):
    """SVG of 640 units with a title and a style for dark pages; the page shows each."""
    _, page = made(tmp_path)
    plots = sorted((tmp_path / "images").glob("performance-*.svg"))
    assert [plot.name for plot in plots] == ["performance-intake.svg"]
    for plot in plots:
        text = plot.read_text()
        root = ET.fromstring(text)
        assert root.get("width") == "640"
        assert root.find("{http://www.w3.org/2000/svg}title").text
        assert "prefers-color-scheme: dark" in text
        assert f"(images/{plot.name})" in page


def test_the_page_of_the_source_tree_shows_plots_that_are_there():
    """docs/performance.md is a page that was made, with all its images."""
    page = (ROOT / "docs" / "performance.md").read_text()
    shown = re.findall(r"\]\((images/[^)]+)\)", page)
    assert shown
    assert all((ROOT / "docs" / name).exists() for name in shown)
