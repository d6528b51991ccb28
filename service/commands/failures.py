"""What a failed command says and how it exits: one line, and a code of sysexits.h."""

from __future__ import annotations

from typing import Final

import click

USAGE: Final = 2
BAD_DATA: Final = 65
UNAVAILABLE: Final = 69
CANNOT_WRITE: Final = 74
BUSY: Final = 75
SETTINGS: Final = 78
INTERRUPTED: Final = 130

_BY_STATUS: Final = {503: UNAVAILABLE}
"""Exit codes of `WinnowError`s by HTTP status; every other one is about what was asked for."""


class CommandError(Exception):
    """A command cannot do what it was asked; `str(error)` is one sentence for the operator."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def exit_code(error: Exception) -> int | None:
    """The exit code an error stands for; None where it is a bug and deserves its traceback."""
    if isinstance(error, click.exceptions.Abort):
        return INTERRUPTED
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return _BY_STATUS.get(status, BAD_DATA)
    if type(error).__name__ == "ArtifactError":
        return BAD_DATA
    # redis-py's errors count as an unreachable store; its module is not imported to ask.
    if type(error).__module__.startswith("redis."):
        return UNAVAILABLE
    return CANNOT_WRITE if isinstance(error, OSError) else None


def sentence(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, click.exceptions.Abort):
        return "interrupted"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()} (see {error.ctx.command_path} --help)"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return " ".join(text.split()) or type(error).__name__
