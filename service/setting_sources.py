"""Where the values of the settings table come from, and the texts that are made of the table."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from service.settings import EXIT_CODE, Setting, Settings, SettingsError, table

PREFIX = "WINNOW_"
CONFIG_FILE = "winnow.toml"
RESERVED = ("WINNOW_CONFIG", "WINNOW_CHILD")
"""Variables with our prefix that are no settings: the TOML file, and the hand-over to a child."""
RESERVED_PREFIX = "WINNOW_TEST_"


def load(
    environ: Mapping[str, str],
    toml_path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Build the settings: `overrides` beat `environ`, which beats the TOML file, then the defaults.

    The file is `toml_path`, else the one `WINNOW_CONFIG` names, else ./winnow.toml if it exists. An
    empty text and None mean "not set".

    Raises:
        SettingsError: an unknown name, a refused value, or a file that cannot be read.
    """
    rows = table()
    values: dict[str, Any] = {}
    for where, name, value in _given(environ, toml_path, overrides or {}):
        if name not in rows:
            raise SettingsError(_unknown(where, name, rows))
        if value not in ("", None):
            values[name] = _parsed(where, rows[name], value)
    return Settings(**values)


def _given(
    environ: Mapping[str, str], toml_path: Path | None, overrides: Mapping[str, object]
) -> Iterator[tuple[str, str, object]]:
    """Where it stands, its name and its raw value, weakest source first."""
    path = _toml_path(environ, toml_path)
    if path is not None:
        for name, value in _read_toml(path).items():
            yield f"{name} in {path}", name, value
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and not _reserved(variable):
            name = variable.removeprefix(PREFIX)
            yield variable, name.lower() if name.isupper() else variable, text
    for name, value in overrides.items():
        yield "--" + name.replace("_", "-"), name, value


def _reserved(variable: str) -> bool:
    return variable in RESERVED or variable.startswith(RESERVED_PREFIX)


def _toml_path(environ: Mapping[str, str], toml_path: Path | None) -> Path | None:
    if toml_path is None and environ.get("WINNOW_CONFIG"):
        toml_path = Path(environ["WINNOW_CONFIG"])
    if toml_path is not None:
        return toml_path
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: the settings file cannot be read: {error}") from None


def _parsed(where: str, row: Setting, value: object) -> object:
    if isinstance(value, str) and any(ord(char) < 32 for char in value):
        problem: object = "holds control characters"
    else:
        try:
            return row.kind.parse(value)
        except ValueError as error:
            problem = error
    shown = "the value" if row.secret else f"{value!r:.100}"
    raise SettingsError(f"{where}: {shown} {problem}; it must be {row.kind.rule}")


def _unknown(where: str, name: str, rows: Mapping[str, Setting]) -> str:
    stem = name.removeprefix(PREFIX).lower()
    close = difflib.get_close_matches(stem, rows, n=1)
    if not close:
        return f"{where}: there is no such setting; docs/settings.md lists them all"
    shown = PREFIX + close[0].upper() if where.startswith(PREFIX) else close[0]
    return f"{where}: there is no such setting; did you mean {shown}?"


def to_environ(settings: Settings) -> dict[str, str]:
    """The variables from which `load` builds equal settings in a child, whatever its TOML file.

    `data_dir`, `model` and `redis_server` become absolute.
    """
    rows = {PREFIX + name.upper(): _text(getattr(settings, name)) for name in table()}
    return rows | {"WINNOW_CONFIG": os.devnull}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case tuple():
            return ",".join(value)
        case Path():
            return str(value.absolute())
        case float():
            return f"{value:g}"
    return str(value)


def _default(name: str, row: Setting) -> str:
    default: Any = next(f for f in msgspec.structs.fields(Settings) if f.name == name).default
    return row.default or (str(default) if isinstance(default, Path) else _text(default))


def help_text() -> str:
    """The table for `winnow serve --help`: variable, default and sentence, two lines each."""
    lines = []
    for name, row in table().items():
        default = _default(name, row)
        lines.append(f"{PREFIX}{name.upper()}" + (f"  (default: {default})" if default else ""))
        lines.append(f"    {row.sentence}")
    return "\n".join(lines)


def markdown() -> str:
    """The content of docs/settings.md."""
    head = (
        "# Settings\n\n"
        "<!-- Generated from service/settings.py; change the table there. -->\n\n"
        "Each setting may stand in the environment (`WINNOW_PORT=9000`) or, under its\n"
        "lower-case name, in a TOML file (`port = 9000`): the one `WINNOW_CONFIG` names, else\n"
        "`winnow.toml` in the working folder. Options of the command line beat the environment,\n"
        "which beats the file. An empty value means the default. An unknown name or a refused\n"
        f"value stops the start with exit code {EXIT_CODE} and one line that names it.\n\n"
        "| variable | in the file | default | values | meaning |\n|---|---|---|---|---|\n"
    )
    return head + "".join(map(_markdown_row, table().items()))


def _markdown_row(item: tuple[str, Setting]) -> str:
    name, row = item
    rule = row.kind.rule + (" (secret)" if row.secret else "")
    cells = (f"`{PREFIX}{name.upper()}`", f"`{name}`", _default(name, row), rule, row.sentence)
    return "| " + " | ".join(cells) + " |\n"
