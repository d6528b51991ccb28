"""What a website may post, and what it is told when it may not."""

import ipaddress
from contextlib import suppress

import msgspec
import pytest
from email_validator import validate_email
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.errors import Invalid, Malformed
from service.pipeline import fields, validate
from service.records import Draft, Submission

NOW = 1_790_000_000_000
GOOD = {
    "page": "https://news.example/a/1",
    "name": "A reader",
    "email": "r@example.org",
    "body": "x",
}


def draft(*, body_max: int = 10_000, publishable: bool = False, **changes) -> Draft:
    submission = validate.decode_json(msgspec.json.encode({**GOOD, **changes}))
    return validate.check(submission, body_max=body_max, publishable=publishable, now=NOW)


def errors(**changes) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        draft(**changes)
    return [(error.pointer, error.code) for error in caught.value.errors]


def decode_errors(text: bytes) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        validate.decode_json(text)
    return [(error.pointer, error.code) for error in caught.value.errors]


def test_four_fields_make_a_draft():
    assert draft() == Draft(**GOOD)


def test_every_field_of_the_contract_is_taken():
    """The example of api.md is valid and comes back canonical."""
    full = draft(
        site="demo",
        page_title=" T ",
        parent="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        url="https://reader.example",
        ip="203.0.113.9",
        user_agent="UA",
        referrer="https://x.example/",
        locale="en_GB",
        created_at="2026-01-01T00:00:00.250+01:00",
        elapsed_ms=8400,
        honeypot="",
        metadata={"section": "politics"},
        test=True,
    )
    assert (full.page_title, full.url, full.locale) == ("T", "https://reader.example", "en-GB")
    assert full.created_at == 1_767_222_000_250
    assert full.metadata == {"section": "politics"}
    assert full.test


def test_the_id_of_a_parent_is_known_in_lower_case_too():
    assert draft(parent="01arz3ndektsv4rrffq69g5fav").parent == "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_all_errors_come_at_once():
    assert errors(name="", email="no", body=" ", page="ftp://x", elapsed_ms=-1) == [
        ("/page", "invalid_url"),
        ("/name", "empty"),
        ("/email", "invalid_email"),
        ("/body", "empty"),
        ("/elapsed_ms", "out_of_range"),
    ]


def test_shape_errors_do_not_hide_the_others():
    assert decode_errors(b'{"page":"/a","name":7,"body":"","a/b~c":1,"test":"yes"}') == [
        ("/a~1b~0c", "unknown_field"),
        ("/name", "wrong_type"),
        ("/email", "required"),
        ("/body", "empty"),
        ("/test", "wrong_type"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}x",
        b'{"a":1,}',
        b"\xef\xbb\xbf{}",
        b'{"name":"\xff"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"name":"\\ud800"}',
        b'{"metadata":' + b"[" * 30_000,
        b'{"metadata":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"elapsed_ms":' + b"9" * 5_000 + b"}",
        b'{"elapsed_ms":1e999}',
    ],
)
def test_what_cannot_be_read_is_malformed(text):
    with pytest.raises(Malformed):
        validate.decode_json(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused_cleanly(text):
    for decode in (validate.decode_json, validate.form_fields):
        with suppress(Invalid, Malformed):
            decode(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*Submission.__struct_fields__, "x", "~/"]), _JSON))
def test_any_object_gives_a_draft_or_errors_that_point_at_its_fields(data):
    try:
        submission = validate.decode_mapping(data)
        made = validate.check(submission, body_max=10_000, publishable=False, now=NOW)
    except Invalid as error:
        found = error.errors
    else:
        msgspec.msgpack.encode(made)
        msgspec.json.encode(made)
        return
    assert found
    assert {e.code for e in found} <= set(validate.CODES)
    assert all(e.pointer.startswith("/") and e.detail for e in found)


@pytest.mark.parametrize(
    "name", ["Ёлка", "山田太郎", "محمد", "नमस्ते", "O'Brien-Łuk", "👩‍🚀", "a\u202eb"]
)
def test_names_in_any_script_stay_as_written(name):
    assert draft(name=f"  {name} ").name == name


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("name", "a\nb", "control_character"),
        ("name", "a\tb", "control_character"),
        ("name", "a\u2028b", "control_character"),
        ("name", "a\x00", "control_character"),
        ("name", "\x1fa", "control_character"),
        ("name", "a\x7fb", "control_character"),
        ("name", "a\x9bb", "control_character"),
        ("name", "\u200b\u200d", "empty"),
        ("name", "\u3164", "empty"),
        ("name", "\u0301\u0302", "empty"),
        ("name", "é" * 81, "too_long"),
        ("body", "\u200b \n", "empty"),
        ("body", "a\x00b", "control_character"),
        ("body", "a\x0bb", "control_character"),
        ("body", "a" * 10_001, "too_long"),
        ("email", "", "empty"),
        ("email", "a" * 243 + "@example.org", "too_long"),
        ("email", "a@b@example.org", "invalid_email"),
        ("email", "a b@example.org", "invalid_email"),
        ("email", "a@localhost", "invalid_email"),
        ("email", "a@example..org", "invalid_email"),
        ("email", "A <a@example.org>", "invalid_email"),
        ("email", "a\n@example.org", "control_character"),
        ("url", "javascript:alert(1)", "invalid_url"),
        ("url", "https://", "invalid_url"),
        ("url", "https://u:p@example.org/", "invalid_url"),
        ("url", "https://good.example\\@evil.example/", "invalid_url"),
        ("url", "https://exa mple.org", "invalid_url"),
        ("url", "https://example.org/a\nb", "invalid_url"),
        ("url", "https://example.org:99999/", "invalid_url"),
        ("url", "https://[::1/", "invalid_url"),
        ("url", "https://example.org/" + "a" * 2_048, "too_long"),
        ("page", "", "empty"),
        ("page", "//evil.example/a", "invalid_url"),
        ("page", "a/b", "invalid_url"),
        ("page", "/a b", "invalid_url"),
        ("page", "/" + "a" * 2_048, "too_long"),
        ("page_title", "a" * 301, "too_long"),
        ("parent", "123", "invalid_id"),
        ("parent", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "invalid_id"),
        ("parent", "٠" * 26, "invalid_id"),
        ("ip", "300.1.1.1", "invalid_ip"),
        ("ip", "fe80::1%eth0", "invalid_ip"),
        ("user_agent", "a" * 513, "too_long"),
        ("referrer", "a" * 2_049, "too_long"),
        ("locale", "english language", "invalid_locale"),
        ("locale", "en" + "-abcdefgh" * 4, "invalid_locale"),
        ("created_at", "yesterday", "invalid_date"),
        ("created_at", "2026-01-01T00:00:00", "invalid_date"),
        ("created_at", "1989-12-31T23:59:59Z", "out_of_range"),
        ("created_at", "2199-01-01T00:00:00Z", "out_of_range"),
        ("created_at", "0001-01-01T00:00:00+10:00", "out_of_range"),
        ("elapsed_ms", 7 * 86_400_000 + 1, "out_of_range"),
        ("elapsed_ms", 1.5, "wrong_type"),
        ("elapsed_ms", True, "wrong_type"),
        ("honeypot", "a" * 1_001, "too_long"),
        ("metadata", {"a": "b" * 2_000}, "too_large"),
        ("metadata", [1], "wrong_type"),
        ("name", None, "required"),
    ],
)
def test_each_limit_has_its_code(field, text, code):
    assert errors(**{field: text}) == [(f"/{field}", code)]


def test_surrounding_white_space_is_no_error():
    assert draft(url=" https://a.example/b\n").url == "https://a.example/b"


@pytest.mark.parametrize("changes", [{"elapsed_ms": 10**50}, {"metadata": {"a": 10**50}}])
def test_integers_beyond_64_bits_are_out_of_range(changes):
    submission = Submission(**GOOD, **changes)
    with pytest.raises(Invalid) as caught:
        validate.check(submission, body_max=9, publishable=False, now=NOW)
    assert [e.code for e in caught.value.errors] == ["out_of_range"]


@pytest.mark.parametrize("depth", [17, 900])
def test_metadata_may_not_be_nested_deeply(depth):
    nested: object = 1
    for _ in range(depth):
        nested = [nested]
    assert errors(metadata={"a": nested}) == [("/metadata", "too_large")]


def test_line_breaks_become_line_feeds():
    assert draft(body="\r\na\r\nb\rc\td\n").body == "a\nb\nc\td"


def test_bidi_and_zero_width_characters_stay_in_the_body():
    assert draft(body="a\u202eb\u200bc").body == "a\u202eb\u200bc"


def test_a_policy_may_lower_the_body_limit():
    assert errors(body="abcd", body_max=3) == [("/body", "too_long")]
    assert draft(body=" abc ", body_max=3).body == "abc"


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("Reader@Example.ORG", "Reader@example.org"),
        (" a@example.com ", "a@example.com"),
        ("a@shop.test", "a@shop.test"),
        ("jörg@müller.example", "jörg@müller.example"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("a+b@xn--mller-kva.example", "a+b@müller.example"),
    ],
)
def test_addresses_are_normalised(address, normal):
    assert draft(email=address).email == normal


_LOCAL = st.lists(st.text("abz019+-_", max_size=30), min_size=1, max_size=3).map(".".join)
_LABEL = st.text("abz09-", min_size=1, max_size=64)
_TLD = st.sampled_from(["org", "x", "c0m", "test", "local", "museum", "invalid"])


@example("a" * 64, ["b" * 59], "org")
@example("a.b+c_-", ["a-b", "9"], "museum")
@given(_LOCAL, st.lists(_LABEL, min_size=1, max_size=6), _TLD)
def test_the_fast_way_accepts_only_what_the_library_returns_unchanged(local, labels, tld):
    """Whatever the fast pattern takes, email-validator takes too, and leaves as it is."""
    address = f"{local}@{'.'.join(labels)}.{tld}"
    plain = fields._PLAIN_EMAIL.fullmatch(address)
    if plain and plain[1] not in fields._SPECIAL_TLDS:
        found = validate_email(address, check_deliverability=False, test_environment=True)
        assert found.normalized == address


@pytest.mark.parametrize(
    ("page", "canonical"),
    [
        ("HTTPS://News.Example:443/A?b=C#frag", "https://news.example/A?b=C"),
        ("http://news.example:80", "http://news.example/"),
        ("http://news.example:8080/a", "http://news.example:8080/a"),
        ("https://news.example?x=1", "https://news.example/?x=1"),
        ("https://straße.example/ä", "https://xn--strae-oqa.example/%C3%A4"),
        ("http://[2001:DB8::0:1]/", "http://[2001:db8::1]/"),
        ("http://localhost:8080/demo", "http://localhost:8080/demo"),
        ("/a/1?x=ä#top", "/a/1?x=%C3%A4"),
        ("/", "/"),
    ],
)
def test_one_page_has_one_address(page, canonical):
    assert draft(page=page).page == canonical
    assert draft(page=canonical).page == canonical


@given(
    st.text(max_size=60) | st.from_regex(r"https?://[a-z.:@\[\]\\#?/0-9é]{1,30}", fullmatch=True)
)
def test_an_accepted_page_is_canonical_already(text):
    with suppress(fields.Wrong):
        page = fields.page(text)
        assert fields.page(page) == page
        assert page.isascii()
        assert "#" not in page
        assert page.startswith(("/", "http://", "https://"))
        assert not page.startswith("//")


@given(st.ip_addresses())
def test_addresses_of_machines_are_canonical(address):
    found = ipaddress.ip_address(fields.ip(str(address)))
    assert found == address or found == getattr(address, "ipv4_mapped", None)


def test_a_publishable_key_may_not_say_what_the_request_tells():
    wrong = {"ip": "203.0.113.9", "user_agent": "x", "referrer": "", "created_at": ""}
    assert errors(**wrong, publishable=True) == [(f"/{name}", "not_allowed") for name in wrong]


def test_a_forms_blank_fields_count_as_absent():
    form = validate.form_fields(
        b"page=%2Fa&name=J%C3%B6rg+M&email=a%40example.org&body=Hi%0D%0Ayou&url=&parent=&elapsed_ms="
    )
    submission = validate.decode_form(form)
    made = validate.check(submission, body_max=99, publishable=True, now=NOW)
    assert (made.name, made.body, made.elapsed_ms) == ("Jörg M", "Hi\nyou", None)


def test_a_forms_text_becomes_numbers_and_switches():
    form = {**GOOD, "elapsed_ms": "8400", "test": "on", "metadata": '{"a":1}'}
    submission = validate.decode_form(form)
    assert (submission.elapsed_ms, submission.test, submission.metadata) == (8400, True, {"a": 1})


def test_a_forms_wrong_values_are_named():
    with pytest.raises(Invalid) as caught:
        validate.decode_form(
            {"page": "/", "elapsed_ms": "²", "test": "maybe", "metadata": "x", "y": "1"}
        )
    assert [(e.pointer, e.code) for e in caught.value.errors] == [
        ("/y", "unknown_field"),
        ("/name", "required"),
        ("/email", "required"),
        ("/body", "required"),
        ("/elapsed_ms", "wrong_type"),
        ("/metadata", "wrong_type"),
        ("/test", "wrong_type"),
    ]


def test_a_form_may_not_repeat_a_field():
    with pytest.raises(Invalid) as caught:
        validate.form_fields(b"name=a&name=b")
    assert [(e.pointer, e.code) for e in caught.value.errors] == [("/name", "duplicate_field")]


@pytest.mark.parametrize("text", [b"name", b"a=%ff", b"a=\xff", b"&".join([b"a=1"] * 65)])
def test_a_form_that_cannot_be_read_is_malformed(text):
    with pytest.raises(Malformed):
        validate.form_fields(text)


def test_an_edit_obeys_the_rules_of_a_body():
    assert validate.check_edit(" new\r\n", 3) == "new"
    with pytest.raises(Invalid) as caught:
        validate.check_edit("\x00", 3)
    assert caught.value.errors[0].pointer == "/body"
