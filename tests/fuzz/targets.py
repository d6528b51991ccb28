"""What is fuzzed: one function a target, called with any bytes; it fails where a promise is broken.

Under atheris (`python tests/fuzz/explore.py NAME`) coverage guides the bytes, in `make test`
Hypothesis and the corpus do. What a target may raise it catches itself.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

NOW: Final = 1_790_000_000_000
PER_CHARACTER_S: Final = 0.0005
AT_LEAST_S: Final = 1.0
"""A text may take this long, and half a millisecond more for each of its characters: fifty times
what it takes, so that only growth with the square of its length is noticed."""
_SCRATCH = Path(tempfile.gettempdir())


def text_of(data: bytes) -> str:
    """A text as JSON gives one: any code points but lone surrogates; short inputs are repeated, so
    that what grows faster than its length shows."""
    if data[:1] == b"\x00" and len(data) > 2:
        times = 1 + data[1] * 16
        return (data[2:].decode("utf-8", "ignore") * times)[:10_000]
    return data.decode("utf-8", "ignore")[:10_000]


@contextlib.contextmanager
def soon(length: int) -> Any:
    """Fails where what is inside takes much longer than the length of a text allows."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < AT_LEAST_S + PER_CHARACTER_S * length, f"{took:.2f} s for {length} characters"


def inside(spans: Any, text: str) -> None:
    """Every span lies inside its text."""
    for start, end in spans:
        assert 0 <= start <= end <= len(text), (start, end, len(text))


# ------------------------------------------------------------------------------ classifier


def normalise(data: bytes) -> None:
    """The normal form: idempotent, traced to places inside the text, in time."""
    from classifier.text import fold, fold_traced, neutralise

    text = text_of(data)
    with soon(len(text)):
        folded = fold(text)
        traced = fold_traced(text)
        again = fold(folded)
    assert again == folded, "fold(fold(text)) != fold(text)"
    assert traced.text == folded, "the traced form differs from the fast one"
    assert len(traced.starts) == len(traced.ends) == len(folded)
    inside(zip(traced.starts, traced.ends, strict=True), text)
    assert traced.starts == sorted(traced.starts)
    assert traced.ends == sorted(traced.ends)
    shown = neutralise(text)
    assert neutralise(shown) == shown


def signals(data: bytes) -> None:
    """Signals: strength in 0..1, spans inside the text, in time."""
    from classifier import SIGNALS, SignalInput, fingerprint, link_count, run_signals, simhash

    text = text_of(data)
    _model()  # what is loaded once is no text's fault
    given = SignalInput(
        text=text,
        name=text[:80],
        email="a@example.org",
        url="https://a.example",
        honeypot="",
        elapsed_ms=len(text),
        language="en",
    )
    with soon(len(text)):
        found = run_signals(given)
        assert link_count(text) >= 0
        assert fingerprint(text) == fingerprint(text)
        assert 0 <= simhash(text) < 1 << 64
    for signal in found:
        assert signal.code in dict(SIGNALS)
        assert 0.0 <= signal.strength <= 1.0
        inside(signal.spans, text)


@cache
def _model() -> Any:
    import classifier

    model = classifier.load(classifier.default_artifact())
    model.score(["Muchas gracias por un artículo tan interesante"])
    return model


def score(data: bytes) -> None:
    """Scores in 0..1, the same alone and in company; spans inside the text; in time."""
    text = text_of(data)
    model = _model()
    with soon(len(text)):
        alone, (_, beside) = model.score([text])[0], model.score(["I agree.", text])
        spans = model.spans(text, "insult")
        found = model.explain(text, "insult")
    assert ((alone >= 0) & (alone <= 1)).all()
    assert abs(alone - beside).max() < 1e-4
    inside(spans, text)
    inside(((token.start, token.end) for token in found.tokens), text)


@cache
def _tiny() -> dict[str, bytes]:
    """The files of a small model."""
    from tests.fuzz.artifacts import tiny

    with tempfile.TemporaryDirectory(dir=_SCRATCH) as home:
        return {path.name: path.read_bytes() for path in tiny(Path(home) / "model").iterdir()}


def artifact(data: bytes) -> None:
    """A model's files hold anything: it is refused."""
    from classifier import ArtifactError, load
    from classifier.artifact import seal

    if not data:
        return
    with tempfile.TemporaryDirectory(dir=_SCRATCH) as home:
        folder = Path(home)
        for name, raw in _tiny().items():
            (folder / name).write_bytes(raw)
        names = sorted(path.name for path in folder.iterdir())
        path = folder / names[data[0] % len(names)]
        before = path.read_bytes()
        at = int.from_bytes(data[1:4], "big") % (len(before) + 1)
        path.write_bytes(before[:at] + data[5:] + before[at + data[4] if len(data) > 4 else at :])
        sealed = data[0] & 0x80 and path.name != "SHA256SUMS"
        if sealed:
            seal(folder)
        try:
            load(folder)
        except ArtifactError:
            return
        assert sealed or path.read_bytes() == before, "altered, and loaded in silence"


# ------------------------------------------------------------------------------- importers


def _imported(data: bytes, form: str | None) -> None:
    from service.errors import Malformed
    from service.importing.formats import opened
    from service.importing.reading import read
    from service.importing.source import chunks
    from service.incoming import Incoming

    with tempfile.NamedTemporaryFile(dir=_SCRATCH) as copy:
        copy.write(data)
        copy.flush()
        try:
            file, known = opened(copy.name, form)
        except Malformed:
            return
        with file, soon(len(data)), contextlib.suppress(Malformed):
            for chunk in chunks(file, known, 50):
                batch = read(chunk.records, 1, NOW, status="pending", origin="https://a.example")
                for comment_id, incoming in batch.good.items():
                    assert len(comment_id) == 26
                    assert isinstance(incoming, Incoming)
                    assert len(incoming.draft.body) <= 10_000
                for bad in batch.bad:
                    assert bad.errors
                    assert all(error.code and error.detail for error in bad.errors)


def import_any(data: bytes) -> None:
    """Any file whose format is told by its beginning."""
    _imported(data, None)


def import_wxr(data: bytes) -> None:
    """WordPress' export."""
    _imported(data, "wxr")


def import_disqus(data: bytes) -> None:
    """Disqus' export."""
    _imported(data, "disqus")


def import_remark42(data: bytes) -> None:
    """Remark42's backup."""
    _imported(data, "remark42")


def import_coral(data: bytes) -> None:
    """Coral's comments."""
    _imported(data, "coral")


def import_jsonl(data: bytes) -> None:
    """Our own lines."""
    _imported(data, "jsonl")


@cache
def _isso() -> bytes:
    """A database as Isso has it, with one comment."""
    with tempfile.TemporaryDirectory(dir=_SCRATCH) as home:
        path = Path(home) / "isso.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(
                "CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256), title TEXT);"
                "CREATE TABLE comments (tid, id INTEGER PRIMARY KEY, parent INTEGER, created FLOAT,"
                " modified FLOAT, mode INTEGER, remote_addr VARCHAR, text VARCHAR, author VARCHAR,"
                " email VARCHAR, website VARCHAR, likes INTEGER, dislikes INTEGER, voters BLOB,"
                " notification INTEGER);"
                "INSERT INTO threads VALUES (1, '/a/', 'A');"
                "INSERT INTO comments VALUES (1, 1, NULL, 1500000000.5, NULL, 1, '203.0.113.0',"
                " 'Hello', 'Ann', 'ann@example.org', 'https://ann.example', 0, 0, x'00', 0);"
            )
            database.commit()
        return path.read_bytes()


def import_isso(data: bytes) -> None:
    """Isso's database with bytes changed: three of `data` name a place, the fourth goes there."""
    raw = bytearray(_isso())
    for i in range(0, len(data) - 3, 4):
        raw[int.from_bytes(data[i : i + 3], "big") % len(raw)] = data[i + 3]
    _imported(bytes(raw), "isso")


# ---------------------------------------------------------------------------------- compat


def perspective(data: bytes) -> None:
    """Perspective's bodies and field masks."""
    from service.api.compat.perspective import checks, masks, payload, spans
    from service.api.compat.perspective.refusals import Refused

    messages = ("AnalyzeCommentRequest", "SuggestCommentScoreRequest")
    with soon(len(data)):
        for message in messages:
            with contextlib.suppress(Refused):
                body = payload.read(data, message)
                checks.requested(body)
                text = checks.comment_text(body)
                assert spans.units(text) >= len(text)
                for span in spans.sentences(text):
                    assert 0 <= span.begin <= span.end <= spans.units(text)
        with contextlib.suppress(ValueError, LookupError):
            masks.masked(masks.parsed(text_of(data)), "AnalyzeCommentResponse", {})


def akismet(data: bytes) -> None:
    """Akismet's forms: urlencoded, JSON, in parts, in any charset."""
    from service.api.compat import akismet_request as subject
    from service.errors import Malformed

    kinds = (
        "",
        "application/x-www-form-urlencoded; charset=iso-8859-15",
        "application/json",
        "multipart/form-data; boundary=x; charset=koi8-r",
    )
    with soon(len(data)):
        for kind in kinds:
            try:
                fields = subject._parsed(kind, data)
            except Malformed:
                continue
            asked = subject.Asked(fields, subject._key(fields, {}, "blog.example"), "agent")
            asked.draft(NOW)


def moderations(data: bytes) -> None:
    """OpenAI's bodies."""
    from service.api.compat.moderation_inputs import read
    from service.api.compat.openai_refusals import Refused

    with soon(len(data)), contextlib.suppress(Refused):
        asked = read(data)
        assert all(isinstance(text, str) for text in asked.texts)


def coral(data: bytes) -> None:
    """Coral's bodies, the HTML inside and the signature beside."""
    from service.api.compat import coral as subject
    from service.api.requests import decode
    from service.errors import WinnowError

    with soon(len(data)):
        subject.plain(text_of(data))
        with contextlib.suppress(WinnowError):
            subject.plain(decode(data, subject.CoralRequest).comment.body or "")
        header, _, body = data.partition(b"\n")
        sealed = subject.is_signed(body, header.decode("latin-1"), ["s" * 32])
        assert not sealed, "signed by nobody"


# ---------------------------------------------------------------------------------- tokens


def tokens(data: bytes) -> None:
    """Cursors, receipts, ids and what is kept of an import: read, or refused."""
    from service import ids
    from service.api.requests import position
    from service.commands.cursor import Cursor, read_cursor
    from service.commands.failures import CommandError
    from service.errors import Invalid, Malformed
    from service.html import page_end

    text = text_of(data)
    with contextlib.suppress(Invalid):
        place = position(text)
        assert place is None or isinstance(place.score, int)
    with contextlib.suppress(Invalid):
        position(base64.urlsafe_b64encode(data).decode())
    with contextlib.suppress(Malformed):
        page_end(text)
    number = ids.site_number_of(text)
    assert number is None or 0 <= number <= ids.MAX_SITE_NUMBER
    known = ids.from_uuid(text)
    assert known is None or ids.as_uuid(known).replace("-", "")
    assert ids.Secrets(bytes(32)).open_receipt(text) is None, "a receipt that nobody gave"
    with tempfile.NamedTemporaryFile(dir=_SCRATCH) as kept:
        kept.write(data)
        kept.flush()
        with contextlib.suppress(CommandError):
            read_cursor(Path(kept.name), Cursor("blog", "x"))


def submissions(data: bytes) -> None:
    """A submission as JSON and as a form: a draft within all limits, or errors that name fields."""
    from service.errors import Invalid, Malformed
    from service.pipeline import validate

    for read in (
        lambda: validate.decode_json(data),
        lambda: validate.decode_form(validate.form_fields(data)),
    ):
        with soon(len(data)):
            try:
                draft = validate.check(read(), body_max=10_000, publishable=False, now=NOW)
            except (Invalid, Malformed):
                continue
        assert 1 <= len(draft.body) <= 10_000
        assert 1 <= len(draft.name) <= 80
        assert "\x00" not in msgspec.json.encode(draft.metadata).decode()


def policies(data: bytes) -> None:
    """A policy document: refused, or one that decides about any text, in time."""
    from service.commands.policies import read_policy
    from service.errors import WinnowError
    from service.pipeline.decide import decide_text
    from service.pipeline.words import compile_lists
    from service.records import Draft, Scored

    try:
        policy = read_policy(data)
    except WinnowError:
        return
    text = "You are a fool, see https://pills.example now. " * 20
    draft = Draft(page="https://a.example/", name="A", email="a@example.org", body=text)
    with soon(len(data) + len(text)):
        verdict = decide_text(draft, Scored({"spam": 0.5}), policy, compile_lists(policy), now=NOW)
    for reason in verdict.reasons:
        inside(reason.spans, text)


def command_files(data: bytes) -> None:
    """Files the command line is given: settings in TOML, lines to score."""
    from service.commands import score as command
    from service.setting_sources import load
    from service.settings import SettingsError

    with tempfile.NamedTemporaryFile(dir=_SCRATCH, suffix=".toml") as file:
        file.write(data)
        file.flush()
        with soon(len(data)), contextlib.suppress(SettingsError):
            load({}, Path(file.name))
    found = command._text(data)
    assert isinstance(found, str) or found["error"]["code"]


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        normalise,
        signals,
        score,
        artifact,
        import_any,
        import_wxr,
        import_disqus,
        import_remark42,
        import_coral,
        import_jsonl,
        import_isso,
        perspective,
        akismet,
        moderations,
        coral,
        tokens,
        submissions,
        policies,
        command_files,
    )
}


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    comment = {"page": "/a", "name": "A", "email": "a@b.example", "body": "Hi", "url": "x.example"}
    analysis = {"comment": {"text": "Hi"}, "requestedAttributes": {"TOXICITY": {}}}
    xml = (
        b'<?xml version="1.0"?><rss xmlns:wp="http://wordpress.org/export/1.2/"><channel><item>'
        b"<link>https://a.example/a</link><wp:comment><wp:comment_id>1</wp:comment_id>"
        b"<wp:comment_author>A</wp:comment_author><wp:comment_date_gmt>2020-01-02 03:04:05"
        b"</wp:comment_date_gmt><wp:comment_content>Hi</wp:comment_content></wp:comment></item>"
        b"</channel></rss>"
    )
    disqus = (
        b'<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">'
        b'<thread dsq:id="1"><link>https://a.example/a</link></thread><post dsq:id="2"><message>'
        b"Hi</message><createdAt>2020-01-02T03:04:05Z</createdAt><author><name>A</name></author>"
        b'<thread dsq:id="1"/></post></disqus>'
    )
    known = {
        "import_wxr": [xml],
        "import_disqus": [disqus],
        "import_any": [xml, disqus, json.dumps(comment).encode()],
        "import_remark42": [
            b'{"version":1,"users":[],"posts":[]}\n{"id":"1","text":"Hi","locator":{"url":"/a"}}\n'
        ],
        "import_coral": [b'{"id":"1","storyID":"2","body":"Hi"}\n', b"id,body,storyURL\n1,Hi,/a\n"],
        "import_jsonl": [json.dumps(comment).encode()],
        "perspective": [json.dumps(analysis).encode()],
        "akismet": [b"blog=a.example&comment_content=Hi&user_ip=1.2.3.4&key=x"],
        "moderations": [b'{"input":["Hi"]}', b'{"input":[{"type":"text","text":"Hi"}]}'],
        "coral": [b'{"action":"NEW","comment":{"body":"<b>Hi</b>"}}', b"sha256=ab,sha256=cd\nHi"],
        "submissions": [json.dumps(comment).encode(), b"page=/a&name=A&email=a%40b.example"],
        "policies": [
            b'{"patterns":[{"pattern":"a+"}],"block":[{"text":"fo*l","match":"wildcard"}]}'
        ],
        "command_files": [b'port = 8080\nhost = "::1"\n', b'{"text":"Hi"}'],
    }
    plain = [
        "You are a $tup1d f o o l!!!",
        "\x00\x20аpple.com ",
        "हिन्दी 中文 😀\u200d",
        "a@b.example",
    ]
    return known.get(name, [text.encode() for text in plain])
