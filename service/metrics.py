"""Prometheus metrics, in base units; with several web processes they add up over shared files."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, TypeVar, cast

from prometheus_client import Counter, Gauge, Histogram, Summary, values
from prometheus_client.metrics import MetricWrapperBase

Labelled = TypeVar("Labelled", bound=MetricWrapperBase)

_PID = os.getpid()

# The library asks the system for the process id at every count, twenty times a comment: 6 % of what
# a web process does. None of ours is forked with these metrics in it; each begins as a program.
if values.ValueClass is not values.MutexValue:
    values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

REQUESTS = Counter("winnow_http_requests_total", "Requests answered.", ["route", "method", "code"])
REQUEST_SECONDS = Histogram(
    "winnow_http_request_duration_seconds", "Time to answer.", ["route"], buckets=_SECONDS
)
STAGE_SECONDS = Summary(
    "winnow_stage_duration_seconds",
    "Time in one stage of the journey: validate, score, decide, enqueue (the write), review, "
    "publish; `submit` is all of the way in behind validate.",
    ["stage"],
)
SCORES = Summary(
    "winnow_comment_score",
    "What the model said of submitted comments, from 0 to 1: for telling whether it drifts.",
    ["label"],
)
SUBMITTED = Counter(
    "winnow_comments_submitted_total", "Comments stored, by first status.", ["status"]
)
REFUSED = Counter("winnow_submissions_refused_total", "Submissions not stored.", ["code"])
VERDICTS = Counter("winnow_verdicts_total", "Verdicts of the machine.", ["outcome"])
DECISIONS = Counter(
    "winnow_decisions_total",
    "Decisions of humans, by what was done and through what: moderator (signed in), key (a "
    "program's), operation (one on many comments).",
    ["action", "source"],
)
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
MODELS_REFUSED = Counter(
    "winnow_models_refused_total", "Models that were damaged or did not fit; the old one went on."
)
CHECKS_MISSED = Counter(
    "winnow_checks_missed_total",
    "Checks that should have looked at a comment and did not: unavailable, failed, timeout, full, "
    "late, unreadable.",
    ["check", "why"],
)
SECOND_STAGE = Counter(
    "winnow_second_stage_total",
    "Comments with the second stage on: read, or why the first stage's scores stand alone: "
    "full, late, unreadable, failed, unavailable.",
    ["outcome"],
)
THROTTLED = Counter("winnow_throttled_total", "Requests over a rate limit.", ["limit"])
OVERLOADED = Counter(
    "winnow_overloaded_total",
    "Refused at once because too many were under way: requests, streams or connections, in all or "
    "of one network.",
    ["limit"],
)
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
INTAKE_CLOSED = Counter(
    "winnow_intake_closed_total",
    "Comments refused because there was little room left: disk, memory.",
    ["short_of"],
)
LOG_LINES_DROPPED = Counter(
    "winnow_log_lines_dropped_total", "Log lines that nobody could be made to take in time."
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
STORE_SECONDS = Histogram(
    "winnow_store_command_duration_seconds",
    "Time of one round trip to the store, which carries the commands of all that wait.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
STORE_COMMANDS = Counter("winnow_store_commands_total", "Commands and scripts sent to the store.")
STORE_FAILURES = Counter(
    "winnow_store_failures_total", "Round trips to the store that brought no answer."
)
LOOP_LAG = Histogram(
    "winnow_event_loop_lag_seconds",
    "How late a process's event loop was when it was due, looked at twice a second.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
ROUNDS = Histogram(
    "winnow_round_duration_seconds",
    "Time of one round of a worker.",
    ["round"],
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 5, 30, 300),
)
ROUND_FAILURES = Counter(
    "winnow_round_failures_total",
    "Rounds of a worker, or their share of one site, that failed.",
    ["round"],
)
SLOW = Counter("winnow_slow_requests_total", "Requests that took longer than a second.", ["route"])
SPANS_LOST = Counter("winnow_spans_lost_total", "Spans that the collector of traces did not take.")
STORE_BREAKER = Counter(
    "winnow_store_breaker_total",
    "Times calls were refused at once until a probe succeeded: hung (no answer in time), "
    "unconfirmed (replicas or disk).",
    ["reason"],
)
STORE_UNCONFIRMED = Counter(
    "winnow_store_unconfirmed_total",
    "Writes stored on one server that replicas or a disk did not confirm in time.",
)
STORE_REDIRECTS = Counter(
    "winnow_store_redirects_total",
    "Batches of which a Cluster's server did not carry out some, by its answer.",
    ["answer"],
)
ERASURES = Counter("winnow_erasures_total", "Erasures of persons: begun, done.", ["state"])
COMMENTS_ERASED = Counter(
    "winnow_comments_erased_total",
    "Comments whose text was taken out: person (its author asked), retention (kept long enough).",
    ["why"],
)
ERASURES_UNNOTED = Counter(
    "winnow_erasures_unnoted_total",
    "Erasures that could not be written to the file of erasures in the data folder.",
)
REWRITES = Counter(
    "winnow_store_rewrites_total",
    "Rewrites of the append-only file after erasures: done, refused.",
    ["outcome"],
)
VIOLATIONS = Counter(
    "winnow_invariant_violations_total",
    "What the hourly check found that does not agree; `winnow verify` names it.",
)
CHECKED_AT = Gauge(
    "winnow_invariants_checked_timestamp_seconds",
    "When a worker of this machine last finished the hourly check, in seconds since the epoch.",
    multiprocess_mode="max",
)
IN_FLIGHT = Gauge(
    "winnow_in_flight_requests",
    "Requests and streams under way, as each process counted them in the last half second.",
    multiprocess_mode="livesum",
)


def of(metric: Labelled, *values: str | int) -> Labelled:
    """One labelled metric's series with these values, looked up once: the look-up costs more than
    the counting. For labels with few values, on the way of every comment."""
    return cast(Labelled, _series(metric, values))


@cache
def _series(metric: Any, values: tuple[str | int, ...]) -> Any:
    return metric.labels(*values)
