"""A site owner brings comments along from another system, by the real command on a real store."""

import gzip
import json
import signal
import time
from collections import Counter

import pytest

DATES = ("2020-01-02T03:04:05.000Z", "2020-01-03T03:04:05.000Z")


@pytest.fixture
def blog(make_wxr, tmp_path):
    """A WordPress export with one of everything; the file."""
    wxr, comment = make_wxr
    path = tmp_path / "blog.xml"
    path.write_text(
        wxr(
            comment(5, parent=9, content="<![CDATA[answers a later one]]>"),
            comment(9, approved="0", date_gmt="2020-01-03 03:04:05"),
            comment(10, approved="spam", author_email="", author_url="http://"),
            comment(11, approved="trash", author="", author_email="nobody"),
            comment(12, type="pingback"),
            comment(13, content="<![CDATA[<p> </p>]]>"),
            comment(14, content="<![CDATA[" + "long " * 5000 + "]]>"),
            comment(9, date_gmt="2020-01-03 03:04:05", content="<![CDATA[the same id again]]>"),
        ).replace("</channel>", "<item><title>x</title><link>no address</link>" + comment(15)
                  + "</item></channel>")
    )  # fmt: skip
    return path


def test_wordpress_comments_come_with_threads_statuses_decisions_and_dates(winnow, blog):
    site = winnow.site("wordpress")
    told = winnow.bring(site, blog, "--dry-run", code=65)
    assert winnow.lines(site) == []
    done = winnow.bring(site, blog, code=65)
    assert told == done | {"dry_run": True}
    assert (done["format"], done["lines"], done["imported"], done["known"]) == (
        "WordPress WXR", 9, 5, 1,
    )  # fmt: skip
    assert done["statuses"] == {"approved": 2, "pending": 1, "spam": 1, "rejected": 1}
    assert done["skipped"] == {"pingback": 1, "empty": 1}
    assert done["changed"] == {
        "without_email": 2, "invalid_url": 1, "invalid_email": 1, "without_name": 1, "shortened": 1,
    }  # fmt: skip
    assert (done["pages"], done["authors"], done["bad"], done["damage"]) == (1, 3, 1, None)
    assert (done["oldest"], done["newest"]) == DATES
    assert [error["line"] for error in done["errors"]] == [9]
    lines = {line["body"][:20]: line for line in winnow.lines(site)}
    assert len(lines) == 5
    assert lines["answers a later one"]["parent"] == lines["Comment 9"]["id"]
    assert (lines["Comment 9"]["page_title"], "decision" in lines["Comment 9"]) == ("A & B", False)
    spam, trash = lines["Comment 10"], lines["Comment 11"]
    assert (spam["status"], spam["decision"], spam["decided_by"], spam["email"]) == (
        "spam", "spam", "wordpress", "",
    )  # fmt: skip
    assert (trash["status"], trash["name"]) == ("rejected", "Anonymous")


def test_importing_again_changes_nothing_and_a_later_export_brings_what_is_new(
    winnow, blog, make_wxr
):
    wxr, comment = make_wxr
    site = winnow.site("again")
    winnow.bring(site, blog, code=65)
    before = winnow.lines(site)
    again = winnow.bring(site, blog, "--dry-run", code=65)
    assert (again["imported"], again["known"]) == (0, 6)
    again = winnow.bring(site, blog, code=65)
    assert (again["imported"], winnow.lines(site)) == (0, before)
    blog.write_text(wxr(comment(5), comment(99, parent=5), version="1.1"))
    later = winnow.bring(site, blog)
    assert (later["imported"], later["known"]) == (1, 1)


def test_another_blog_with_the_same_numbers_is_noticed(winnow, blog, make_wxr):
    """Comments of two WordPress sites cannot be told apart by their ids."""
    wxr, comment = make_wxr
    site = winnow.site("two-blogs")
    winnow.bring(site, blog, code=65)
    blog.write_text(wxr(comment(5, date_gmt="2011-01-01 00:00:00"), comment(50), comment(50)))
    assert winnow.bring(site, blog)["changed"] == {"known_with_another_date": 1}
    blog.write_text(wxr(comment(60), comment(60, date_gmt="2011-01-01 00:00:00")))
    assert winnow.bring(site, blog)["changed"] == {"known_with_another_date": 1}


def test_what_was_imported_without_an_address_is_exported_and_imported_again(winnow, blog):
    first, second = winnow.site("from"), winnow.site("to")
    winnow.bring(first, blog, code=65)
    path = blog.with_name("out.jsonl.gz")
    assert winnow.run("export", first, "-o", path).returncode == 0
    done = winnow.bring(second, path)
    assert (done["format"], done["imported"], done["changed"]) == ("JSON lines", 5, {})

    def essence(lines):
        return sorted(
            json.dumps({k: v for k, v in each.items() if k not in ("id", "parent")}, sort_keys=True)
            for each in lines
        )

    assert essence(winnow.lines(first)) == essence(winnow.lines(second))


def test_the_report_for_people_says_what_the_file_is_and_holds(winnow, blog):
    site = winnow.site("people")
    done = winnow.run("import", site, blog, "--dry-run")
    text = done.stdout.decode()
    assert text.startswith("WordPress WXR, 9 records: 5 would be imported, 1 were there already")
    for part in ("2 approved", "2020-01-02 to 2020-01-03", "1 pages, 3 authors", "1 pingback",
                 "2 without email", "1 shortened"):  # fmt: skip
        assert part in text
    assert done.stderr.decode().startswith("line 9: /page invalid_url")


def test_a_damaged_file_is_imported_up_to_the_damage(winnow, make_wxr, tmp_path):
    """Then it says where, exits with 65, and goes on there once the file is mended."""
    wxr, comment = make_wxr
    site, path = winnow.site("damaged"), tmp_path / "damaged.xml"
    text = wxr(*(comment(number) for number in range(500)))
    path.write_text(text.replace("<wp:comment_id>400<", "<wp:comment_id>&400<"))
    report = winnow.bring(site, path, code=65)
    assert (report["imported"], "line" in report["damage"]) == (400, True)
    done = winnow.run("import", site, path)
    assert (done.returncode, b"column" in done.stderr, b"400 were there" in done.stdout) == (
        65, True, True,
    )  # fmt: skip
    path.write_text(text)
    resumed = winnow.bring(site, path, "--resume")
    assert (resumed["lines"], resumed["imported"], len(winnow.lines(site))) == (500, 100, 500)


def test_paths_get_the_origin_that_is_named(winnow, isso_database):
    """Isso knows pages by path; a thread is found by its page's whole address."""
    site = winnow.site("isso")
    path = isso_database([
        (1, 1, None, 1, "one", "Ann", "a@example.org", None, 1.5e9, None, "203.0.113.0", 0),
        (2, 2, 1, 2, "two", None, None, None, 1.5e9, None, None, 0),
    ])  # fmt: skip
    refused = winnow.run("import", site, path, "--origin", "blog.example")
    assert (refused.returncode, b"--origin" in refused.stderr) == (2, True)
    done = winnow.bring(site, path, "--origin", "https://blog.example/")
    assert (done["format"], done["statuses"]) == ("Isso", {"approved": 1, "pending": 1})
    pages = {line["body"]: line["page"] for line in winnow.lines(site)}
    assert pages == {"one": "https://blog.example/first", "two": "https://blog.example/second"}


def test_a_folder_of_coral_and_standard_input(winnow, tmp_path, make_wxr):
    wxr, comment = make_wxr
    folder = tmp_path / "coral"
    folder.mkdir()
    (folder / "comments.csv").write_text(
        "id,author_id,story_id,created_at,body,parent_id,status\n"
        "b,u,s,2020-01-02T03:04:05Z,answer,a,NONE\na,u,s,2020-01-01T03:04:05Z,first,,REJECTED\n"
    )
    (folder / "stories.csv").write_text("id,url,title\ns,https://news.example/1,One\n")
    site = winnow.site("coral")
    done = winnow.bring(site, str(folder) + "/")
    assert (done["format"], done["statuses"]) == ("Coral", {"approved": 1, "rejected": 1})
    answer, first = sorted(winnow.lines(site), key=lambda line: line["body"])
    assert answer["parent"] == first["id"]
    assert [each.name for each in tmp_path.iterdir()] == ["coral"]
    packed = gzip.compress(wxr(comment(1)).encode())
    done = winnow.run("import", site, "-", given=packed)
    assert b"WordPress WXR, 1 records: 1 imported" in done.stdout


# ------------------------------------------------------------------------------- killed


def remark42(count):
    rows = [{"version": 1, "users": [], "posts": []}]
    rows += [
        {
            "id": str(i), "pid": str(i - 1) if i % 3 else "", "orig": f"text {i}",
            "user": {"name": "Ann", "id": "u"}, "time": "2020-01-02T03:04:05Z",
            "locator": {"url": f"https://blog.example/{i % 50}"}, "delete": i % 10 == 9,
        }
        for i in range(count)
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("form", ["wxr", "remark42"])
def test_an_import_killed_in_the_middle_is_resumed_to_exact_counts(
    winnow, make_wxr, tmp_path, form
):
    """kill -9, then --resume: every comment once, with its decision, and not from the beginning."""
    wxr, comment = make_wxr
    count, site, path = 8000, winnow.site(f"killed-{form}"), tmp_path / "export"
    if form == "wxr":
        kinds = ["", "", "", "pingback"]
        path.write_text(wxr(*(comment(i, type=kinds[i % 4]) for i in range(count))))
        expected, skipped = 6000, {"pingback": 2000}
    else:
        path.write_bytes(gzip.compress(remark42(count).encode(), 1))
        expected, skipped = 7200, {"deleted": 800}
    process = winnow.start("import", site, path)
    cursor, until = tmp_path / "export.cursor", time.monotonic() + 60
    while not cursor.exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    stopped_at = json.loads(cursor.read_bytes())["line"]
    assert 0 < stopped_at < count
    refused = winnow.run("import", site, path, "--resume", "--from", "jsonl")
    assert (refused.returncode, b"another file" in refused.stderr) == (65, True)
    report = winnow.bring(site, path, "--resume")
    assert (report["lines"], report["imported"] + report["known"]) == (count, expected)
    assert (report["skipped"], report["bad"]) == (skipped, 0)
    assert not cursor.exists()
    lines = winnow.lines(site)
    assert len(lines) == expected
    assert Counter(line.get("decision") for line in lines) == {"approve": expected}
