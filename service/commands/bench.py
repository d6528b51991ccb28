"""`winnow bench`: runs the measurements of `benchmarks/` and gathers what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec

from service.commands.failures import BAD_DATA, UNAVAILABLE, CommandError
from service.commands.options import as_json
from service.commands.output import print_json, print_table, progress


@click.command(short_help="Run the measurements of the source tree.")
@click.argument("names", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Only say which there are.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where they are (default: benchmarks/ of the source tree).",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of NAME.jsonl.gz for those that measure with real texts.",
)
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file that chooses them: NAME = [its arguments], in order.",
)
@as_json
def bench(
    *,
    names: tuple[str, ...],
    only_list: bool,
    folder: Path | None,
    data: Path | None,
    plan: Path | None,
    as_json: bool,
) -> None:
    """Run the measurements named, those of a plan, or all: scripts `benchmarks/NAME.py`.

    Prints one JSON object, name → what `python benchmarks/NAME.py --json` said, and `took_s`.
    """
    found = benchmarks(folder or default_folder())
    planned = read_plan(plan) if plan else {}
    if unknown := sorted({*names, *planned} - set(found)):
        raise click.UsageError(f"there is no benchmark {unknown[0]!r}; see winnow bench --list")
    chosen = {name: found[name] for name in names or planned or found}
    if only_list:
        _list(chosen, as_json=as_json)
        return
    results = {}
    with progress() as bar:
        task = bar.add_task("", total=len(chosen))
        for name, script in chosen.items():
            bar.update(task, description=name)
            results[name] = _run(script, [*planned.get(name, ()), *_with_data(script, data)])
            bar.advance(task)
    print_json(results)
    if any("error" in result for result in results.values()):
        raise SystemExit(1)


def default_folder() -> Path:
    """`benchmarks/` beside the packages of a source tree."""
    return Path(__file__).parents[2] / "benchmarks"


def benchmarks(folder: Path) -> dict[str, Path]:
    """The scripts of a folder by name; modules that only help them are left out.

    Raises:
        CommandError: there is no such folder; an installed package comes without.
    """
    if not folder.is_dir():
        raise CommandError(
            f"there is no folder {folder}: benchmarks come with the source tree", UNAVAILABLE
        )
    scripts = sorted(folder.glob("*.py"))
    return {path.stem: path for path in scripts if "__main__" in path.read_text(encoding="utf-8")}


def read_plan(path: Path) -> dict[str, list[str]]:
    """The measurements that a plan chooses, with their arguments.

    Raises:
        CommandError: it is no such TOML file.
    """
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(plan, dict[str, list[str]])
    except (ValueError, msgspec.ValidationError) as error:
        raise CommandError(f"{path} is no plan: {error}", BAD_DATA) from None


def _with_data(script: Path, data: Path | None) -> list[str]:
    """The option that names the data, where there are some and the script has it."""
    if data is None or '"--data"' not in script.read_text(encoding="utf-8"):
        return []
    return ["--data", str(data.absolute())]


def _list(chosen: dict[str, Path], *, as_json: bool) -> None:
    rows = [(name, _sentence(path)) for name, path in chosen.items()]
    if as_json:
        print_json({"items": [{"name": name, "about": about} for name, about in rows]})
    else:
        print_table(["BENCHMARK", "MEASURES"], rows)


def _sentence(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0]


def _run(script: Path, arguments: list[str]) -> dict[str, Any]:
    began = time.monotonic()
    ended = subprocess.run(  # noqa: S603 (a script of this source tree)
        [sys.executable, script, "--json", *arguments],
        stdout=subprocess.PIPE,
        cwd=script.parents[1],
        check=False,
    )
    took_s = round(time.monotonic() - began, 1)
    try:
        said = msgspec.json.decode(ended.stdout)
    except msgspec.DecodeError:
        said = None
    if ended.returncode or not isinstance(said, dict):
        return {"error": f"it ended with exit code {ended.returncode}", "took_s": took_s}
    return {**said, "took_s": took_s}
