"""Every fault the harness knows, in the order they are run."""

from __future__ import annotations

from tests.faults import clocks, damage, fleets, fullness, kills, networks, rolling, startup
from tests.faults.run import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("kills", "kill -9 of web, worker, store, supervisor, all", kills.kills, 8, 600, "1-6"),
    Fault("races", "8 moderators decide on the same comments", kills.races, 1, 100, "2, 14"),
    Fault("worker-kills", "kill -9 of the worker under webhooks", kills.worker_kills, 3, 100, "3"),
    Fault("start-kills", "kill -9 of all during its start", kills.start_kills, 1, 40, "5, 6"),
    Fault("stops", "orderly stops under load", kills.stops, 1, 100, "17"),
    Fault("networks", "slow, stopped, lost, half-open", networks.networks, 9, 300, "11, 12"),
    Fault("cuts", "cut at each byte of a script", networks.cuts, 60, 3024, "12"),
    Fault("twins", "50 equal requests at once", networks.twins, 5, 1000, "13"),
    Fault("torn", "the AOF ends inside its last script", damage.torn, 10, 100_000, "6"),
    Fault("flipped", "bytes in the middle are wrong", damage.flipped, 10, 1000, "7"),
    Fault("gone", "the data are not there, or not ours", damage.gone, 8, 56, "7"),
    Fault("memory", "the store's memory is full", fullness.memory, 1, 30, "8"),
    Fault("disk", "the disk is full", fullness.disk, 1, 30, "9"),
    Fault("flushes", "no flush to disk succeeds (EIO)", fullness.flushes, 1, 30, "10"),
    Fault("clocks", "the clock jumps by hours and days", clocks.clocks, 6, 200, "16"),
    Fault("rolling", "two versions at once, restarted in turn", rolling.rolling, 1, 200, "17"),
    Fault("logs", "nobody reads the log, or its disk is full", startup.logs, 1, 10, "24"),
    Fault("models", "the model's files are damaged", startup.models, 20, 10_000, "18"),
    Fault("settings", "settings are wrong", startup.settings, 60, 500, "25"),
    Fault("sentinel", "Sentinel's master is killed or stopped", fleets.sentinel, 0, 50, "19"),
    Fault("cluster", "a Cluster's masters are killed or stopped", fleets.cluster, 0, 50, "21"),
)
