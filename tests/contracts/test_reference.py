"""Requirements of the generated reference pages."""

import subprocess
import sys
from pathlib import Path

import pytest

from service import reference, settings
from service.app import api_document
from service.cli import COMMANDS

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "service.reference", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_every_page_says_what_the_code_says():
    """A change of a setting, endpoint, code, event, metric, key or command renews the pages."""
    assert reference.out_of_date(ROOT) == [], "run: python -m service.reference --write"


def test_check_names_the_pages_that_are_out_of_date(tmp_path):
    """Missing ones and changed ones, and no others."""
    for name, page in reference.PAGES.items():
        reference.write(tmp_path / name, page())
    assert reference.out_of_date(tmp_path) == []
    (tmp_path / "docs/settings.md").unlink()
    (tmp_path / "docs/reference/codes.md").write_text("# Codes")
    assert reference.out_of_date(tmp_path) == ["docs/settings.md", "docs/reference/codes.md"]


def test_the_command_line_knows_check_and_write_only():
    """Anything else is answered with the usage and exit code 2."""
    assert run("--check").returncode == 0
    wrong = run("--chekc")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--check | --write" in wrong.stderr


def test_pages_are_the_same_on_every_machine():
    """Nothing in them names a folder, a time or the number of processors."""
    for page in reference.PAGES.values():
        assert str(ROOT) not in page()
        assert page() == page()


@pytest.mark.parametrize("name", settings.table())
def test_every_setting_is_documented(name):
    """Under its variable and its name in the file."""
    assert f"`WINNOW_{name.upper()}` | `{name}`" in reference.PAGES["docs/settings.md"]()


def test_every_endpoint_and_shape_is_documented():
    """The page follows the OpenAPI document."""
    page, document = reference.api(), api_document("")
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"### `{method.upper()} {path}`" in page
    for name in document["components"]["schemas"]:
        assert f"\n### {name}\n" in page


def test_every_command_is_documented():
    """With its sub-commands."""
    page = reference.cli()
    for command in COMMANDS:
        assert f"## `winnow {command.name}" in page
    assert "## `winnow moderator link" in page
