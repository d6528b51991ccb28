"""Prometheus metrics, in base units; with several web processes they add up over shared files."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

REQUESTS = Counter("winnow_http_requests_total", "Requests answered.", ["route", "method", "code"])
REQUEST_SECONDS = Histogram(
    "winnow_http_request_duration_seconds", "Time to answer.", ["route"], buckets=_SECONDS
)
SUBMITTED = Counter(
    "winnow_comments_submitted_total", "Comments stored, by first status.", ["status"]
)
REFUSED = Counter("winnow_submissions_refused_total", "Submissions not stored.", ["code"])
VERDICTS = Counter("winnow_verdicts_total", "Verdicts of the machine.", ["outcome"])
DECISIONS = Counter("winnow_decisions_total", "Decisions of humans.", ["action"])
DECISION_CONFLICTS = Counter(
    "winnow_decision_conflicts_total", "Decisions that came after somebody else's."
)
TIME_TO_DECIDE = Histogram(
    "winnow_time_to_decide_seconds",
    "From submission to a human's decision.",
    buckets=(10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600),
)
SCORED_BATCH = Histogram(
    "winnow_scored_batch_comments",
    "Comments scored in one call.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
SCORING_FAILURES = Counter(
    "winnow_scoring_failures_total", "Scoring calls that failed; their comments were held."
)
SECOND_STAGE = Counter(
    "winnow_second_stage_total",
    "Comments with the second stage on: read, or why the first stage's scores stand alone: "
    "full, late, unreadable, failed, unavailable.",
    ["outcome"],
)
THROTTLED = Counter("winnow_throttled_total", "Requests over a rate limit.", ["limit"])
WEBHOOK_ATTEMPTS = Counter(
    "winnow_webhook_attempts_total",
    "Attempts to deliver an event: delivered, retry, dead (given up), late (another one counts).",
    ["result"],
)
WEBHOOK_SECONDS = Histogram(
    "winnow_webhook_duration_seconds",
    "Time one attempt to deliver an event took.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LEASES_EXPIRED = Counter("winnow_leases_expired_total", "Claims that ran out undecided.")
UNAVAILABLE = Counter("winnow_unavailable_total", "Requests the store could not serve.")
DEGRADED = Counter(
    "winnow_akismet_degraded_total",
    "What an Akismet call went without while the store was away: admission (its key and rules were "
    "remembered), counting.",
    ["without"],
)
REVERDICTS = Counter(
    "winnow_reverdicts_total",
    "Attempts to tell a website that the verdict on its comment changed: told, failed, given_up.",
    ["result"],
)
