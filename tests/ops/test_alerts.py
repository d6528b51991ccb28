"""Requirements of the alert rules: each fires when it should, stays quiet when it should, and leads
an operator to a section of the runbooks; none asks for a metric that does not exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RUNBOOKS = ROOT / "docs" / "ops" / "runbooks.md"
PROMTOOL = shutil.which("promtool")
INTAKE = 'winnow_http_requests_total{route="/v1/comments",method="POST",code="%s"}'
LAG = 'winnow_event_loop_lag_seconds_bucket{instance="a",le="%s"}'
TOOK = 'winnow_http_request_duration_seconds_bucket{route="/v1/comments",le="%s"}'


class Case(NamedTuple):
    """Series, when to look, and whether the alert is to fire then."""

    series: dict[str, str]
    at: str
    fires: bool
    step: str = "1m"


def intake(errors: str, taken: str = "0+100x1000") -> dict[str, str]:
    """What a service counts, minute by minute."""
    return {INTAKE % 201: taken, INTAKE % 503: errors, INTAKE % 422: "0+500x1000"}


def scores(recent: float) -> dict[str, str]:
    """A mean score of 0.1 for eight days, then another one; 15 comments each quarter of an hour."""
    before, after = 8 * 96, 40
    total = f"0+1.5x{before} {before * 1.5:.1f}+{recent * 15}x{after}"
    count = f"0+15x{before} {before * 15}+15x{after}"
    return {
        'winnow_comment_score_sum{label="spam"}': total,
        'winnow_comment_score_count{label="spam"}': count,
    }


LATER = f"{8 * 1440 + 480}m"
CASES: dict[str, list[Case]] = {
    "WinnowIntakeErrorBudgetFast": [
        Case(intake("0+5x1000"), "70m", True),
        Case(intake("0+1x1000"), "70m", False),  # 1 %: less than 14.4 times the budget
        Case(intake("0+50x30 1500+0x600"), "50m", False),  # bad once, over for 20 minutes
        Case(intake("0+0x1000"), "70m", False),
    ],
    "WinnowIntakeErrorBudgetSlow": [
        Case(intake("0+1x1000"), "420m", True),
        Case(intake("0+0.5x1000"), "420m", False),
        Case(intake("0+50x60 3000+0x600"), "120m", False),
    ],
    "WinnowIntakeSlow": [
        Case({TOOK % "0.25": "0+90x60", TOOK % "0.5": "0+100x60", TOOK % "+Inf": "0+100x60"},
             "20m", True),
        Case({TOOK % "0.25": "0+100x60", TOOK % "0.5": "0+100x60", TOOK % "+Inf": "0+100x60"},
             "20m", False),
    ],
    "WinnowRedisDown": [
        Case({'winnow_store_up{instance="a"}': "1x2 0x20"}, "4m", True),
        Case({'winnow_store_up{instance="a"}': "1x2 0 1x20"}, "3m15s", False),
        Case({'winnow_store_up{instance="a"}': "1x30"}, "10m", False),
    ],
    "WinnowInvariantViolation": [
        Case({"winnow_invariant_violations_total": "_x10 3x200"}, "20m", True),  # its first words
        Case({"winnow_invariant_violations_total": "0x10 1x200"}, "20m", True),
        Case({"winnow_invariant_violations_total": "0x10 1x400"}, "3h", False),  # found long ago
        Case({"winnow_invariant_violations_total": "0x400"}, "3h", False),
    ],
    "WinnowMemoryHigh": [
        Case({"winnow_store_memory_ratio": "0.9x30"}, "10m", True),
        Case({"winnow_store_memory_ratio": "0.84x30"}, "10m", False),
    ],
    "WinnowDiskLow": [
        Case({'winnow_disk_free_bytes{instance="a"}': "9x30",
              'winnow_disk_size_bytes{instance="a"}': "100x30"}, "10m", True),
        Case({'winnow_disk_free_bytes{instance="a"}': "11x30",
              'winnow_disk_size_bytes{instance="a"}': "100x30"}, "10m", False),
    ],
    "WinnowAofWriteFailed": [
        Case({"winnow_store_aof_last_write_ok": "1x5 0x5"}, "7m", True),
        Case({"winnow_store_aof_last_write_ok": "1x30"}, "7m", False),
    ],
    "WinnowDurabilityBelowConfigured": [
        Case({"winnow_durability_level": "1x30", "winnow_durability_wanted_level": "2x30"},
             "5m", True),
        Case({"winnow_durability_level": "2x30", "winnow_durability_wanted_level": "2x30"},
             "5m", False),
        Case({"winnow_durability_level": "1x30", "winnow_durability_wanted_level": "0x30"},
             "5m", False),  # an operator accepted it
    ],
    "WinnowBackupOld": [
        Case({"winnow_backup_age_seconds": "97200x30"}, "10m", True),
        Case({"winnow_backup_age_seconds": "90000x30"}, "10m", False),
    ],
    "WinnowQueueOldestAge": [
        Case({'winnow_queue_oldest_age_seconds{site="a"}': "90000x60"}, "30m", True),
        Case({'winnow_queue_oldest_age_seconds{site="a"}': "80000x60"}, "30m", False),
    ],
    "WinnowLeaseExpiredRate": [
        Case({"winnow_leases_expired_total": "0+1x200",
              'winnow_decisions_total{action="approve"}': "0+1x200"}, "120m", True),
        Case({"winnow_leases_expired_total": "0+1x200",
              'winnow_decisions_total{action="approve"}': "0+3x200"}, "120m", False),
        Case({"winnow_leases_expired_total": "0+0.1x200",
              'winnow_decisions_total{action="approve"}': "0+0x200"}, "120m", False),
    ],
    "WinnowOutboxOldest": [
        Case({'winnow_outbox_lag_seconds{consumer="webhooks"}': "400x30"}, "5m", True),
        Case({'winnow_outbox_lag_seconds{consumer="webhooks"}': "200x30"}, "5m", False),
    ],
    "WinnowWebhookUndelivered": [
        Case({"winnow_webhook_oldest_age_seconds": "4000x30"}, "10m", True),
        Case({"winnow_webhook_oldest_age_seconds": "3000x30"}, "10m", False),
    ],
    "WinnowWebhookDead": [
        Case({'winnow_webhook_attempts_total{result="dead"}': "_x10 1x100"}, "20m", True),
        Case({'winnow_webhook_attempts_total{result="dead"}': "5x10 6x100"}, "20m", True),
        Case({'winnow_webhook_attempts_total{result="dead"}': "5x900"}, "10h", False),
        Case({'winnow_webhook_attempts_total{result="retry"}': "0+9x100"}, "20m", False),
    ],
    "WinnowRoundsFailing": [
        Case({'winnow_round_failures_total{round="reap"}': "0+1x60"}, "40m", True),
        Case({'winnow_round_failures_total{round="reap"}': "0x20 1x60"}, "40m", False),
    ],
    "WinnowModelMissing": [
        Case({'winnow_model_loaded{instance="a",version=""}': "0x90"}, "60m", True),
        Case({'winnow_model_loaded{instance="a",version="2026.11-3"}': "1x90"}, "60m", False),
    ],
    "WinnowModelDrift": [
        Case(scores(0.4), LATER, True, "15m"),
        Case(scores(0.15), LATER, False, "15m"),
    ],
    "WinnowScrapeMissing": [
        Case({'up{job="winnow",instance="a"}': "0x30"}, "5m", True),
        Case({'up{job="another",instance="a"}': "1x30"}, "5m", True),
        Case({'up{job="winnow",instance="a"}': "1x30"}, "5m", False),
    ],
    "WinnowEventLoopLag": [
        Case({LAG % "0.25": "0+90x60", LAG % "0.5": "0+100x60", LAG % "+Inf": "0+100x60"},
             "20m", True),
        Case({LAG % "0.25": "0+100x60", LAG % "0.5": "0+100x60", LAG % "+Inf": "0+100x60"},
             "20m", False),
    ],
    "WinnowProcessRestarts": [
        Case({'winnow_process_start_time_seconds{role="web"}': "1x5 2+60x30"}, "15m", True),
        Case({'winnow_process_start_time_seconds{role="web"}': "1x5 2x30"}, "15m", False),
    ],
    "WinnowDescriptorsHigh": [
        Case({'winnow_process_open_fds{role="web"}': "900x30",
              'winnow_process_max_fds{role="web"}': "1024x30"}, "10m", True),
        Case({'winnow_process_open_fds{role="web"}': "100x30",
              'winnow_process_max_fds{role="web"}': "1024x30"}, "10m", False),
    ],
    "WinnowLogLinesDropped": [
        Case({'winnow_log_lines_dropped_total{instance="a"}': "0x10 7x30"}, "15m", True),
        Case({'winnow_log_lines_dropped_total{instance="a"}': "7x40"}, "30m", False),
    ],
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def promtool(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    if PROMTOOL is None:
        pytest.skip("no promtool is installed (Debian: apt-get install prometheus)")
    return subprocess.run(
        [PROMTOOL, *words], capture_output=True, text=True, cwd=folder, check=False, timeout=300
    )


def as_test(name: str, case: Case) -> dict[str, Any]:
    """One case as promtool reads it: ALERTS is what a server would say of the alert."""
    expr = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > 0'
    seen = [{"labels": "{}", "value": 1}] if case.fires else []
    return {
        "name": f"{name} {'fires' if case.fires else 'stays quiet'}",
        "interval": case.step,
        "input_series": [{"series": s, "values": v} for s, v in case.series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": case.at, "exp_samples": seen}],
    }


def test_the_rules_are_valid_prometheus_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_each_alert_fires_when_it_should_and_stays_quiet_when_it_should(tmp_path: Path) -> None:
    files = []
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        # Eight days of a rule a minute would take minutes; half an hour is often enough for drift.
        name = group["name"]
        group["interval"] = "30m" if name == "winnow-model" else "1m"
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"groups": [group]}))
        alerts = [rule["alert"] for rule in group["rules"] if "alert" in rule]
        cases = [as_test(alert, case) for alert in alerts for case in CASES[alert]]
        document = {
            "rule_files": [f"{name}.yml"],
            "evaluation_interval": group["interval"],
            "tests": cases,
        }
        files.append(f"{name}-cases.yml")
        (tmp_path / files[-1]).write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", *files, folder=tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert done.stdout.count("SUCCESS") == len(files)


def test_every_alert_is_tested_firing_and_quiet() -> None:
    assert {rule["alert"] for rule in ALERTS} == set(CASES)
    for name, found in CASES.items():
        assert {case.fires for case in found} == {True, False}, name


def test_an_alert_says_what_happened_and_its_labels_are_filled_in(tmp_path: Path) -> None:
    rule = next(r for r in ALERTS if r["alert"] == "WinnowDiskLow")
    summary = "9% of the disk of a is free."
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                {"series": s, "values": v} for s, v in CASES["WinnowDiskLow"][0].series.items()
            ],
            "alert_rule_test": [{
                "eval_time": "10m",
                "alertname": "WinnowDiskLow",
                "exp_alerts": [{
                    "exp_labels": {"instance": "a", "severity": "page"},
                    "exp_annotations": {
                        "summary": summary, "runbook_url": rule["annotations"]["runbook_url"],
                    },
                }],
            }],
        }],
    }  # fmt: skip
    (tmp_path / "one.yml").write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", "one.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_section_of_the_runbooks(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/ops/runbooks.md#{name.lower()}"
    sections = re.split(r"^## ", RUNBOOKS.read_text(), flags=re.MULTILINE)[1:]
    section = next((text for text in sections if text.splitlines()[0].strip() == name), "")
    for part in ("**What it means.**", "**Look first.**", "**Likely causes.**", "**What to do.**",
                 "**Over when.**"):  # fmt: skip
        assert part in section, f"{name}: {part}"


def test_the_runbooks_have_no_section_without_an_alert() -> None:
    headings = re.findall(r"^## (Winnow\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(CASES)
