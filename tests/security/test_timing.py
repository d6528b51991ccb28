"""Requirement: neither what is answered nor how long it takes tells a near miss from a guess.

A dudect-style test (Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?", DATE 2017):
Welch's t of two classes, interleaved at random, the slowest tenth left out; |t| < 4.5. It measures
the code that looks at a secret, not a network. `WINNOW_TIMING=1` runs it with 100,000 samples of
each class on a quiet machine; otherwise fewer, and with room for neighbours.
"""

from __future__ import annotations

import os
import random
import secrets
import statistics
import time
from collections.abc import Callable

import pytest

from service.ids import Secrets, new_id
from service.store.api_keys import digest
from tests.conftest import SECRET, Site, Winnow

LONG = os.environ.get("WINNOW_TIMING") == "1"
SAMPLES = 100_000 if LONG else 6_000
MOST_T = 4.5 if LONG else 10.0


def welch_t(one: list[int], other: list[int]) -> float:
    """How sure one may be that two classes differ in their means."""
    rows = [sorted(row)[: int(len(row) * 0.9)] for row in (one, other)]
    (m1, v1), (m2, v2) = ((statistics.fmean(r), statistics.variance(r)) for r in rows)
    return (m1 - m2) / ((v1 / len(rows[0]) + v2 / len(rows[1])) ** 0.5)


def compared(ask: Callable[[str], object], classes: tuple[str, str]) -> float:
    """Welch's t of what two texts cost, asked for in random order."""
    spent: tuple[list[int], list[int]] = ([], [])
    order = [0, 1] * SAMPLES
    random.shuffle(order)
    for which in order:
        text = classes[which]
        began = time.perf_counter_ns()
        ask(text)
        spent[which].append(time.perf_counter_ns() - began)
    return welch_t(*spent)


def least(ask: Callable[[str], object], classes: tuple[str, str]) -> float:
    """The smallest of three tries: a neighbour's noise is not ours."""
    return min((compared(ask, classes) for _ in range(3)), key=abs)


def test_a_receipt_that_is_nearly_right_takes_no_longer_than_a_wrong_one() -> None:
    keys = Secrets(SECRET)
    right = keys.receipt(new_id(1_700_000_000_000, 1))
    near = right[:-1] + ("A" if right[-1] != "A" else "B")
    far = right[:27] + "".join("B" if c == "A" else "A" for c in right[27:])
    t = least(keys.open_receipt, (near, far))
    print(f"timing: receipt, {SAMPLES} of each class: t = {t:.2f}")
    assert abs(t) < MOST_T


def test_the_name_a_key_is_looked_up_by_takes_the_same_for_every_key() -> None:
    one, other = ("sk_" + secrets.token_urlsafe(24) for _ in range(2))
    t = least(digest, (one, other))
    print(f"timing: key digest, {SAMPLES} of each class: t = {t:.2f}")
    assert abs(t) < MOST_T


def test_the_test_itself_sees_a_comparison_that_stops_early() -> None:
    """Else a small t would mean nothing."""
    right = "x" * 4000

    def naive(text: str) -> bool:
        return all(a == b for a, b in zip(right, text, strict=True))

    assert abs(compared(naive, ("y" + "x" * 3999, "x" * 40 + "y" * 3960))) > MOST_T


@pytest.mark.parametrize("path", ["/v1/queues", "/v1/comments/" + "0" * 26])
def test_unknown_and_revoked_keys_are_told_the_same(winnow: Winnow, site: Site, path: str) -> None:
    keys = f"/v1/sites/{site.id}/keys"
    made = winnow.admin("POST", keys, json={"kind": "secret"}).json()
    assert winnow.admin("DELETE", f"{keys}/{made['id']}").status_code == 204
    time.sleep(1)
    answers = [
        winnow.ask("GET", path, key)
        for key in (made["key"], "sk_" + "x" * 32, "pk_unknown", made["key"][:-1] + "x")
    ]
    told = [
        {name: value for name, value in answer.json().items() if name != "request_id"}
        for answer in answers
    ]
    assert all(one == told[0] for one in told)
    assert {answer.status_code for answer in answers} == {401}
