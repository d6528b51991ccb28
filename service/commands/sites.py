"""`winnow site`: the websites that post comments."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click
import msgspec
from msgspec.structs import asdict

from service.commands.failures import BAD_DATA, CommandError
from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import iso, print_fields, print_items
from service.commands.reach import Reached, known_site, now_ms, on_store

if TYPE_CHECKING:
    from service.records import Site

COLUMNS = {"id": "SITE", "name": "NAME", "origins": "ORIGINS", "created_at": "MADE"}


@click.group()
def site() -> None:
    """The websites that post comments: list, add, show, change, coral, remove."""


@site.command("list")
@settings_options(*CONNECTING)
@as_json
def list_sites(*, as_json: bool, **options: Any) -> None:
    """List all sites."""

    async def work(reached: Reached) -> list[dict[str, Any]]:
        names = await reached.store.sites.all()
        found = [await reached.store.sites.configuration(name) for name in names]
        return [shown(each.site) for each in found if each is not None]

    print_items(on_store(options, work), COLUMNS, as_json=as_json)


@site.command("add")
@click.argument("site_id", metavar="SITE")
@click.option("--name", default="", help="What people call it.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Where its pages are, such as https://blog.example; may be given several times.",
)
@settings_options(*CONNECTING)
@as_json
def add_site(
    site_id: str, *, name: str, origins: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Make a site; SITE is its id: small letters, digits and hyphens.

    Its keys are made by `winnow key add`.
    """
    made = asked_for(site_id, name, origins)

    async def work(reached: Reached) -> dict[str, Any]:
        from service.records import Policy

        made.created_at = now_ms()
        return shown(await reached.store.sites.create(made, Policy()))

    print_fields(on_store(options, work), as_json=as_json)


def asked_for(site_id: str, name: str, origins: tuple[str, ...]) -> Site:
    """A new site by the rules of `POST /v1/sites`.

    Raises:
        click.UsageError: the id, the name or an origin is not valid.
    """
    from service.api.sites import SiteIn
    from service.records import Site

    try:
        asked = msgspec.convert(
            {"id": site_id, "name": name, "origins": [each.rstrip("/") for each in origins]}, SiteIn
        )
    except msgspec.ValidationError as error:
        raise click.UsageError(f"this is no valid site: {error}") from None
    return Site(id=asked.id, number=0, name=asked.name or asked.id, origins=tuple(asked.origins))


@site.command("show")
@click.argument("site_id", metavar="SITE")
@settings_options(*CONNECTING)
@as_json
def show_site(site_id: str, *, as_json: bool, **options: Any) -> None:
    """Show a site and how its queues stand."""

    async def work(reached: Reached) -> dict[str, Any]:
        found = await known_site(reached, site_id)
        queues = await reached.store.queues.waiting(site_id)
        return {
            **shown(found.site),
            "policy_version": found.policy.version,
            "bans": len(found.bans),
            **{queue.status: queue.count for queue in queues},
        }

    print_fields(on_store(options, work), as_json=as_json)


@site.command("change")
@click.argument("site_id", metavar="SITE")
@click.option(
    "--akismet-queue/--no-akismet-queue",
    required=True,
    help="Whether comments that Akismet's clients ask about enter the queues, too.",
)
@settings_options(*CONNECTING)
@as_json
def change_site(site_id: str, *, akismet_queue: bool, as_json: bool, **options: Any) -> None:
    """Change how a site works; its rules are its policy's."""

    async def work(reached: Reached) -> dict[str, Any]:
        changed = (await known_site(reached, site_id)).site
        changed.akismet_queue = akismet_queue
        await reached.store.sites.change(changed)
        return shown(changed)

    print_fields(on_store(options, work), as_json=as_json)


@site.command("coral")
@click.argument("site_id", metavar="SITE")
@click.option(
    "--secrets",
    type=click.File("r"),
    help="Keep the secrets in FILE (- for standard input), one a line, and no others; with none, "
    "no signature is asked for.",
)
@settings_options(*CONNECTING)
@as_json
def coral(site_id: str, *, secrets: IO[str] | None, as_json: bool, **options: Any) -> None:
    """Count or replace the secrets Coral signs with when it asks /coral/moderation.

    They are never shown. Keep two while Coral rolls one over.
    """
    asked = None if secrets is None else asked_secrets(secrets.read())

    async def work(reached: Reached) -> dict[str, Any]:
        from service.api.compat.coral import SENDER

        await known_site(reached, site_id)
        if asked is not None:
            await reached.store.signing.replace(site_id, SENDER, asked)
        kept = await reached.store.signing.of(site_id, SENDER)
        return {"id": site_id, "secrets": len(kept)}

    print_fields(on_store(options, work), as_json=as_json)


def asked_secrets(lines: str) -> tuple[str, ...]:
    """The secrets of a file, by the rules of `PUT /v1/sites/{site}/coral`.

    Raises:
        CommandError: one is not valid.
    """
    from service.api.compat.coral import CoralSecretsIn

    given = list(dict.fromkeys(line.strip() for line in lines.splitlines() if line.strip()))
    try:
        return tuple(msgspec.convert({"secrets": given}, CoralSecretsIn).secrets)
    except msgspec.ValidationError as error:
        raise CommandError(f"these are no signing secrets: {error}", BAD_DATA) from None


@site.command("remove")
@click.argument("site_id", metavar="SITE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options(*CONNECTING)
@as_json
def remove_site(site_id: str, *, yes: bool, as_json: bool, **options: Any) -> None:
    """Remove a site with all its comments and keys; nothing brings them back."""

    async def work(reached: Reached) -> dict[str, Any]:
        await known_site(reached, site_id)
        await reached.store.sites.delete(site_id)
        return {"id": site_id, "removed": True}

    if not yes:
        click.confirm(
            f"Remove the site {site_id} with all its comments and keys?", abort=True, err=True
        )
    print_fields(on_store(options, work), as_json=as_json)


def shown(site: Site) -> dict[str, Any]:
    """A site as commands show it: as the API does."""
    return {
        "id": site.id,
        "name": site.name,
        "origins": list(site.origins),
        "created_at": iso(site.created_at),
        "akismet_queue": site.akismet_queue,
        "retention": asdict(site.retention),
    }
