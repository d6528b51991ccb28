"""`winnow policy`: what a site's comments are decided under, as one JSON document."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import print_fields, print_json
from service.commands.reach import Reached, known_site, on_store

if TYPE_CHECKING:
    from service.records import Policy


@click.group()
def policy() -> None:
    """A site's policy as a JSON document: show, set."""


@policy.command("show")
@click.argument("site_id", metavar="SITE")
@click.option("--version", type=int, help="An earlier version instead of the current one.")
@settings_options(*CONNECTING)
@as_json
def show_policy(site_id: str, *, version: int | None, as_json: bool, **options: Any) -> None:
    """Print a site's policy as JSON, ready for `winnow policy set`."""
    del as_json  # a policy is a JSON document anyway

    async def work(reached: Reached) -> Policy:
        from service.errors import NotFound

        current: Policy = (await known_site(reached, site_id)).policy
        if version in (None, current.version):
            return current
        kept = await reached.store.sites.policy(site_id, version or 0)
        if kept is None:
            raise NotFound(f"The policy of {site_id!r} has no version {version}.")
        return kept

    print_json(on_store(options, work))


@policy.command("set")
@click.argument("site_id", metavar="SITE")
@click.argument("file", type=click.File("rb"))
@click.option("--if-version", type=int, help="Only if this is still the current version.")
@settings_options(*CONNECTING)
@as_json
def set_policy(
    site_id: str, file: IO[bytes], *, if_version: int | None, as_json: bool, **options: Any
) -> None:
    """Save the policy in FILE (- for standard input) as the site's next version."""
    asked = read_policy(file.read())

    async def work(reached: Reached) -> dict[str, Any]:
        await known_site(reached, site_id)
        saved = await reached.store.sites.save_policy(site_id, asked, expected=if_version)
        return {"site": site_id, "version": saved.version}

    print_fields(on_store(options, work), as_json=as_json)


def read_policy(text: bytes) -> Policy:
    """A policy document, by the rules of `PUT /v1/sites/{site}/policy`.

    Raises:
        Invalid: it breaks them.
    """
    from service.errors import invalid
    from service.pipeline.policy import check_policy
    from service.records import Policy

    try:
        asked = msgspec.json.decode(text, type=Policy)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("", "wrong_type", f"this is no policy: {error}") from None
    check_policy(asked)
    return asked
