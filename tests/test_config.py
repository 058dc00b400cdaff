"""Settings: arguments over environment over file over defaults; a mistake names its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memori import (
    AsyncMemori,
    ConfigurationError,
    ProviderConfig,
    ScopeError,
    Settings,
    load_settings,
)
from memori.config import collect, personal_config_file, personal_database

FULL = """
[database]
connection_string = "sqlite:///from_file.db"
durability = "process"
busy_timeout = 3

[memory]
namespace = "file"
user_id = "filer"
read_namespaces = ["one", "two"]
require_scope = true
timezone = "Europe/Lisbon"
"""


def test_a_library_uses_a_file_in_the_working_directory(working_directory: Path) -> None:
    settings = load_settings(environ={})
    assert settings.database.connection_string == "sqlite:///memori.db"
    assert settings.database.durability == "full"
    assert settings.memory.namespace == "default"
    assert settings.memory.user_id is None
    assert settings.memory.read_namespaces == ()
    assert not settings.memory.require_scope
    assert AsyncMemori().database_path == working_directory / "memori.db"
    assert list(working_directory.iterdir()) == []


def test_a_library_never_opens_the_personal_store_unasked(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = working_directory / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    file = personal_config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[memory]\nnamespace = "personal"\n')
    assert load_settings().memory.namespace == "default"
    assert load_settings().database.connection_string == "sqlite:///memori.db"
    personal = load_settings(personal=True)
    assert personal.memory.namespace == "personal"
    assert personal.database.connection_string == personal_database()
    assert personal_database() == f"sqlite:///{home / 'data' / 'memori' / 'memori.db'}"


def test_each_layer_wins_over_the_one_below(working_directory: Path) -> None:
    (working_directory / "memori.toml").write_text(FULL)
    environment = {
        "MEMORI_DATABASE__CONNECTION_STRING": "sqlite:///from_environment.db",
        "MEMORI_MEMORY__NAMESPACE": "environment",
    }
    given = {"memory.namespace": "argument", "memory.user_id": None}
    settings = load_settings(given, environ=environment)
    assert settings.memory.namespace == "argument"
    assert settings.database.connection_string == "sqlite:///from_environment.db"
    assert settings.memory.user_id == "filer"
    assert settings.database.durability == "process"
    assert settings.database.busy_timeout == 3
    assert settings.memory.read_namespaces == ("one", "two")
    assert settings.memory.require_scope
    assert settings.zone.key == "Europe/Lisbon"


def test_the_working_directorys_file_wins_over_the_personal_one(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(working_directory / "config"))
    monkeypatch.setenv("HOME", str(working_directory))
    file = personal_config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[memory]\nnamespace = "personal"\n')
    (working_directory / "memori.toml").write_text('[memory]\nnamespace = "here"\n')
    assert load_settings(personal=True).memory.namespace == "here"


def test_a_file_can_be_named(working_directory: Path) -> None:
    named = working_directory / "named.toml"
    named.write_text('[memory]\nnamespace = "named"\n')
    (working_directory / "memori.toml").write_text('[memory]\nnamespace = "here"\n')
    assert load_settings(config_file=named).memory.namespace == "named"
    environment = {"MEMORI_CONFIG_PATH": str(named)}
    assert load_settings(environ=environment).memory.namespace == "named"


def test_lists_and_numbers_come_from_the_environment(working_directory: Path) -> None:
    settings = load_settings(
        environ={
            "MEMORI_MEMORY__READ_NAMESPACES": "one, two,,three ",
            "MEMORI_MEMORY__REQUIRE_SCOPE": "true",
            "MEMORI_DATABASE__BUSY_TIMEOUT": "2.5",
            "memori_memory__user_id": "ana",
            "MEMORI_HOME": "nobody's business",
            "OTHER__THING": "x",
        }
    )
    assert settings.memory.read_namespaces == ("one", "two", "three")
    assert settings.memory.require_scope
    assert settings.database.busy_timeout == 2.5
    assert settings.memory.user_id == "ana"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MEMORI_DATABSE__CONNECTION_STRING": "x"}, ["MEMORI_DATABSE__CONNECTION_STRING"]),
        ({"MEMORI_MEMORY__NAMESPCE": "x"}, ["namespce", "environment", "namespace"]),
        ({"MEMORI_DATABASE__DURABILITY": "some"}, ["durability", "environment", "full"]),
        ({"MEMORI_DATABASE__BUSY_TIMEOUT": "soon"}, ["busy_timeout", "environment"]),
        ({"MEMORI_DATABASE__BUSY_TIMEOUT": "-1"}, ["busy_timeout", "environment"]),
        ({"MEMORI_DATABASE__BUSY_TIMEOUT": "nan"}, ["busy_timeout", "environment"]),
        ({"MEMORI_MEMORY__TIMEZONE": "Mars/North"}, ["Mars/North", "Europe/Lisbon"]),
        ({"MEMORI_MEMORY__TIMEZONE": "../../etc/passwd"}, ["time zone"]),
        ({"MEMORI_MEMORY__REQUIRE_SCOPE": "perhaps"}, ["require_scope", "environment"]),
        (
            {"MEMORI_DATABASE__CONNECTION_STRING": "foo://x"},
            ["connection_string (from environment"],
        ),
        (
            {"MEMORI_DATABASE__READ_CONNECTION_STRING": "memori.db"},
            ["read_connection_string (from environment", "sqlite:///"],
        ),
        (
            {"MEMORI_AGENTS__BASE_URL": "localhost:11434"},
            ["agents.base_url (from environment", "v1"],
        ),
        ({"MEMORI_AGENTS__BASE_URL": "file:///etc/passwd"}, ["agents.base_url", "http://"]),
        ({"MEMORI_AGENTS__BASE_URL": "http://a:b@h/v1"}, ["agents.base_url", "agents.api_key"]),
        ({"MEMORI_AGENTS__AZURE_ENDPOINT": "x.openai.azure.com"}, ["azure_endpoint", "https://"]),
        ({"MEMORI_PROMOTION__HALF_LIFE_DAYS": "inf"}, ["half_life_days", "environment", "finite"]),
        ({"MEMORI_PROMOTION__USE_HALF_LIFE_DAYS": "1e999"}, ["use_half_life_days", "finite"]),
        ({"MEMORI_CONFIG_PATH": "/nowhere/memori.toml"}, ["/nowhere/memori.toml", "not exist"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_in_the_environment_is_an_error_that_says_where(
    working_directory: Path, environment: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ=environment)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[database\n", ["cannot be read"]),
        ("namespace = 'x'\n", ["outside a section"]),
        ("[memroy]\nnamespace = 'x'\n", ["memroy", "[memory]"]),
        ("[memory]\nnamespace = 5\n", ["memory.namespace"]),
        ("[memory]\ntimezone = 'Mars'\n", ["Mars"]),
        ("[database]\ndurability = 'some'\nbusy_timeout = 0\n", ["durability", "busy_timeout"]),
    ],
)
def test_a_mistake_in_the_file_is_an_error_that_names_the_file(
    working_directory: Path, text: str, words: list[str]
) -> None:
    (working_directory / "memori.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ={})
    for word in (*words, "memori.toml"):
        assert word in str(caught.value)


def test_a_mistake_that_another_source_covers_is_one_all_the_same(working_directory: Path) -> None:
    (working_directory / "memori.toml").write_text("[intercept]\nmax_tokens = -1\n")
    environment = {"MEMORI_INTERCEPT__MAX_TOKENS": "500"}
    with pytest.raises(ConfigurationError, match=r"max_tokens \(from memori.toml\)"):
        load_settings(environ=environment)
    (working_directory / "memori.toml").write_text("[agents]\nprovider = 'custom'\n")
    # What only lacks another value is no mistake where it is not in force.
    environment = {"MEMORI_AGENTS__PROVIDER": "openai", "MEMORI_AGENTS__OPENAI_API_KEY": "k"}
    assert load_settings(environ=environment).agents.chosen == "openai"


def test_a_file_that_is_no_text_is_an_error(working_directory: Path) -> None:
    (working_directory / "memori.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="memori.toml"):
        load_settings(environ={})


@pytest.mark.parametrize(
    "given",
    [
        {"memory.namespace": 5},
        {"memory.nonsense": "x"},
        {"nonsense.namespace": "x"},
        {"database.busy_timeout": "soon"},
        {"database.busy_timeout": True},
        {"database.pool_size": True},
        {"embedding.dimensions": True},
        {"promotion.min_score": False},
        {"promotion.half_life_days": float("inf")},
        {"retention.fact": ""},
        {"agents.base_url": ""},
    ],
    ids=str,
)
def test_a_mistake_in_an_argument_is_an_error(
    working_directory: Path, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="argument"):
        load_settings(given, environ={})


@pytest.mark.parametrize("section", ["USER_ID", "NAMESPACE"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_explicit_empty_scope_in_the_environment_is_an_error(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch, section: str, empty: str
) -> None:
    monkeypatch.setenv(f"MEMORI_MEMORY__{section}", empty)
    with pytest.raises(ConfigurationError, match=rf"{section.lower()} \(from environment\).*empty"):
        load_settings()
    with pytest.raises(ConfigurationError):
        AsyncMemori()
    with pytest.raises(ScopeError, match=section.lower()):
        AsyncMemori(settings=Settings(), **{section.lower(): empty})  # type: ignore[arg-type]


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_variable_counts_as_not_set(working_directory: Path, empty: str) -> None:
    (working_directory / "memori.toml").write_text("[database]\nbusy_timeout = 3\n")
    names = ("AGENTS__OPENAI_API_KEY", "AGENTS__BASE_URL", "DATABASE__BUSY_TIMEOUT", "HTTP__AUTH")
    collected = collect({}, environ={f"MEMORI_{name}": empty for name in names})
    assert collected.settings.agents.chosen is None
    assert collected.settings.agents.openai_api_key is None
    assert collected.settings.database.busy_timeout == 3
    assert "environment" not in collected.origin.values()


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
@pytest.mark.parametrize(
    "name", ["agents.openai_api_key", "agents.api_key", "embedding.api_key", "http.state_key"]
)
def test_a_blank_key_that_was_given_is_an_error_that_says_where(
    working_directory: Path, name: str, blank: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} \(from argument\)"):
        load_settings({name: blank}, environ={})
    section, _, key = name.partition(".")
    (working_directory / "memori.json").write_text(json.dumps({section: {key: blank}}))
    with pytest.raises(ConfigurationError, match=rf"{name} \(from memori.json\)"):
        load_settings(environ={})


def test_a_blank_key_of_an_object_turns_no_model_on(working_directory: Path) -> None:
    for blank in ("", "  "):
        with pytest.raises(ConfigurationError, match="openai_api_key .*argument.* is empty"):
            AsyncMemori(openai_api_key=blank)
        for provider in (ProviderConfig.from_openai(blank), ProviderConfig.from_anthropic(blank)):
            with pytest.raises(ConfigurationError, match="api_key .*argument.* is empty"):
                AsyncMemori(provider_config=provider)


@pytest.mark.parametrize(
    "wrong",
    [{"namespace": 5}, {"read_namespaces": [5]}, {"session_id": 5}, {"user_id": 5}],
    ids=str,
)
@pytest.mark.parametrize("with_settings", [False, True])
def test_a_wrong_argument_of_the_object_is_a_memori_error(
    working_directory: Path, wrong: dict[str, Any], with_settings: bool
) -> None:
    given = {"settings": Settings()} if with_settings else {}
    with pytest.raises((ConfigurationError, ScopeError)):
        AsyncMemori(**given, **wrong)


def test_arguments_of_the_object_win_over_settings_given(working_directory: Path) -> None:
    settings = load_settings({"memory.namespace": "a", "memory.user_id": "ana"}, environ={})
    memori = AsyncMemori("sqlite:///other.db", namespace="b", settings=settings)
    assert (memori.scope.namespace, memori.scope.user_id) == ("b", "ana")
    assert memori.database_path == working_directory / "other.db"


def test_complete_settings_are_not_mixed_with_the_environment(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORI_MEMORY__NAMESPACE", "environment")
    assert AsyncMemori(settings=Settings()).scope.namespace == "default"
    assert AsyncMemori().scope.namespace == "environment"


def test_settings_cannot_be_changed_in_place() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.memory.namespace = "x"


def test_retention_is_permanent_unless_days_are_given() -> None:
    assert load_settings(environ={}).retention.days == {}
    given = load_settings(
        {"retention.context": "7_days"},
        environ={"MEMORI_RETENTION__TURNS": "45_days", "MEMORI_RETENTION__STORE_TURNS": "false"},
    ).retention
    assert given.days == {"context": 7, "turns": 45}
    assert given.store_turns is False
    assert given.keeps["fact"] == "permanent"


@pytest.mark.parametrize("wrong", ["30", "30 days", "0_days", "-7_days", "forever", "1e3_days"])
def test_a_retention_time_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"retention\.jobs .*30_days.*permanent"):
        load_settings(environ={"MEMORI_RETENTION__JOBS": wrong})
