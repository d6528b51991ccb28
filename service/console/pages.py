"""Every page of the moderators' console, and the files they load."""

from __future__ import annotations

from typing import Final

from service.console import (
    account,
    bans,
    keys,
    model,
    moderators,
    ops,
    policy,
    queue_acts,
    queue_events,
    queue_pages,
    signing_in,
    webhooks,
)
from service.console.face import FACE, routed

ROUTES: Final = (
    *routed(FACE.static()),
    *signing_in.ROUTES,
    *routed(*queue_pages.HANDLERS, *queue_acts.HANDLERS, *queue_events.HANDLERS),
    *policy.ROUTES,
    *bans.ROUTES,
    *webhooks.ROUTES,
    *keys.ROUTES,
    *model.ROUTES,
    *ops.ROUTES,
    *moderators.ROUTES,
    *account.ROUTES,
)
