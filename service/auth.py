"""Who is calling and what they may do: keys, scopes, sites, origins."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, get_args
from urllib.parse import urlsplit

from service.errors import Forbidden, NotFound, OriginNotAllowed, Unauthenticated, invalid
from service.ids import site_number_of
from service.records import ApiKey, Credential, Moderator, Role, Site
from service.store import Store
from service.store.api_keys import digest

Scope = Literal[
    "submit",
    "read",
    "threads",
    "decide",
    "queues",
    "score",
    "events",
    "webhooks",
    "erase",
    "admin",
    "doors",
]

SCOPES: Final[dict[str, frozenset[str]]] = {
    "publishable": frozenset({"submit", "threads"}),
    "secret": frozenset(
        {
            *("submit", "threads", "read", "decide", "queues", "score", "events", "webhooks"),
            *("erase", "doors"),
        }
    ),
    "compat": frozenset({"doors"}),
    "personal": frozenset({"read", "threads", "queues"}),
    "admin": frozenset(get_args(Scope)),
}
"""What each kind of key may do; a key's own scopes can only be fewer."""

ROLE_SCOPES: Final[dict[str, frozenset[str]]] = {
    "viewer": frozenset(),
    "moderator": frozenset({"decide", "score"}),
    "admin": frozenset({"decide", "score", "events", "webhooks", "erase", "admin"}),
}
"""What a moderator's role adds to a personal token, on the sites of the role."""

FRESH_S: Final = 0.5
"""How long a key is trusted without asking the store: a revoked key ends within a second."""
REMEMBERED_S: Final = 3600.0
"""How long a key is remembered for callers who may be answered while the store is away."""
_CACHE: Final = 4096
HOUR_MS: Final = 3_600_000
"""How exactly it is known when a key was last used: bounds the writes this causes."""


class Strangers(Protocol):
    """What limits how many unknown keys one network may try."""

    def admits_strangers(self) -> None:
        """Raises `Throttled` where the caller has tried too many; asks nobody."""

    async def wrong_key(self) -> None:
        """Counts one; raises `Throttled` where it is one too many."""


class Gate:
    """Turns keys into credentials and checks what these may do."""

    def __init__(
        self,
        store: Store,
        admin_key: str,
        strangers: Strangers,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._admin_key = admin_key.encode()
        self._strangers = strangers
        self._monotonic = monotonic
        self._known: dict[str, tuple[Credential, float]] = {}
        self._used: dict[str, int] = {}
        """Digest of a key → the hour in which this process last noted its use."""
        self._numbers: dict[int, str] = {}

    async def credential(self, authorization: str, now: int) -> Credential:
        """The caller behind an `Authorization` header; `now` in ms.

        Raises:
            Unauthenticated: no key, or one that is unknown, revoked or expired.
            Throttled: the caller has tried too many unknown keys.
        """
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated("Send the key as 'Authorization: Bearer …'.")
        return await self.key(key.strip(), now)

    async def key(self, key: str, now: int) -> Credential:
        """The caller behind a key.

        Raises:
            Unauthenticated: as above.
        """
        held = self._known.get(key)
        if held and self._monotonic() - held[1] < FRESH_S:
            credential = held[0]
        else:
            credential = await self._find(key, now)
            if len(self._known) >= _CACHE:
                self._known.clear()
            self._known[key] = credential, self._monotonic()
        if credential.expires_at is not None and credential.expires_at <= now:
            raise Unauthenticated("This key has expired.")
        return credential

    def last_known(self, key: str, now: int) -> Credential | None:
        """The caller behind a key as this process last saw them, while the store is away."""
        credential, seen = self._known.get(key, (None, 0.0))
        if credential is None or self._monotonic() - seen > REMEMBERED_S:
            return None
        alive = credential.expires_at is None or credential.expires_at > now
        return credential if alive else None

    async def _find(self, key: str, now: int) -> Credential:
        if self._admin_key and hmac.compare_digest(self._admin_key, key.encode()):
            return Credential(kind="admin", id="settings", scopes=SCOPES["admin"])
        if key not in self._known:
            self._strangers.admits_strangers()
        record = await self._store.api_keys.find(key)
        if record is None:
            self._known.pop(key, None)
            await self._strangers.wrong_key()
            raise Unauthenticated("This key is not known here, or has been revoked.")
        self._note_use(key, now)
        if record.kind == "personal":
            return await self._of_moderator(record)
        scopes = SCOPES[record.kind]
        return Credential(
            kind=record.kind,
            id=record.id,
            scopes=scopes & frozenset(record.scopes) if record.scopes else scopes,
            sites=frozenset({record.site}) if record.site else None,
            expires_at=record.expires_at,
        )

    def _note_use(self, key: str, now: int) -> None:
        """Once an hour, beside the request: nobody waits for it and nobody minds if it is lost."""
        name, hour = digest(key), now // HOUR_MS
        if self._used.get(name) == hour:
            return
        if len(self._used) >= _CACHE:
            self._used.clear()
        self._used[name] = hour
        self._store.api_keys.note_use(name, hour * HOUR_MS)

    async def _of_moderator(self, record: ApiKey) -> Credential:
        moderator = await self._store.api_keys.moderator(record.moderator)
        if moderator is None or moderator.disabled:
            raise Unauthenticated("This token's moderator is gone.")
        return credential_of(moderator, expires_at=record.expires_at)

    async def site_of(self, comment_id: str, credential: Credential) -> str:
        """The site of a comment this caller may see.

        Raises:
            NotFound: no such site, or not one of the caller's: the two read the same.
        """
        site = await self.site_named_by(comment_id)
        if site is None or not sees(credential, site):
            raise NotFound("No such comment.")
        return site

    async def site_named_by(self, comment_id: str) -> str | None:
        """The site whose number is inside a comment id."""
        number = site_number_of(comment_id)
        return None if number is None else await self._site_by_number(number)

    async def _site_by_number(self, number: int) -> str | None:
        site = self._numbers.get(number)
        if site is None:
            site = await self._store.sites.by_number(number)
            if site is not None:
                self._numbers[number] = site
        return site

    async def sites(self, credential: Credential) -> list[str]:
        """The sites this caller may see, sorted."""
        there = await self._store.sites.all()
        return [site for site in there if sees(credential, site)]


def credential_of(moderator: Moderator, *, expires_at: int | None = None) -> Credential:
    """What a moderator may do, by token or signed in to the console."""
    return Credential(
        kind="personal",
        id=moderator.id,
        scopes=SCOPES["personal"] | ROLE_SCOPES[moderator.role],
        sites=frozenset(moderator.sites) if moderator.sites else None,
        role=moderator.role,
        expires_at=expires_at,
    )


def rules_over(credential: Credential, moderator: Moderator) -> bool:
    """Whether an admin rules a moderator: one who reviews on the admin's own sites only."""
    if credential.sites is None:
        return True
    return bool(moderator.sites) and credential.sites.issuperset(moderator.sites)


def check_role(credential: Credential, role: Role, sites: Sequence[str], known: list[str]) -> None:
    """Checks that an admin may give somebody this role on these sites; `known` are the admin's.

    Raises:
        Forbidden: it takes an admin of the installation.
        Invalid: a site is missing, or is not the admin's.
    """
    if not sites and role != "admin":
        raise invalid("/sites", "required", "a moderator or viewer needs at least one site")
    if not sites and credential.sites is not None:
        raise Forbidden("This needs an admin key of the installation.")
    for i, site in enumerate(sites):
        if site not in known:
            raise invalid(f"/sites/{i}", "unknown_site", "there is no such site")


def allow(credential: Credential, scope: Scope) -> None:
    """Checks that the caller may do this.

    Raises:
        Forbidden: they may not.
    """
    if scope not in credential.scopes:
        raise Forbidden(f"This {credential.kind} key may not do that (it needs {scope!r}).")


def sees(credential: Credential, site: str) -> bool:
    """Whether the caller's key reaches this site."""
    return credential.sites is None or site in credential.sites


def reach(credential: Credential, site: str) -> None:
    """Checks that the caller's key belongs to this site.

    Raises:
        Forbidden: it belongs to another.
    """
    if not sees(credential, site):
        raise Forbidden("This key does not belong to that site.")


def origin_of(origin: str | None, referer: str | None) -> str | None:
    """The origin a browser sent a request from: `Origin`, else the origin of `Referer`."""
    if origin and origin != "null":
        return origin
    if not referer:
        return None
    try:
        parts = urlsplit(referer)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None


def check_origin(site: Site, origin: str | None, own: str) -> None:
    """Checks where a publishable key is used from; our own pages (`own`) may use every site's.

    Raises:
        OriginNotAllowed: not from a page of this site.
    """
    if origin is None:
        raise OriginNotAllowed(
            "A publishable key works in web pages only: send Origin, or use a secret key."
        )
    if origin != own and origin not in site.origins:
        raise OriginNotAllowed(f"{origin} is not one of the origins of {site.id!r}.")
