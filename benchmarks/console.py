"""How the moderators' queue feels with a hundred thousand comments waiting.

    python benchmarks/console.py [--comments 100000]

Fills a service, opens the queue in Chromium and works it by keyboard. Prints one JSON object:
bytes and time of the first view, key press to next card, and how smoothly many rows scroll.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from benchmarks.client import Connection
from benchmarks.running import Running, running
from tests.browser import browser

SITE = "benchmark"
BATCH = 500
WORDS = """
the bridge river bakery council morning school ferry winter garden timetable engineer corner salt
market steel detour bicycle opening harbour lantern orchard pavement museum signal you weather
library tunnel budget meadow concert printer kettle window island idiot stupid free
"""
NEXT = """keys => new Promise(done => {
  const told = [];
  const was = () => document.activeElement.closest('.card')?.id;
  const press = () => {
    const before = was(), start = performance.now();
    const wait = () => {
      if (was() && was() !== before) {
        told.push(performance.now() - start);
        told.length < keys.length ? setTimeout(press, 120) : done(told);
      } else if (performance.now() - start > 5000) done(told);
      else requestAnimationFrame(wait);
    };
    document.activeElement.dispatchEvent(
      new KeyboardEvent('keydown', {key: keys[told.length], bubbles: true, cancelable: true}));
    requestAnimationFrame(wait);
  };
  press();
})"""
"""Presses each key and waits for the frame in which another card has the focus."""
SCROLL = """rows => new Promise(done => {
  const list = document.getElementById('cards');
  const models = [...list.querySelectorAll('.card')];
  for (let at = models.length; at < rows; at += 15) {
    const batch = document.createElement('div');
    batch.className = 'batch';
    for (let one = at; one < at + 15; one += 1) {
      const copy = models[one % models.length].cloneNode(true);
      copy.id = 'c-copy' + one;
      batch.append(copy);
    }
    list.append(batch);
  }
  const frames = [];
  let last = performance.now(), left = 180;
  const step = now => {
    frames.push(now - last);
    last = now;
    scrollBy({top: 900, behavior: 'instant'});
    left -= 1;
    left ? requestAnimationFrame(step) : done(frames.slice(5));
  };
  requestAnimationFrame(step);
})"""


async def fill(service: Running, comments: int) -> None:
    """Submits so many comments that wait for a moderator."""
    address, chance = urlsplit(service.url), random.Random(7)
    connections = [
        Connection(address.hostname or "", address.port or 0, service.admin_key) for _ in range(2)
    ]
    numbers = iter(range(0, comments, BATCH))

    async def some(connection: Connection) -> None:
        for first in numbers:
            items = [_comment(chance, first + n) for n in range(min(BATCH, comments - first))]
            answer = await connection.ask("POST", "/v1/comments/batch", {"items": items})
            if answer.status != 200:
                raise RuntimeError(answer.body.decode()[:500])

    await asyncio.gather(*map(some, connections))
    for connection in connections:
        connection.close()


def _comment(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "site": SITE,
        "page": f"https://news.example/a/{number % 500}",
        "page_title": "Council votes to close the old bridge",
        "name": f"Reader {number}",
        "email": f"reader{number}@mail.example",
        "body": " ".join(chance.choices(WORDS.split(), k=chance.randint(15, 60))) + ".",
    }


def work(link: str, service: Running, keys: int) -> dict[str, Any]:
    """Opens the queue and works it; what was measured."""
    with browser() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        page, sizes = context.new_page(), list[int]()
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("#cards .card")
        first_s = []
        for _ in range(5):
            fresh = chromium.new_context(storage_state=context.storage_state())
            view = fresh.new_page()
            cdp = fresh.new_cdp_session(view)
            cdp.send("Network.enable")
            got: list[int] = []
            cdp.on("Network.loadingFinished", lambda e, got=got: got.append(e["encodedDataLength"]))
            start = time.perf_counter()
            view.goto(f"{service.url}/console?site={SITE}", wait_until="commit")
            view.wait_for_selector("#cards .card")
            first_s.append(time.perf_counter() - start)
            view.wait_for_load_state("load")
            sizes.append(int(sum(got)))
            fresh.close()
        page.close()
        page = context.new_page()
        page.goto(f"{service.url}/console?site={SITE}")
        page.wait_for_function("() => document.activeElement.closest('.card')")
        page.wait_for_timeout(1500)
        told = sorted(page.evaluate(NEXT, ["a", "s"] * (keys // 2)))
        page.wait_for_timeout(2000)
        frames = sorted(page.evaluate(SCROLL, 10_000))
        return {
            "first_view_bytes": max(sizes),
            "first_view_s": round(statistics.median(first_s), 3),
            "first_view_worst_s": round(max(first_s), 3),
            "keys": len(told),
            "next_card_p50_ms": round(told[len(told) // 2], 1),
            "next_card_p95_ms": round(told[int(len(told) * 0.95)], 1),
            "rows_scrolled": 10_000,
            "frame_p50_ms": round(frames[len(frames) // 2], 1),
            "frame_p95_ms": round(frames[int(len(frames) * 0.95)], 1),
        }


def measure(comments: int, keys: int) -> dict[str, Any]:
    """The whole measurement."""
    with running() as service:
        http = httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {service.admin_key}"}
        )
        http.post("/v1/sites", json={"id": SITE}).raise_for_status()
        start = time.monotonic()
        asyncio.run(fill(service, comments))
        filled_s = time.monotonic() - start
        person = {"name": "Dana", "email": "dana@staff.example", "role": "moderator"}
        made = http.post("/v1/moderators", json=person | {"sites": [SITE]}).raise_for_status()
        counts = http.get("/v1/queues", params={"site": SITE}).json()["items"]
        found = work(made.json()["sign_in"], service, keys)
        pending = next(row["count"] for row in counts if row["status"] == "pending")
        return {"pending": pending, "filled_s": round(filled_s, 1), **found}


def main() -> None:
    """Reads the arguments and prints the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=200, help="decisions made by key")
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    json.dump(measure(args.comments, args.keys), sys.stdout, indent=None if args.json else 2)
    print()


if __name__ == "__main__":
    main()
