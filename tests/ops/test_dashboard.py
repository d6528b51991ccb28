"""Requirements of the dashboard, and of the alerts: they ask valid questions of metrics that exist,
and Grafana can lay them out."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from service import metrics
from service.api import health

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "winnow.json").read_text())
PROMTOOL = shutil.which("promtool")


def existing() -> set[str]:
    """Every series a service tells of, by name."""
    names: set[str] = set()
    counted = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    for metric in counted:
        family = next(iter(metric.describe()))
        ends = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
            "summary": ["_sum", "_count"],
        }
        names |= {family.name + end for end in ends.get(family.type, [""])}
    for reading in health._gauges(CollectorRegistry()).values():
        names |= {family.name for family in reading.describe()}
    return names


def asked(text: str) -> set[str]:
    return set(re.findall(r"\bwinnow_[a-z0-9_]+", text))


def queries() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]


def alert_expressions() -> list[str]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def test_every_metric_that_is_asked_for_exists() -> None:
    wanted = asked("\n".join([*queries(), *alert_expressions()]))
    assert len(wanted) > 40
    assert wanted - existing() == set()


def test_the_dashboard_is_what_its_source_makes() -> None:
    made = runpy.run_path(str(DEPLOY / "grafana" / "build.py"))["dashboard"]()
    assert made == BOARD, "python deploy/grafana/build.py > deploy/grafana/winnow.json"


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert {panel["type"] for panel in panels} == {"row", "stat", "timeseries"}


def test_every_panel_says_what_it_shows_in_a_unit() -> None:
    for panel in BOARD["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0


def test_every_query_is_valid(tmp_path: Path) -> None:
    """As rules, which promtool reads; Grafana's variables are put in first."""
    if PROMTOOL is None:
        pytest.skip("no promtool is installed (Debian: apt-get install prometheus)")
    plain = [q.replace("$__rate_interval", "5m").replace("$job", "winnow") for q in queries()]
    rules = [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(plain)]
    document = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "panels.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [PROMTOOL, "check", "rules", str(tmp_path / "panels.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
