"""The usual model: TF-IDF and logistic regression, as scikit-learn's tutorial has it.

    python usual_model.py ROWS OUT [--characters]

ROWS holds JSON lines `{"text": …, LABEL: 0 or 1, …}`; a label that a row lacks was not judged.
"""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion

FEATURES = 200_000


def load(path: Path) -> tuple[Any, dict[str, Any]]:
    """The vectoriser and a model a label."""
    found: tuple[Any, dict[str, Any]] = pickle.loads(path.read_bytes())
    return found


def train(rows: list[dict[str, Any]], *, characters: bool) -> tuple[Any, dict[str, Any]]:
    """Fits words 1–2 (and, if asked, characters 2–5), then a model for each label."""
    words = TfidfVectorizer(ngram_range=(1, 2), max_features=FEATURES)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), max_features=FEATURES)
    vectors: Any = FeatureUnion([("words", words), ("pieces", pieces)]) if characters else words
    matrix = vectors.fit_transform([row["text"] for row in rows]).tocsr()
    models = {}
    for label in sorted({name for row in rows for name in row} - {"text"}):
        judged = [k for k, row in enumerate(rows) if label in row]
        answers = [rows[k][label] for k in judged]
        models[label] = LogisticRegression(solver="liblinear").fit(matrix[judged], answers)
    return vectors, models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--characters", action="store_true")
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
    args.out.write_bytes(pickle.dumps(train(rows, characters=args.characters)))


if __name__ == "__main__":
    main()
