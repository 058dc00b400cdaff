"""A project's memory beside the person's: what is about whom, in two repositories, real servers."""

from __future__ import annotations

from typing import Any

import pytest
from server_process import ServerProcess, StartServer

pytest_plugins = ["mcp_fixtures"]


def _call(server: ServerProcess, tool: str, **given: Any) -> str:
    return server.call(tool, **given)["content"][0]["text"]


def _id(said: str) -> str:
    return said.split()[1].rstrip(":")


@pytest.fixture
def projects(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    """Servers of two repositories of one person."""
    started = []
    for name in ("project:boat", "project:shop"):
        server = start_server("--namespace", name, "--personal-namespace", "default")
        server.initialize()
        started.append(server)
    return started[0], started[1]


def test_what_is_about_the_user_is_known_in_every_project(
    projects: tuple[ServerProcess, ServerProcess],
) -> None:
    boat, shop = projects
    _call(boat, "remember", content="Prefers tabs over spaces", about="user")
    _call(boat, "remember", content="The tests of this project run with nox", about="project")
    _call(boat, "remember", content="The mast of the boat is 12 m tall")
    assert "tabs" in _call(shop, "recall", query="tabs or spaces?")
    assert "tabs" in _call(shop, "get_working_context")
    for question in ("How do the tests run, with nox?", "How tall is the mast of the boat?"):
        said = _call(shop, "recall", query=question)
        assert "nox" not in said.replace(question, "")
        assert "12 m" not in said
        assert any(word in _call(boat, "recall", query=question) for word in ("nox", "12 m"))


def test_what_is_shown_can_be_corrected_and_forgotten_wherever_it_lies(
    projects: tuple[ServerProcess, ServerProcess],
) -> None:
    boat, shop = projects
    own = _id(_call(boat, "remember", content="Prefers tabs over spaces", about="user"))
    new = _call(shop, "remember", content="Prefers spaces over tabs", supersedes=[own])
    assert new.startswith("superseded")
    assert "spaces over tabs" in _call(boat, "recall", query="tabs or spaces?")
    kept = _call(shop, "update_memory", memory_id=_id(new), importance=0.9)
    assert kept.startswith("stored"), kept
    assert "mast" not in _call(shop, "forget", memory_ids=[_id(new)])
    assert "spaces over tabs" not in _call(boat, "recall", query="tabs or spaces?")
    mast = _id(_call(boat, "remember", content="The mast is 12 m tall"))
    refused = _call(shop, "forget", memory_ids=[mast])
    assert "separate calls" in refused
    assert "12 m" in _call(boat, "recall", query="How tall is the mast?")


def test_without_a_project_all_is_one_memory(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    for about in ("user", "project"):
        said = _call(server, "remember", content=f"The {about} is fine", about=about)
        assert said.startswith("stored")
        assert "fine" in _call(server, "recall", query=f"Is the {about} fine?")
