"""Made-up sentences about groups of people, friendly, factual and hateful in equal terms.

Labelled sources mention some groups almost only in abuse, so a model learns the group's
name as an insult. These sentences put every group into every sentence, so that the name
alone says nothing. Some frames are kept for evaluation (see ``HELD_OUT``).
"""

from collections.abc import Iterator
from typing import Any

# Each group as an adjective and as people.
GROUPS: tuple[tuple[str, str], ...] = (
    ("gay", "gay people"), ("lesbian", "lesbians"), ("trans", "trans people"),
    ("bisexual", "bisexual people"), ("queer", "queer people"), ("straight", "straight people"),
    ("Jewish", "Jews"), ("Muslim", "Muslims"), ("Christian", "Christians"), ("Hindu", "Hindus"),
    ("Buddhist", "Buddhists"), ("atheist", "atheists"), ("Catholic", "Catholics"),
    ("black", "black people"), ("white", "white people"), ("Asian", "Asians"), ("Arab", "Arabs"),
    ("African", "Africans"), ("Mexican", "Mexicans"), ("Turkish", "Turks"),
    ("Irish", "Irish people"), ("Chinese", "Chinese people"), ("Indian", "Indians"),
    ("Polish", "Poles"), ("Roma", "Roma"), ("Russian", "Russians"), ("American", "Americans"),
    ("immigrant", "immigrants"),
    ("refugee", "refugees"), ("female", "women"), ("male", "men"), ("disabled", "disabled people"),
    ("deaf", "deaf people"), ("blind", "blind people"), ("autistic", "autistic people"),
    ("elderly", "elderly people"), ("poor", "poor people"),
)  # fmt: skip

KIND: tuple[str, ...] = (
    "I am a {one} writer and I enjoyed this article.",
    "My grandmother is {one} and she makes the best soup.",
    "As a {one} developer I found this helpful, thank you.",
    "Our {one} neighbours invited us to dinner on Sunday.",
    "The {one} community centre opens at nine in the morning.",
    "She is proud to be {one} and so is her brother.",
    "Many {many} live in our town.",
    "The exhibition is about the history of {many} in Europe.",
    "There are {many} in my team and we work well together.",
    "He wrote a book about growing up as a {one} teenager.",
    "Where can {many} find advice on housing?",
    "My husband is {one} and we have two children.",
    "The survey asked {many} about their health.",
    "I have never met a {one} person who thinks so.",
    "Being {one} is a part of who I am.",
    "The film has a {one} actor in the leading role.",
    "It hurts when people insult {many} for no reason.",
    "Nobody should say that {many} are worth less than others.",
    "Attacks on {many} have become more frequent, the report says.",
    "It is wrong to claim that all {many} are criminals.",
)
HATEFUL: tuple[str, ...] = (
    "I hate {many} more than anything.",
    "All {many} should be thrown out of this country.",
    "{many} are disgusting animals.",
    "{many} are stupid and lazy, everybody knows it.",
    "Nobody wants {many} here, they ruin everything they touch.",
    "You {one} people are nothing but trash.",
    "Only an idiot would trust a {one} person.",
    "{many} are a disease and should be wiped out.",
    "I would never let filthy {many} into my house.",
    "The world would be better off without {many}.",
    "Shut up, you dirty {one} pig.",
    "{many} do not deserve to live among us.",
)
HELD_OUT = (
    "kind 2",
    "kind 5",
    "kind 10",
    "kind 13",
    "kind 17",
    "hateful 3",
    "hateful 8",
    "hateful 10",
)


def rows() -> Iterator[dict[str, Any]]:
    """Every frame with every group: ``text``, ``label`` (1 hateful), ``lang``, ``frame``."""
    for name, frames, label in (("kind", KIND, 0), ("hateful", HATEFUL, 1)):
        for number, frame in enumerate(frames):
            for one, many in GROUPS:
                text = frame.format(one=one, many=many)
                text = text[0].upper() + text[1:]
                yield {"text": text, "label": label, "lang": "en", "frame": f"{name} {number}"}
