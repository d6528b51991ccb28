"""`winnow model`: which model is in use, another one, and back."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.failures import BAD_DATA, SETTINGS, CommandError
from service.commands.options import as_json, chosen, settings_options
from service.commands.output import iso, print_items, print_json
from service.commands.reach import now_ms

if TYPE_CHECKING:
    from classifier.shelf import Change, Shelf

SHIPPED: Final = "shipped"
COLUMNS: Final = {"model": "MODEL", "state": "STATE", "since": "SINCE", "by": "BY"}


@click.group("model")
def shelf() -> None:
    """The models of an installation: list, activate, roll back.

    Running processes take a change over within seconds.
    """


@shelf.command("list")
@settings_options("data_dir")
@as_json
def list_models(*, as_json: bool, **options: Any) -> None:
    """List the models that are kept, the one in use first."""
    from classifier.shelf import SHIPPED as WITHOUT_NAME

    found = _shelf(options)
    standing = found.standing()
    changes = {change.after: change for change in found.history(1000)}
    before = [name for name in (*standing.earlier, WITHOUT_NAME) if name != standing.active]
    rest = [name for name in found.kept() if name not in (standing.active, *before)]
    rows = []
    for name in dict.fromkeys((standing.active, *before, *rest)):
        change = changes.get(name)
        state = "active" if name == standing.active else "earlier" if name in before else "kept"
        since, by = (iso(change.at), change.by) if change else (None, "")
        rows.append({"model": name or SHIPPED, "state": state, "since": since, "by": by})
    print_items(rows, COLUMNS, as_json=as_json)


@shelf.command("activate")
@click.argument("model", metavar="FOLDER|MODEL")
@settings_options("data_dir")
@as_json
def activate(model: str, *, as_json: bool, **options: Any) -> None:
    """Check a model and have every process use it.

    FOLDER is one that `winnow train` or `winnow adapt` wrote: a copy is kept. MODEL is one of
    `winnow model list`, or `shipped`. A model that is damaged is refused, and the old one stays.
    """
    found = _shelf(options)
    if model == SHIPPED:
        name = ""
    elif model in found.kept():
        name = model
    elif Path(model).is_dir():
        name = found.put(Path(model))
    else:
        raise CommandError(
            f"{model}: neither a folder nor a model of `winnow model list`", BAD_DATA
        )
    _print(found.activate(name, by=_who(), now=now_ms()), as_json=as_json)


@shelf.command("rollback")
@settings_options("data_dir")
@as_json
def rollback(*, as_json: bool, **options: Any) -> None:
    """Go back to the model before this one."""
    _print(_shelf(options).rollback(by=_who(), now=now_ms()), as_json=as_json)


def _shelf(options: dict[str, Any]) -> Shelf:
    """The shelf of the installation that the options name.

    Raises:
        CommandError: there is none, or its settings name the model.
    """
    import classifier
    from classifier.shelf import Shelf

    settings = chosen(options)
    if settings.model is not None:
        raise CommandError("WINNOW_MODEL names the model: change it there", SETTINGS)
    if not settings.data_dir.is_dir():
        raise CommandError(f"WINNOW_DATA_DIR: there is no folder {settings.data_dir}", SETTINGS)
    return Shelf(settings.data_dir / "models", classifier.default_artifact())


def _who() -> str:
    try:
        return f"command line:{getuser()}"
    except (KeyError, OSError):
        return "command line"


def _print(change: Change, *, as_json: bool) -> None:
    before, after = change.before or SHIPPED, change.after or SHIPPED
    if as_json:
        print_json({"before": before, "model": after, "at": iso(change.at), "by": change.by})
    else:
        click.echo(f"{after} is in use; before: {before}")
