"""Each signal is reported for what it describes and for nothing ordinary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import (
    NEAR,
    SIGNALS,
    SignalInput,
    apart,
    fingerprint,
    link_count,
    run_signals,
    simhash,
)

CASES = [
    ("links.count", {"text": "see http://a.example.com/x and www.b.org"}),
    ("links.shortener", {"text": "look https://bit.ly/abc"}),
    ("links.raw_ip", {"text": "go to http://203.0.113.9/login"}),
    ("links.punycode", {"text": "http://xn--80ak6aa92e.com/"}),
    ("links.trade", {"text": "http://best-casino.example.com"}),
    ("links.markup", {"text": "<a href='http://x.com'>x</a>"}),
    ("contact.phone", {"text": "call +44 7700 900123 now"}),
    ("contact.email", {"text": "write to doctor.spell@example.com"}),
    ("contact.messenger", {"text": "WhatsApp me on +1 202 555 0101"}),
    ("shouting", {"text": "THIS IS NOT HOW YOU DO IT"}),
    ("repetition", {"text": "buy buy buy buy buy buy buy buy now"}),
    ("obfuscation", {"text": "frее mоnеу for you"}),
    ("praise.template", {"text": "Great post! Keep it up.", "url": "http://x.com"}),
    (
        "language.other",
        {"text": "Das ist ein sehr guter Artikel, vielen Dank dafür, weiter so", "language": "en"},
    ),
    ("honeypot", {"text": "hi", "honeypot": "x"}),
    ("elapsed", {"text": "hi", "elapsed_ms": 300}),
    ("author.url", {"text": "hi", "url": "http://x.com"}),
    ("author.keyword", {"text": "hi", "name": "Cheap Flights Online"}),
    ("user_agent", {"text": "hi", "user_agent": "python-requests/2.31"}),
]

ORDINARY = [
    "Thanks, that helped me with version 2.31.4 on 2024-05-06.",
    "I use asp.net and socket.io; see main.rs at line 1234567890.",
    "The NASA API returned 404 for id 123-456.",
    "Ich finde das schön. Большое спасибо за статью!",
    "我觉得这个很好",
]


@pytest.mark.parametrize(("code", "given"), CASES)
def test_a_signal_is_reported_with_its_code_strength_and_reason(code, given):
    signals = {signal.code: signal for signal in run_signals(SignalInput(**given))}
    assert code in signals
    assert 0 < signals[code].strength <= 1
    assert signals[code].detail


def test_every_signal_of_the_table_has_a_case_here_and_a_sentence():
    assert [code for code, _ in SIGNALS] == [code for code, _ in CASES]
    assert all(sentence.endswith(".") for _, sentence in SIGNALS)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_comments_raise_no_signal(text):
    given = SignalInput(text=text, name="Ada Lovelace", elapsed_ms=60_000, user_agent="Mozilla/5.0")
    assert run_signals(given) == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120), st.text(max_size=20))
def test_any_text_gives_signals_with_spans_inside_it(text, name):
    for signal in run_signals(SignalInput(text=text, name=name, url=name)):
        assert 0 <= signal.strength <= 1
        assert all(0 <= start < end <= len(text) for start, end in signal.spans)


def test_all_signals_are_reported_together():
    given = SignalInput(
        text="CALL ME AGAIN RIGHT NOW +44 7700 900123 http://bit.ly/x", honeypot="x", elapsed_ms=1
    )
    codes = {signal.code for signal in run_signals(given)}
    assert codes >= {
        "links.count",
        "links.shortener",
        "contact.phone",
        "shouting",
        "honeypot",
        "elapsed",
    }


def test_links_are_counted_as_people_write_them():
    assert link_count("http://a.com, (https://b.org/x?y=1) and www.c.net. Also d.shop/now!") == 4
    assert link_count("no. links... here, e.g. node.js or 3.14") == 0


def test_the_fingerprint_ignores_case_spacing_and_disguise():
    assert fingerprint("Buy  NOW, cheap!") == fingerprint("buy now\ncheap")
    assert fingerprint("ｂｕｙ nоw ch\u200beap") == fingerprint("buy now cheap")
    assert fingerprint("buy now") != fingerprint("buy later")
    assert len(fingerprint("")) == 16
    assert fingerprint("!!!") != fingerprint("???")


def test_a_template_with_another_link_or_name_keeps_nearly_the_same_simhash():
    template = (
        "I read {} every day and it is the best blog about gardening that I know of, thank you"
        " so much for sharing all of these ideas with us. Visit {} for cheap garden tools."
    )
    first = simhash(template.format("your page", "http://a.example/1"))
    second = simhash(template.format("your page", "https://b.example/shop?x=77"))
    assert apart(first, second) == 0
    assert apart(first, simhash(template.format("this page", "http://c.example"))) <= 2 * NEAR
    other = simhash("We moved to another database last year and the migration took a weekend.")
    assert apart(first, other) > 2 * NEAR
    assert simhash("") == simhash("!!!") == 0


@pytest.mark.parametrize("language", ["", "de", "de-AT"])
def test_a_text_in_the_language_of_its_page_raises_no_language_signal(language):
    text = "Das ist ein sehr guter Artikel, vielen Dank dafür und weiter so"
    assert run_signals(SignalInput(text=text, language=language)) == []


def test_hostile_texts_do_not_slow_the_signals_down():
    for text in (
        "a." * 5000,
        "1 " * 5000,
        "@" * 10_000,
        "www." * 2500,
        "+1" * 5000,
        "great " * 2000,
    ):
        run_signals(SignalInput(text=text, name=text[:200]))
