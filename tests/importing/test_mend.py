"""No comment is lost for what another system allowed; what had to be changed is said."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.importing.found import Found
from service.importing.mend import Empty, mend
from service.pipeline import fields

NOW = 1_800_000_000_000


def found(**said):
    base = {
        "id": "x:1",
        "page": "https://blog.example/a",
        "name": "Ann",
        "email": "ann@example.org",
        "body": "Hello",
        "created_at": "2020-01-02T03:04:05Z",
    }
    return Found(**(base | said))


def test_a_comment_without_faults_is_left_as_it_is():
    incoming, changes = mend(found(url="https://a.example/", ip="203.0.113.9", parent="x:0"), NOW)
    assert changes == []
    assert (incoming.draft.name, incoming.draft.email) == ("Ann", "ann@example.org")
    assert (incoming.draft.url, incoming.draft.ip) == ("https://a.example/", "203.0.113.9")
    assert (incoming.draft.created_at, incoming.parent) == (1_577_934_245_000, "x:0")


@pytest.mark.parametrize(
    ("said", "field", "value", "changes"),
    [
        ({"email": ""}, "email", "", ["without_email"]),
        ({"email": " "}, "email", "", ["without_email"]),
        ({"email": "no address"}, "email", "", ["invalid_email", "without_email"]),
        ({"name": ""}, "name", "Anonymous", ["without_name"]),
        ({"name": "\u200b"}, "name", "Anonymous", ["without_name"]),
        ({"name": " two\n lines\0 "}, "name", "two lines", []),
        ({"name": "x" * 100}, "name", "x" * 79 + "…", []),
        ({"url": "http://"}, "url", "", ["invalid_url"]),
        ({"url": "javascript:alert(1)"}, "url", "", ["invalid_url"]),
        ({"ip": "somewhere"}, "ip", "", ["invalid_ip"]),
        ({"created_at": "yesterday"}, "created_at", None, ["invalid_date"]),
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at", None, ["invalid_date"]),
        ({"created_at": ""}, "created_at", None, ["invalid_date"]),
        ({"page": "/only/a/path"}, "page", "/only/a/path", []),
        ({"page_title": "a\tb" + "x" * 400}, "page_title", "a b" + "x" * 296 + "…", []),
        ({"body": "nul\0 and\r\nbell\a\x1b[31m"}, "body", "nul and\nbell[31m", []),
        ({"metadata": {"score": 2**70}}, "metadata", {}, []),
        ({"metadata": {"score": "x" * 3000}}, "metadata", {}, []),
        ({"body": "lone \ud800 surrogate"}, "body", "lone  surrogate", []),
    ],
)
def test_a_fault_is_mended(said, field, value, changes):
    incoming, told = mend(found(**said), NOW)
    assert (getattr(incoming.draft, field), told) == (value, changes)


def test_a_long_body_is_cut_to_what_winnow_holds_and_says_so():
    incoming, changes = mend(found(body="word " * 3000), NOW)
    assert changes == ["shortened"]
    assert len(incoming.draft.body) == 9_999
    assert incoming.draft.metadata == {"shortened_from": 14_999}


@pytest.mark.parametrize("body", ["", " \n", "\0\a", "\u200b\u2060", "\ufeff"])
def test_a_body_that_shows_nothing_is_empty(body):
    with pytest.raises(Empty):
        mend(found(body=body), NOW)


@pytest.mark.parametrize("page", ["", "blog/post", "ftp://x.example/", "https://", "//x", "a b"])
def test_a_page_that_is_no_address_is_an_error(page):
    with pytest.raises(Invalid) as caught:
        mend(found(page=page), NOW)
    assert [error.pointer for error in caught.value.errors] == ["/page"]


TEXT = st.text(st.characters())  # surrogates and all


@given(st.fixed_dictionaries(dict.fromkeys(
    ["name", "email", "body", "url", "ip", "user_agent", "page_title", "created_at", "edited_at"],
    TEXT | st.text().map(lambda text: text * 300),
)))  # fmt: skip
def test_whatever_a_file_says_becomes_a_valid_draft_or_nothing(said):
    """By the rules of the API, but for the address that may be missing."""
    try:
        draft = mend(found(**said), NOW).incoming.draft
    except Empty:
        return
    msgspec.msgpack.encode(draft)
    assert fields.name(draft.name) == draft.name
    assert draft.email == "" or fields.email(draft.email) == draft.email
    assert fields.body(draft.body, 10_000) == draft.body
    assert fields.line(draft.page_title, 300) == draft.page_title
    assert fields.line(draft.user_agent, 512) == draft.user_agent
    assert fields.url(draft.url) == draft.url
    assert fields.ip(draft.ip) == draft.ip
