"""winnow: the command line. Registers the commands of `service.commands`, and ends with one line.

Exit codes, after sysexits.h: 0 done, 1 something is wrong (`doctor`, `verify`), 2 usage, 65 bad
data, 69 the store or the model is not available, 74 a file cannot be written, 75 busy, 78 settings.
"""

from __future__ import annotations

import sys

import click

from service import __version__
from service.commands import (
    adapting,
    backup,
    bench,
    doctor,
    erase,
    keys,
    models,
    moderators,
    policies,
    reload,
    restore,
    score,
    serve,
    shadow,
    shelf,
    sites,
    transfer,
    verify,
    webhooks,
)
from service.commands.failures import exit_code, sentence

COMMANDS: tuple[click.Command, ...] = (
    serve.serve,
    serve.worker,
    reload.reload,
    sites.site,
    keys.key,
    moderators.moderator,
    policies.policy,
    webhooks.webhook,
    transfer.import_comments,
    transfer.export_comments,
    erase.erase,
    score.score,
    shadow.shadow,
    models.train,
    models.evaluate,
    adapting.write_labels,
    adapting.adapt,
    shelf.shelf,
    verify.verify,
    backup.backup,
    restore.restore,
    doctor.doctor,
    bench.bench,
)


class _InOrder(click.Group):
    """Lists its commands in the order of `COMMANDS`: from the first start to the odd jobs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [str(command.name) for command in COMMANDS]


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="winnow", message="%(prog)s %(version)s")
def root() -> None:
    """Winnow, a self-hosted comment-moderation service.

    `winnow serve` starts everything. The other commands work on the same data folder, whether the
    service runs or not; `--json` makes any table one JSON document.
    """


for _command in COMMANDS:
    root.add_command(_command)


def main() -> None:
    """Run the command line; a failure is one line on standard error and an exit code."""
    try:
        code = root.main(prog_name="winnow", standalone_mode=False)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        print(f"winnow: {sentence(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
