"""What part of which queue is looked at: read from the address, and written back into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import urlencode

from msgspec import Struct

from service.errors import Malformed, NotFound
from service.html import page_end
from service.pipeline import fields
from service.pipeline.queues import Ask, Text
from service.pipeline.reasons import LABELS, REASONS
from service.records import QUEUES, Status
from service.services import Services
from service.store.queues import Sort

PAGE_SIZE: Final = 15
TITLES: Final[dict[Status, str]] = {
    "pending": "Pending",
    "approved": "Approved",
    "rejected": "Rejected",
    "spam": "Spam",
}
SORTS: Final[dict[str, str]] = {
    "priority": "Urgent first",
    "oldest": "Oldest first",
    "newest": "Newest first",
}
FILTERS: Final = ("text", "reason", "label", "min", "page", "author", "like")
"""What a queue can be filtered by."""
CHOSEN: Final = ("site", "status", "sort", *FILTERS, "after")
"""What an address of the queue may say."""


class View(Struct, frozen=True):
    """Which part of which queue is looked at."""

    site: str
    status: Status
    sort: Sort
    chosen: dict[str, str]

    def to(self, **changed: str) -> str:
        """The address of this view with something changed; '' takes a choice away."""
        query = {name: value for name, value in (self.chosen | changed).items() if value}
        return f"/console?{urlencode(query)}" if query else "/console"

    def said(self, name: str) -> str:
        """What the address says of something; '' = nothing."""
        return self.chosen.get(name, "")

    @property
    def all(self) -> str:
        """The address of this queue without filters."""
        return self.to(after="", **dict.fromkeys(FILTERS, ""))

    @property
    def query(self) -> str:
        """This view as a query string."""
        return urlencode(self.chosen)

    @property
    def narrowed(self) -> dict[str, str]:
        """What the queue is filtered by."""
        return {name: self.chosen[name] for name in FILTERS if name in self.chosen}

    @property
    def told(self) -> list[tuple[str, str]]:
        """Every filter in words, and the address without it."""
        return [
            (self._worded(name), self._without(name)) for name in self.narrowed if name != "min"
        ]

    def _worded(self, name: str) -> str:
        value, reached = self.said(name), self.said("min")
        match name:
            case "text":
                return f"with “{value}”"
            case "reason":
                return REASONS[value].moderator if value in REASONS else value
            case "label":
                return LABELS[value][1] + (f" at least {reached}" if reached else "")
            case "page":
                return f"on {value}"
            case "like":
                return "that say nearly the same"
            case _:
                return f"by {value}" if "@" in value else "by one author"

    def _without(self, name: str) -> str:
        return self.to(after="", min="") if name == "label" else self.to(after="", **{name: ""})

    def ask(self, services: Services, limit: int = PAGE_SIZE) -> Ask:
        """What to look for in the store.

        Raises:
            Malformed: a filter of the address means nothing.
        """
        author, label, text = self.said("author"), self.said("label"), self.said("text")
        if label not in ("", *LABELS):
            raise Malformed("There is no such label.")
        return Ask(
            status=self.status,
            sort=self.sort,
            limit=limit,
            page=_filed(self.said("page")),
            reason=self.said("reason"),
            author=services.secrets.author_id(self.site, author) if "@" in author else author,
            label=label,
            minimum=_share(self.said("min")) if label else 0.0,
            text=Text.of(text, services.scorer.fold) if text else None,
            after=page_end(self.said("after")),
        )


def view(given: Mapping[str, str], sites: Sequence[str]) -> View:
    """The view an address asks for.

    Raises:
        NotFound: there is no such queue.
    """
    chosen = {name: given[name][:2048] for name in CHOSEN if given.get(name)}
    if not chosen.get("label"):
        chosen.pop("min", None)
    status = next((s for s in QUEUES if s == chosen.get("status", "pending")), None)
    if status is None:
        raise NotFound("There is no such queue.")
    usual = "priority" if status == "pending" else "newest"
    sort = chosen.get("sort", usual)
    if sort not in SORTS or (sort == "priority" and status != "pending"):
        sort = usual
    return View(chosen.get("site", sites[0]), status, cast(Sort, sort), chosen)


def _filed(page: str) -> str:
    try:
        return fields.page(page) if page else ""
    except fields.Wrong as wrong:
        raise Malformed(wrong.detail) from None


def _share(text: str) -> float:
    try:
        number = float(text or 0)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise Malformed("A score is a number from 0 to 1.")
    return number
