"""`winnow reload`: new code and settings for a running service, without losing a request."""

from __future__ import annotations

import os
import signal
from typing import Any

import click

from service.commands.failures import CommandError
from service.commands.options import chosen, settings_options
from service.commands.reach import read_notice

NOT_RUNNING = 69
"""EX_UNAVAILABLE of sysexits.h."""


@click.command()
@settings_options("data_dir")
def reload(**options: Any) -> None:
    """Replace the processes of a running service, one by one.

    Each new process takes over once it is ready, with the code and the settings of now; one that
    does not start leaves the old one in place (the service's log says so). Address, data folder,
    store, number of processes and secrets change only by a restart.
    """
    settings = chosen(options)
    notice = read_notice(settings.data_dir)
    if notice is None:
        raise CommandError(f"no `winnow serve` runs on {settings.data_dir}", NOT_RUNNING)
    os.kill(notice.pid, signal.SIGUSR2)
    click.echo(f"Told process {notice.pid} to reload.")
