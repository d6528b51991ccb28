"""Log lines: one event per line on standard error, JSON for machines or columns for a terminal.

Every line carries `ts` (UTC, ISO 8601), `level` and `event`. Control characters are escaped, so
that nothing a stranger sent can forge a line. Log ids, never bodies, names or addresses.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, cast

from service.outlet import Outlet


@contextmanager
def _unseen(package: str) -> Iterator[None]:
    """As if a package were not installed, for what is imported meanwhile."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # which import takes for a refusal
    try:
        yield
    finally:
        del sys.modules[package]


with _unseen("rich"):  # structlog would load it, 5 MB in each process, for tracebacks never drawn
    import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

# C0 without the line feed, DEL, C1, line and paragraph separators, bidirectional controls.
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


_ABOUT: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 (never changed)
"""What lines of the task under way are about. One variable: structlog's own take one for each fact,
which costs every request more than its routing."""


def configure(
    level: str = "info",
    format: str = "auto",  # noqa: A002
    stream: TextIO | None = None,
    on_drop: Callable[[int], None] | None = None,
) -> None:
    """Set up logging for this process, the standard library's loggers included.

    `level` is debug, info, warning or error; `format` is json, console, or auto (console when
    `stream` is a terminal). `stream` is standard error unless given, by way of an `Outlet`, so that
    nothing ever waits for whoever reads it; `on_drop` is told how many lines were dropped.
    """
    stream = stream or _standard_error(on_drop)
    terminal = stream.isatty()
    console = format == "console" or (format == "auto" and terminal)
    render: Processor = _console(colors=terminal) if console else _one_json_line
    steps: list[Processor] = [*_described(), structlog.processors.format_exc_info]
    if console:
        steps.append(_escape_fields)
    structlog.configure(
        processors=[*steps, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(level, stream, [*steps, _drop_record, render])


def _standard_error(on_drop: Callable[[int], None] | None) -> TextIO:
    if sys.stderr is not sys.__stderr__:  # somebody captures what is written there
        return sys.stderr
    outlet = _outlet()
    outlet.on_drop = on_drop or outlet.on_drop
    return cast(TextIO, outlet)


@functools.cache
def _outlet() -> Outlet:
    """One for the process, however often it is configured."""
    return Outlet(sys.stderr.fileno())


def about(**facts: str) -> None:
    """Has every further line of this task (a request, a round) carry these facts; '' drops one."""
    _ABOUT.set({k: v for k, v in (_ABOUT.get() | facts).items() if v})


def _with_facts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_ABOUT.get(), **event}


def get(name: str) -> FilteringBoundLogger:
    """The logger of one part of Winnow; its lines carry `part`. Works before `configure`, too."""
    logger: FilteringBoundLogger = structlog.get_logger(part=name)
    return logger


def _described() -> list[Processor]:
    return [
        _with_facts,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors,
        timestamp_key="ts",
        exception_formatter=structlog.dev.plain_traceback,
    )


def _one_json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """ASCII JSON escapes every control character but DEL, which is legal there and ugly here."""
    first = {key: event.pop(key) for key in ("ts", "level", "event") if key in event}
    whole = {**first, **event}
    try:
        line = json.dumps(whole, default=_shown, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, circles, NaN
        line = json.dumps({key: _shown(value) for key, value in whole.items()})
    return line.replace("\x7f", "\\u007f")


def _shown(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as error:  # a log line must not fail for what it tells of
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _escape_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: _escaped(value, key) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _escaped(text: str, key: str) -> str:
    """`text` with control characters spelled out; only a traceback keeps its lines."""
    safe = _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)
    return safe if key == "exception" else safe.replace("\n", "\\n")


def _route_standard_library(level: str, stream: TextIO, steps: list[Processor]) -> None:
    """Give uvicorn's, asyncio's and redis-py's lines the form of ours."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_part], processors=steps, pass_foreign_args=False
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What uvicorn says at info (started, waiting for startup) the supervisor says better.
    logging.getLogger("uvicorn").setLevel("WARNING" if level == "info" else level.upper())


def _name_part(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: Any = event["_record"]
    event["part"] = record.name
    return event


def _drop_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in ("_record", "_from_structlog"):
        event.pop(key, None)
    return event
