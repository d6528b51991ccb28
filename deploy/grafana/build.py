"""Makes the Grafana dashboard: `python deploy/grafana/build.py > deploy/grafana/winnow.json`.

Its first row answers three questions: are readers waiting, is anything lost, is the machine full?
Only panels every Grafana has (stat, timeseries), so that it needs no plugin.
"""

from __future__ import annotations

import json
import sys
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
HEIGHT = 8
HERE = '{job="$job"}'
RATE = "$__rate_interval"

Query = tuple[str, str]
"""An expression and the legend of what it gives."""


def rate(metric: str, labels: str = "", by: str = "") -> str:
    """What a counter counts in a second, added up over all machines."""
    inside = f'job="$job"{", " + labels if labels else ""}'
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{inside}}}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    """A quantile of a histogram."""
    inside = rate(f"{metric}_bucket", labels, f"le, {by}" if by else "le")
    return f"histogram_quantile({share}, {inside})"


def mean(metric: str, by: str) -> str:
    """The mean of a histogram, by a label."""
    return f"{rate(metric + '_sum', by=by)} / {rate(metric + '_count', by=by)}"


def worst(metric: str, by: str = "", of: str = "max") -> str:
    """The worst reading of a gauge: every machine tells the same of a store they share."""
    return f"{of}{f' by ({by})' if by else ''} ({metric}{HERE})"


def stat(
    title: str, query: str, unit: str, steps: list[tuple[float | None, str]], *, about: str
) -> dict[str, Any]:
    """One figure whose colour says whether it is well."""
    return {
        "type": "stat",
        "title": title,
        "description": about,
        "datasource": DATASOURCE,
        "targets": [{"refId": "A", "expr": query, "datasource": DATASOURCE}],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"value": value, "color": colour} for value, colour in steps],
                },
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "background",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }


def lines(title: str, unit: str, *queries: Query, about: str) -> dict[str, Any]:
    """One or more series over time."""
    return {
        "type": "timeseries",
        "title": title,
        "description": about,
        "datasource": DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "expr": query,
                "legendFormat": legend,
                "datasource": DATASOURCE,
            }
            for i, (query, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
    }


ROUTE = 'route="/v1/comments"'
INTAKE = f'{ROUTE}, method="POST"'
GREEN, AMBER, RED = "green", "orange", "red"
FAILED = rate("winnow_http_requests_total", INTAKE + ', code=~"5.."')
VALID = rate("winnow_http_requests_total", INTAKE + ', code!~"4.."')
REFUSED = f"({FAILED} or vector(0)) / {VALID}"

ROWS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "Are readers waiting? Is anything lost? Is the machine full?",
        [
            stat(
                "Oldest comment waiting",
                worst("winnow_queue_oldest_age_seconds"),
                "s",
                [(None, GREEN), (4 * 3600, AMBER), (24 * 3600, RED)],
                about="How long the oldest pending comment has waited for a human.",
            ),
            stat(
                "Comments refused",
                REFUSED,
                "percentunit",
                [(None, GREEN), (0.001, AMBER), (0.0144, RED)],
                about="Comments that could not be taken for reasons of ours; 0.1 % is the budget.",
            ),
            stat(
                "Durability",
                worst("winnow_durability_level", of="min"),
                "none",
                [(None, RED), (1, AMBER), (2, GREEN)],
                about="2: an acknowledged comment is on disk.",
            ),
            stat(
                "Outbox behind",
                worst("winnow_outbox_lag_seconds"),
                "s",
                [(None, GREEN), (60, AMBER), (300, RED)],
                about="How long events have waited for a worker.",
            ),
            stat(
                "Memory of the store",
                worst("winnow_store_memory_ratio"),
                "percentunit",
                [(None, GREEN), (0.7, AMBER), (0.85, RED)],
                about="Of its limit; without one, of the machine's memory.",
            ),
            stat(
                "Disk free",
                f"min (winnow_disk_free_bytes{HERE} / winnow_disk_size_bytes{HERE})",
                "percentunit",
                [(None, RED), (0.1, AMBER), (0.2, GREEN)],
                about="Of the disk that holds the data folder.",
            ),
        ],
    ),
    (
        "Journey",
        [
            lines(
                "Comments taken, by first status",
                "ops",
                (rate("winnow_comments_submitted_total", by="status"), "{{status}}"),
                about="Where the machine put what came.",
            ),
            lines(
                "Refused by code",
                "ops",
                (rate("winnow_submissions_refused_total", by="code"), "{{code}}"),
                about="4xx are the caller's; store_unavailable, overloaded and internal are ours.",
            ),
            lines(
                "Time to answer a comment",
                "s",
                (quantile(0.5, "winnow_http_request_duration_seconds", labels=ROUTE), "half"),
                (quantile(0.99, "winnow_http_request_duration_seconds", labels=ROUTE), "99 %"),
                about="POST /v1/comments, from the first byte to the answer.",
            ),
            lines(
                "Time in each stage (mean)",
                "s",
                (mean("winnow_stage_duration_seconds", "stage"), "{{stage}}"),
                about="enqueue is the write to the store; submit is all of the way in.",
            ),
            lines(
                "Verdicts",
                "ops",
                (rate("winnow_verdicts_total", by="outcome"), "{{outcome}}"),
                about="What the machine concluded.",
            ),
            lines(
                "Over a limit",
                "ops",
                (rate("winnow_throttled_total", by="limit"), "rate: {{limit}}"),
                (rate("winnow_overloaded_total", by="limit"), "overload: {{limit}}"),
                about="429 and 503 before anything was read.",
            ),
        ],
    ),
    (
        "Queue",
        [
            lines(
                "Waiting",
                "short",
                ('max by (site) (winnow_queue_comments{job="$job", status="pending"})', "{{site}}"),
                (worst("winnow_queue_leased_comments", "site"), "{{site}} looked at"),
                about="Pending comments, and those somebody looks at.",
            ),
            lines(
                "Age of the oldest",
                "s",
                (worst("winnow_queue_oldest_age_seconds", "site"), "{{site}}"),
                about="Of the pending ones.",
            ),
            lines(
                "Decisions",
                "ops",
                (rate("winnow_decisions_total", by="action, source"), "{{action}} by {{source}}"),
                (rate("winnow_decision_conflicts_total"), "too late"),
                about="Too late: somebody else had decided.",
            ),
            lines(
                "Time to decide",
                "s",
                (quantile(0.5, "winnow_time_to_decide_seconds"), "half"),
                (quantile(0.95, "winnow_time_to_decide_seconds"), "95 %"),
                about="From submission to a human's decision.",
            ),
        ],
    ),
    (
        "Store",
        [
            lines(
                "Round trips",
                "s",
                (quantile(0.5, "winnow_store_command_duration_seconds"), "half"),
                (quantile(0.99, "winnow_store_command_duration_seconds"), "99 %"),
                (worst("winnow_store_write_seconds"), "a durable write just now"),
                (worst("winnow_store_fsync_seconds"), "last slow fsync"),
                about="Many commands share one round trip.",
            ),
            lines(
                "Commands",
                "ops",
                (rate("winnow_store_commands_total"), "commands"),
                (rate("winnow_store_failures_total"), "round trips without answer"),
                (rate("winnow_unavailable_total"), "requests not served"),
                about="What is asked of the store.",
            ),
            lines(
                "Memory",
                "bytes",
                (worst("winnow_store_memory_bytes"), "used"),
                about="About 1.1 kB a comment, and half as much for its places and history.",
            ),
            lines(
                "Disk free",
                "bytes",
                (worst("winnow_disk_free_bytes", "instance", "min"), "{{instance}}"),
                about="The append-only file may double while it is rewritten.",
            ),
            lines(
                "Safety",
                "short",
                (worst("winnow_store_up", of="min"), "up"),
                (worst("winnow_store_aof_last_write_ok", of="min"), "last write succeeded"),
                (worst("winnow_store_connected_replicas"), "replicas"),
                (f"sum (increase(winnow_invariant_violations_total{HERE}[1h]))", "contradictions"),
                about="Contradictions must be 0.",
            ),
            lines(
                "Age of the last backup",
                "s",
                (worst("winnow_backup_age_seconds", of="min"), "age"),
                about="An alert is due after 26 hours.",
            ),
        ],
    ),
    (
        "Webhooks",
        [
            lines(
                "Attempts",
                "ops",
                (rate("winnow_webhook_attempts_total", by="result"), "{{result}}"),
                (rate("winnow_reverdicts_total", by="result"), "Akismet callback {{result}}"),
                about="delivered, to be tried again, given up.",
            ),
            lines(
                "Waiting events",
                "short",
                (worst("winnow_outbox_lag_events", "consumer"), "{{consumer}}"),
                (worst("winnow_webhook_dead_letters"), "dead letters"),
                about="Dead letters are kept for 30 days.",
            ),
            lines(
                "Age of what waits",
                "s",
                (worst("winnow_outbox_lag_seconds", "consumer"), "{{consumer}}: for a worker"),
                (worst("winnow_webhook_oldest_age_seconds"), "webhooks: for a receiver"),
                about="For a worker: ours to mend. For a receiver: theirs.",
            ),
            lines(
                "Time of an attempt",
                "s",
                (quantile(0.5, "winnow_webhook_duration_seconds"), "half"),
                (quantile(0.99, "winnow_webhook_duration_seconds"), "99 %"),
                about="Ten seconds at most.",
            ),
        ],
    ),
    (
        "Model",
        [
            lines(
                "Mean score",
                "percentunit",
                (mean("winnow_comment_score", "label"), "{{label}}"),
                about="A jump without a new model: other comments than before.",
            ),
            lines(
                "Share held for a human",
                "percentunit",
                (
                    rate("winnow_comments_submitted_total", 'status="pending"')
                    + " / "
                    + rate("winnow_comments_submitted_total"),
                    "held",
                ),
                about="Of all comments taken.",
            ),
            lines(
                "Loaded",
                "short",
                (worst("winnow_model_loaded", "version", "min"), "model {{version}}"),
                (worst("winnow_second_stage_loaded", "version", "min"), "second stage {{version}}"),
                about="0: everything is held for a human.",
            ),
            lines(
                "Second stage, and what went wrong",
                "ops",
                (rate("winnow_second_stage_total", by="outcome"), "second stage {{outcome}}"),
                (rate("winnow_scoring_failures_total"), "scoring failed"),
                about="Read: both stages spoke.",
            ),
        ],
    ),
    (
        "Processes",
        [
            lines(
                "Memory",
                "bytes",
                (worst("winnow_process_resident_memory_bytes", "role", "sum"), "{{role}}"),
                about="What processes share is counted in each.",
            ),
            lines(
                "Event loop late",
                "s",
                (quantile(0.99, "winnow_event_loop_lag_seconds", "instance"), "{{instance}}"),
                about="99 % of looks were less late.",
            ),
            lines(
                "Processes",
                "short",
                (worst("winnow_processes", "role", "sum"), "{{role}}"),
                (worst("winnow_in_flight_requests", of="sum"), "requests under way"),
                (f"sum by (role) (changes(winnow_process_start_time_seconds{HERE}[15m]))",
                 "{{role}} replaced"),
                about="Replaced: in a quarter of an hour.",
            ),
            lines(
                "Requests",
                "reqps",
                (rate("winnow_http_requests_total", by="code"), "{{code}}"),
                (rate("winnow_slow_requests_total"), "slower than a second"),
                about="All routes.",
            ),
            lines(
                "Rounds of the worker (mean)",
                "s",
                (mean("winnow_round_duration_seconds", "round"), "{{round}}"),
                about="What happens unasked.",
            ),
            lines(
                "Trouble",
                "ops",
                (rate("winnow_round_failures_total", by="round"), "{{round}} failed"),
                (rate("winnow_log_lines_dropped_total"), "log lines dropped"),
                (rate("winnow_spans_lost_total"), "spans lost"),
                about="All of it should be 0.",
            ),
        ],
    ),
]  # fmt: skip


def panels() -> list[dict[str, Any]]:
    """Rows and panels with their places."""
    placed: list[dict[str, Any]] = []
    y = 0
    for title, found in ROWS:
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        placed.append(row | {"gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        y += 1
        small = all(panel["type"] == "stat" for panel in found)
        width, height = (4, 4) if small else (8 if len(found) % 3 == 0 else 12, HEIGHT)
        for i, panel in enumerate(found):
            x, line = i * width % WIDTH, i * width // WIDTH
            grid = {"x": x, "y": y + line * height, "w": width, "h": height}
            placed.append(panel | {"gridPos": grid})
        y += height * -(-len(found) * width // WIDTH)
    return [panel | {"id": number} for number, panel in enumerate(placed, 1)]


def dashboard() -> dict[str, Any]:
    """The whole document."""
    return {
        "uid": "winnow",
        "title": "Winnow",
        "description": "Are readers waiting? Is anything lost? Is the machine full?",
        "tags": ["winnow"],
        "schemaVersion": 39,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource",
                 "query": "prometheus"},
                {"name": "job", "label": "Job", "type": "query", "datasource": DATASOURCE,
                 "query": "label_values(winnow_build_info, job)", "refresh": 1},
            ]
        },
        "annotations": {
            "list": [
                {
                    "name": "New version or model",
                    "enable": True,
                    "iconColor": "blue",
                    "datasource": DATASOURCE,
                    "expr": f"winnow_build_info{HERE} unless winnow_build_info{HERE} offset 5m",
                    "titleFormat": "{{version}} {{model}}",
                }
            ]
        },
        "panels": panels(),
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    sys.stdout.write("\n")
