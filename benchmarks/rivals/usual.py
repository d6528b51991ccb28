"""What a website's developer would write in an afternoon: FastAPI, redis-py, scikit-learn.

Pydantic validates, a `TfidfVectorizer` and two `LogisticRegression` score, a threshold decides, one
MULTI pipeline stores the comment, its place in the queue and an event. Environment:
WINNOW_TEST_STORE (the server's URL) and WINNOW_TEST_MODEL (what `usual_model.py` wrote).
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

import redis.asyncio
import usual_model
from fastapi import FastAPI
from pydantic import BaseModel, EmailStr, Field


class Submission(BaseModel):
    site: str
    page: str
    name: str = Field(min_length=1, max_length=100)
    email: EmailStr
    body: str = Field(min_length=1, max_length=10_000)
    ip: str = ""
    elapsed_ms: int = 0


app = FastAPI()
vectors, models = usual_model.load(Path(os.environ["WINNOW_TEST_MODEL"]))
store = redis.asyncio.Redis.from_url(os.environ["WINNOW_TEST_STORE"])


@app.post("/v1/comments", status_code=201)
async def submit(submission: Submission) -> dict[str, Any]:
    matrix = vectors.transform([submission.body])
    scores = {label: float(model.predict_proba(matrix)[0, 1]) for label, model in models.items()}
    status = "approved" if max(scores.values()) < 0.5 else "pending"
    comment_id, now = uuid.uuid4().hex, time.time()
    async with store.pipeline(transaction=True) as pipe:
        pipe.hset(
            f"comment:{comment_id}",
            mapping={
                **submission.model_dump(),
                **scores,
                "status": status,
                "created_at": now,
            },
        )
        pipe.zadd(f"queue:{submission.site}:{status}", {comment_id: now})
        pipe.xadd(f"events:{submission.site}", {"type": f"comment.{status}", "id": comment_id})
        await pipe.execute()
    return {"id": comment_id, "status": status, "scores": scores}
