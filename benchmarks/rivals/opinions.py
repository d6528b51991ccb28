"""What others say of texts: the usual model, and the packages people install against bad words.

    python opinions.py ASKED [NAME=MODEL ...]

ASKED is JSON: `texts`, and `few`, the places of those that better-profanity is asked about, which
takes a tenth of a second and more for each. Each MODEL is what `usual_model.py` wrote. Prints one
JSON object: label → contestant → a score for each text, the higher the worse, or null.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import usual_model
from better_profanity import profanity
from profanity_check import predict_prob

AT_ONCE = 2000
DIGITS = 5


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    texts: list[str] = asked["texts"]
    profanity.load_censor_words()
    few: list[float | None] = [None] * len(texts)
    for place in asked["few"]:
        few[place] = float(profanity.contains_profanity(texts[place]))
    found: dict[str, dict[str, Any]] = {
        "toxicity": {"alt-profanity-check": rounded(predict_prob(texts)), "better-profanity": few}
    }
    for name, path in (argument.split("=", 1) for argument in sys.argv[2:]):
        for label, scores in usual(Path(path), texts).items():
            found.setdefault(label, {})[name] = scores
    print(json.dumps(found))


def usual(path: Path, texts: list[str]) -> dict[str, list[float]]:
    """Scores of the usual model, by label."""
    vectors, models = usual_model.load(path)
    found: dict[str, list[float]] = {label: [] for label in models}
    for first in range(0, len(texts), AT_ONCE):
        matrix = vectors.transform(texts[first : first + AT_ONCE])
        for label, model in models.items():
            found[label] += rounded(model.predict_proba(matrix)[:, 1])
    return found


def rounded(scores: Any) -> list[float]:
    return [round(float(score), DIGITS) for score in scores]


if __name__ == "__main__":
    main()
