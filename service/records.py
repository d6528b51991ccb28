"""All nouns, in the order data flows: data only, no behaviour beyond reading oneself.

Times are integer milliseconds since the Unix epoch in UTC; the API writes them as RFC 3339.
What Redis keeps is encoded as a MessagePack array, so stored records grow at the end only and every
new field has a default (release N reads what release N + 1 wrote).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

Status = Literal["pending", "approved", "rejected", "spam", "erased"]
"""Where a comment stands."""

Outcome = Literal["approve", "hold", "spam", "reject"]
"""What the machine concludes (a verdict)."""

Action = Literal["approve", "reject", "spam"]
"""What a human concludes (a decision)."""

Role = Literal["admin", "moderator", "viewer"]

STATUSES: Final[tuple[Status, ...]] = ("pending", "approved", "rejected", "spam", "erased")
QUEUES: Final[tuple[Status, ...]] = ("pending", "approved", "rejected", "spam")

STATUS_OF_OUTCOME: Final[dict[Outcome, Status]] = {
    "approve": "approved",
    "hold": "pending",
    "spam": "spam",
    "reject": "rejected",
}
STATUS_OF_ACTION: Final[dict[Action, Status]] = {
    "approve": "approved",
    "reject": "rejected",
    "spam": "spam",
}


# ---------------------------------------------------------------------------- submit


def _said(description: str, **limits: Any) -> Meta:
    """What the API's document says of a field; its rules are enforced in `pipeline/fields`."""
    return Meta(description=description, extra_json_schema=limits)


class Submission(Struct, forbid_unknown_fields=True, kw_only=True):
    """One comment as a website posts it (the body of `POST /v1/comments`)."""

    page: Annotated[str, _said("The page's URL.", maxLength=2048)]
    name: Annotated[str, _said("Who writes.", minLength=1, maxLength=80)]
    email: Annotated[str, _said("Never published.", format="email", maxLength=254)]
    body: Annotated[str, _said("The comment, as plain text.", minLength=1, maxLength=10_000)]
    site: Annotated[str | None, _said("The site's id; implied by a site's key.")] = None
    page_title: Annotated[str | None, _said("The page's title.", maxLength=300)] = None
    parent: Annotated[str | None, _said("The id of the comment this one answers.")] = None
    url: Annotated[str | None, _said("The author's own page.", format="uri", maxLength=2048)] = None
    ip: Annotated[str | None, _said("Where it came from; not with a publishable key.")] = None
    user_agent: Annotated[str | None, _said("As the ip.", maxLength=512)] = None
    referrer: Annotated[str | None, _said("As the ip.", maxLength=2048)] = None
    locale: Annotated[str | None, _said("BCP 47, such as en-GB.", maxLength=35)] = None
    created_at: Annotated[
        str | None, _said("When it was written, if not now.", format="date-time")
    ] = None
    elapsed_ms: Annotated[int | None, _said("Milliseconds the form was open.", minimum=0)] = None
    honeypot: Annotated[
        str | None, _said("A field hidden from people: only robots fill it.", maxLength=1000)
    ] = None
    metadata: Annotated[
        dict[str, Any] | None, _said("Whatever the website wants to keep with it; at most 2 kB.")
    ] = None
    test: Annotated[
        bool, _said("Goes the whole way, but is never published and teaches nothing.")
    ] = False


class Draft(Struct, kw_only=True, frozen=True):
    """A submission that passed validation: trimmed, canonical, every field of its final type."""

    page: str
    name: str
    email: str
    body: str
    page_title: str = ""
    names_page: bool = True
    """Whether the title may become the page's own; never where a visitor sent it."""
    parent: str | None = None
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    referrer: str = ""
    locale: str = ""
    created_at: int | None = None
    elapsed_ms: int | None = None
    honeypot: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    test: bool = False


class FieldError(Struct, frozen=True):
    """What is wrong with one field: an RFC 6901 pointer, a stable code, a sentence."""

    pointer: str
    code: str
    detail: str


# ----------------------------------------------------------------------------- score


class Signal(Struct, frozen=True):
    """One observation about a comment that is not a model score; `strength` is 0 to 1."""

    code: str
    strength: float
    detail: str
    spans: tuple[tuple[int, int], ...] = ()


class Scored(Struct, frozen=True):
    """What the checks found: `scores` is None when no model could be asked."""

    scores: dict[str, float] | None
    signals: tuple[Signal, ...] = ()
    links: int = 0
    fingerprint: str = ""
    folded: str = ""
    model: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    """What did not run as it should: check → why (`pipeline/checks`)."""


# ---------------------------------------------------------------------------- decide


class Reason(Struct, frozen=True, omit_defaults=True):
    """Why a verdict is what it is; a shadow reason only says what a rule would have done."""

    code: str
    detail: str
    outcome: Outcome = "hold"
    score: float | None = None
    spans: tuple[tuple[int, int], ...] = ()
    shadow: bool = False


class Verdict(Struct, frozen=True, omit_defaults=True):
    """The machine's conclusion on one comment under one version of the policy."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    policy_version: int
    model: str
    priority: int = 4
    """0 (look at this first) to 9."""
    hidden: bool = False
    """True for a shadow ban: the author keeps seeing `pending`."""
    checks: dict[str, str] = field(default_factory=dict)
    """Which checks did not run, and why: `{"second_stage": "late"}`; `pipeline/checks.told` says
    it of every check."""


class AuthorRecord(Struct, frozen=True):
    """How an author's comments on this site stand, and how the recent ones were judged."""

    pending: int = 0
    approved: int = 0
    rejected: int = 0
    spam: int = 0
    recent_approved: int = 0
    recent_refused: int = 0
    first_at: int | None = None


class Ban(Struct, frozen=True, kw_only=True):
    """Somebody or somewhere this site does not want to hear from.

    For the kinds `author` and `address` the value is the author's id (a keyed hash), never the
    address itself; `label` is what moderators see.
    """

    id: str
    kind: Literal["author", "address", "domain", "ip", "cidr"]
    value: str
    outcome: Literal["hold", "spam", "reject"] = "reject"
    shadow: bool = False
    """A shadow ban: refused, but its author is told `pending`."""
    label: str = ""
    reason: str = ""
    created_at: int = 0
    created_by: str = ""
    expires_at: int | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """All that `decide` may look at; gathered beforehand so that deciding is pure."""

    draft: Draft
    scored: Scored
    author: AuthorRecord = AuthorRecord()
    bans: tuple[Ban, ...] = ()
    """Those of the site's bans that match this comment."""
    same_text: int = 0
    """Comments with the same folded text on this site in the policy's window."""
    page_first_at: int | None = None
    now: int = 0


# ---------------------------------------------------------------------------- policy

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Strict = Literal["hold", "spam", "reject"]


class Threshold(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """From which score on a label leads to which outcome; None = never."""

    hold: Share | None = None
    spam: Share | None = None
    reject: Share | None = None
    shadow: bool = False


class AuthorRule(Struct, forbid_unknown_fields=True, frozen=True):
    """Trust in authors: the first `hold_first` comments wait for a human."""

    hold_first: Annotated[int, Meta(ge=0, le=100)] = 1
    """Hold until the author has this many approved comments; 0 = never."""
    known_after: Annotated[int, Meta(ge=1, le=1000)] = 3
    """From this many approved comments (and none refused lately) an author is known."""
    known_margin: Share = 0.1
    """How much higher a score a known author may have before a hold."""
    shadow: bool = False


class RejectionRule(Struct, forbid_unknown_fields=True, frozen=True):
    """Hold authors whose recent comments were mostly refused."""

    enabled: bool = True
    above: Share = 0.5
    days: Annotated[int, Meta(ge=1, le=365)] = 30
    at_least: Annotated[int, Meta(ge=1, le=1000)] = 2
    """Judged comments in the window before the rate means anything."""
    shadow: bool = False


class LinkRule(Struct, forbid_unknown_fields=True, frozen=True):
    """More than `max` links lead to `outcome`."""

    max: Annotated[int, Meta(ge=0, le=100)] | None = 2
    outcome: Strict = "hold"
    shadow: bool = False


class RepeatRule(Struct, forbid_unknown_fields=True, frozen=True):
    """The same text again, by whomever, within `hours`."""

    max: Annotated[int, Meta(ge=1, le=1000)] | None = 5
    """How many comments of one text are fine, the new one included; None = any number."""
    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    outcome: Strict = "hold"
    shadow: bool = False


class Switch(Struct, forbid_unknown_fields=True, frozen=True):
    """A rule that is on or off."""

    enabled: bool = True
    outcome: Strict = "hold"
    shadow: bool = False


class ClosingRule(Struct, forbid_unknown_fields=True, frozen=True):
    """A page closes to new comments this many days after its first one; None = never."""

    days: Annotated[int, Meta(ge=1, le=36500)] | None = None
    outcome: Strict = "reject"
    shadow: bool = False


class SignalRule(Struct, forbid_unknown_fields=True, frozen=True):
    """From which strength on a signal (or all signals below a prefix) counts."""

    hold: Share | None = None
    spam: Share | None = None
    reject: Share | None = None
    shadow: bool = False


class WordEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """One line of a word list.

    `exact`: the characters anywhere; `word`: whole words; `wildcard`: `*` stands for any run of
    letters or digits within a word.
    """

    text: Annotated[str, Meta(min_length=1, max_length=200)]
    match: Literal["exact", "word", "wildcard"] = "word"
    outcome: Strict = "hold"
    shadow: bool = False


class AllowEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """Words that make a block-list hit inside them void (`press` in `WordPress`)."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]
    match: Literal["exact", "word", "wildcard"] = "word"


class PatternEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """An RE2 pattern on the text as readers see it."""

    pattern: Annotated[str, Meta(min_length=1, max_length=512)]
    outcome: Strict = "hold"
    detail: Annotated[str, Meta(max_length=200)] = ""
    shadow: bool = False


class Limits(Struct, forbid_unknown_fields=True, frozen=True):
    """Bounds a site may tighten."""

    body_max: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    """Characters."""
    per_reader: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Comments a minute that web pages send: from one address, by one author, to one page; and all
    that anybody sends to the site. None = the installation's."""
    per_author: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    per_page: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    per_site: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Policy(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One site's rules as one document; every saved version is kept."""

    version: int = 1
    thresholds: dict[str, Threshold] = field(
        default_factory=lambda: {
            "spam": Threshold(hold=0.5, spam=0.9),
            "toxicity": Threshold(hold=0.6),
            "severe_toxicity": Threshold(hold=0.4),
            "identity_attack": Threshold(hold=0.5),
            "insult": Threshold(hold=0.6),
            "profanity": Threshold(hold=0.7),
            "threat": Threshold(hold=0.4),
            "sexually_explicit": Threshold(hold=0.6),
        }
    )
    authors: AuthorRule = AuthorRule()
    rejection_rate: RejectionRule = RejectionRule()
    links: LinkRule = LinkRule()
    same_text: RepeatRule = RepeatRule()
    disposable_email: Switch = Switch()
    closing: ClosingRule = ClosingRule()
    signals: dict[str, SignalRule] = field(
        default_factory=lambda: {
            "honeypot": SignalRule(spam=0.5),
            "elapsed": SignalRule(hold=0.5),
            "links": SignalRule(hold=0.8),
            "obfuscation": SignalRule(hold=0.8),
            "praise": SignalRule(hold=0.8),
        }
    )
    block: Annotated[tuple[WordEntry, ...], Meta(max_length=5_000)] = ()
    allow: Annotated[tuple[AllowEntry, ...], Meta(max_length=5_000)] = ()
    patterns: Annotated[tuple[PatternEntry, ...], Meta(max_length=500)] = ()
    limits: Limits = Limits()


# --------------------------------------------------------------------------- enqueue


class Comment(Struct, array_like=True, kw_only=True):
    """The immutable part of a stored comment; an edit replaces it as a new version.

    Holds no e-mail address and no IP: those are in the author's record and in `private`, encrypted.
    """

    schema: int = 1
    id: str
    site: str
    page: str
    author: str
    name: str
    body: str
    created_at: int
    verdict: Verdict
    scores: dict[str, float] | None = None
    url: str = ""
    page_title: str = ""
    parent: str | None = None
    locale: str = ""
    submitted_at: int = 0
    fingerprint: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    test: bool = False
    edited_at: int | None = None
    imported: bool = False
    appeal: str = ""
    """Why its author wants it looked at again; '' = no appeal."""


class Private(Struct, array_like=True, kw_only=True):
    """What only moderators with the right to see it may read; stored encrypted."""

    ip: str = ""
    user_agent: str = ""
    referrer: str = ""
    elapsed_ms: int | None = None
    honeypot: str = ""


class Entry(Struct, omit_defaults=True, kw_only=True):
    """One step in a comment's history: who, when, what, why."""

    version: int
    at: int
    actor: str
    action: Literal[
        "submit", "edit", "approve", "reject", "spam", "undo", "appeal", "rescore", "erase"
    ]
    before: Status | None = None
    after: Status
    reason: str = ""
    note: str = ""
    operation: str = ""
    replaced: bytes = b""
    """On an edit or an appeal: the comment's previous immutable part."""
    displaced: Entry | None = None
    """On a decision: the one that stood before it, which its undo brings back."""


class Lease(Struct, frozen=True):
    """A claim on a pending comment: courtesy, never authority."""

    id: str
    holder: str
    token: str
    expires_at: int


class StoredComment(Struct, kw_only=True):
    """A comment with its mutable part, as read from the store."""

    comment: Comment
    status: Status
    version: int
    decision: Entry | None = None
    lease: Lease | None = None


class Label(Struct, array_like=True, kw_only=True):
    """What somebody said of a text, for the model to learn from."""

    text: str
    labels: dict[str, float]
    """Label → 0 to 1: how sure they were that it applies; what is absent was not judged."""
    source: str
    """Through which door it came: `perspective`, `akismet`, …"""
    actor: str = ""
    at: int = 0
    language: str = ""


# --------------------------------------------------------------------- sites and keys

SiteId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]


Days = Annotated[int, Meta(ge=1, le=36_500)]


class Retention(Struct, forbid_unknown_fields=True, frozen=True):
    """How many days what is kept; None = for ever."""

    refused_days: Days | None = 30
    """Texts and names of rejected comments and spam."""
    approved_days: Days | None = None
    """Texts and names of approved comments."""
    private_days: Days | None = 30
    """IP addresses, user agents and referrers, of every comment."""
    audit_days: Days | None = 400
    """Audit entries."""


class Site(Struct, kw_only=True):
    """A website that posts comments."""

    id: str
    number: int
    """Part of every id the site's comments get, so that an id tells its site."""
    name: str = ""
    origins: tuple[str, ...] = ()
    created_at: int = 0
    akismet_queue: bool = False
    """Whether comments that Akismet's clients ask about enter the queues, too."""
    retention: Retention = Retention()


class ApiKey(Struct, kw_only=True):
    """What is stored of a key: everything but the key."""

    id: str
    kind: Literal["publishable", "secret", "compat", "personal", "admin"]
    site: str = ""
    """Empty: the installation."""
    label: str = ""
    scopes: tuple[str, ...] = ()
    created_at: int = 0
    expires_at: int | None = None
    moderator: str = ""
    hint: str = ""
    """The last four characters, to tell keys apart."""


class Moderator(Struct, kw_only=True):
    """A person who reviews; `sites` empty = every site (admins only)."""

    id: str
    name: str
    email: str
    role: Role
    sites: tuple[str, ...] = ()
    created_at: int = 0
    disabled: bool = False


class Credential(Struct, kw_only=True, frozen=True):
    """Who is calling, and what they may do."""

    kind: Literal["publishable", "secret", "compat", "personal", "admin"]
    id: str
    scopes: frozenset[str]
    sites: frozenset[str] | None = None
    """None = every site."""
    role: Role | None = None
    expires_at: int | None = None

    @property
    def actor(self) -> str:
        """How history and audit name the caller."""
        return f"{self.kind}:{self.id}"
