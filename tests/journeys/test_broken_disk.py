"""Requirements of a disk that reports errors: what it did not keep was never acknowledged."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Winnow, until

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* While the file named by WHEN exists, every fdatasync fails as a broken disk makes it fail. */
int fdatasync(int fd) {
    if (access(WHEN, F_OK) == 0) { errno = EIO; return -1; }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
"""


@pytest.fixture
def breaking(tmp_path: Path) -> tuple[Path, Path]:
    """A library that breaks fdatasync, and the file whose presence makes it do so."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    source, library, when = (tmp_path / name for name in ("shim.c", "shim.so", "broken"))
    source.write_text(SHIM)
    command = [compiler, "-shared", "-fPIC", f'-DWHEN="{when}"', "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return library, when


def test_nothing_is_acknowledged_that_the_disk_refused(
    launch_winnow: Callable[..., Winnow], breaking: tuple[Path, Path]
) -> None:
    """EIO at fsync: the server ends, comments get 503, restarts are paced; then all is there."""
    library, when = breaking
    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1", LD_PRELOAD=str(library))
    site, pid = winnow.site(plain=True), winnow.server_pid
    acked = [site.submitted(body=f"Text {n}.")["id"] for n in range(10)]
    when.touch()
    answers = [site.submit(body=f"Lost {n}.") for n in range(3)]
    assert {each.status_code for each in answers} == {503}
    assert all(int(each.headers["retry-after"]) > 0 for each in answers)
    assert winnow.ask("GET", "/livez").status_code == 200
    until(lambda: "embedded server ended" in winnow.log.read_text(), 20)
    time.sleep(4)
    assert winnow.log.read_text().count("embedded server") <= 16
    when.unlink()
    until(lambda: site.submit(body="Mended.").status_code == 201, 40)
    assert winnow.server_pid != pid
    assert all(site.ask("GET", f"/v1/comments/{each}").status_code == 200 for each in acked)
    assert "Can't persist AOF for fsync error" in server_log(winnow)
    assert winnow.stop() == 0


def server_log(winnow: Winnow) -> str:
    return (winnow.home / "data" / "server.log").read_text()
