"""`winnow moderator`: the people who review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import print_fields, print_items
from service.commands.reach import Reached, known_site, now_ms, on_store

if TYPE_CHECKING:
    from service.records import Moderator

COLUMNS = {"id": "ID", "name": "NAME", "email": "E-MAIL", "role": "ROLE", "sites": "SITES"}


@click.group()
def moderator() -> None:
    """The people who review: list, add, link."""


@moderator.command("list")
@settings_options(*CONNECTING)
@as_json
def list_moderators(*, as_json: bool, **options: Any) -> None:
    """List all moderators; no sites means all of them."""

    async def work(reached: Reached) -> list[dict[str, Any]]:
        return [shown(each) for each in await reached.store.api_keys.moderators()]

    print_items(on_store(options, work), COLUMNS, as_json=as_json)


@moderator.command("add")
@click.argument("name")
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(["admin", "moderator", "viewer"]),
    default="moderator",
    show_default=True,
)
@click.option("--site", "sites", multiple=True, metavar="SITE", help="May be given several times.")
@settings_options(*CONNECTING)
@as_json
def add_moderator(
    name: str,
    email: str,
    *,
    role: str,
    sites: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Make a moderator; prints a token for the API and a console link, this once.

    A moderator or viewer needs at least one --site; an admin without one reviews every site.
    """
    if not sites and role != "admin":
        raise click.UsageError(f"a {role} needs at least one --site")
    asked = _asked_for(name, email, role, sites)

    async def work(reached: Reached) -> dict[str, Any]:
        from service.ids import random_id
        from service.records import ApiKey

        for site in sites:
            await known_site(reached, site)
        keys = reached.store.api_keys
        await keys.add_moderator(asked)
        record = ApiKey(
            id=random_id(9), kind="personal", moderator=asked.id, created_at=asked.created_at
        )
        return {
            **shown(asked),
            "token": await keys.add(record),
            "sign_in": await _link(reached, asked.id),
        }

    print_fields(on_store(options, work), as_json=as_json)


def _asked_for(name: str, email: str, role: str, sites: tuple[str, ...]) -> Moderator:
    from service.ids import random_id
    from service.pipeline import fields
    from service.records import Moderator

    try:
        given = {"name": fields.name(name), "email": fields.email(email)}
    except fields.Wrong as wrong:
        raise click.UsageError(f"this is no valid name or address: {wrong.detail}") from None
    return msgspec.convert(
        {"id": random_id(9), **given, "role": role, "sites": sites, "created_at": now_ms()},
        Moderator,
    )


@moderator.command("link")
@click.argument("who", metavar="ID|E-MAIL|NAME")
@settings_options(*CONNECTING)
@as_json
def link_moderator(who: str, *, as_json: bool, **options: Any) -> None:
    """Make a new console link for a moderator: it works once, for 24 hours."""

    async def work(reached: Reached) -> dict[str, Any]:
        found = await _the_one(reached, who)
        return {"id": found.id, "name": found.name, "sign_in": await _link(reached, found.id)}

    print_fields(on_store(options, work), as_json=as_json)


async def _the_one(reached: Reached, who: str) -> Moderator:
    from service.errors import NotFound

    everyone = await reached.store.api_keys.moderators()
    found = [each for each in everyone if who in (each.id, each.email, each.name)]
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise NotFound(f"There is {count} moderator {who!r}; `winnow moderator list` shows ids.")
    return found[0]


async def _link(reached: Reached, moderator_id: str) -> str:
    token = await reached.store.api_keys.new_sign_in(moderator_id)
    return f"{reached.url()}/console/sign-in?token={token}"


def shown(moderator: Moderator) -> dict[str, Any]:
    """A moderator as commands show them: as the API does."""
    return {
        "id": moderator.id,
        "name": moderator.name,
        "email": moderator.email,
        "role": moderator.role,
        "sites": list(moderator.sites),
        "disabled": moderator.disabled,
    }
