"""`winnow webhook`: where a site's events are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import iso, print_fields, print_items
from service.commands.reach import Reached, known_site, now_ms, on_store

if TYPE_CHECKING:
    from service.store.webhooks import Endpoint

COLUMNS = {
    "id": "ID",
    "site": "SITE",
    "url": "URL",
    "events": "EVENTS",
    "state": "STATE",
    "waiting": "WAITING",
    "dead": "DEAD",
}


@click.group()
def webhook() -> None:
    """Where events are sent: add, list, remove, test."""


@webhook.command("add")
@click.argument("site_id", metavar="SITE")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="NAME",
    help="Such as comment.approved; may be given several times (default: every event).",
)
@settings_options(*CONNECTING, "outgoing_networks")
@as_json
def add_webhook(
    site_id: str, url: str, *, events: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Send the events of SITE to URL from now on; prints the secret that signs them, this once."""

    async def work(reached: Reached) -> dict[str, Any]:
        from service import webhooks
        from service.ids import random_id
        from service.store.webhooks import Endpoint

        await known_site(reached, site_id)
        endpoint = Endpoint(
            id=random_id(9),
            url=_url(reached, url),
            events=_names(events),
            secret=webhooks.new_secret(),
            created_at=now_ms(),
        )
        await reached.store.webhooks.add(site_id, endpoint)
        return {"secret": endpoint.secret, **await shown(reached, site_id, endpoint)}

    print_fields(on_store(options, work), as_json=as_json)


def _url(reached: Reached, text: str) -> str:
    from service.outgoing import Outgoing, Refused
    from service.pipeline import fields

    try:
        url = fields.url(text)
        Outgoing(reached.settings.reachable_networks).check(url)
    except fields.Wrong as wrong:
        raise click.UsageError(f"URL: {wrong.detail}") from None
    except Refused as refused:
        raise click.UsageError(f"URL: {refused.reason}") from None
    return url


def _names(events: tuple[str, ...]) -> tuple[str, ...]:
    from service.store.events import EVENTS

    for name in events:
        if name not in EVENTS:
            raise click.UsageError(f"--event: there is no {name!r}; there are {', '.join(EVENTS)}")
    return tuple(dict.fromkeys(events)) or tuple(EVENTS)


@webhook.command("list")
@click.argument("site_id", metavar="[SITE]", default="")
@settings_options(*CONNECTING)
@as_json
def list_webhooks(site_id: str, *, as_json: bool, **options: Any) -> None:
    """List the webhooks of SITE, or of all sites."""

    async def work(reached: Reached) -> list[dict[str, Any]]:
        if site_id:
            await known_site(reached, site_id)
        return [
            await shown(reached, site, endpoint)
            for site in ([site_id] if site_id else await reached.store.sites.all())
            for endpoint in await reached.store.webhooks.all(site)
        ]

    print_items(on_store(options, work), COLUMNS, as_json=as_json)


@webhook.command("remove")
@click.argument("webhook_id", metavar="ID")
@settings_options(*CONNECTING)
@as_json
def remove_webhook(webhook_id: str, *, as_json: bool, **options: Any) -> None:
    """Remove a webhook by its ID (see `winnow webhook list`), with what waits for it."""

    async def work(reached: Reached) -> dict[str, Any]:
        site = await _site_of(reached, webhook_id)
        await reached.store.webhooks.remove(site, webhook_id)
        return {"id": webhook_id, "site": site, "removed": True}

    print_fields(on_store(options, work), as_json=as_json)


@webhook.command("test")
@click.argument("webhook_id", metavar="ID")
@settings_options(*CONNECTING)
@as_json
def test_webhook(webhook_id: str, *, as_json: bool, **options: Any) -> None:
    """Have the running service send a `webhook.test` event to a webhook."""

    async def work(reached: Reached) -> dict[str, Any]:
        from service import webhooks
        from service.errors import Conflict

        site = await _site_of(reached, webhook_id)
        endpoint = await reached.store.webhooks.read(site, webhook_id)
        if endpoint is None or not endpoint.takes_events:
            raise Conflict("Nothing is sent to this webhook while it is paused or disabled.")
        delivery_id, delivery = webhooks.test_delivery(now_ms())
        await reached.store.deliveries.again(site, webhook_id, delivery_id, delivery)
        return {"id": delivery_id, "webhook": webhook_id, "site": site, "state": "waiting"}

    print_fields(on_store(options, work), as_json=as_json)


async def _site_of(reached: Reached, webhook_id: str) -> str:
    from service.errors import NotFound

    for site in await reached.store.sites.all():
        if webhook_id in await reached.store.webhooks.ids(site):
            return site
    raise NotFound(f"There is no webhook {webhook_id!r}; `winnow webhook list` shows them.")


async def shown(reached: Reached, site: str, endpoint: Endpoint) -> dict[str, Any]:
    """A webhook as commands show it: as the API does, with its site."""
    from service.webhooks import state_of

    return {
        "id": endpoint.id,
        "site": site,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "state": state_of(endpoint, now_ms()),
        "reason": endpoint.disabled or None,
        "created_at": iso(endpoint.created_at),
        "waiting": await reached.store.deliveries.count(site, endpoint.id, "waiting"),
        "dead": await reached.store.deliveries.count(site, endpoint.id, "dead"),
    }
