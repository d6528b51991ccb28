"""The gauges of `/metrics`: asked of the store and of this machine at the moment of a scrape.

`GAUGES` lists them. Sites are a label as long as there are few; of many, sums and the worst are
told, with an empty label.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from service import vitals
from service.services import Services
from service.store.backups.age import backed_up_at
from service.store.census import Standing
from service.store.figures import Figures

SITES_SHOWN: Final = 100
"""Up to so many sites each has its own series."""

GAUGES: Final[tuple[tuple[str, str, str, tuple[str, ...]], ...]] = (
    ("count", "queue_comments", "Comments by status.", ("site", "status")),
    ("oldest", "queue_oldest_age_seconds", "Age of the oldest pending comment.", ("site",)),
    ("leased", "queue_leased_comments", "Comments somebody is looking at.", ("site",)),
    ("sites", "sites", "Sites of this installation.", ()),
    (
        "lag_events",
        "outbox_lag_events",
        "Events that a consumer has yet to deal with; those waiting for a further try included.",
        ("consumer",),
    ),
    (
        "lag_seconds",
        "outbox_lag_seconds",
        "How long the oldest work of a consumer could have been done and was not.",
        ("consumer",),
    ),
    (
        "memory_ratio",
        "store_memory_ratio",
        "Memory the store uses, of what it may use; without a limit, of the machine's.",
        (),
    ),
    ("aof", "store_aof_last_write_ok", "1 when the store's last write to disk succeeded.", ()),
    ("write", "store_write_seconds", "Time one durable write took just now.", ()),
    (
        "fsync",
        "store_fsync_seconds",
        "The last fsync that took longer than the server's latency-monitor-threshold; 0 when none "
        "did, or it is not measured.",
        (),
    ),
    (
        "wanted",
        "durability_wanted_level",
        "The level below which somebody should act: 2, or 0 where weaker durability is accepted.",
        (),
    ),
    ("replicas", "store_connected_replicas", "Replicas that follow the store.", ()),
    ("rejected", "store_rejected_connections", "Connections refused since its start.", ()),
    (
        "second",
        "second_stage_loaded",
        "Where the second stage is on: 1 when it is loaded.",
        ("version",),
    ),
    (
        "backup",
        "backup_age_seconds",
        "Since the data folder's last `winnow backup`; where there was none, since it was made.",
        (),
    ),
    ("disk_size", "disk_size_bytes", "Size of the disk that holds the data folder.", ()),
    ("disk_free", "disk_free_bytes", "Free on the disk that holds the data folder.", ()),
    (
        "disk_reserve",
        "disk_reserve_bytes",
        "What must be free there; with less, no new comments are taken.",
        (),
    ),
    ("memory_limit", "store_memory_limit_bytes", "Memory the store may use.", ()),
    (
        "intake_open",
        "intake_open",
        "1 while new comments are taken, 0 while little room is left: disk, memory.",
        ("short_of",),
    ),
    ("restarts", "child_restarts", "Processes that ended and were replaced.", ("role",)),
    ("hung", "children_hung", "Processes that hung and were killed.", ()),
    (
        "silent",
        "store_silent_seconds",
        "For how long the embedded server has not answered the supervisor.",
        (),
    ),
    ("ballast", "ballast_kept", "1 while the ballast file can still be given up.", ()),
    ("processes", "processes", "Running processes.", ("role",)),
    (
        "resident",
        "process_resident_memory_bytes",
        "Memory of all processes of a role; what they share is counted in each.",
        ("role",),
    ),
    ("fds", "process_open_fds", "Open files of the process of a role that has most.", ("role",)),
    ("fds_max", "process_max_fds", "Files a process of a role may open.", ("role",)),
    (
        "started",
        "process_start_time_seconds",
        "When the newest process of a role was started, in seconds since the epoch.",
        ("role",),
    ),
)
"""Our name, the metric's without `winnow_`, what it says, its labels."""


class Reading:
    """A gauge of one scrape: what is not set is not told, where 0 would be a claim.

    prometheus_client's own Gauge keeps what it was set to in the folder that all processes share,
    and the next scrape would tell it again beside the new value.
    """

    def __init__(self, name: str, says: str, labels: Sequence[str] = ()) -> None:
        self._name = name
        self._says = says
        self._labelnames = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}

    def labels(self, *values: str) -> _Labelled:
        """The reading with these labels."""
        if len(values) != len(self._labelnames):
            raise ValueError(f"{self._name} has the labels {self._labelnames}")
        return _Labelled(self._values, values)

    def set(self, value: float) -> None:
        """Tells it; only where it has no labels."""
        self.labels().set(value)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metric without any sample."""
        return [GaugeMetricFamily(self._name, self._says, labels=self._labelnames)]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric with what was set."""
        (family,) = self.describe()
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


class _Labelled:
    def __init__(self, values: dict[tuple[str, ...], float], labels: tuple[str, ...]) -> None:
        self._values = values
        self._labels = labels

    def set(self, value: float) -> None:
        self._values[self._labels] = float(value)

    def inc(self, value: float = 1) -> None:
        self._values[self._labels] = self._values.get(self._labels, 0.0) + value


def gauges(registry: CollectorRegistry) -> dict[str, Reading]:
    """Every gauge by our name."""
    return {
        key: gauge(registry, f"winnow_{name}", says, labels) for key, name, says, labels in GAUGES
    }


def gauge(registry: CollectorRegistry, name: str, says: str, labels: Sequence[str] = ()) -> Reading:
    """A gauge of one scrape, in its registry."""
    made = Reading(name, says, labels)
    registry.register(made)
    return made


def set_sites(gauge: Mapping[str, Reading], standing: Mapping[str, Standing], now: int) -> None:
    """How the queues and the consumers of the outbox stand; `now` in ms."""
    gauge["sites"].set(len(standing))
    shown = len(standing) <= SITES_SHOWN
    oldest: dict[str, float] = {}
    for site, each in standing.items():
        label = site if shown else ""
        for status, count in each.counts.items():
            gauge["count"].labels(label, status).inc(count)
        gauge["leased"].labels(label).inc(each.leased)
        oldest[label] = max(oldest.get(label, 0.0), _age_s(each.oldest_at, now))
    for label, age_s in oldest.items():
        gauge["oldest"].labels(label).set(age_s)
    for consumer in ("callbacks", "webhooks"):
        found = [each.consumers[consumer] for each in standing.values()]
        gauge["lag_events"].labels(consumer).set(sum(one.waiting for one in found))
        lag_s = max((_age_s(one.since, now) for one in found), default=0.0)
        gauge["lag_seconds"].labels(consumer).set(lag_s)


def _age_s(at: int | None, now: int) -> float:
    return 0.0 if at is None else max(0, now - at) / 1000


def set_store(gauge: Mapping[str, Reading], figures: Figures) -> None:
    """How full the store is and how it writes."""
    gauge["memory_ratio"].set(figures.memory_ratio)
    gauge["aof"].set(figures.aof_ok)
    gauge["write"].set(figures.write_s)
    gauge["fsync"].set(figures.fsync_s)
    gauge["replicas"].set(figures.replicas)
    gauge["rejected"].set(figures.rejected_connections)


def set_machine(gauge: Mapping[str, Reading], parts: Services, store_pid: int) -> None:
    """This machine's disk and processes; `store_pid` is 0 where the store is elsewhere."""
    gauge["wanted"].set(0 if parts.settings.accept_weaker_durability else 2)
    if (second := parts.scorer.second) is not None:
        gauge["second"].labels(second.version).set(second.encoder is not None)
    home = parts.settings.data_dir
    if home.exists():
        gauge["disk_size"].set(shutil.disk_usage(home).total)
    if not parts.settings.redis_url and (since := backed_up_at(home)) is not None:
        gauge["backup"].set(max(0.0, parts.now() / 1000 - since))
    set_room(gauge, parts)
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    more = [("supervisor", os.getppid() if folder else 0)]
    if not parts.settings.redis_url:
        more.append(("store", store_pid))
    _set_processes(gauge, vitals.read_all(folder, more))


def set_room(gauge: Mapping[str, Reading], parts: Services) -> None:
    """What is left of disk and memory, and what the supervisor told of itself."""
    now = parts.pressure.standing
    if now.free is not None and now.reserve is not None:
        gauge["disk_free"].set(now.free)
        gauge["disk_reserve"].set(now.reserve)
    gauge["memory_limit"].set(now.limit or 0)
    gauge["intake_open"].labels("disk").set(not now.disk_short)
    gauge["intake_open"].labels("memory").set(not now.memory_short)
    if parts.board is None:
        return
    told = parts.board.told()
    for role in ("web", "worker", "store"):
        gauge["restarts"].labels(role).set(told[f"{role}_restarts"])
    gauge["hung"].set(told["hung"])
    gauge["silent"].set(told["store_silent_s"])
    gauge["ballast"].set(told["ballast"])


def _set_processes(gauge: Mapping[str, Reading], found: Iterable[vitals.Vitals]) -> None:
    by_role: dict[str, list[vitals.Vitals]] = {}
    for one in found:
        by_role.setdefault(one.role, []).append(one)
    for role, several in by_role.items():
        gauge["processes"].labels(role).set(len(several))
        gauge["resident"].labels(role).set(sum(one.resident for one in several))
        gauge["fds"].labels(role).set(max(one.fds for one in several))
        gauge["fds_max"].labels(role).set(min(one.fds_max for one in several))
        gauge["started"].labels(role).set(max(one.started_s for one in several))
