"""Requirement: no secret, address or text of anybody's gets into logs, errors or metrics."""

from __future__ import annotations

import json
import secrets
import time

from tests.conftest import ORIGIN, Winnow


def test_what_people_send_is_in_no_log_error_or_metric(limited: Winnow) -> None:
    """At level debug, through success and failure, at every door."""
    site, mark = limited.site(), secrets.token_hex(6)
    email, body = f"canary{mark}@example.org", f"canary body {mark}"
    address, name = "100.127.9.9", f"Canary {mark}"
    unknown, link = f"sk_canary{mark}", f"link{mark}"
    compat = site.key("compat")
    person = {"name": name, "email": email, "role": "moderator", "sites": [site.id]}
    made = limited.admin("POST", "/v1/moderators", json=person).json()
    headers = {"Origin": ORIGIN, "X-Forwarded-For": address, "User-Agent": f"agent {mark}"}
    fields = {"email": email, "name": name, "body": body}
    refused = [
        site.submit(
            key=site.publishable, headers=headers, **(fields | {"url": f"nonsense {mark}"})
        ),
        site.submit(key=unknown, headers=headers, **fields),
        site.submit(key=site.publishable, headers=headers | {"Origin": "https://x"}, **fields),
        site.ask("POST", "/v1/comments", content=f'{{"email": "{email}'.encode()),
        limited.ask("GET", f"/v1/receipts/{link}", headers=headers),
        limited.http.post("/1.1/verify-key", data={"api_key": unknown}, headers=headers),
        limited.http.post(
            "/console/sign-in",
            data={"email": email, "password": f"password {mark}", "code": "123456"},
            headers=headers | {"Sec-Fetch-Site": "same-origin"},
        ),
        limited.http.post(
            "/console/sign-in", data={"token": link}, headers={"Sec-Fetch-Site": "same-origin"}
        ),
    ]
    fine = [
        site.submit(key=site.publishable, headers=headers, **fields),
        limited.ask("GET", "/v1/queues", made["token"], headers=headers),
        limited.http.post(
            "/1.1/comment-check",
            data={"api_key": compat, "blog": ORIGIN, "comment_content": body,
                  "comment_author_email": email, "user_ip": address},
        ),
    ]  # fmt: skip
    assert [answer.status_code for answer in fine] == [201, 200, 200]
    keys = (site.secret, site.publishable, compat, made["token"], unknown, limited.admin_key)
    said = "\n".join(answer.text + str(answer.headers) for answer in refused)
    for secret in (*keys, f"password {mark}", address):
        assert secret not in said
    time.sleep(0.5)
    log = limited.log.read_text(errors="replace")
    metrics = limited.http.get("/metrics").text
    for private in (*keys, email, body, name, address, mark):
        assert private not in log, private
        assert private not in metrics, private
    lines = [line for line in log.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict), "each line of the log is one JSON document"


def test_keys_are_shown_to_nobody_again(limited: Winnow) -> None:
    site = limited.site()
    for path in (
        "/v1/sites",
        f"/v1/sites/{site.id}",
        f"/v1/sites/{site.id}/keys",
        "/v1/moderators",
    ):
        text = limited.admin("GET", path).text
        assert site.secret not in text
        assert site.secret[3:20] not in text
