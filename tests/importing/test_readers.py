"""Every format is read with the oddities its files really have."""

import gzip
import io
import json
import sys

import pytest

from service.commands.transfer import import_comments
from service.errors import Malformed
from service.importing.formats import FORMATS, opened
from service.importing.found import Found


def ids(found):
    return [each.id if isinstance(each, Found) else each for each in found]


# --------------------------------------------------------------------------- WordPress


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.7"])
def test_wxr_of_any_version_is_known_by_its_namespace(make_wxr, read_file, version):
    wxr, comment = make_wxr
    name, found = read_file(wxr(comment(1), version=version))
    assert (name, ids(found)) == ("wxr", ["wordpress:1"])


def test_a_wordpress_comment_keeps_what_it_has(make_wxr, read_file):
    wxr, comment = make_wxr
    text = wxr(
        comment(
            7,
            author="<![CDATA[Tom &amp; Co]]>",
            author_url=" https://tom.example/ ",
            content="<![CDATA[One\nTwo <a href='https://x.example/'>x</a> ]]]]>"
            "<![CDATA[> &lt;b>]]>",
            parent=3,
            meta={"akismet_result": "true", "akismet_history": "a:1:{}", "rating": "5"},
        )
    )
    (found,) = read_file(text)[1]
    assert found == Found(
        id="wordpress:7",
        parent="wordpress:3",
        page="https://blog.example/a/",
        page_title="A & B",
        name="Tom & Co",
        email="ann@example.org",
        url="https://tom.example/",
        ip="203.0.113.9",
        created_at="2020-01-02T03:04:05Z",
        body="One\nTwo x (https://x.example/) ]]> <b>",
        status="approved",
        decision="approve",
        decided_by="wordpress",
        metadata={"akismet_result": "true"},
    )


@pytest.mark.parametrize(
    ("approved", "status", "decision"),
    [
        ("1", "approved", "approve"),
        ("\n\t1 ", "approved", "approve"),
        ("0", "pending", None),
        ("spam", "spam", "spam"),
        ("trash", "rejected", "reject"),
        ("post-trashed", "rejected", "reject"),
        ("who-knows", "pending", None),
    ],
)
def test_wordpress_statuses(make_wxr, read_file, approved, status, decision):
    wxr, comment = make_wxr
    (found,) = read_file(wxr(comment(1, approved=approved)))[1]
    assert (found.status, found.decision) == (status, decision)
    assert found.decided_by == ("wordpress" if decision else "")


def test_what_no_reader_wrote_is_skipped_by_kind(make_wxr, read_file):
    """Pings, and what plugins keep as comments."""
    wxr, comment = make_wxr
    kinds = ["", "comment", "review", "pingback", "trackback", "order_note"]
    text = wxr(*(comment(i, type=kind) for i, kind in enumerate(kinds)))
    found = read_file(text)[1]
    assert ids(found)[3:] == ["pingback", "trackback", "other type"]
    assert len([each for each in found if isinstance(each, Found)]) == 3


def test_a_date_that_was_never_set_is_the_blogs_own(make_wxr, read_file):
    wxr, comment = make_wxr
    text = wxr(comment(1, date_gmt="0000-00-00 00:00:00"), comment(2, date_gmt="", date=""))
    first, second = read_file(text)[1]
    assert (first.created_at, second.created_at) == ("2020-01-02T04:04:05Z", "")


def test_whatever_is_around_comments_is_passed_over(make_wxr, read_file):
    """Other items, categories, an item without a link, elements of plugins."""
    wxr, comment = make_wxr
    text = wxr(comment(1, parent="\n 9 \n"), link="")
    text = text.replace(
        "<item>", "<item><title>Empty</title></item><foo><link>x</link></foo><item>"
    )
    (found,) = read_file(text)[1]
    assert (found.page, found.parent) == ("https://blog.example/?p=1", "wordpress:9")


# ------------------------------------------------------------------------------ Disqus

DISQUS = """<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<category dsq:id="1"><forum>blog</forum><title>General</title></category>
<thread dsq:id="10"><id>a</id><forum>blog</forum><category dsq:id="1"/>
  <link>https://blog.example/a</link><title>A</title><message/>
  <createdAt>2019-01-01T00:00:00Z</createdAt>
  <author><name>Owner</name><isAnonymous>false</isAnonymous><username>o</username></author>
  <isClosed>false</isClosed><isDeleted>false</isDeleted></thread>
<thread dsq:id="10"><id/><link/><title>Again, and empty</title></thread>
<thread dsq:id="11"><id>https://blog.example/b</id><link></link><title>B</title></thread>
<thread dsq:id="12"><id>c</id><link>https://blog.example/c</link><isDeleted>true</isDeleted></thread>
<thread dsq:id="13"><id/></thread>
<post dsq:id="1"><id>wp_9</id>
  <message><![CDATA[<p>Hello <a href="https://x.example/">there</a></p>]]></message>
  <createdAt>2019-02-01T10:20:30Z</createdAt><isDeleted>false</isDeleted><isSpam>false</isSpam>
  <author><email>ann@example.org</email><name>Ann</name><isAnonymous>true</isAnonymous></author>
  <ipAddress>203.0.113.9</ipAddress><thread dsq:id="10"/></post>
<post dsq:id="2"><id/><message><![CDATA[<p>Newer, no address</p>]]></message>
  <createdAt>2020-02-01T10:20:30Z</createdAt><isDeleted>false</isDeleted><isSpam>true</isSpam>
  <author><name>Bob</name><isAnonymous>false</isAnonymous><username>bob7</username></author>
  <thread dsq:id="11"/><parent dsq:id="1"/></post>
<post dsq:id="3"><message>x</message><isDeleted>true</isDeleted><thread dsq:id="10"/></post>
<post dsq:id="4"><message>x</message><isDeleted>false</isDeleted><thread dsq:id="12"/></post>
<post dsq:id="5"><message>nowhere</message><thread dsq:id="13"/></post>
<post dsq:id="6"><message>unknown thread</message><thread dsq:id="99"/></post>
<post><id>77</id><message>without an id</message><thread dsq:id="10"/></post>
</disqus>"""


def test_disqus_posts_find_their_threads(read_file):
    """Also where a thread is there twice, or only its identifier is an address."""
    name, found = read_file(DISQUS)
    assert name == "disqus"
    assert ids(found) == ["disqus:1", "disqus:2", "deleted", "deleted", "disqus:5", "disqus:6",
                          ""]  # fmt: skip
    first, second, _, _, fifth, sixth, nameless = found
    assert first == Found(
        id="disqus:1",
        page="https://blog.example/a",
        page_title="A",
        name="Ann",
        email="ann@example.org",
        ip="203.0.113.9",
        created_at="2019-02-01T10:20:30Z",
        body="Hello there (https://x.example/)",
        status="approved",
        decision="approve",
        decided_by="disqus",
    )
    assert (second.status, second.decision, second.parent) == ("spam", "spam", "disqus:1")
    assert (second.name, second.email, second.page) == ("Bob", "", "https://blog.example/b")
    assert second.metadata == {"disqus_user": "bob7"}
    assert (fifth.page, sixth.page) == ("", "")
    assert (nameless.page, nameless.body) == ("https://blog.example/a", "without an id")


# -------------------------------------------------------------------------------- Isso


def test_isso_database(isso_database, read_file):
    """Markdown stays as it is; what was deleted is skipped."""
    rows = [
        (1, 1, None, 1, "*Hi* <b>", "Ann", "ann@example.org", "https://a.example", 1.5e9, None,
         "203.0.113.0", 3),
        (1, 2, 1, 2, "waits", None, None, None, 1500000000.25, 1.6e9, "2001:db8::", 0),
        (2, 3, 1, 4, "", None, None, None, 1.5e9, None, None, 0),
    ]  # fmt: skip
    name, found = read_file(isso_database(rows))
    assert (name, ids(found)) == ("isso", ["isso:1", "isso:2", "deleted"])
    first, second, _ = found
    assert first == Found(
        id="isso:1",
        page="/first",
        page_title="First",
        name="Ann",
        email="ann@example.org",
        url="https://a.example",
        ip="203.0.113.0",
        created_at="2017-07-14T02:40:00+00:00",
        body="*Hi* <b>",
        status="approved",
        decision="approve",
        decided_by="isso",
        metadata={"likes": 3},
    )
    assert (second.status, second.decision, second.parent) == ("pending", None, "isso:1")
    assert (second.name, second.edited_at) == ("", "2020-09-13T12:26:40+00:00")


def test_isso_database_is_opened_for_reading_only_and_may_be_compressed(isso_database, tmp_path):
    path = isso_database([(1, 1, None, 1, "x", None, None, None, 1.5e9, None, None, 0)])
    path.chmod(0o400)
    before = path.read_bytes()
    packed = tmp_path / "comments.db.gz"
    packed.write_bytes(gzip.compress(before))
    for each in (path, packed):
        file, form = opened(str(each))
        with file:
            assert (form.name, len(list(form.read(file)))) == ("isso", 1)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["comments.db", "comments.db.gz"]


def test_isso_json(read_file):
    """Isso's generic import format; ids count within their thread."""
    comment = {
        "id": "1", "author": "Ann", "email": "a@example.org", "website": "", "text": "Hi",
        "remote_addr": "203.0.113.0", "created": "2020-01-02 03:04:05",
    }  # fmt: skip
    threads = [
        {"id": "/a", "title": "A", "comments": [comment, comment | {"id": "2", "parent": "1"}]},
        {"id": "/b", "title": "B", "comments": [comment]},
        {"id": "/c", "title": "C", "comments": None},
    ]
    name, found = read_file("\ufeff" + json.dumps(threads))
    assert (name, ids(found)) == ("isso", ["isso:/a#1", "isso:/a#2", "isso:/b#1"])
    assert (found[1].parent, found[0].created_at) == ("isso:/a#1", "2020-01-02T03:04:05Z")


# ---------------------------------------------------------------------------- Remark42

META = {
    "version": 1,
    "users": [{"id": "u1", "blocked": {"status": True, "until": "2099-01-01T00:00:00Z"}}],
    "posts": [{"url": "https://blog.example/a", "read_only": True}],
}


def remark42_comment(number, **fields):
    return {
        "id": f"c{number}",
        "pid": "",
        "text": "<p>Some <em>HTML</em></p>",
        "orig": "Some *Markdown* <b>",
        "user": {"name": "Ann", "id": "github_1", "ip": "9c8a7", "admin": False, "block": False},
        "locator": {"site": "blog", "url": "https://blog.example/a"},
        "score": 2,
        "votes": {"u2": True},
        "time": "2020-01-02T03:04:05.678+02:00",
        "title": "A",
    } | fields


def test_remark42_backup(read_file):
    """The raw text is preferred; the hash in place of an IP is none."""
    rows = [
        remark42_comment(1),
        remark42_comment(2, pid="c1", orig="", edit={"time": "2021-01-01T00:00:00Z"}),
        remark42_comment(3, delete=True),
    ]
    text = "".join(json.dumps(row) + "\n" for row in [META, *rows])
    name, found = read_file(gzip.compress(text.encode()))
    assert (name, ids(found)) == ("remark42", ["remark42:c1", "remark42:c2", "deleted"])
    first, second, _ = found
    assert (first.body, second.body) == ("Some *Markdown* <b>", "Some HTML")
    assert (first.page, first.page_title, first.name, first.ip) == (
        "https://blog.example/a", "A", "Ann", "",
    )  # fmt: skip
    assert (first.status, first.decision, second.parent) == ("approved", "approve", "remark42:c1")
    assert (first.created_at, second.edited_at) == (
        "2020-01-02T03:04:05.678+02:00", "2021-01-01T00:00:00Z",
    )  # fmt: skip
    assert first.metadata == {"remark42_user": "github_1", "score": 2}


def test_remark42_backup_with_many_users_is_still_known(read_file):
    """Its first line may be longer than what is looked at."""
    many = META | {"users": [{"id": f"user{i}" * 9, "verified": True} for i in range(2000)]}
    text = json.dumps(many) + "\n" + json.dumps(remark42_comment(1)) + "\n"
    assert len(json.dumps(many)) > 100_000
    assert read_file(text)[0] == "remark42"


# ------------------------------------------------------------------------------- Coral


def test_coral_csv_folder(tmp_path, read_file):
    (tmp_path / "comments.csv").write_text(
        "\ufeffid,author_id,story_id,created_at,body,parent_id,status,rating\n"
        'c1,u1,s1,2020-01-02T03:04:05.000Z,"<p>He said ""hi"",<br>twice</p>",,APPROVED,\n'
        'c2,u2,s1,2020-01-03T03:04:05.000Z,"two\nlines",c1,REJECTED,4\n'
        "c3,u9,s9,2020-01-03T03:04:05.000Z,nobody nowhere,,NONE,\n"
        "\n"
        "c4,u1,s1,2020-01-03T03:04:05.000Z,waits,,PREMOD,\n"
        "c5,u1\n"
    )
    (tmp_path / "stories.csv").write_text("id,url,title\ns1,https://news.example/1,One\n")
    (tmp_path / "users.csv").write_text(
        "id,email,username,role,banned,created_at\nu1,ann@example.org,ann,COMMENTER,false,\n"
        "u2,,bob,COMMENTER,,\n"
    )
    name, found = read_file(tmp_path)
    assert (name, ids(found)) == ("coral", ["coral:c1", "coral:c2", "coral:c3", "coral:c4",
                                            "coral:c5"])  # fmt: skip
    assert found[0] == Found(
        id="coral:c1",
        page="https://news.example/1",
        page_title="One",
        name="ann",
        email="ann@example.org",
        created_at="2020-01-02T03:04:05.000Z",
        body='He said "hi",\ntwice',
        status="approved",
        decision="approve",
        decided_by="coral",
        metadata={"coral_user": "u1"},
    )
    assert (found[1].status, found[1].decision, found[1].parent) == (
        "rejected", "reject", "coral:c1",
    )  # fmt: skip
    assert (found[1].name, found[1].metadata["rating"]) == ("bob", "4")
    assert (found[2].status, found[2].decision, found[2].page) == ("approved", None, "")
    assert (found[3].status, found[4].body) == ("pending", "")


def test_coral_collections_of_mongoexport(tmp_path, read_file):
    """The last revision counts; dates come in three spellings."""
    dates = ["2020-01-02T03:04:05.678Z", {"$date": "2020-01-02T03:04:05.678Z"},
             {"$date": {"$numberLong": "1577934245678"}}]  # fmt: skip
    rows = [
        {
            "_id": {"$oid": "5e"}, "id": f"c{i}", "tenantID": "t", "storyID": "s1",
            "parentID": "c0" if i else None, "authorID": "u1", "createdAt": date,
            "status": ["NONE", "SYSTEM_WITHHELD", "APPROVED"][i],
            "revisions": [{"id": "a", "body": "old"}, {"id": "b", "body": "<div>new</div>"}],
        }
        for i, date in enumerate(dates)
    ]  # fmt: skip
    rows.append(rows[0] | {"id": "c9", "deletedAt": {"$date": "2021-01-01T00:00:00Z"}})
    for name, content in {
        "comments": rows,
        "stories": [{"id": "s1", "url": "https://news.example/1", "metadata": {"title": "One"}}],
        "users": [{"id": "u1", "username": "ann", "email": "ann@example.org"}],
    }.items():
        (tmp_path / f"{name}.json").write_text("".join(json.dumps(row) + "\n" for row in content))
    for given in (tmp_path, tmp_path / "comments.json"):
        name, found = read_file(given)
        assert (name, ids(found)) == ("coral", ["coral:c0", "coral:c1", "coral:c2", "deleted"])
        assert [each.status for each in found[:3]] == ["approved", "pending", "approved"]
        assert [each.decision for each in found[:3]] == [None, None, "approve"]
        assert {each.created_at[:23] for each in found[:3]} == {"2020-01-02T03:04:05.678"}
        assert (found[1].parent, found[0].body, found[0].name) == ("coral:c0", "new", "ann")
        assert (found[0].page, found[0].page_title) == ("https://news.example/1", "One")


def test_a_folder_without_comments_is_refused(tmp_path):
    with pytest.raises(Malformed, match=r"comments\.csv"):
        opened(str(tmp_path))
    with pytest.raises(Malformed, match="is a folder"):
        opened(str(tmp_path), "wxr")


# ------------------------------------------------------------------- which format it is


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"page": "/a"}', "jsonl"),
        ("nope", "jsonl"),
        ("", "jsonl"),
        ('{"id": "c", "storyID": "s"}', "coral"),
        ("id,author_id,story_id,created_at,body\n", "coral"),
        ("[]", "isso"),
    ],
)
def test_the_beginning_tells_the_format(read_file, content, name):
    assert read_file(content + "\n" if name == "coral" else content, None)[0] == name


def test_xml_of_others_must_be_named(tmp_path):
    (tmp_path / "x.xml").write_text("<?xml version='1.0'?><rss version='2.0'></rss>")
    with pytest.raises(Malformed, match="--from"):
        opened(str(tmp_path / "x.xml"))


def test_standard_input_is_told_like_a_file(make_wxr, isso_database, monkeypatch):
    """Compressed or not; a database is copied first."""
    wxr, comment = make_wxr
    database = isso_database([(1, 1, None, 1, "x", None, None, None, 1.5e9, None, None, 0)])
    for content, name in ((wxr(comment(1)).encode(), "wxr"), (database.read_bytes(), "isso")):
        for given in (content, gzip.compress(content)):
            stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(given)))
            monkeypatch.setattr(sys, "stdin", stream)
            file, form = opened("-")
            assert (form.name, len(list(form.read(file)))) == (name, 1)


def test_the_command_line_names_every_format():
    """It lists them by itself, so that `winnow --help` need not load the readers."""
    choices = {param.name: param.type for param in import_comments.params}["form"]
    assert list(choices.choices) == list(FORMATS)
