"""The only place that spells a Redis key: each with its type, lifetime and meaning.

All keys of one site share the hash tag `{site}`, so that every script works on one slot.
"""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400
IDEMPOTENCY_S: Final = 7 * DAY_S
"""How long a submission or decision is replayed instead of applied again."""
STATS_S: Final = 8 * DAY_S
CHECKING_S: Final = 3600
"""How often all data are checked."""
ERASURE_S: Final = 400 * DAY_S
"""How long it is known that an author was erased."""
CALLBACK_S: Final = 60 * DAY_S
"""How long a website that was told a verdict is told of its change."""
USAGE_S: Final = 400 * DAY_S
"""Thirteen months."""

SITES: Final = "w:sites"
"""hash, for ever: site id → site number. A registry, rebuilt from the sites' own configurations."""
SITE_NUMBERS: Final = "w:site-numbers"
"""hash, for ever: site number → site id. Numbers are never used again."""
SITE_COUNTER: Final = "w:site-counter"
"""string, for ever: the last site number given."""
SITES_DELETING: Final = "w:sites-deleting"
"""set, until they are gone: ids of sites whose deletion has begun."""
MODERATORS: Final = "w:moderators"
"""hash, for ever: moderator id → Moderator (MessagePack)."""
LOGIN_NAMES: Final = "w:login-names"
"""hash, for ever: hash of an address that signs in with a password → moderator id."""
INSTALLATION_KEYS: Final = "w:installation-keys"
"""set, for ever: digests of keys that belong to no site."""
WEBHOOK_SITES: Final = "w:webhook-sites"
"""set, for ever: ids of sites that have webhooks. A registry, rebuilt from the sites' own sets."""
KEYS_USED: Final = "w:keys-used"
"""hash, for ever: digest of a key → when it was last used, in ms, to the hour."""
REWRITE_WANTED: Final = "w:rewrite-wanted"
"""string, for ever: how many erasures the append-only file was not rewritten after."""
REWRITE_PAUSE: Final = "w:rewrite-pause"
"""string, 1 h: the append-only file was rewritten a short while ago, or is being rewritten."""
SECRET_MARK: Final = "w:secret-mark"  # noqa: S105 (a key of Redis, no secret)
"""string, for ever: how this data is sealed, and a keyed hash that tells under which secret."""
CHECKING: Final = "w:checking"
"""string, 1 h: a worker began to check all data a short while ago, in ms."""
BOOTSTRAPPED: Final = "w:bootstrapped"
"""string, for ever: the first start has made its keys."""
PROBE: Final = "w:probe"
"""string, for ever: overwritten by the readiness probe."""


def confirmation(tag: str) -> str:
    """string, 60 s: written last in a batch that replicas or a disk must confirm."""
    return f"w:confirm:{{{tag}}}"


def api_key(digest: str) -> str:
    """hash, until revoked: ApiKey under the SHA-256 of the key."""
    return f"w:key:{digest}"


def sign_in(digest: str) -> str:
    """string, 24 h, one use: moderator id under the SHA-256 of a console sign-in token."""
    return f"w:sign-in:{digest}"


def session(digest: str) -> str:
    """hash, 12 h at most: a console session under the SHA-256 of its cookie."""
    return f"w:session:{digest}"


def sessions_of(moderator: str) -> str:
    """set, 12 h: digests of a moderator's sessions, for listing; ended ones may still be in it."""
    return f"w:sessions:{moderator}"


def login(moderator: str) -> str:
    """hash, for ever: `password` (argon2id), `codes` and `offered` (secrets of one-time codes), all
    encrypted, and `generation`, which every session of this moderator must carry."""
    return f"w:login:{moderator}"


def used_code(moderator: str, step: int) -> str:
    """string, 5 min: a one-time code was used."""
    return f"w:code:{moderator}:{step}"


def bucket(kind: str, name: str, site: str = "") -> str:
    """string, PX: the theoretical arrival time of a rate limit's next token (GCRA); the buckets of
    one request share a hash tag: its site's, or `{w}` for those of the installation."""
    return f"w:rate:{{{site or 'w'}}}:{kind}:{name}"


class SiteKeys:
    """The keys of one site."""

    __slots__ = ("_prefix", "site")

    def __init__(self, site: str) -> None:
        self.site = site
        self._prefix = f"w:{{{site}}}:"

    def config(self) -> str:
        """hash, for ever: `version`, `site`, `policy`: what every submission is decided under."""
        return self._prefix + "config"

    def policies(self) -> str:
        """hash, for ever: policy version → Policy (JSON); every version is kept."""
        return self._prefix + "policies"

    def bans(self) -> str:
        """hash, for ever: ban id → Ban (MessagePack)."""
        return self._prefix + "bans"

    def api_keys(self) -> str:
        """set, for ever: digests of the site's keys, for listing."""
        return self._prefix + "keys"

    def comment(self, comment_id: str) -> str:
        """hash, for ever: `b` Comment, `s` status, `v` version, `q` place in the pending queue,
        `d` last decision (Entry), `p` private part, under its author's key, `i` names the
        idempotency record of its submission."""
        return f"{self._prefix}c:{comment_id}"

    def history(self, comment_id: str) -> str:
        """list, for ever: entries after the submission, oldest first."""
        return f"{self._prefix}h:{comment_id}"

    def notes(self, comment_id: str) -> str:
        """hash, for ever, 100 at most: note id → Note, under the key of the comment's author;
        written once."""
        return f"{self._prefix}no:{comment_id}"

    def idempotency(self, key_hash: str) -> str:
        """string, 7 d (60 d for one that came through Akismet's door): body hash and answer of a
        submission."""
        return f"{self._prefix}i:{key_hash}"

    def operation(self, key_hash: str) -> str:
        """string, 7 d: result of a decision, so that a retry is answered, never applied again."""
        return f"{self._prefix}o:{key_hash}"

    def many(self, operation: str) -> str:
        """string, 7 d: Operation: which comments, as they were read, one operation is about."""
        return f"{self._prefix}m:{operation}"

    def queue(self, status: str) -> str:
        """zset, for ever: comments of one status; score = priority × 10^13 + ms (see `place`)."""
        return f"{self._prefix}q:{status}"

    def by_page(self, status: str, page_hash: str) -> str:
        """zset, for ever: one page's comments of one status, same score as the queue."""
        return f"{self._prefix}q:{status}:p:{page_hash}"

    def by_author(self, status: str, author: str) -> str:
        """zset, for ever: one author's comments of one status, same score as the queue."""
        return f"{self._prefix}q:{status}:a:{author}"

    def by_reason(self, status: str, code: str) -> str:
        """zset, for ever: comments of one status for one reason, same score as the queue."""
        return f"{self._prefix}q:{status}:r:{code}"

    def leases(self) -> str:
        """zset, for ever: claimed comments; score = expiry in ms on the server's clock."""
        return self._prefix + "leases"

    def holders(self) -> str:
        """hash, for ever: claimed comment → who holds it."""
        return self._prefix + "holders"

    def likeness(self) -> str:
        """hash, for ever: pending comment → its version, simhash, author and network, hashed: what
        campaigns are found by; any change of a comment drops its own."""
        return self._prefix + "likeness"

    def author(self, author: str) -> str:
        """hash, for ever: `key` (the author's own, wrapped), `email` (under that key), `name`,
        `first_at`, and a count per status. Without `key` the author is erased or was never here."""
        return f"{self._prefix}a:{author}"

    def tests_by(self, author: str) -> str:
        """zset, for ever: one author's test comments, which their other indexes leave out."""
        return f"{self._prefix}ta:{author}"

    def labels_by(self, author: str) -> str:
        """set, for ever: names of labelled texts that an author wrote."""
        return f"{self._prefix}la:{author}"

    def erasure(self, author: str) -> str:
        """hash, 400 d: how the erasure of an author stands: `status`, `asked_at`, `finished_at`,
        `comments` (how many it erased), `by` and `token` (names the last time it was asked for)."""
        return f"{self._prefix}er:{author}"

    def erasures(self) -> str:
        """zset, 400 d: the erasure list: authors that were erased; score = when asked, in ms."""
        return self._prefix + "erasures"

    def erasing(self) -> str:
        """set, until it is done: authors whose erasure has begun."""
        return self._prefix + "erasing"

    def retention(self) -> str:
        """hash, for ever: where the walk that takes out what was kept long enough stands: `status`,
        `score` and `id` of the last comment seen, `walked_at`."""
        return self._prefix + "retention"

    def page(self, page_hash: str) -> str:
        """hash, for ever: `url`, `title`, `first_at` (its oldest comment), and `rev`, which rises
        with every change of the published thread."""
        return f"{self._prefix}p:{page_hash}"

    def text(self, fingerprint: str) -> str:
        """string, the policy's window: how many comments had this folded text."""
        return f"{self._prefix}t:{fingerprint}"

    def labels(self) -> str:
        """hash, for ever, 100,000 at most: name of a text → Label, encrypted."""
        return self._prefix + "labels"

    def labels_order(self) -> str:
        """zset, for ever: names of labelled texts; score = when, in ms."""
        return self._prefix + "labels-order"

    def signing(self) -> str:
        """hash, for ever: who sends → the secrets they sign with, encrypted."""
        return self._prefix + "signing"

    def usage(self, month: str) -> str:
        """hash, 400 d: what came of it and the host that asked, with a space in between → how
        often in one month (`2026-11`)."""
        return f"{self._prefix}u:{month}"

    def callback(self, comment_id: str) -> str:
        """string, 60 d: Callback: what a website was last told of a comment, and where it wants to
        hear of a change; under the key of the comment's author."""
        return f"{self._prefix}cb:{comment_id}"

    def callbacks_due(self) -> str:
        """zset, until told: comments whose website may have to hear of a change; score = ms."""
        return self._prefix + "callbacks-due"

    def callbacks_cursor(self) -> str:
        """string, for ever: the last event that was looked at for callbacks; absent: no comment
        here has one."""
        return self._prefix + "callbacks-cursor"

    def events(self) -> str:
        """stream, 7 d at least: the outbox, one entry per fact, no personal data."""
        return self._prefix + "events"

    def audit(self) -> str:
        """stream, append-only, 400 d: decisions without their texts, each with the hash of the one
        before."""
        return self._prefix + "audit"

    def audit_base(self) -> str:
        """string, for ever: hash of the newest audit entry that is not kept any more; the chain
        begins with it."""
        return self._prefix + "audit-base"

    def audit_head(self) -> str:
        """string, for ever: hash of the newest audit entry."""
        return self._prefix + "audit-head"

    def latencies(self) -> str:
        """list, newest 1,000: milliseconds from submission to a human's decision."""
        return self._prefix + "latencies"

    def stats(self, hour: int) -> str:
        """hash, 8 d: what happened in one hour since the epoch: `submitted`, `held`, `decided`; the
        first and the last also by status (`decided_spam`); `waited_N` counts times to decide by
        size; `depth_N` is the pending queue at five-minute mark N: how many, the oldest's time."""
        return f"{self._prefix}n:{hour}"

    def webhooks(self) -> str:
        """set, for ever: ids of the endpoints that events are sent to."""
        return self._prefix + "webhooks"

    def webhook(self, endpoint: str) -> str:
        """hash, until deleted: `url`, `events`, `created_at`, `secret` and `old_secret`, encrypted,
        `old_until`, `paused`, `disabled` (why), `disabled_at`, `failing_since`, `cursor` (the last
        event put into the queue), `missed_until` (events before it may be lost)."""
        return f"{self._prefix}e:{endpoint}"

    def deliveries(self, endpoint: str) -> str:
        """hash, until deleted: delivery id → Delivery (MessagePack), of all the sets below."""
        return f"{self._prefix}e:{endpoint}:all"

    def waiting_deliveries(self, endpoint: str) -> str:
        """zset, until deleted: what is not delivered yet; score = the event's time in ms."""
        return f"{self._prefix}e:{endpoint}:waiting"

    def due_deliveries(self, endpoint: str) -> str:
        """zset, until deleted: of these, those no worker has; score = next attempt, in ms."""
        return f"{self._prefix}e:{endpoint}:due"

    def leased_deliveries(self, endpoint: str) -> str:
        """zset, until deleted: of these, those a worker sends; score = the lease's end, in ms."""
        return f"{self._prefix}e:{endpoint}:leased"

    def delivered(self, endpoint: str) -> str:
        """zset, newest 1,000: what was delivered; score = when, in ms."""
        return f"{self._prefix}e:{endpoint}:delivered"

    def dead_letters(self, endpoint: str) -> str:
        """zset, 30 d: what was given up; score = when, in ms."""
        return f"{self._prefix}e:{endpoint}:dead"

    def prefix(self) -> str:
        """What every key of the site starts with; for deleting a site and for the checker."""
        return self._prefix


BAND: Final = 10_000_000_000_000
"""One priority band of a queue's score: 10^13 ms is the year 2286; nine bands stay below 2^53."""


def place(priority: int, at_ms: int) -> int:
    """A comment's score in a queue: looked at first by priority (0..9), then by age."""
    return priority * BAND + at_ms
