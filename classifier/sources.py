"""What each labelled source says about the eight labels, and how far to believe it.

``SOURCES`` is the whole policy: one entry a source, with its licence for the card, the weight
of its rows in training, the function that turns its own labels into ours, and which part of
it training never sees. A label that the source did not judge stays out, never becomes 0.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from classifier import generated
from classifier.generated import begging, reactions
from classifier.labels import LABELS

Record = Mapping[str, Any]
Judgement = dict[str, float]

_NOT_TOXIC = ("toxicity", "severe_toxicity", "identity_attack", "insult", "threat")
_JIGSAW = {
    "toxic": "toxicity",
    "severe_toxic": "severe_toxicity",
    "identity_hate": "identity_attack",
    "insult": "insult",
    "obscene": "profanity",
    "threat": "threat",
}
_SLURS = ("racial / ethnic slurs", "sexual orientation / gender")
_SEVERE = 1.6  # mean severity from which a word alone makes a comment toxic
_PT_IDENTITY = ("homophobia", "racism", "misogyny", "xenophobia")


@dataclass(frozen=True, slots=True)
class Source:
    """One labelled source.

    ``weight`` multiplies each of its rows in training (1 is a trusted, natural sample).
    ``held_out`` lists values of ``group`` (a blog, a video, a split) kept for evaluation;
    ``("*",)`` keeps the whole source. ``dev_share`` is the share of the rest, by
    near-duplicate group, kept for evaluation, and ``calibration_share`` for calibration.
    """

    name: str
    task: str
    licence: str
    judge: Callable[[Record], Judgement]
    weight: float = 1.0
    group: str = ""
    held_out: tuple[str, ...] = ()
    dev_share: float = 0.08
    calibration_share: float = 0.0
    cap: int = 0  # most rows to train on, 0 for all
    made: Callable[[], Iterable[Record]] | None = None  # rows made here instead of read


def toxic(row: Record) -> Judgement:
    """A source with one toxic label: a clean row is clean of the subtypes as well."""
    if row.get("label") is None:
        return {}
    if row["label"]:
        return {"toxicity": 1.0, "spam": 0.0}
    return {"spam": 0.0, **dict.fromkeys(_NOT_TOXIC, 0.0)}


def jigsaw(row: Record) -> Judgement:
    """Jigsaw 2018's six labels; its "obscene" stands for profanity."""
    judged = {ours: float(row[theirs]) for theirs, ours in _JIGSAW.items()}
    return {"spam": 0.0, **judged, "toxicity": float(row["label"])}


def hateful(row: Record) -> Judgement:
    """A source whose positives all attack a group."""
    judged = toxic(row)
    return {**judged, "identity_attack": judged["toxicity"]} if judged else {}


def davidson(row: Record) -> Judgement:
    """Class 0 hate, 1 offensive, 2 neither; only class 0 attacks a group."""
    return {**toxic(row), "identity_attack": float(row["class"] == 0)}


def stormfront(row: Record) -> Judgement:
    """Hate is judged; "noHate" on a racist forum says nothing about being pleasant."""
    if row["orig_label"] == "hate":
        return {"toxicity": 1.0, "identity_attack": 1.0, "spam": 0.0}
    return {"identity_attack": 0.0} if row["orig_label"] == "noHate" else {}


def hatemoji(row: Record) -> Judgement:
    """Emoji hate; one of its types is threatening language."""
    return {**hateful(row), "threat": float(row["type"] == "threateninglanguage")}


def germeval(row: Record) -> Judgement:
    """GermEval's fine labels: INSULT and PROFANITY are ours, ABUSE attacks groups."""
    fine = row["fine"]
    if fine == "OTHER":
        return toxic(row)
    return {
        **toxic(row),
        "insult": float(fine == "INSULT"),
        "profanity": float(fine == "PROFANITY"),
        "identity_attack": float(fine == "ABUSE"),
    }


def told_br(row: Record) -> Judgement:
    """ToLD-Br's votes of three annotators: a subtype is given from two votes on."""
    judged = {**toxic(row), "insult": _votes(row, "insult"), "profanity": _votes(row, "obscene")}
    groups = [_votes(row, name) for name in _PT_IDENTITY]
    return {**judged, "identity_attack": max(groups)}


def _votes(row: Record, name: str) -> float:
    return float(float(row[name] or 0) >= 2)


def profanity(row: Record) -> Judgement:
    """A list of bad words with a mean severity of 1 (mild) to 3 (severe) and a category."""
    category, severity = str(row["category_1"]), float(row["severity_rating"] or 1)
    toxic_word = severity >= _SEVERE
    judged = {"profanity": 1.0, "spam": 0.0, "identity_attack": float(category in _SLURS)}
    if category in _SLURS or toxic_word:
        judged["toxicity"] = 1.0
    if "sexual acts" in category and toxic_word:
        judged["sexually_explicit"] = 1.0
    return judged


def spam(row: Record) -> Judgement:
    """A spam source that says nothing about tone; its spam is taken as free of abuse."""
    if row.get("label") is None:
        return {}
    tone = dict.fromkeys(_NOT_TOXIC, 0.0) if row["label"] else {}
    return {**tone, "spam": float(row["label"])}


def civil_spam(row: Record) -> Judgement:
    """A blog's decisions: spam is rarely abusive and approved comments hardly ever are."""
    if row.get("label") is None or row.get("suspect"):
        return {}
    return {**dict.fromkeys(_NOT_TOXIC, 0.0), "spam": float(row["label"])}


def clean(row: Record) -> Judgement:
    """Text taken as free of everything (articles, owner-moderated comments)."""
    return dict.fromkeys(LABELS[:-1], 0.0)


# No source judges sexual explicitness; English text is judged by this short list of phrases,
# so the label is weak, and the card says so.
_EXPLICIT = re.compile(
    r"\b(?:blow ?jobs?|hand ?jobs?|dildos?|masturbat\w*|orgasms?|cum ?shots?|cumming|jizz"
    r"|creampies?|milfs?|porn\w*|gang ?bang\w*|fellatio|cunnilingus|clit\w*|boners?|pussy|pussies"
    r"|penis\w*|vaginas?|titties|tits|boobs|horny|nudes?|anal sex|oral sex|hot sex|sex (?:chat|cam"
    r"|toys?|videos?|dating|shop|with)|escorts?|erotic\w*"
    r"|(?:suck|lick|ride)\w* (?:my|his|your|a|on)"
    r" (?:big |fat |huge )?(?:dick|cock|balls|penis|pussy)|fuck\w* (?:her|him|me|you) (?:hard|in"
    r" the))\b",
    re.IGNORECASE,
)


def explicit(text: str) -> float:
    """Weak judgement of an English text: 1 if it holds a sexually explicit phrase, else 0."""
    return float(_EXPLICIT.search(text) is not None)


TEMPLATES = "identity_templates"
_CC_JIGSAW = "labels CC0, text CC BY-SA 3.0 (Wikipedia)"
_WRITERS = "the writers' own; not redistributed"
_DEV_BLOGS = ("personal_blog",)
_DEV_BLOGS3 = (
    "binfalse.de",
    "networkhobo",
    "flashinthepan_comments",
    "shoreviewanalytics.github.io",
    "seanba.github.io",
)

SOURCES: tuple[Source, ...] = (
    Source("jigsaw_test_balanced", "toxicity", _CC_JIGSAW, toxic, dev_share=0.25),
    Source(
        "jigsaw_train_head_binary", "toxicity", _CC_JIGSAW, toxic,
        dev_share=0.1, calibration_share=0.2,
    ),
    Source(
        "jigsaw_subsample_multilabel", "toxicity", _CC_JIGSAW, jigsaw,
        dev_share=0.08, calibration_share=0.12,
    ),
    Source("jigsaw_multilabel_sample", "toxicity", _CC_JIGSAW, jigsaw),
    Source("jigsaw_train_sample_norm", "toxicity", _CC_JIGSAW, jigsaw, weight=0.7),
    Source("jigsaw_train_negatives_part", "toxicity", _CC_JIGSAW, toxic),
    Source("wiki_context_toxicity", "toxicity", "CC BY-SA 3.0 (Wikipedia)", toxic),
    Source("toxic_spans", "toxicity", "CC0", toxic, group="split", held_out=("trial",)),
    Source("davidson_tweets", "toxicity", "MIT", davidson, weight=0.5),
    Source("stormfront_hate", "toxicity", "CC BY-SA 3.0", stormfront, weight=0.8),
    Source("wiki_debias_ham", "toxicity", "CC BY-SA 3.0 (Wikipedia)", clean),
    Source("en_mlma", "toxicity", "MIT", toxic, weight=0.5),
    Source("discord_automod", "toxicity", "MIT", toxic, weight=0.9),
    Source("paradetox_en", "toxicity", "CC0", toxic, weight=0.8),
    Source(
        "hatemoji_build", "toxicity", "CC BY 4.0", hatemoji,
        group="split", held_out=("validation",),
    ),
    Source(
        TEMPLATES, "toxicity", "made by classifier/generated", generated.judge,
        weight=2.0, group="frame", held_out=generated.HELD_OUT, dev_share=0.0,
        made=generated.rows,
    ),
    Source(
        "reactions", "toxicity", "made by classifier/generated", clean, weight=3.0,
        group="frame", held_out=reactions.HELD_OUT, dev_share=0.0, made=reactions.rows,
    ),
    Source("surge_profanity", "toxicity", "MIT", profanity, weight=0.3, dev_share=0.0),
    Source("convabuse", "toxicity", "CC BY 4.0", toxic, dev_share=0.35),
    Source("safenlp_toxigen", "toxicity", "MIT", hateful, dev_share=0.15),
    Source("ru_urdu_ruhsold", "toxicity", "MIT", toxic, group="split", held_out=("validation",),
        dev_share=0.05, calibration_share=0.1),
    Source("tr_offenseval2020", "toxicity", "CC BY 2.0", toxic, calibration_share=0.08),
    Source("zh_cold", "toxicity", "Apache-2.0", toxic, calibration_share=0.08),
    Source("ko_korean_hate_speech", "toxicity", "CC BY-SA 4.0", toxic, calibration_share=0.08),
    Source("pt_told_br", "toxicity", "CC BY-SA 4.0", told_br, calibration_share=0.08),
    Source("de_germeval2018", "toxicity", "CC BY 4.0", germeval, calibration_share=0.08),
    Source("fr_mlma", "toxicity", "MIT", toxic, calibration_share=0.15),
    Source("ar_mlma", "toxicity", "MIT", toxic, calibration_share=0.15),
    Source(
        "blog_comments_rejected", "spam", _WRITERS, civil_spam,
        group="blog", held_out=_DEV_BLOGS, dev_share=0.0, calibration_share=0.1,
    ),
    Source(
        "blog_comments_approved", "spam", _WRITERS, civil_spam,
        group="blog", held_out=_DEV_BLOGS, dev_share=0.0, calibration_share=0.1, cap=12000,
    ),
    Source(
        "blog3_rejected", "spam", _WRITERS, civil_spam,
        group="blog", held_out=_DEV_BLOGS3, dev_share=0.0, calibration_share=0.1,
    ),
    Source(
        "blog3_approved", "spam", _WRITERS, civil_spam,
        group="blog", held_out=_DEV_BLOGS3, dev_share=0.0, calibration_share=0.1,
    ),
    Source("blog_ham_hendrix", "spam", "MIT (site); comments the writers' own", clean),
    Source("popcorn_form_spam", "spam", _WRITERS, civil_spam, dev_share=0.0),
    Source("youtube_spam", "spam", "CC BY 4.0", spam, group="split", held_out=("LMFAO",)),
    Source(
        "begging", "spam", "made by classifier/generated", spam, weight=0.5,
        group="frame", held_out=begging.HELD_OUT, dev_share=0.0, made=begging.rows,
    ),
    Source("nostr_spam", "spam", "MIT", spam),
    Source("janitr_x_posts", "spam", "MIT", spam, dev_share=0.2),
    Source("id_judol_youtube", "spam", "as the repository states", spam, weight=0.6),
    Source("tgspam_samples", "spam", "MIT", spam, dev_share=0.2),
    Source("sms_spam", "spam", "CC BY 4.0", spam, weight=0.5),
    Source("spamassassin_email", "spam", "free to redistribute", spam, weight=0.5, dev_share=0.05),
)  # fmt: skip

MADE = tuple(source.name for source in SOURCES if source.made)
"""Names of the sources whose rows nobody wrote in earnest."""
