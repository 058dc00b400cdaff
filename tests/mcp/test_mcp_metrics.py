"""What is counted: scraped from a real server, and sent by OpenTelemetry; never content."""

from __future__ import annotations

import asyncio
import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import servers
from http_servers import Serve, Served
from mcp import Client, MCPError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from server_process import StartServer

from memori import AsyncMemori
from memori.errors import InvalidArgument
from memori_mcp import metrics
from memori_mcp.cli import main

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

FACT = "Ana hides the xylophone in the attic"
ON = {"MEMORI_HTTP__METRICS": "true"}
Key = tuple[str, tuple[tuple[str, str], ...]]


async def scrape(served: Served, **headers: str) -> dict[Key, float]:
    """The samples of a server, by name and labels."""
    async with httpx2.AsyncClient() as http:
        answer = await http.get(served.root("/metrics"), headers=headers)
    assert answer.status_code == 200, answer.text
    assert "xylophone" not in answer.text
    assert "ana" not in answer.text.replace("Ana", "ana").split()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def called(verb: str, outcome: str = "ok") -> Key:
    """The key of how often a verb was called."""
    return "memori_call_seconds_count", (("outcome", outcome), ("verb", verb))


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_calls_are_counted_by_verb_and_outcome(serve: Serve, transport: str) -> None:
    from mcp.client.sse import sse_client

    served = serve(transport, "--user", "ana", **ON)
    address: Any = sse_client(served.url) if transport == "sse" else served.url
    async with Client(address, mode="legacy" if transport == "sse" else "auto") as client:
        await client.call_tool("remember", {"content": FACT})
        for _ in range(3):
            await client.call_tool("recall", {"query": FACT})
        await client.call_tool("forget", {"memory_ids": ["xylophone"]})
        await client.read_resource("memori://stats")
        with pytest.raises(MCPError):
            await client.read_resource("memori://memories/xylophone")
        await client.call_tool("xylophone", {})
    found = await scrape(served)
    assert found[called("remember")] == 1
    assert found[called("recall")] == 3
    assert found[called("forget", "error")] == 1
    assert found[called("resources/read")] == 1
    assert found[called("resources/read", "error")] == 1
    assert found[called("other", "error")] == 1
    assert found["memori_call_seconds_sum", (("outcome", "ok"), ("verb", "recall"))] > 0
    assert found["memori_database_up", ()] == 1


async def test_what_waits_to_be_learnt_is_shown_with_its_age(
    serve: Serve, database_url: str
) -> None:
    async with AsyncMemori(database_url, user_id="ana") as memori:
        await memori.record([{"content": FACT}], session_id="s", learn=True)
    await asyncio.sleep(1.1)
    found = await scrape(serve("http", "--user", "ana", MEMORI_LEARNING__ENABLED="false", **ON))
    assert found["memori_queue_jobs", (("state", "waiting"),)] == 1
    assert found["memori_queue_jobs", (("state", "dead"),)] == 0
    assert found["memori_queue_age_seconds", ()] > 1


@pytest.fixture
def postgresql() -> Iterator[str]:
    """A database of the test's own."""
    yield from servers.own_database("postgresql")


async def test_what_is_tried_again_is_counted(serve: Serve, postgresql: str) -> None:
    served = serve("http", "--database", postgresql, "--user", "ana", **ON)
    async with Client(served.url) as client:
        await client.call_tool("remember", {"content": "Ana likes tea"})
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        )
        name = postgresql.rsplit("/", 1)[1]
        await servers.run_alone(postgresql, f"{kill} AND datname = '{name}'")
        stored = await client.call_tool("remember", {"content": FACT})
        assert not stored.is_error
    found = await scrape(served)
    assert found["memori_retries_total", (("what", "transaction"),)] >= 1
    assert found[called("remember")] == 2


async def test_a_database_that_does_not_answer_leaves_the_rest(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "memori.db").write_bytes(b"this is no database, it says xylophone")
    served = serve("http", "--user", "ana", **ON)
    found = await scrape(served)
    assert found["memori_database_up", ()] == 0
    assert not any(name == "memori_queue_jobs" for name, _ in found)
    assert "xylophone" not in served.said()


async def test_with_tokens_only_a_service_with_the_right_sees_the_counts(
    serve: Serve, database_url: str
) -> None:
    async with AsyncMemori(database_url) as memori:
        counts = (await memori.create_token(service=True, rights=["metrics"])).secret
        other = (await memori.create_token(service=True, rights=["read", "write", "admin"])).secret
        ana = (await memori.create_token(user_id="ana", rights=["admin"])).secret
        with pytest.raises(InvalidArgument, match="for a service"):
            await memori.create_token(user_id="ana", rights=["metrics"])
    served = serve("http", "--auth", "token", **ON)
    async with httpx2.AsyncClient() as http:

        async def ask(**headers: str) -> int:
            return (await http.get(served.root("/metrics"), headers=headers)).status_code

        assert await ask() == 401
        assert await ask(Authorization="Bearer memori_0000000000000000_" + "x" * 43) == 401
        assert await ask(Authorization=f"Bearer {other}") == 403
        assert await ask(Authorization=f"Bearer {ana}") == 403
        assert await ask(Authorization=f"Bearer {counts}") == 200
        assert await ask(Authorization=f"Bearer {counts}", Host="evil.example") == 421
        # It sees the counts and nothing else.
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        call |= {"params": {"name": "recall", "arguments": {"query": "x"}}}
        headers = {"Authorization": f"Bearer {counts}", "Memori-User": "ana"}
        headers |= {"Memori-Namespace": "default", "Accept": "application/json, text/event-stream"}
        answer = await http.post(served.url, json=call, headers=headers)
        assert "no right to read" in answer.text


async def test_no_web_page_reads_the_counts(serve: Serve) -> None:
    served = serve("http", "--user", "ana", **ON)
    async with httpx2.AsyncClient() as http:
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "http://evil.example"}, 403),
        ):
            answer = await http.get(served.root("/metrics"), headers=headers)
            assert answer.status_code == status


async def test_there_is_no_such_page_unless_it_is_switched_on(serve: Serve) -> None:
    served = serve("http")
    async with httpx2.AsyncClient() as http:
        assert (await http.get(served.root("/metrics"))).status_code == 404


@pytest.mark.parametrize(
    ("name", "module"), [("http.metrics", "prometheus_client"), ("observability", "opentelemetry")]
)
def test_what_is_not_installed_is_said_with_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    from memori import otel

    for place in (metrics, otel):
        monkeypatch.setattr(place, "find_spec", lambda wanted: None if wanted == module else 1)
    monkeypatch.setenv("MEMORI_HTTP__METRICS", "true" if name == "http.metrics" else "false")
    monkeypatch.setenv(
        "MEMORI_OBSERVABILITY__OPENTELEMETRY", "true" if name == "observability" else "false"
    )
    given = ["--database", "sqlite://", "--user", "ana", "serve", "--transport", "http"]
    assert main(given) == 2
    assert "pip install 'memori-mcp[" in capsys.readouterr().err


class Collector:
    """An OpenTelemetry collector on loopback."""

    def __init__(self) -> None:
        self.points: dict[str, list[Any]] = {}
        self.spans: list[Any] = []
        self.bytes = b""
        outer = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        """Keep what was sent."""
        self.bytes += body
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        data = getattr(metric, metric.WhichOneof("data"))
                        self.points.setdefault(metric.name, []).extend(data.data_points)
        elif path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def test_a_server_started_by_opentelemetry_sends_calls_and_spans_and_no_content(
    collector: Collector, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai_v2",
    }.items():
        monkeypatch.setenv(name, value)
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    ours = [sys.executable, "-m", "memori_mcp"]
    on = "MEMORI_OBSERVABILITY__OPENTELEMETRY=true"
    server = start_server(command=["env", on, instrument, *ours])
    server.initialize()
    server.call("remember", content=FACT)
    server.call("recall", query=FACT)
    server.call("forget", memory_ids=["xylophone"])
    number = server.request("resources/read", {"uri": "memori://memories/xylophone"})
    assert server.read()["id"] == number
    assert server.close() == 0
    names = {span.name for span in collector.spans}
    assert {"initialize", "tools/call remember", "tools/call recall", "resources/read"} <= names
    verbs = {
        attribute.value.string_value
        for point in collector.points["memori.call.duration"]
        for attribute in point.attributes
    }
    assert {"remember", "recall", "forget", "ok", "error"} <= verbs
    assert "memori.queue.age" in collector.points
    assert b"xylophone" not in collector.bytes
    assert b"attic" not in collector.bytes
