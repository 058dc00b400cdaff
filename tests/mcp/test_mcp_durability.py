"""What was acknowledged is there, whatever happens to the process that said so."""

from __future__ import annotations

import random
import threading
import time

from server_process import ServerProcess, StartServer

pytest_plugins = ["mcp_fixtures"]

ROUNDS = 8
PROCESSES = 8
EACH = 200


def _acknowledged(server: ServerProcess, contents: list[str]) -> dict[int, str]:
    """Send all writes without waiting; the contents by request id."""
    return {
        server.request("tools/call", {"name": "remember", "arguments": {"content": said}}): said
        for said in contents
    }


def test_every_acknowledged_memory_survives_kill_9_at_any_moment(
    start_server: StartServer,
) -> None:
    chance = random.Random(20261122)
    stored: dict[str, str] = {}
    for number in range(ROUNDS):
        server = start_server()
        server.initialize()
        for item_id, said in stored.items():
            shown = server.ask("resources/read", {"uri": f"memori://memories/{item_id}"})
            assert said in shown["contents"][0]["text"]
        first = f"Round {number} began."
        receipt = server.call("remember", content=first)["structuredContent"]
        stored = {receipt["id"]: first}
        sent = _acknowledged(server, [f"Round {number}, fact {n}." for n in range(300)])
        threading.Timer(chance.uniform(0.0, 0.4), server.process.kill).start()
        try:
            while True:
                answer = server.read()
                stored[answer["result"]["structuredContent"]["id"]] = sent[answer["id"]]
        except EOFError:
            assert server.process.wait(10) == -9
    server = start_server()
    server.initialize()
    for item_id, said in stored.items():
        shown = server.ask("resources/read", {"uri": f"memori://memories/{item_id}"})
        assert said in shown["contents"][0]["text"]
    found = server.call("recall", query="began", limit=50)["structuredContent"]["items"]
    assert {f"Round {n} began." for n in range(ROUNDS)} <= {item["text"] for item in found}


def test_eight_servers_on_one_file_lose_nothing_and_are_never_locked_out(
    start_server: StartServer,
) -> None:
    servers = [start_server() for _ in range(PROCESSES)]
    failures: list[str] = []
    begun = time.monotonic()

    def write(number: int, server: ServerProcess) -> None:
        server.initialize()
        for n in range(EACH):
            answer = server.call("remember", content=f"Process {number} says {n}.")
            if answer["isError"] or answer["structuredContent"]["status"] != "stored":
                failures.append(str(answer))

    threads = [
        threading.Thread(target=write, args=(number, server))
        for number, server in enumerate(servers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert time.monotonic() - begun < 110
    for server in servers[1:]:
        assert server.close() == 0
        assert server.errors() == ""
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = servers[0].call("search_memories", limit=50, cursor=cursor)["structuredContent"]
        found |= {item["text"] for item in page["items"]}
        cursor = page.get("cursor")
        if cursor is None:
            break
    assert found == {
        f"Process {number} says {n}." for number in range(PROCESSES) for n in range(EACH)
    }
