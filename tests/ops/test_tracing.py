"""Requirements of traces: one from the request to the webhook's delivery, with nothing personal in
it, to a real collector; and nothing at all where tracing is off."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service import tracing
from tests.conftest import ROOT, Winnow, until
from tests.webhooks.conftest import Receiver

pytest.importorskip("opentelemetry.sdk", reason="winnow[otel] is not installed")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.answer = 200
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.answer == 200:
                    outer.raw.append(body)
                self.send_response(outer.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def spans(self, trace: str) -> dict[str, Any]:
        """Name → span of one trace."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = {}
        for body in list(self.raw):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found |= {s.name: s for s in scope.spans if s.trace_id.hex() == trace}
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def traced(launch_winnow: Callable[..., Winnow], collector: Collector) -> Winnow:
    return launch_winnow(
        WINNOW_TRACES_URL=collector.url,
        WINNOW_TRACES_SHARE="1",
        WINNOW_OUTGOING_NETWORKS="127.0.0.0/8",
        WINNOW_WEB_PROCESSES="1",
        OTEL_BSP_SCHEDULE_DELAY="200",
    )


def test_one_trace_leads_from_the_callers_request_to_the_delivery_of_its_event(
    traced: Winnow, collector: Collector, receiver: Receiver
) -> None:
    site = traced.site(plain=True)
    hook = {"url": receiver.url, "events": ["comment.approved"]}
    assert traced.admin("POST", f"/v1/sites/{site.id}/webhooks", json=hook).status_code == 201
    answer = site.submit(
        headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
        body="canary-text of this comment",
        email="canary-address@example.org",
        name="Canary Name",
    )
    assert answer.status_code == 201, answer.text
    wanted = {
        "POST /v1/comments", "validate", "submit", "store surroundings", "score", "decide",
        "enqueue", "store submit", "deliver",
    }  # fmt: skip
    spans = until(lambda: (s := collector.spans(TRACE)).keys() >= wanted and s, 60)
    ids = {name: span.span_id for name, span in spans.items()}
    request = spans["POST /v1/comments"]
    assert request.parent_span_id.hex() == CALLER
    for name, above in [
        ("validate", "POST /v1/comments"), ("submit", "POST /v1/comments"), ("score", "submit"),
        ("decide", "submit"), ("enqueue", "submit"), ("store submit", "enqueue"),
        ("deliver", "enqueue"),
    ]:  # fmt: skip
        assert spans[name].parent_span_id == ids[above], name
    said = {a.key: a.value for a in request.attributes}
    assert said["http.route"].string_value == "/v1/comments"
    assert said["http.response.status_code"].int_value == 201
    assert said["winnow.request_id"].string_value == answer.headers["x-request-id"]
    told = receiver.got[0].headers["traceparent"]
    assert told.split("-")[1:3] == [TRACE, ids["deliver"].hex()]
    everything = b"".join(collector.raw)
    for secret in (b"canary", b"Canary", b"127.0.0.1", b"t0ps3cret", site.secret.encode()):
        assert secret not in everything, secret


def test_a_caller_who_asks_not_to_be_traced_is_not(traced: Winnow, collector: Collector) -> None:
    unwanted, wanted = "a" * 32, "b" * 32
    site = traced.site(plain=True)
    site.submit(headers={"traceparent": f"00-{unwanted}-{CALLER}-00"})
    site.submit(headers={"traceparent": f"00-{wanted}-{CALLER}-01"})
    until(lambda: collector.spans(wanted), 60)
    assert collector.spans(unwanted) == {}


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01", "x" * 5000])
def test_a_wild_traceparent_harms_nothing(traced: Winnow, sent: str) -> None:
    answer = traced.site(plain=True).submit(headers={"traceparent": sent})
    assert answer.status_code == 201


def test_a_failed_request_is_marked_without_saying_what_it_held(
    traced: Winnow, collector: Collector
) -> None:
    trace = "c" * 32
    site = traced.site(plain=True)
    answer = site.submit(
        headers={"traceparent": f"00-{trace}-{CALLER}-01"}, email="canary-wrong-address"
    )
    assert answer.status_code == 422
    spans = until(lambda: collector.spans(trace), 60)
    assert spans["validate"].status.code == 2
    assert b"canary-wrong" not in b"".join(collector.raw)


def test_a_collector_that_refuses_costs_spans_that_are_counted_and_no_request(
    traced: Winnow, collector: Collector
) -> None:
    site = traced.site(plain=True)
    collector.answer = 400
    try:
        assert site.submit().status_code == 201
        until(lambda: "winnow_spans_lost_total 0.0" not in (m := _metrics(traced)) and m, 60)
    finally:
        collector.answer = 200


def _metrics(winnow: Winnow) -> str:
    return winnow.ask("GET", "/metrics").text


def test_nothing_is_carried_or_loaded_where_tracing_is_off() -> None:
    with tracing.stage("decide"), tracing.Span("request", parent=f"00-{TRACE}-{CALLER}-01"):
        assert (tracing.on(), tracing.carried(), tracing.trace_id()) == (False, "", "")
    code = (
        "import sys, service.process; from service import tracing\n"
        "with tracing.stage('decide'): tracing.carried()\n"
        # redis-py loads the metrics of an installed SDK by itself.
        "ours = ('opentelemetry.exporter', 'opentelemetry.sdk.trace')\n"
        "print([m for m in sys.modules if m.startswith(ours)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_start_without_the_packages_names_the_setting(tmp_path: Any) -> None:
    """As where winnow[otel] is not installed: the parent package cannot be found."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "sys.argv = ['winnow', 'serve']; from service.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
        env={"PYTHONPATH": str(ROOT), "WINNOW_TRACES_URL": "http://127.0.0.1:9/v1/traces"},
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert "WINNOW_TRACES_URL" in done.stderr
    assert "winnow[otel]" in done.stderr
