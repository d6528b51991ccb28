"""A running store, the real command line, and files as other systems write them."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from service.importing.formats import opened

WINNOW = Path(sys.executable).with_name("winnow")

WXR_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- generator="WordPress/6.5" -->
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/{version}/">
<channel><title>Blog</title><link>https://blog.example</link>
<wp:wxr_version>{version}</wp:wxr_version>
"""


def wxr_comment(number, **fields):
    """One comment as WordPress writes it; `meta` is a dict."""
    meta = "".join(
        f"<wp:commentmeta><wp:meta_key>{k}</wp:meta_key>"
        f"<wp:meta_value><![CDATA[{v}]]></wp:meta_value></wp:commentmeta>"
        for k, v in fields.pop("meta", {}).items()
    )
    said = {
        "id": number,
        "author": "<![CDATA[Ann]]>",
        "author_email": "ann@example.org",
        "author_url": "",
        "author_IP": "203.0.113.9",
        "date": "2020-01-02 04:04:05",
        "date_gmt": "2020-01-02 03:04:05",
        "content": f"<![CDATA[Comment {number}]]>",
        "approved": "1",
        "type": "",
        "parent": 0,
        "user_id": 0,
    } | fields
    inside = "\n".join(
        f"<wp:comment_{name}>{value}</wp:comment_{name}>" for name, value in said.items()
    )
    return f"<wp:comment>\n{inside}\n{meta}</wp:comment>\n"


def wxr(*comments, version="1.2", link="https://blog.example/a/", title="<![CDATA[A &amp; B]]>"):
    """A file with one item."""
    return (
        WXR_HEAD.format(version=version)
        + f"<item><title>{title}</title><link>{link}</link>\n<guid>https://blog.example/?p=1</guid>"
        + "<content:encoded><![CDATA[<p>The article</p>]]></content:encoded>"
        + "".join(comments)
        + "</item></channel></rss>\n"
    )


@pytest.fixture
def make_wxr():
    """The functions that write WXR: of a file, of a comment."""
    return wxr, wxr_comment


@pytest.fixture
def read_file(tmp_path):
    """What a file (text, bytes or a path) says: the format's name, and each record shaped."""

    def read(content, form=None):
        path = content
        if not isinstance(content, Path):
            path = tmp_path / "file"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        file, known = opened(str(path), form)
        with file:
            return known.name, [known.shape(raw) for raw in known.read(file)]

    return read


@pytest.fixture
def isso_database(tmp_path):
    """Writes a database like Isso's with the given comments, (tid, id, parent, mode, text, …)."""

    def write(rows):
        path = tmp_path / "comments.db"
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(
                "CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, "
                "title VARCHAR(256));"
                "CREATE TABLE comments (tid REFERENCES threads(id), id INTEGER PRIMARY KEY, "
                "parent INTEGER, created FLOAT NOT NULL, modified FLOAT, mode INTEGER, "
                "remote_addr VARCHAR, text VARCHAR NOT NULL, author VARCHAR, email VARCHAR, "
                "website VARCHAR, likes INTEGER DEFAULT 0, dislikes INTEGER DEFAULT 0, "
                "voters BLOB NOT NULL DEFAULT '', notification INTEGER DEFAULT 0);"
                "INSERT INTO threads VALUES (1, '/first', 'First'), (2, '/second', NULL);"
                "PRAGMA user_version = 5;"
            )
            database.executemany(
                "INSERT INTO comments (tid, id, parent, mode, text, author, email, website, "
                "created, modified, remote_addr, likes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                rows,
            )
        return path

    return write


class CommandLine:
    """`winnow` on one data folder."""

    def __init__(self, home):
        self.home = home
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environ = kept | {"WINNOW_DATA_DIR": str(home)}

    def run(self, *arguments, given=b""):
        """One command, to its end."""
        return subprocess.run(
            [WINNOW, *map(str, arguments)],
            input=given,
            capture_output=True,
            cwd=self.home.parent,
            env=self.environ,
            timeout=120,
            check=False,
        )

    def site(self, name):
        """A new site."""
        assert self.run("site", "add", name).returncode == 0
        return name

    def bring(self, site, file, *options, code=0):
        """The report of an import."""
        done = self.run("import", site, file, *options, "--json")
        assert done.returncode == code, done.stderr.decode()[-2000:]
        return json.loads(done.stdout)

    def lines(self, site):
        """A site's comments, by the beginning of their text."""
        done = self.run("export", site)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, *arguments):
        """A command under way."""
        return subprocess.Popen(
            [WINNOW, *map(str, arguments)],
            cwd=self.home.parent,
            env=self.environ,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture
def winnow(home):
    """The command line."""
    return CommandLine(home)
