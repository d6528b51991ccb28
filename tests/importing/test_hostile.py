"""Damaged and hostile files: what stands before the damage is read, and memory stays small."""

import gzip
import random
import subprocess
import sys

import pytest

from service.errors import Malformed
from service.importing.formats import opened
from service.importing.source import chunks

LAUGHS = """<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>"""


@pytest.fixture
def survey(tmp_path):
    """How many records a file gives, and how it ends."""

    def read(content, form="wxr", size=10):
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        file, known = opened(str(path), form)
        count = 0
        with file:
            try:
                for chunk in chunks(file, known, size):
                    count += len(chunk.records)
            except Malformed as error:
                return count, error.detail
        return count, ""

    return read


def several(make_wxr, count=25, **how):
    wxr, comment = make_wxr
    return wxr(*(comment(number) for number in range(1, count + 1)), **how)


def test_a_file_cut_off_anywhere_gives_what_is_whole(make_wxr, survey):
    text = several(make_wxr)
    for share in (0, 1, 20, 50, 99):
        cut = text[: len(text) * share // 100]
        count, damage = survey(cut)
        assert count == cut.count("</wp:comment>")
        assert "damaged at line" in damage


def test_damage_is_told_with_its_line_and_column(make_wxr, survey):
    text = several(make_wxr)
    count, damage = survey(text.replace("<wp:comment_id>13<", "<wp:comment_id>&nope;13<"))
    line = text[: text.index("<wp:comment_id>13<")].count("\n") + 1
    assert (count, f"line {line}, column" in damage, "(behind record 12)" in damage) == (
        12, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("head", [LAUGHS, "<!DOCTYPE rss SYSTEM 'file:///etc/passwd'>"])
def test_a_document_type_is_refused(make_wxr, survey, head):
    """Entities of one's own may grow without bounds, or read other files."""
    text = several(make_wxr).replace("<rss", head + "<rss", 1)
    count, damage = survey(text.replace("Comment 3", "]]>&c;<![CDATA["))
    assert (count, "document type" in damage) == (0, True)


def test_deep_nesting_is_refused(make_wxr, survey):
    text = several(make_wxr).replace("</channel>", "<x>" * 100_000)
    count, damage = survey(text)
    assert (count, "nested deeper" in damage) == (25, True)


def test_a_tag_without_an_end_is_refused_before_it_takes_long(make_wxr, survey):
    text = several(make_wxr).replace("</channel>", '<x a="' + "y" * (40 << 20))
    count, damage = survey(text)
    assert (count, "a tag has no end" in damage) == (25, True)


def test_a_huge_text_is_kept_in_part_only(make_wxr, tmp_path):
    wxr, comment = make_wxr
    path = tmp_path / "x"
    path.write_text(wxr(comment(1, content=f"<![CDATA[{'x' * (20 << 20)}]]>"), comment(2)))
    file, form = opened(str(path))
    with file:
        first, second = (form.shape(raw) for raw in form.read(file))
    assert len(first.body) == 1 << 18
    assert second.body == "Comment 2"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_a_file_in_the_encoding_it_names_is_read(make_wxr, tmp_path, encoding):
    wxr, comment = make_wxr
    named = encoding.removesuffix("-sig").upper()
    text = wxr(comment(1, author="Zoë")).replace("UTF-8", named, 1)
    path = tmp_path / "x"
    path.write_bytes(text.encode(encoding))
    file, form = opened(str(path))
    with file:
        assert [form.shape(raw).name for raw in form.read(file)] == ["Zoë"]


def test_a_wrong_encoding_is_damage(make_wxr, survey):
    wxr, comment = make_wxr
    text = wxr(comment(1), comment(2, author="Zoë"))
    count, damage = survey(text.encode("iso-8859-1"))
    assert (count, "line" in damage) == (1, True)
    count, damage = survey(text.replace("UTF-8", "no-such-encoding", 1))
    assert (count, bool(damage)) == (0, True)


def test_control_characters_that_xml_forbids_cost_no_comment(make_wxr, survey):
    """WordPress writes them as they came."""
    wxr, comment = make_wxr
    text = wxr(comment(1, content="<![CDATA[nul \0 bell \a escape \x1b]]>"), comment(2))
    assert survey(text) == (2, "")


@pytest.mark.parametrize(
    ("content", "form", "count"),
    [
        (b"", "wxr", 0),
        (b"", "disqus", 0),
        (b"\0" * 5000, "wxr", 0),
        (b"SQLite format 3\0" + b"\xff" * 5000, "isso", 0),
        (b"[{]", "isso", 0),
        (b'{"a": 1}', "isso", 0),
        (b"[" * 100_000, "isso", 0),
        (b'{"version":1,"users":[],"posts":[]}\n{"id":"a","locator":{}}\n{"id"', "remark42", 1),
        (b'{"id":"a","locator":{}}\n' + b"[" * 100_000, "remark42", 1),
        (b"\xff\xfe\x00", "coral", 0),
        (b'id,body\n1,ok\n2,"' + b"x" * (2 << 20), "coral", 1),
    ],
)
def test_what_is_damaged_in_other_formats_says_so(survey, content, form, count):
    found, damage = survey(content, form)
    assert (found, bool(damage)) == (count, True)


@pytest.mark.parametrize("row", [
    {"id": 5, "pid": [1], "user": "x", "locator": 3, "text": None, "time": 4, "edit": 7},
    {"id": None, "user": {"name": {}}, "locator": {"url": 1}, "orig": 3, "score": "a"},
])  # fmt: skip
def test_values_of_a_wrong_type_count_as_missing(row):
    from service.importing import remark42

    assert remark42.shape(row).page == ""


@pytest.mark.parametrize("form", ["wxr", "disqus", "isso", "remark42", "coral", "jsonl"])
def test_an_archive_damaged_at_its_beginning_says_so(survey, form):
    assert survey(b"\x1f\x8b" + b"\xff" * 100, form)[0] == 0
    assert "compressed" in survey(gzip.compress(b"<rss>" * 9)[:20], form)[1]


def test_a_damaged_archive_gives_what_could_be_unpacked(make_wxr, survey):
    text = several(make_wxr, 2000).encode()
    noise = random.Random(1).randbytes(50_000).hex().encode()  # so that it takes some room
    packed = gzip.compress(text.replace(b"</channel>", b"<!--" + noise + b"--></channel>"))
    count, damage = survey(packed[: len(packed) // 2])
    assert (count > 1000, "compressed" in damage) == (True, True)


MEASURE = """
import resource, sys
from service.importing.formats import opened
file, form = opened(sys.argv[1])
count = 0
for raw in form.read(file):
    form.shape(raw)
    count += 1
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_large_file_is_read_in_the_memory_of_a_small_one(make_wxr, tmp_path):
    """50 MB against 5 MB."""
    wxr, comment = make_wxr
    body = "<![CDATA[" + "some words of a comment " * 20 + "]]>"
    before, after = wxr("MIDDLE").split("MIDDLE")
    peaks = []
    for count in (5_000, 50_000):
        path = tmp_path / str(count)
        with path.open("w") as file:
            file.write(before)
            file.writelines(comment(number, content=body) for number in range(count))
            file.write(after)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True
        )
        read, peak_kb = map(int, done.stdout.split())
        assert read == count
        peaks.append(peak_kb)
    assert path.stat().st_size > 50e6
    assert peaks[1] < peaks[0] + 4_000
