"""What a signal is given and what it gives back."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from classifier.links import Link
from classifier.text import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalInput:
    """A submission as the signals see it; everything but the text may be unknown.

    ``honeypot`` is what was typed into the hidden form field, ``elapsed_ms`` the time from
    showing the form to sending it, in milliseconds; ``language`` is the page's (BCP 47).
    """

    text: str
    name: str = ""
    email: str = ""
    url: str = ""
    honeypot: str = ""
    elapsed_ms: int | None = None
    user_agent: str | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something noticed: a code, how strong it is (0..1), why, and where in the text."""

    code: str
    strength: float
    detail: str
    spans: tuple[Span, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Scan:
    """A submission with what several signals need, found once.

    ``lowered`` is the text in lower case, ``folded`` its normal form (``text.fold``), ``words``
    those of the normal form, ``signs`` what may be found at all (``signs``).
    """

    given: SignalInput
    links: tuple[Link, ...]
    lowered: str
    folded: str
    words: list[str]
    signs: Collection[int]


Finding = tuple[float, str, tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the signal table: its code, what it means and the function that looks.

    ``look`` returns strength, detail and spans, or None when there is nothing to report.
    """

    code: str
    sentence: str
    look: Callable[[Scan], Finding | None]
