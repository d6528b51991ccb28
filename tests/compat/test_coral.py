"""Requirements of Coral's two ways in: its external moderation phase, its Perspective client."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest
import redis

from service.api.compat.coral import TEXT_MAX, answer_to, is_signed, plain
from service.errors import Unavailable
from service.records import Reason, Verdict
from service.store.keys import SiteKeys

SECRET = "c0ra1-" + "ab" * 32
TOXIC = [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}]
SPAM = [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_SPAM"}]


def asked(body: str | None = "<div>Here's a comment!</div>", **more: Any) -> bytes:
    """A request as Coral writes it: indented by two spaces, nothing left out."""
    document = {
        "action": "NEW",
        "comment": {"body": body, "parentID": None},
        "author": {"id": "baf4e943-3594-4fcc-b2ba-3e8de7a76352", "role": "COMMENTER"},
        "story": {
            "id": "245b3856-b0a0-4d2f-a6bb-58c71f18d6a6",
            "url": "http://localhost:1313/posts/a-story-url/",
        },
        "site": {"id": "a4bede88-2d2c-4424-bc18-4322a9e285a6"},
        "tenantID": "19ba5794-7eeb-4d46-a81b-c00c61672501",
        "tenantDomain": "localhost",
    }
    return json.dumps(document | more, indent=2, ensure_ascii=False).encode()


def signature(body: bytes, *secrets: str) -> str:
    """As Coral's `generateSignatures`: one for each active secret."""
    return ",".join(
        "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        for secret in secrets
    )


def phase(site, body: bytes = asked(), *, key: str = "", signed: str = ""):
    """One moderation request; with the site's secret key unless another is given."""
    headers = {"Content-Type": "application/json", "User-Agent": "Coral Moderation/9.0.0"}
    if signed:
        headers["X-Coral-Signature"] = signed
    return site.winnow.http.post(
        "/coral/moderation", params={"key": key or site.secret}, content=body, headers=headers
    )


def keep(site, *secrets: str, key: str = ""):
    path = f"/v1/sites/{site.id}/coral"
    return site.ask("PUT", path, key or site.winnow.admin_key, json={"secrets": list(secrets)})


@pytest.fixture
def signing(plain_site):
    """A site that approves everything and keeps one signing secret."""
    assert keep(plain_site, SECRET).json() == {"secrets": 1}
    return plain_site


# ------------------------------------------------------------------------------ who may ask


def test_with_no_secret_kept_the_key_alone_admits(plain_site):
    """A compat or a secret key; 204 and no body, since there is nothing to do."""
    for key in (plain_site.secret, plain_site.key("compat")):
        answer = phase(plain_site, key=key)
        assert (answer.status_code, answer.content) == (204, b"")
    assert phase(plain_site, signed="sha256=00").status_code == 204


@pytest.mark.parametrize("kind", ["publishable", "admin", "unknown", "none"])
def test_other_keys_do_not_open_the_door(plain_site, kind):
    """A page's key may not, an admin's names no site; Coral goes on without us."""
    keys = {
        "publishable": plain_site.publishable,
        "admin": plain_site.winnow.admin_key,
        "unknown": "sk_nobody",
        "none": " ",
    }
    expected = 401 if kind in ("unknown", "none") else 403
    assert phase(plain_site, key=keys[kind]).status_code == expected


def test_a_right_signature_is_needed_once_a_secret_is_kept(signing):
    """Of exactly the bytes that arrived."""
    body = asked("Ein Kommentar: schön ✓")
    assert phase(signing, body, signed=signature(body, SECRET)).status_code == 204
    for wrong in (
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        signature(body, "another secret, not kept"),
        signature(body, SECRET).removeprefix("sha256=")[:-1],
        signature(body, SECRET).replace("sha256=", "sha1="),
    ):
        assert phase(signing, body, signed=wrong).status_code == 401, wrong
    assert phase(signing, body + b" ", signed=signature(body, SECRET)).status_code == 401
    assert not is_signed(body, "sha256=\xe9", [SECRET])


def test_any_of_several_signatures_by_any_of_several_secrets_will_do(signing):
    """While Coral rolls its secret it signs with both, and either side may know only one."""
    body, new = asked(), "n3w-" + "cd" * 32
    both = signature(body, new, SECRET)
    assert phase(signing, body, signed=both).status_code == 204
    assert phase(signing, body, signed=signature(body, new)).status_code == 401
    assert keep(signing, SECRET, new).json() == {"secrets": 2}
    assert phase(signing, body, signed=signature(body, new)).status_code == 204
    assert keep(signing, new).json() == {"secrets": 1}
    assert phase(signing, body, signed=signature(body, SECRET)).status_code == 401
    assert phase(signing, body, signed=both).status_code == 204
    assert is_signed(body, both.replace(",", ", "), [SECRET])


def test_secrets_are_never_shown_and_only_the_owner_changes_them(signing):
    """Counted, and gone when none is sent."""
    path = f"/v1/sites/{signing.id}/coral"
    shown = signing.ask("GET", path, signing.winnow.admin_key)
    assert shown.json() == {"secrets": 1}
    assert keep(signing, "x" * 20, key=signing.secret).status_code == 403
    assert signing.ask("GET", path).status_code == 403
    for wrong in (["short"], ["with a blank in between"], ["y" * 257], ["z" * 16] * 11):
        assert keep(signing, *wrong).status_code == 422
    assert keep(signing).json() == {"secrets": 0}
    assert phase(signing).status_code == 204


async def test_secrets_are_encrypted_in_the_store_and_bound_to_their_site(store):
    """A dump tells nothing, and one site's secrets open nothing of another's."""
    await store.signing.replace("a", "coral", (SECRET,))
    assert await store.signing.of("a", "coral") == (SECRET,)
    assert await store.signing.of("b", "coral") == ()
    row = await store.wire.client.hget(SiteKeys("a").signing(), "coral")
    assert SECRET.encode() not in row
    await store.wire.client.hset(SiteKeys("b").signing(), "coral", row)
    with pytest.raises(Unavailable):
        await store.signing.of("b", "coral")


def test_where_winnow_fails_coral_goes_on(launch_winnow, tmp_path):
    """503 with no model, and with secrets that another installation sealed."""
    winnow = launch_winnow(WINNOW_MODEL=str(tmp_path))
    site = winnow.site()
    answer = phase(site)
    assert (answer.status_code, answer.json()["detail"]) == (503, "No model is loaded.")
    with redis.Redis.from_url(winnow.redis_url) as client:
        client.hset(SiteKeys(site.id).signing(), "coral", b"sealed elsewhere, by another secret")
    answer = phase(site)
    assert answer.status_code == 503
    assert "cannot be opened" in answer.json()["detail"]
    winnow.stop()


# --------------------------------------------------------------------------------- verdicts


def said(site, text: str) -> dict[str, Any] | None:
    answer = phase(site, asked(text))
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.content else None


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("hold", {"actions": [], "status": "PREMOD"}),
        ("spam", {"actions": SPAM, "status": "SYSTEM_WITHHELD"}),
        ("reject", {"actions": [], "status": "REJECTED"}),
    ],
)
def test_the_sites_policy_decides(site, outcome, expected):
    """A word list's verdict as Coral's status; nothing to do where it says nothing."""
    site.policy(block=[{"text": "marzipan", "outcome": outcome}])
    assert said(site, "<div>I like <b>marzi</b>pan.</div>") == expected
    assert said(site, "<div>I like nougat.</div>") is None


def test_the_default_policy_withholds_abuse_and_spam_and_leaves_others_alone(site):
    """The author is neither new nor known: a first comment is not held for that."""
    assert said(site, "<p>I agree with the second point.</p>") is None
    withheld = {"actions": TOXIC, "status": "SYSTEM_WITHHELD"}
    assert said(site, "<div>You are a fucking idiot.<br></div>") == withheld
    assert said(site, "You are a &lt;fucking&gt; idiot") == withheld
    links = "".join(
        f'<a href="https://s{i}.example/x" rel="nofollow">so nice</a> ' for i in range(3)
    )
    assert said(site, links)["status"] != "REJECTED"


@pytest.mark.parametrize(
    ("outcome", "codes", "flags", "status"),
    [
        ("hold", ["toxicity"], TOXIC, "SYSTEM_WITHHELD"),
        ("hold", ["toxicity.insult", "links.too_many"], TOXIC, "SYSTEM_WITHHELD"),
        ("hold", ["spam"], SPAM, "PREMOD"),
        ("hold", ["links.too_many"], [], "PREMOD"),
        ("spam", ["spam", "toxicity.threat"], [*TOXIC, *SPAM], "SYSTEM_WITHHELD"),
        ("reject", ["toxicity.threat"], TOXIC, "REJECTED"),
    ],
)
def test_every_verdict_has_its_status_and_says_why_by_flags(outcome, codes, flags, status):
    """Coral knows two flags; a reason in shadow raises none."""
    reasons = (
        *(Reason(code, "", outcome) for code in codes),
        Reason("spam", "", shadow=True),
        Reason("toxicity", "", shadow=True),
    )
    found = answer_to(Verdict(outcome, reasons, policy_version=1, model="m"))
    assert [{"actionType": f.actionType, "reason": f.reason} for f in found.actions] == flags
    assert found.status == status


def test_an_edit_is_judged_as_a_new_comment_and_what_coral_adds_is_ignored(site):
    """Coral adds fields between releases."""
    site.policy(block=[{"text": "marzipan"}])
    more = {"action": "EDIT", "comment": {"body": "marzipan", "parentID": "p", "revision": 2}}
    for extra in ({}, {"experts": [1], "story": None}, {"action": "SOMETHING_NEW"}):
        assert phase(site, asked(**(more | extra))).json()["status"] == "PREMOD"


@pytest.mark.parametrize("body", ["", None, "  ", "<div><br></div>", "&nbsp;"])
def test_a_comment_without_words_is_left_alone(site, body):
    """A rating or a picture."""
    assert phase(site, asked(body)).status_code == 204


def test_what_is_no_request_of_coral_is_refused_and_coral_goes_on(site):
    """400 and 422 mean to Coral: without this phase."""
    assert phase(site, b"").status_code == 400
    assert phase(site, b"{").status_code == 400
    assert phase(site, b"[]").status_code == 422
    assert phase(site, b'{"action": "NEW"}').status_code == 422
    assert phase(site, asked(comment={"body": 7})).status_code == 422


def test_a_comment_too_long_to_be_read_waits_for_a_human(site):
    """Nothing is published that no check has seen; the answer still comes at once."""
    site.policy(block=[{"text": "marzipan", "outcome": "spam"}])
    waits = {"actions": [], "status": "PREMOD"}
    assert said(site, "word " * (TEXT_MAX // 5)) is None
    assert said(site, "word " * (TEXT_MAX // 5) + "marzipan") == waits
    assert said(site, "marzipan" + " word" * TEXT_MAX)["status"] == "SYSTEM_WITHHELD"
    began = time.monotonic()
    assert said(site, "<div>" * 20_000 + "x" * 1_000_000) == waits
    assert time.monotonic() - began < 2
    assert phase(site, asked("x" * 9_000_000)).status_code == 413


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Here's a comment!", "Here's a comment!"),
        ("<div>One<br>two</div>", "One\ntwo"),
        ('<a href="https://s.example/" target="_blank" rel="nofollow">see</a>',
         "see (https://s.example/)"),
        ("1 &lt; 2 &amp;&amp; <b>3</b> &gt; 2", "1 < 2 && 3 > 2"),
        ("<you absolute fool>", "<you absolute fool>"),
        ("<b you fool>1 < 2", "<b you fool>1 < 2"),
    ],
)  # fmt: skip
def test_html_becomes_what_a_reader_sees_and_plain_text_stays(html, text):
    """Coral sends either, as the phase is set; in plain text a bracket hides nothing."""
    assert plain(html) == text


def test_nothing_is_stored(site):
    """Coral keeps its comments itself."""
    before = site.counts()
    assert said(site, "You are a fucking idiot.") is not None
    assert site.counts() == before


def test_an_answer_comes_within_a_fraction_of_corals_patience(plain_site):
    """Coral waits 200 ms or more for a phase; the median here is far below."""
    took = []
    for i in range(30):
        began = time.perf_counter()
        assert said(plain_site, f"<div>This is comment {i} on the second point.</div>") is None
        took.append(time.perf_counter() - began)
    assert sorted(took)[15] < 0.1


# ------------------------------------------------------------ Coral's Perspective client

LANGUAGES = {"en-US": "en", "es": "es", "fr-FR": "fr", "de": "de", "pt-BR": "pt", "sv": "en"}
"""Coral's `convertLanguage`: its locales, and what it says to Perspective."""


def perspective(site, operation: str, body: dict[str, Any], *, key: str = "", base: str = ""):
    """As `sendToPerspective` asks the custom endpoint: its path, the operation, the key, JSON."""
    endpoint = (base or f" {site.winnow.url}/v1alpha1 ").strip()
    key = (key or site.secret).strip()
    with httpx.Client(timeout=0.8 * 5) as client:  # Coral's PERSPECTIVE_TIMEOUT is 800 ms
        return client.post(
            f"{endpoint.rstrip('/')}/{operation}?key={key}",
            content=json.dumps(body, separators=(",", ":"), ensure_ascii=False),
            headers={"Content-Type": "application/json"},
        )


def analyze(text: str, model: str = "TOXICITY", language: str = "en") -> dict[str, Any]:
    return {
        "comment": {"text": text},
        "doNotStore": True,
        "requestedAttributes": {model: {}},
        "languages": [language],
    }


@pytest.mark.parametrize(
    "model", ["TOXICITY", "SEVERE_TOXICITY", "INSULT", "TOXICITY_EXPERIMENTAL"]
)
def test_coral_reads_the_score_of_its_model(site, model):
    """From `attributeScores.<MODEL>.summaryScore.value`, against its threshold of 0.8."""
    for key in (site.secret, site.key("compat")):
        answer = perspective(
            site, "comments:analyze", analyze("What a lovely day.", model), key=key
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["attributeScores"][model]["summaryScore"]["value"] < 0.8
    if model in ("TOXICITY", "INSULT"):
        found = perspective(site, "comments:analyze", analyze("You are a fucking idiot.", model))
        assert found.json()["attributeScores"][model]["summaryScore"]["value"] > 0.8


@pytest.mark.parametrize("locale", LANGUAGES)
def test_coral_is_answered_in_every_locale_or_told_why_not(site, locale):
    """Where the model was not measured Coral gets Google's own refusal, and goes on without."""
    language = LANGUAGES[locale]
    answer = perspective(site, "comments:analyze", analyze("Hello there", language=language))
    if language == "es":
        assert answer.status_code == 400
        assert "does not support request languages: es" in answer.json()["error"]["message"]
    else:
        assert 0 <= answer.json()["attributeScores"]["TOXICITY"]["summaryScore"]["value"] <= 1


@pytest.mark.parametrize(("status", "value"), [("APPROVED", 0), ("DELETED", 1)])
def test_coral_sends_moderators_decisions_as_feedback(site, status, value):
    """`sendFeedback`: kept as labels, and answered with its token."""
    context = {
        "url": "https://news.example/a?commentID=c1",
        "reply_to_id_Coral_comment_id": None,
        "Coral_comment_id": "c1",
    }
    body = {
        "comment": {"text": f"This one was {status}."},
        "context": {"entries": [{"text": json.dumps(context)}]},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
        "languages": ["en"],
        "communityId": "Coral:https://coral.example",
        "clientToken": "comment:c1",
    }
    answer = perspective(site, "comments:suggestscore", body)
    assert (answer.status_code, answer.json()["clientToken"]) == (200, "comment:c1")


def test_coral_logs_a_wrong_key_and_goes_on(site):
    """It looks at nothing but the status."""
    answer = perspective(site, "comments:analyze", analyze("Hello"), key="nobody")
    assert answer.status_code == 400
