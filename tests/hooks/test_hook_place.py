"""A hook finds the settings a server finds, in its own, quicker way."""

from __future__ import annotations

from pathlib import Path

import pytest

from memori import ConfigurationError, load_settings
from memori.hooks.place import find_place


def test_an_empty_variable_is_for_a_hook_what_it_is_for_a_server(working_directory: Path) -> None:
    (working_directory / "memori.toml").write_text(
        '[database]\nconnection_string = "sqlite:///filed.db"\n', encoding="utf-8-sig"
    )
    environ = {"MEMORI_DATABASE__CONNECTION_STRING": " ", "MEMORI_MEMORY__PERSONAL_NAMESPACE": ""}
    place = find_place({}, environ, working_directory)
    settings = load_settings(environ=environ)
    assert place.database == settings.database.connection_string == "sqlite:///filed.db"
    assert place.personal is settings.memory.personal_namespace is None


@pytest.mark.parametrize("name", ["NAMESPACE", "USER_ID"])
def test_an_empty_scope_is_nobodys_for_both(working_directory: Path, name: str) -> None:
    environ = {f"MEMORI_MEMORY__{name}": ""}
    with pytest.raises(ConfigurationError):
        load_settings(environ=environ)
    with pytest.raises(ValueError, match="empty"):
        find_place({}, environ, working_directory)
