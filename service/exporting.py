"""A site's comments as WordPress WXR 1.2: one item per page, its comments in it.

Other systems read this format, WordPress itself first of all. Decisions, edits, locales, referrers
and metadata have no place in it; JSON lines (`service.transfer`) hold everything.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from service.ids import number_within
from service.store import Store
from service.transfer import Line, lines

AT_ONCE: Final = 500
"""Comments in one insertion."""

_APPROVED: Final = {"approved": "1", "pending": "0", "spam": "spam", "rejected": "trash"}
"""`comment_approved` by status."""
_UNFIT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, however it is written."""
_ORIGIN: Final = re.compile(r"https?://[^/?#]+")

_TABLES: Final = (
    "CREATE TABLE comment (id TEXT PRIMARY KEY, number INTEGER, parent TEXT, page TEXT, "
    "at INTEGER, line BLOB)",
    "CREATE TABLE numbered (id TEXT PRIMARY KEY, number INTEGER)",
)
_PAGES: Final = "SELECT page, min(at) FROM comment GROUP BY page ORDER BY min(at), page"
_ON_PAGE: Final = (
    "SELECT line, numbered.number, above.number FROM comment "
    "JOIN numbered ON numbered.id = comment.id "
    "LEFT JOIN numbered AS above ON above.id = comment.parent "
    "WHERE page = ? ORDER BY numbered.number"
)
_CHANCE_BITS: Final = 21
"""With a date in ms in front: a number below 2**63."""

_BEGINNING: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"
  xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
  xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:wp="http://wordpress.org/export/1.2/">
<channel>
<title>{site}</title>
<link>{origin}</link>
<description></description>
<wp:wxr_version>1.2</wp:wxr_version>
<wp:base_site_url>{origin}</wp:base_site_url>
<wp:base_blog_url>{origin}</wp:base_blog_url>
"""
_ITEM: Final = """\
<item>
<title>{title}</title>
<link>{link}</link>
<pubDate>{published}</pubDate>
<dc:creator>{site}</dc:creator>
<guid isPermaLink="false">{link}</guid>
<description></description>
<content:encoded></content:encoded>
<excerpt:encoded></excerpt:encoded>
<wp:post_id>{number}</wp:post_id>
<wp:post_date>{date}</wp:post_date>
<wp:post_date_gmt>{date}</wp:post_date_gmt>
<wp:comment_status>open</wp:comment_status>
<wp:ping_status>closed</wp:ping_status>
<wp:post_name></wp:post_name>
<wp:status>publish</wp:status>
<wp:post_parent>0</wp:post_parent>
<wp:menu_order>0</wp:menu_order>
<wp:post_type>post</wp:post_type>
<wp:post_password></wp:post_password>
<wp:is_sticky>0</wp:is_sticky>
"""
_COMMENT: Final = """\
<wp:comment>
<wp:comment_id>{number}</wp:comment_id>
<wp:comment_author>{name}</wp:comment_author>
<wp:comment_author_email>{email}</wp:comment_author_email>
<wp:comment_author_url>{url}</wp:comment_author_url>
<wp:comment_author_IP>{ip}</wp:comment_author_IP>
<wp:comment_date>{date}</wp:comment_date>
<wp:comment_date_gmt>{date}</wp:comment_date_gmt>
<wp:comment_content>{body}</wp:comment_content>
<wp:comment_approved>{approved}</wp:comment_approved>
<wp:comment_type>comment</wp:comment_type>
<wp:comment_parent>{parent}</wp:comment_parent>
<wp:comment_user_id>0</wp:comment_user_id>
</wp:comment>
"""


class Piece(NamedTuple):
    """The next bytes of a document, and how many comments are in them."""

    text: bytes
    comments: int = 0


async def export_wxr(store: Store, site: str) -> AsyncIterator[Piece]:
    """A document with every comment of a site, page by page, oldest first.

    The store has comments by status; a temporary database on disk brings those of a page together.
    """
    with (
        tempfile.TemporaryDirectory(prefix="winnow-export-") as folder,
        closing(sqlite3.connect(Path(folder) / "comments")) as database,
    ):
        await _gather(store, site, database)
        for piece in _document(database, site):
            yield piece


async def _gather(store: Store, site: str, database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = off")  # it does not outlive this export
    database.execute("PRAGMA synchronous = off")
    for table in _TABLES:
        database.execute(table)
    encode = msgspec.json.Encoder().encode
    rows: list[tuple[object, ...]] = []
    async for line in lines(store, site):
        at = line.created_at or 0
        rows.append((line.id, _number(line.id, at), line.parent, line.page, at, encode(line)))
        if len(rows) == AT_ONCE:
            _insert(database, rows)
            rows = []
    _insert(database, rows)
    database.execute("CREATE INDEX by_number ON comment (number)")
    database.execute("CREATE INDEX by_page ON comment (page, at)")
    database.executemany("INSERT INTO numbered VALUES (?, ?)", _rising(database))


def _number(comment_id: str, at: int) -> int:
    """A comment's number: the same in every export, and higher than that of what it answers.

    WordPress inserts comments by number and ties an answer only to what it has inserted already.
    """
    return at << _CHANCE_BITS | number_within(comment_id) % (1 << _CHANCE_BITS)


def _rising(database: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Every comment's number, none twice."""
    last = 0
    for comment_id, number in database.execute("SELECT id, number FROM comment ORDER BY 2, 1"):
        last = max(number, last + 1)
        yield comment_id, last


def _insert(database: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    # A comment that changes its status meanwhile may come twice.
    database.executemany("INSERT OR REPLACE INTO comment VALUES (?, ?, ?, ?, ?, ?)", rows)


def _document(database: sqlite3.Connection, site: str) -> Iterator[Piece]:
    pages = database.execute(_PAGES).fetchall()
    found = _ORIGIN.match(pages[0][0]) if pages else None
    yield Piece(_BEGINNING.format(site=site, origin=found[0] if found else "").encode())
    for page, first_at in pages:
        yield from _item(database, site, page, first_at)
    yield Piece(b"</channel>\n</rss>\n")


def _item(database: sqlite3.Connection, site: str, page: str, first_at: int) -> Iterator[Piece]:
    begun = False
    for encoded, number, parent in database.execute(_ON_PAGE, [page]):
        line = msgspec.json.decode(encoded, type=Line)
        if not begun:
            yield Piece(_beginning(site, line, first_at).encode())
            begun = True
        yield Piece(_comment(line, number, parent or 0).encode(), 1)
    yield Piece(b"</item>\n")


def _beginning(site: str, line: Line, first_at: int) -> str:
    """An item up to its comments; the date of its page is that of the first one."""
    digest = hashlib.blake2b(line.page.encode(), digest_size=6).digest()
    return _ITEM.format(
        title=_text(line.page_title or line.page),
        link=escape(line.page),
        published=format_datetime(datetime.fromtimestamp(first_at // 1000, UTC)),
        site=site,
        number=int.from_bytes(digest),
        date=_date(first_at),
    )


def _comment(line: Line, number: int, parent: int) -> str:
    return _COMMENT.format(
        number=number,
        name=_text(line.name),
        email=_text(line.email),
        url=escape(line.url),
        ip=line.ip,
        date=_date(line.created_at or 0),
        body=_text(line.body),
        approved=_APPROVED[line.status],
        parent=parent,
    )


def _text(text: str) -> str:
    """Text as WordPress keeps it, with entities, inside CDATA, where only `]]>` is special."""
    kept = escape(_UNFIT.sub("", text), quote=False)
    return f"<![CDATA[{kept}]]>" if kept else ""


def _date(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}"
