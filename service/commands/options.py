"""Options that commands share; those for settings derive from the settings table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from service.setting_sources import load
from service.settings import Settings, table

_Command = TypeVar("_Command", bound=Callable[..., Any])

CONNECTING = ("data_dir", "redis_url", "redis_server", "secret")
"""What a command needs to find the data of an installation."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def settings_options(*names: str) -> Callable[[_Command], _Command]:
    """One option for each named setting, all of them when none is named; and `--config`."""

    def decorate(command: _Command) -> _Command:
        for name in reversed(names or tuple(table())):
            command = _option(name)(command)
        return click.option(
            "--config",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The settings file (default: what WINNOW_CONFIG names, else ./winnow.toml).",
        )(command)

    return decorate


def _option(name: str) -> Callable[[_Command], _Command]:
    row = table()[name]
    variable = f"WINNOW_{name.upper()}"
    # Other users of a machine see the arguments of its processes.
    caution = "; better there than here, where others can see it" if row.secret else ""
    return click.option(
        "--" + name.replace("_", "-"),
        metavar="VALUE",
        default=None,
        help=f"{row.sentence} [{variable}{caution}]",
    )


def chosen(options: Mapping[str, Any]) -> Settings:
    """The settings that the options, the environment and the file give together.

    Raises:
        SettingsError: one of them is wrong.
    """
    given = dict(options)
    return load(os.environ, given.pop("config", None), given)
