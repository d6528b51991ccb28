"""What is exported as WXR, other systems and Winnow itself read back."""

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.exporting import _text

WP = "{http://wordpress.org/export/1.2/}"
NASTY = (
    "]]> <b>not bold</b> &amp; & <",
    "two\nlines\n\nthree",
    "Größe, 早上好 👩‍👩‍👧",
    "nul-free ]]",
)


@pytest.fixture
def exported(winnow, tmp_path, request):
    """A site with threads on several pages and every status, and its WXR."""
    site = winnow.site("x" + str(abs(hash(request.node.name)) % 10**8))
    start = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    rows = [
        {
            "id": number,
            "page": ["https://blog.example/a?x=1&y=2", "https://blog.example/b", "/c"][number % 3],
            "page_title": ["A & <B>", "", "C"][number % 3],
            "name": f"Ann & {number}",
            "email": "ann@example.org" if number % 2 else "",
            "url": "https://ann.example/?a=1&b=2",
            "ip": "203.0.113.9",
            "body": NASTY[number % len(NASTY)],
            "status": ["approved", "pending", "spam", "rejected"][number % 4],
            "created_at": (start + timedelta(hours=number)).isoformat(),
            **({"parent": number - 3} if number > 3 and number % 2 else {}),
        }
        for number in range(40)
    ]
    given = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert winnow.run("import", site, "-", given=given).returncode == 0
    path = tmp_path / "out.xml"
    done = winnow.run("export", site, "--to", "wxr", "-o", path)
    assert (done.returncode, b"40 comments" in done.stderr) == (0, True)
    return site, path


def essence(lines):
    """Lines without what WXR cannot hold; parents by what they say."""
    named = {line["id"]: f"{line['body']} {line['created_at']}" for line in lines}
    kept = ("page", "name", "email", "url", "ip", "body", "created_at")
    return sorted(
        json.dumps([
            *(line.get(name, "") for name in kept),
            line.get("status", "pending"),
            named.get(line.get("parent")),
        ])
        for line in lines
    )  # fmt: skip


def test_a_round_trip_keeps_counts_threads_statuses_and_dates(winnow, exported):
    site, path = exported
    again = winnow.site(site + "b")
    report = winnow.bring(again, path)
    assert (report["format"], report["imported"], report["pages"]) == ("WordPress WXR", 40, 3)
    assert essence(winnow.lines(again)) == essence(winnow.lines(site))
    assert winnow.bring(again, path)["known"] == 40
    assert winnow.run("export", site, "--to", "wxr").stdout == path.read_bytes()


def test_wordpress_finds_what_its_importer_asks_for(exported):
    """Its version, one item per page with all it needs, integer ids, parents that are there."""
    channel = ET.parse(exported[1]).getroot().find("channel")
    assert channel.findtext(f"{WP}wxr_version") == "1.2"
    assert channel.findtext(f"{WP}base_site_url") == "https://blog.example"
    items = channel.findall("item")
    assert [item.findtext("link") for item in items] == [
        "https://blog.example/a?x=1&y=2", "https://blog.example/b", "/c",
    ]  # fmt: skip
    assert [item.findtext("title") for item in items] == [
        "A &amp; &lt;B&gt;", "https://blog.example/b", "C",
    ]  # fmt: skip
    for item in items:
        assert int(item.findtext(f"{WP}post_id")) > 0
        assert item.findtext(f"{WP}post_type") == "post"
        assert item.findtext(f"{WP}status") == "publish"
        assert item.findtext("pubDate").endswith("+0000")
        comments = item.findall(f"{WP}comment")
        ids = {int(each.findtext(f"{WP}comment_id")) for each in comments}
        assert len(ids) == len(comments)
        assert {int(each.findtext(f"{WP}comment_parent")) for each in comments} <= ids | {0}
        dates = [each.findtext(f"{WP}comment_date_gmt") for each in comments]
        assert dates == sorted(dates)
        datetime.strptime(dates[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        for each in comments:
            number, parent = (int(each.findtext(f"{WP}comment_{n}")) for n in ("id", "parent"))
            assert parent < number < 2**63  # it inserts them by number, and ties what it knows
    approved = [each.findtext(f"{WP}comment_approved") for each in channel.iter(f"{WP}comment")]
    assert {value: approved.count(value) for value in set(approved)} == {
        "1": 10, "0": 10, "spam": 10, "trash": 10,
    }  # fmt: skip
    # WordPress takes comments for HTML: what was text must stay text.
    assert any("&lt;b&gt;" in e.text for e in channel.iter(f"{WP}comment_content"))


def test_numbers_stay_when_comments_are_added_and_never_come_twice(winnow):
    """However many comments have one date."""
    site = winnow.site("numbers")

    def numbers(rows):
        given = "".join(
            json.dumps({"page": "/a", "name": "Ann", "body": str(i), "id": i, "created_at": 10**12})
            + "\n"
            for i in range(rows)
        )
        assert winnow.run("import", site, "-", given=given.encode()).returncode == 0
        root = ET.fromstring(winnow.run("export", site, "--to", "wxr").stdout)
        return {
            each.findtext(f"{WP}comment_content"): each.findtext(f"{WP}comment_id")
            for each in root.iter(f"{WP}comment")
        }

    before, after = numbers(20), numbers(3000)
    assert len(set(after.values())) == 3000
    assert {text: after[text] for text in before} == before


def test_an_empty_site_is_a_valid_file(winnow, tmp_path):
    site = winnow.site("empty")
    text = winnow.run("export", site, "--to", "wxr").stdout
    assert ET.fromstring(text).findall("channel/item") == []


@given(st.text())
def test_any_text_is_held_by_xml(text):
    """Also what XML forbids, and the end of CDATA."""
    assert ET.fromstring(f"<a>{_text(text)}</a>").tag == "a"
