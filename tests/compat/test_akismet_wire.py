"""Requirements of Akismet's door: every spelling on the wire is read, every answer is exact."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.compat.akismet_request import BODY_MAX, Asked
from tests.compat.akismet_wire import BLOG, HAM, PLAIN, SPAM, THANKS, ask, check
from tests.conftest import Site, Winnow

NOW = 1_790_000_000_000
PATHS = (
    "/1.1/verify-key",
    "/1.1/comment-check",
    "/1.1/submit-spam",
    "/1.1/submit-ham",
    "/1.1/token",
    "/1.1/deactivate",
    "/1.1/get-stats",
    "/1.1/get-subscription",
    "/1.2/usage-limit",
    "/1.2/key-sites",
)


@pytest.fixture(scope="module")
def shared(winnow: Winnow) -> Site:
    """A site for tests that only ask."""
    return winnow.site()


@pytest.fixture(scope="module")
def key(shared: Site) -> str:
    return shared.key("compat")


# ------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("path", PATHS)
def test_a_key_nobody_knows_is_invalid_with_status_200_and_a_debug_header(
    shared: Site, path: str
) -> None:
    for wrong in ("", "0" * 12, "short", "UPPER1234567", shared.secret, shared.winnow.admin_key):
        answer = ask(shared, path, wrong)
        assert (answer.status_code, answer.content) == (200, b"invalid")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-akismet-debug-help"].isascii()
        assert "x-akismet-alert-code" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_a_good_answer_has_no_debug_header_and_no_line_break(
    shared: Site, key: str, path: str
) -> None:
    answer = ask(shared, path, key)
    assert answer.status_code == 200
    assert not any(name.startswith(("x-akismet-debug", "x-akismet-al")) for name in answer.headers)
    assert answer.content.strip(b'\n"') == answer.content


def test_a_revoked_key_is_invalid_within_a_second(winnow: Winnow) -> None:
    site = winnow.site()
    key = site.key("compat")
    assert check(site, key).text == "false"
    (row,) = (
        r
        for r in winnow.admin("GET", f"/v1/sites/{site.id}/keys").json()["items"]
        if r["kind"] == "compat"
    )
    winnow.admin("DELETE", f"/v1/sites/{site.id}/keys/{row['id']}")
    time.sleep(1.0)
    assert check(site, key).text == "invalid"


def test_a_field_beats_the_query_and_the_query_beats_the_host(shared: Site, key: str) -> None:
    http, host = shared.winnow.http, {"Host": f"{key}.rest.akismet.com"}
    wrong, path = "0" * 12, "/1.1/verify-key"
    asks: list[tuple[dict[str, Any], str]] = [
        ({"data": {"key": key}, "params": {"key": wrong}}, "valid"),
        ({"data": {"api_key": key}, "params": {"key": wrong}}, "valid"),
        ({"data": {"key": wrong}, "params": {"key": key}, "headers": host}, "invalid"),
        ({"params": {"api_key": key}, "headers": {"Host": f"{wrong}.x"}}, "valid"),
        ({"params": {"api_key": wrong}, "headers": host}, "invalid"),
        ({"data": {"key": ""}, "headers": host}, "valid"),
    ]
    for more, said in asks:
        assert http.post(path, **more).text == said, more


def test_wordpress_verifies_another_key_beside_the_one_it_has(shared: Site, key: str) -> None:
    """It adds its own as `api_key` to every request, also to one about a new `key`."""
    http = shared.winnow.http
    for asked_about, said in ((key, "valid"), ("0" * 12, "invalid")):
        both = {"key": asked_about, "blog": BLOG, "api_key": key}
        assert http.post("/1.1/verify-key", data=both).text == said


# ------------------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    "media",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLEncoded",
        "",
        "text/plain",
    ],
)
def test_a_form_is_a_form_whatever_its_type_is_called(shared: Site, key: str, media: str) -> None:
    body = urlencode(PLAIN | {"api_key": key, "comment_content": SPAM})
    headers = {"Content-Type": media} if media else {}
    answer = shared.winnow.http.post("/1.1/comment-check", content=body, headers=headers)
    assert answer.text == "true"


def test_json_and_multipart_are_read_too(shared: Site, key: str) -> None:
    said = PLAIN | {"api_key": key, "comment_content": SPAM}
    http = shared.winnow.http
    as_json = said | {"is_test": False, "comment_context": ["News", "Charts"], "user_ID": 0}
    assert http.post("/1.1/comment-check", json=as_json).text == "true"
    files = {name: (None, value) for name, value in said.items()}
    assert http.post("/1.1/comment-check", files=files).text == "true"


def test_text_in_another_charset_is_read_as_what_it_says_it_is(shared: Site, key: str) -> None:
    body = urlencode({"api_key": key, "comment_author": "Zoë", "x": "é"}, encoding="latin-1")
    for media in ("", "; charset=iso-8859-1", "; charset=nonsense"):
        answer = shared.winnow.http.post(
            "/1.1/verify-key",
            content=body,
            headers={"Content-Type": f"application/x-www-form-urlencoded{media}"},
        )
        assert answer.text == "valid"


@pytest.mark.parametrize("charset", ["punycode", "idna", "hex", "utf-7", "cp9999", "x" * 99])
def test_no_charset_makes_a_request_take_long(shared: Site, charset: str) -> None:
    media = f"application/x-www-form-urlencoded; charset={charset}"
    started = time.monotonic()
    answer = shared.winnow.http.post(
        "/1.1/comment-check", content=b"x=%ff" + b"a-" * 250_000, headers={"Content-Type": media}
    )
    assert answer.text == "invalid"
    assert time.monotonic() - started < 2


def test_a_form_of_countless_parts_is_read_no_further(shared: Site, key: str) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    last = part.replace(b'"a"', b'"api_key"').replace(b"\r\n\r\n\r\n", b"\r\n\r\n" + key.encode())
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for parts, said in ((50, "valid"), (15_000, "invalid")):
        body = part * parts + last + b"\r\n--x--"
        answer = shared.winnow.http.post("/1.1/verify-key", content=body, headers=headers)
        assert answer.text == said


@pytest.mark.parametrize("name", ["comment_context", "comment_context[]", "comment_context[0]"])
def test_context_and_unknown_fields_are_passed_by(shared: Site, key: str, name: str) -> None:
    unknown = {
        name: "News",
        "is_spam": "1",
        "POST_submit": "x",
        "HTTP_ACCEPT": "y",
        "REMOTE_ADDR": "z",
        "comment_post_ID": "7",
        "content_type": "forum-post",
        "reporter": "me",
        "classify": "1",
    }
    assert check(shared, key, **unknown).text == "false"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-02T03:04:05", 1_767_323_045_000),
        ("2026-01-02 03:04:05", 1_767_323_045_000),
        ("2026-01-02T03:04:05.000Z", 1_767_323_045_000),
        ("2026-01-02T04:04:05+01:00", 1_767_323_045_000),
        ("1970-01-01T00:00:00.000Z", None),
        ("0000-00-00 00:00:00", None),
        ("yesterday", None),
        ("2096-01-01 00:00:00", None),
        ("", None),
    ],
)
def test_every_form_of_a_date_is_understood_or_passed_by(text: str, at: int | None) -> None:
    assert Asked({"comment_date_gmt": text}, "").draft(NOW).created_at == at


@pytest.mark.parametrize(
    ("text", "test"),
    [("1", True), ("true", True), ("True", True), ("False", False), ("0", False), ("", False)],
)
def test_truth_is_told_in_several_ways(text: str, test: bool) -> None:
    assert Asked({"is_test": text}, "").test is test


def test_what_breaks_our_rules_is_cut_or_left_out() -> None:
    asked = Asked(
        {
            "blog": "https://Blog.Example/x",
            "permalink": "not a URL",
            "comment_author": "  a\x00\n\tb" + "x" * 200,
            "comment_author_email": "nobody",
            "comment_author_url": "http://",
            "user_ip": "unknown",
            "user_agent": "u" * 5_000,
            "blog_lang": "en_US, fr_ca",
            "comment_content": "\x07a\r\nb\x00",
        },
        "",
    )
    draft = asked.draft(NOW)
    assert draft.page == "https://blog.example/x"
    assert (draft.name, len(draft.name)) == ("a b" + "x" * 77, 80)
    assert (draft.email, draft.url, draft.ip) == ("", "", "")
    assert (len(draft.user_agent), draft.locale, draft.body) == (512, "en-US", "a\nb")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (r"Say \"hi\", it\'s C:\\x", 'Say "hi", it\'s C:\\x'),
        (r'Say "hi" in C:\x', r'Say "hi" in C:\x'),
        ("Plain", "Plain"),
    ],
)
def test_the_backslashes_wordpress_adds_are_taken_off(sent: str, said: str) -> None:
    fields = {"comment_content": sent, "comment_author": sent}
    draft = Asked(fields, "", "WordPress/6.1.9 | Akismet/5.0.2").draft(NOW)
    assert (draft.body, draft.name) == (said, said)
    assert Asked(fields, "", "Discourse/3.2 | Akismet/0.1").draft(NOW).body == sent


def test_a_long_comment_is_read_at_its_beginning_and_its_end(shared: Site, key: str) -> None:
    long = HAM + "x" * 100_000 + SPAM
    body = Asked({"comment_content": long}, "").draft(NOW).body
    assert len(body) == BODY_MAX
    assert body.startswith(HAM)
    assert body.endswith(SPAM)
    words = " ".join([HAM] * 4_000)  # 350 kB
    assert check(shared, key, comment_content=words, POST_comment=words).text == "false"


def test_a_request_over_a_megabyte_is_refused_in_plain_text(shared: Site, key: str) -> None:
    answer = check(shared, key, comment_content="x" * 1_100_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text not in ("true", "false", "valid", "invalid")


@pytest.mark.parametrize(
    ("blog", "callback", "kept"),
    [
        (BLOG, f"{BLOG}/hook", True),
        (BLOG, "http://BLOG.example:8080/hook?x=1", True),
        ("blog.example/a", f"{BLOG}/hook", True),
        (BLOG, "https://elsewhere.example/hook", False),
        (BLOG, "https://blog.example.elsewhere.example/hook", False),
        (BLOG, "https://blog.example@elsewhere.example/hook", False),
        (BLOG, "ftp://blog.example/hook", False),
        (BLOG, "//blog.example/hook", False),
        (BLOG, "javascript:alert(1)", False),
        (BLOG, "", False),
        ("", "https:///hook", False),
        ("@@", "https://unknown/hook", False),
        ("http://[", "http://[", False),
    ],
)
def test_a_callback_is_on_the_blogs_own_host(blog: str, callback: str, kept: bool) -> None:
    assert Asked({"blog": blog, "callback": callback}, "").callback == (callback if kept else "")


def test_a_check_without_a_blog_is_invalid_and_says_why(shared: Site, key: str) -> None:
    for blog in (None, "", "  "):
        answer = check(shared, key, blog=blog)
        assert answer.text == "invalid"
        assert answer.headers["x-akismet-debug-help"] == 'Empty "blog" value'


def test_feedback_needs_no_field_but_the_key(shared: Site, key: str) -> None:
    for path in ("/1.1/submit-spam", "/1.1/submit-ham"):
        answer = shared.winnow.http.post(path, data={"api_key": key})
        assert (answer.status_code, answer.text) == (200, THANKS)


# ------------------------------------------------------------------------------- fuzz

_value = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["1", "true", "https://blog.example", "0000-00-00", "http://[", "://", "\x00"]),
)
_name = st.sampled_from(
    [
        *PLAIN,
        "comment_author_url",
        "comment_date_gmt",
        "honeypot_field_name",
        "callback",
        "is_test",
        "test_discard",
        "blog_lang",
        "blog_charset",
        "guid",
        "month",
        "limit",
        "offset",
        "order",
        "filter",
        "format",
        "from",
    ]
)
_form = st.dictionaries(_name, _value, max_size=8)
_media = st.sampled_from(
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=idna",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=",
        "text/html;;;=",
        "é",
    ]
)
_part = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"--x",
            b"--x--",
            b"\r\n",
            b"\r\n\r\n",
            b"Content-Disposition: form-data; name=blog",
            b"Content-Disposition: form-data; name*=utf-8''blog",
            b'Content-Disposition: form-data; name="',
            b"Content-Type: text/plain; charset=nonsense",
            b"Content-Type: multipart/mixed; boundary=x",
            b"Content-Transfer-Encoding: base64",
            b"Content-Transfer-Encoding: x-uuencode",
            b"https://blog.example",
        ]
    ),
)
_json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_name, inner, max_size=3)),
    max_leaves=8,
)


@pytest.mark.parametrize("queue", [False, True])
def test_whatever_is_sent_the_answer_is_one_akismet_gives(winnow: Winnow, queue: bool) -> None:
    site = winnow.site()
    key = site.key("compat")
    winnow.admin("PATCH", f"/v1/sites/{site.id}", json={"akismet_queue": queue})

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(PATHS),
        media=_media,
        said=st.one_of(
            _form.map(lambda form: urlencode(form, errors="replace").encode()),
            st.binary(max_size=200),
            _json_value.map(lambda value: json.dumps(value).encode()),
            _form.map(
                lambda form: (
                    b"".join(
                        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
                        % (n.encode(), v.encode(errors="replace"))
                        for n, v in form.items()
                    )
                    + b"--x--"
                )
            ),
        ),
        keyed=st.booleans(),
    )
    def fuzz(path: str, media: str, said: bytes, keyed: bool) -> None:
        headers = {"Content-Type": media.encode("latin-1"), "Host": b"x.example"}
        if keyed:
            headers["Host"] = key.encode() + b".rest.akismet.com"
        answer = winnow.http.post(path, content=said, headers=headers)
        assert answer.status_code in (200, 429, 503), answer.text
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in ("text/plain", "application/json", "text/csv")
        assert ("x-akismet-debug-help" in answer.headers) == (answer.text == "invalid")
        if path == "/1.1/comment-check":
            assert answer.text in ("true", "false", "invalid")

    fuzz()
