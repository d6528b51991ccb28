"""The model in use: what it does not do well first, its figures as plots and tables, its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get
from msgspec import Struct

from service.console.charts import Dots, Interval, dots
from service.console.face import routed
from service.console.markdown import sections
from service.console.room import enter
from service.html import Req
from service.pipeline.reasons import LABELS

HERE: Final = "model"
FEW: Final = 100
"""With fewer positive rows, a figure is little more than a hint."""
LANGUAGES: Final[dict[str, str]] = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "fr": "French",
    "id": "Indonesian",
    "ko": "Korean",
    "mul": "several",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "ur-Latn": "Roman Urdu",
    "zh": "Chinese",
}


class Figure(Struct, frozen=True):
    """What was measured of one label in one language."""

    language: str
    label: str
    rows: int
    positive: int
    auc: tuple[float, float, float]
    found: float
    """Share found when one innocent comment in a hundred is held."""


@get("/console/model")
async def model(request: Req) -> Response[Any]:
    """What the machine's judgement rests on."""
    room = await enter(request, HERE, "read")
    scorer = room.services.scorer
    figures = measured(scorer.card.metrics) if scorer.card else []
    return room.page(
        "model.html",
        version=scorer.version,
        second=scorer.second.version if scorer.second else "",
        figures=figures,
        plots=plots(figures),
        sections=sections(scorer.card.text) if scorer.card else [],
        few=FEW,
    )


def measured(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures by language that a model carries, as far as they can be read."""
    found = []
    for language, labels in sorted(metrics.get("languages", {}).items()):
        for label, values in labels.items():
            auc = tuple(values.get("auc", ()))
            if len(auc) == 3:
                found.append(
                    Figure(
                        LANGUAGES.get(language, language),
                        LABELS[label][1] if label in LABELS else label,
                        values["n"],
                        values["positives"],
                        (float(auc[0]), float(auc[1]), float(auc[2])),
                        float(values.get("recall_at_1%", [0.0])[0]),
                    )
                )
    return found


def plots(figures: list[Figure]) -> list[Dots]:
    """One plot of English by label, one of toxicity by language."""
    english = [_row(f.label, f) for f in figures if f.language == "English"]
    toxic = [_row(f.language, f) for f in figures if f.label == "toxic"]
    drawn = (
        ("english", "English, by label", english),
        ("toxic", "Toxicity, by language", sorted(toxic, key=lambda row: -row.value)),
    )
    return [dots(name, title, rows) for name, title, rows in drawn if rows]


def _row(name: str, figure: Figure) -> Interval:
    note = f", {figure.positive} positive rows" + (": few" if figure.positive < FEW else "")
    return Interval(name[:1].upper() + name[1:], note, *figure.auc)


ROUTES: Final = routed(model)
