"""Load by wrk: 64 keep-alive connections that send prepared bodies one after the other.

wrk is written in C and costs a few microseconds a request, so that the load is not what is
measured. Debian's package is `wrk`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from cpu import seconds_of

SCRIPT = """
local paths, bodies = {}, {}
for line in io.lines(os.getenv("WINNOW_TEST_BODIES")) do
  local path, body = string.match(line, "^(%S+) (.*)$")
  paths[#paths + 1], bodies[#bodies + 1] = path, body
end
local headers = {["Content-Type"] = "application/json"}
if os.getenv("WINNOW_TEST_KEY") ~= "" then
  headers["Authorization"] = "Bearer " .. os.getenv("WINNOW_TEST_KEY")
end
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end
function init(args)
  at = number * 7919
end
function request()
  at = at % #bodies + 1
  return wrk.format("POST", paths[at], headers, bodies[at])
end
function done(summary, latency, requests)
  io.write(string.format('RESULT {"requests": %d, "us": %d, "failed": %d, "errors": %d}\\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@dataclass
class Load:
    """What one round of load found."""

    per_second: float
    server_us: float
    """CPU microseconds of all the server's processes for one request."""
    store_us: float
    """Of these, the Redis server's."""
    failed: int
    """Answers that were no 2xx or 3xx, and broken connections."""


class Bodies:
    """Prepared requests in a file: `path body` a line."""

    def __init__(self, rows: list[tuple[str, object]]) -> None:
        self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (lives as long as this)
            "w", suffix=".bodies", encoding="utf-8"
        )
        for path, body in rows:
            self._file.write(f"{path} {json.dumps(body)}\n")
        self._file.flush()

    @property
    def path(self) -> str:
        """Where they are."""
        return self._file.name


def wrk_version() -> str:
    """The installed wrk's version.

    Raises:
        SystemExit: there is none.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("this measurement needs wrk (Debian: apt-get install wrk)")
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return said.split(" Copyright")[0].strip()


def load(
    url: str, bodies: Bodies, *, key: str = "", seconds: int = 8, connections: int = 64, pids: Pids
) -> Load:
    """One round; `pids` are the server's processes, those of its store apart."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        before = seconds_of(pids.all), seconds_of(pids.store)
        said = subprocess.run(
            ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url],
            capture_output=True,
            text=True,
            check=True,
            env={"WINNOW_TEST_BODIES": bodies.path, "WINNOW_TEST_KEY": key, "PATH": "/usr/bin"},
        ).stdout
        after = seconds_of(pids.all), seconds_of(pids.store)
    found = re.search(r"RESULT (.*)", said)
    if found is None:
        raise RuntimeError(said)
    row = json.loads(found[1])
    requests = max(1, row["requests"])
    return Load(
        per_second=round(requests / row["us"] * 1e6, 1),
        server_us=round((after[0] - before[0]) / requests * 1e6, 1),
        store_us=round((after[1] - before[1]) / requests * 1e6, 1),
        failed=row["failed"] + row["errors"],
    )


@dataclass
class Pids:
    """The processes of a server under load."""

    all: list[int]
    store: list[int]
