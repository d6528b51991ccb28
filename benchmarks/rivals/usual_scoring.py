"""What one text costs scikit-learn's own pipeline.

    python usual_scoring.py MODEL TEXTS

MODEL is what `usual_model.py` wrote, TEXTS a JSON list. Prints the median microseconds of a text,
alone and in batches of 64.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import usual_model


def main() -> None:
    vectors, models = usual_model.load(Path(sys.argv[1]))
    texts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))

    def score(batch: list[str]) -> float:
        began = time.perf_counter()
        matrix = vectors.transform(batch)
        for model in models.values():
            model.predict_proba(matrix)
        return (time.perf_counter() - began) * 1e6

    single = statistics.median(score([text]) for text in texts)
    batches = [texts[k : k + 64] for k in range(0, len(texts) - 63, 64)]
    batched = [score(batch) / 64 for batch in batches]
    found = {"single": round(single, 1)}
    if batched:
        found["batch_of_64"] = round(statistics.median(batched), 1)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
