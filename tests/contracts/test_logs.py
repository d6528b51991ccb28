"""Requirements of the way log lines leave: nothing waits for them, nothing in them forges one."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from service import log
from service.outlet import HELD_MAX, Outlet
from tests.conftest import Winnow, comment, until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is full: the next byte blocks whoever writes it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    yield reading, writing
    os.close(reading)


class Unshowable:
    """A value whose text cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.builds(Unshowable),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(text=st.text(st.characters()), value=anything)
def test_whatever_is_logged_is_one_object_on_one_line(text: str, value: Any) -> None:
    """No value forges a line, breaks one, or makes logging fail."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        log.configure("info", "json", stream)
        log.get("fuzz").info(text, value=value)
        logging.getLogger("fuzz").warning("%s", text)
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    said = stream.getvalue()
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    lines = said.split("\n")
    assert lines.pop() == ""
    first, second = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert (first["event"], first["level"], first["part"]) == (text, "info", "fuzz")
    assert (second["event"], second["level"], second["part"]) == (text, "warning", "fuzz")


def test_lines_leave_in_order_and_soon() -> None:
    """What nobody holds up arrives whole."""
    reading, writing = os.pipe()
    out = Outlet(writing)
    for number in range(1000):
        out.write(f"{number}\n")
    with os.fdopen(reading) as lines:
        assert [int(next(lines)) for _ in range(1000)] == list(range(1000))


def test_nobody_waits_for_a_reader_that_does_not_read(pipe: tuple[int, int]) -> None:
    """Too many lines are dropped and counted, and a line says so once somebody reads again."""
    reading, writing = pipe
    dropped: list[int] = []
    out = Outlet(writing, dropped.append)
    line = "x" * 1023 + "\n"
    wanted = HELD_MAX // 1024 + 100
    began = time.monotonic()
    for _ in range(wanted):
        out.write(line)
    assert time.monotonic() - began < 5
    assert sum(dropped) == 100
    found: list[bytes] = []

    def read() -> None:
        while not any(b"log lines dropped" in part for part in found[-2:]):
            found.append(os.read(reading, 1 << 16))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until(lambda: b"".join(found).count(line.encode()) == wanted - 100, 20)
    out.write("again\n")
    reader.join(20)
    notice = next(row for row in b"".join(found).split(b"\n") if b"dropped" in row)
    assert json.loads(notice)["count"] == 100


def test_a_full_disk_or_a_closed_pipe_only_costs_lines() -> None:
    """Each line that could not be written is counted; nothing is raised."""
    reading, writing = os.pipe()
    os.close(reading)
    for descriptor in (os.open("/dev/full", os.O_WRONLY), writing):
        dropped: list[int] = []
        out = Outlet(descriptor, dropped.append)
        for _ in range(10):
            out.write("line\n")
        until(lambda found=dropped: sum(found) == 10)


def test_the_end_of_a_process_does_not_wait_for_ever(pipe: tuple[int, int]) -> None:
    """A second for the last words, no more."""
    out = Outlet(pipe[1])
    out.write("last words\n")
    began = time.monotonic()
    out.close()
    assert time.monotonic() - began < 10


def test_the_service_works_with_a_log_that_nobody_reads(
    launch_winnow: Callable[..., Winnow], pipe: tuple[int, int]
) -> None:
    """Standard error is blocked from the first line on: start, intake and stop all the same."""
    winnow = launch_winnow(stderr=pipe[1], WINNOW_WEB_PROCESSES="1", WINNOW_LOG_LEVEL="debug")
    site = winnow.site(plain=True)
    assert [site.submit(body=f"Text {n}").status_code for n in range(20)] == [201] * 20
    assert winnow.stop() == 0


def test_the_service_works_while_the_disk_of_its_log_is_full(
    launch_winnow: Callable[..., Winnow],
) -> None:
    """Every line fails to be written; the metric counts them."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    winnow = launch_winnow(stderr=descriptor, WINNOW_WEB_PROCESSES="1", WINNOW_LOG_LEVEL="debug")
    site = winnow.site(plain=True)
    assert site.ask("POST", "/v1/comments", json=comment()).status_code == 201

    def dropped() -> float:
        rows = winnow.ask("GET", "/metrics").text.splitlines()
        return sum(
            float(row.split()[1]) for row in rows if row.startswith("winnow_log_lines_dropped_to")
        )

    until(lambda: dropped() > 0)
    assert winnow.stop() == 0
