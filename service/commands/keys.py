"""`winnow key`: what opens a site's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import iso, print_fields, print_items
from service.commands.reach import Reached, known_site, now_ms, on_store

if TYPE_CHECKING:
    from service.records import ApiKey

COLUMNS = {
    "id": "ID",
    "site": "SITE",
    "kind": "KIND",
    "label": "LABEL",
    "hint": "ENDS IN",
    "created_at": "MADE",
    "expires_at": "EXPIRES",
    "last_used_at": "LAST USED",
}


@click.group()
def key() -> None:
    """The keys of sites and of the installation: add, list, rotate, revoke."""


@key.command("add")
@click.argument("site_id", metavar="[SITE]", default="")
@click.option(
    "--kind",
    type=click.Choice(["publishable", "secret", "compat", "admin"]),
    required=True,
    help="publishable: for web pages; secret: for the site's server; compat: for the emulated "
    "APIs; admin: for everything (without SITE).",
)
@click.option("--label", default="", help="What it is for.")
@click.option("--expires-at", metavar="TIME", help="RFC 3339, such as 2030-01-31T00:00:00Z.")
@settings_options(*CONNECTING)
@as_json
def add_key(
    site_id: str,
    *,
    kind: str,
    label: str,
    expires_at: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a key and print it, this once: only a hash of it is kept."""
    if (kind == "admin") == bool(site_id):
        raise click.UsageError(
            "an admin key belongs to no site" if site_id else f"a {kind} key belongs to a SITE"
        )
    expiry = _expiry(expires_at)

    async def work(reached: Reached) -> dict[str, Any]:
        from service.ids import random_id
        from service.records import ApiKey

        if site_id:
            await known_site(reached, site_id)
        fields = {"kind": kind, "site": site_id, "label": label, "expires_at": expiry}
        record = msgspec.convert({"id": random_id(9), "created_at": now_ms(), **fields}, ApiKey)
        secret = await reached.store.api_keys.add(record)
        return {"key": secret, **shown(record)}

    print_fields(on_store(options, work), as_json=as_json)


def _expiry(text: str | None) -> int | None:
    from service.pipeline import fields

    if not text:
        return None
    try:
        expiry = fields.instant(text, None)
    except fields.Wrong as wrong:
        raise click.UsageError(f"--expires-at: {wrong.detail}") from None
    if expiry is not None and expiry <= now_ms():
        raise click.UsageError("--expires-at: this lies in the past")
    return expiry


@key.command("list")
@click.argument("site_id", metavar="[SITE]", default="")
@settings_options(*CONNECTING)
@as_json
def list_keys(site_id: str, *, as_json: bool, **options: Any) -> None:
    """List the live keys of SITE, or of all sites and the installation."""

    async def work(reached: Reached) -> list[dict[str, Any]]:
        if site_id:
            await known_site(reached, site_id)
        owners = [site_id] if site_id else ["", *await reached.store.sites.all()]
        rows = []
        for owner in owners:
            used = await reached.store.api_keys.used(owner)
            for record in await reached.store.api_keys.of_site(owner):
                rows.append(shown(record) | {"last_used_at": iso(used.get(record.id))})
        return rows

    print_items(on_store(options, work), COLUMNS, as_json=as_json)


@key.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=click.IntRange(0, 30 * 86_400),
    default=86_400,
    show_default=True,
    metavar="SECONDS",
    help="How long the old key goes on working.",
)
@settings_options(*CONNECTING)
@as_json
def rotate_key(key_id: str, *, overlap: int, as_json: bool, **options: Any) -> None:
    """Replace a key by its ID and print the new one, this once; both work for a while."""

    async def work(reached: Reached) -> dict[str, Any]:
        from service.errors import NotFound
        from service.ids import random_id

        keys = reached.store.api_keys
        for owner in ["", *await reached.store.sites.all()]:
            done = await keys.rotate(
                owner, key_id, new_id=random_id(9), now=now_ms(), overlap_ms=overlap * 1000
            )
            if done is not None:
                record, secret, ends = done
                return {"key": secret, **shown(record), "old_id": key_id, "old_ends_at": iso(ends)}
        raise NotFound(f"There is no key {key_id!r}; `winnow key list` shows them.")

    print_fields(on_store(options, work), as_json=as_json)


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@settings_options(*CONNECTING)
@as_json
def revoke_key(key_id: str, *, as_json: bool, **options: Any) -> None:
    """Revoke a key by its ID (see `winnow key list`): it ends within a second."""

    async def work(reached: Reached) -> dict[str, Any]:
        from service.errors import NotFound

        for owner in ["", *await reached.store.sites.all()]:
            if await reached.store.api_keys.revoke(owner, key_id):
                return {"id": key_id, "site": owner, "revoked": True}
        raise NotFound(f"There is no key {key_id!r}; `winnow key list` shows them.")

    print_fields(on_store(options, work), as_json=as_json)


def shown(record: ApiKey) -> dict[str, Any]:
    """A key as commands show it: as the API does, with its site."""
    return {
        "id": record.id,
        "site": record.site,
        "kind": record.kind,
        "label": record.label,
        "created_at": iso(record.created_at),
        "expires_at": iso(record.expires_at),
        "hint": record.hint,
    }
