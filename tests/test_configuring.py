"""`ConfigManager`: what it loads holds for every new object; mistakes name their source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from memori import AsyncMemori, ConfigManager, ConfigurationError, ProviderConfig
from memori.cli import main
from memori.config import choose, personal_config_file


@pytest.fixture(autouse=True)
def _nothing_loaded(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HOME", str(working_directory / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(working_directory / "home" / "config"))
    yield
    choose(None)


def _namespace() -> str:
    return AsyncMemori().settings.memory.namespace


def test_what_was_loaded_is_what_new_objects_use(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("memori.toml").write_text(
        '[database]\nconnection_string = "sqlite:///filed.db"\n[memory]\nnamespace = "file"\n'
    )
    monkeypatch.setenv("MEMORI_MEMORY__NAMESPACE", "environment")
    monkeypatch.setenv("MEMORI_AGENTS__OPENAI_API_KEY", "sk-test")
    config = ConfigManager()
    config.auto_load()
    made = AsyncMemori()
    assert made.settings.database.connection_string == "sqlite:///filed.db"
    assert made.settings.memory.namespace == "environment"
    key = made.settings.agents.openai_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-test"
    assert "sk-test" not in repr(made.settings)
    assert AsyncMemori(namespace="argument").settings.memory.namespace == "argument"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memori.toml", '[memory]\nnamespace = "here"\nread_namespaces = ["a", "b"]\n'),
        ("memori.json", '{"memory": {"namespace": "here", "read_namespaces": ["a", "b"]}}'),
        ("memori.yaml", "memory:\n  namespace: here\n  read_namespaces: [a, b]\n"),
    ],
)
def test_a_file_of_each_kind_is_found_in_each_place(
    name: str, text: str, working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    personal = personal_config_file().with_name(name)
    personal.parent.mkdir(parents=True)
    personal.write_text(text.replace("here", "personal"))
    assert ConfigManager().auto_load().memory.namespace == "personal"
    Path(name).write_text(text)
    settings = ConfigManager().auto_load()
    assert (settings.memory.namespace, settings.memory.read_namespaces) == ("here", ("a", "b"))
    elsewhere = working_directory / "else" / f"my.{name}"
    elsewhere.parent.mkdir()
    elsewhere.write_text(text.replace("here", "named"))
    monkeypatch.setenv("MEMORI_CONFIG_PATH", str(elsewhere))
    assert ConfigManager().auto_load().memory.namespace == "named"
    assert _namespace() == "named"


def test_settings_come_in_the_order_of_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ConfigManager()
    for number in (1, 2):
        Path(f"{number}.toml").write_text(f'[memory]\nnamespace = "{number}"\nuser_id = "u"\n')
        config.load_from_file(f"{number}.toml")
        assert _namespace() == str(number)
    monkeypatch.setenv("MEMORI_MEMORY__NAMESPACE", "environment")
    config.load_from_env()
    assert _namespace() == "environment"
    config.update_setting("memory.namespace", "updated")
    assert config.get_setting("memory.namespace") == _namespace() == "updated"
    assert config.get_setting("memory.user_id") == "u"
    assert config.get_setting("memory.agent_id", "none") == "none"
    assert {s.name: s.source for s in config.describe()}["memory.namespace"] == "update_setting"
    assert {s.name: s.source for s in config.describe()}["memory.user_id"] == "2.toml"
    config.update_setting("memory.namespace", None)
    assert _namespace() == "environment"


def test_a_mistake_names_its_source_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ConfigManager()
    config.update_setting("memory.namespace", "good")
    Path("bad.json").write_text('{"memory": {"namesapce": "x"}, "database": {"durability": "no"}}')
    with pytest.raises(ConfigurationError, match="bad.json") as raised:
        config.load_from_file("bad.json")
    assert "namesapce" in str(raised.value)
    assert "durability" in str(raised.value)
    with pytest.raises(ConfigurationError, match="update_setting"):
        config.update_setting("intercept.max_tokens", -1)
    for name in ("memory.nothing", "nothing.at_all", "memory"):
        with pytest.raises(ConfigurationError, match="no setting"):
            config.get_setting(name)
    with pytest.raises(ConfigurationError, match="does not exist"):
        config.load_from_file("missing.toml")
    assert _namespace() == "good"
    monkeypatch.setenv("MEMORI_MEMORY__TIMEZONE", "Mars")
    with pytest.raises(ConfigurationError, match="from environment"):
        config.load_from_env()
    with pytest.raises(ConfigurationError, match="from environment"):
        config.validate()


def test_every_mistake_of_every_source_is_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORI_ZIP__ZAP", "1")
    monkeypatch.setenv("MEMORI_PLACE__HERE", "1")
    monkeypatch.setenv("MEMORI_MEMORY__TIMEZONE", "Mars")
    monkeypatch.setenv("MEMORI_MEMORY__USER_ID", "ana")
    Path("bad.yaml").write_text(
        "namespace: x\nuser: y\nmemory:\n  user_id: 5\n  1: x\nagents: {foo: 1}\nmemroy:\n"
    )
    with pytest.raises(ConfigurationError) as raised:
        ConfigManager().load_from_file("bad.yaml")
    said = str(raised.value)
    for words in (
        "'namespace' stands outside",
        "'user' stands outside",
        "memory.user_id (from bad.yaml)",
        "memory.1 (from bad.yaml)",
        "agents.foo (from bad.yaml)",
        "memroy (from bad.yaml)",
        "MEMORI_ZIP__ZAP",
        "MEMORI_PLACE__HERE",
        "memory.timezone (from environment)",
    ):
        assert said.count(words) == 1, words
    with pytest.raises(ConfigurationError, match="MEMORI_ZIP__ZAP.*MEMORI_PLACE__HERE"):
        ConfigManager().load_from_env()
    # An empty name given as an argument does not hide the rest.
    with pytest.raises(ConfigurationError, match="MEMORI_ZIP__ZAP.*user_id"):
        AsyncMemori(user_id="")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mark.toml", '\ufeff[memory]\nnamespace = "n"\n'),
        ("mark.json", '\ufeff{"memory": {"namespace": "n"}}'),
        ("mark.yaml", "\ufeffmemory: {namespace: n}\n"),
        ("empty.yaml", "agents:\nmemory: {namespace: n}\nrecall:\n"),
        ("empty.json", '{"agents": null, "memory": {"namespace": "n"}}'),
    ],
)
def test_files_as_editors_leave_them_are_read(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    assert ConfigManager().load_from_file(name).memory.namespace == "n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep.json", "[" * 100_000),
        ("deep.toml", "a = " + "[" * 100_000),
        ("deep.yaml", "[" * 100_000),
    ],
)
def test_a_file_nested_without_end_is_an_error_like_others(name: str, text: str) -> None:
    Path(name).write_text(text)
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read.*nested"):
        ConfigManager().load_from_file(name)


def test_two_files_in_one_folder_are_not_guessed_between() -> None:
    Path("memori.toml").write_text("")
    Path("memori.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="keep one"):
        ConfigManager().auto_load()


@pytest.mark.parametrize("name", ["saved.toml", "saved.json", "saved.yaml"])
def test_what_is_saved_is_what_is_loaded_again(name: str) -> None:
    config = ConfigManager()
    odd = 'a "quoted" \\ name\twith é, 名 and \x7f'
    config.update_setting("memory.agent_id", odd)
    config.update_setting("memory.read_namespaces", ["a", "b"])
    config.update_setting("intercept.auto_ingest", True)
    config.update_setting("intercept.time_limit", 0.5)
    config.update_setting("agents.openai_api_key", "sk-test")
    saved = config.validate()
    config.save_to_file(name)
    assert Path(name).stat().st_mode & 0o777 == 0o600
    choose(None)
    assert ConfigManager().load_from_file(name) == saved
    with pytest.raises(ConfigurationError, match=r"\.toml"):
        config.save_to_file("saved.ini")


@pytest.mark.skipif(os.name != "posix", reason="files have no modes there")
def test_a_saved_file_is_private_whatever_was_there(working_directory: Path) -> None:
    config = ConfigManager()
    config.update_setting("agents.openai_api_key", "sk-test")
    real = working_directory / "elsewhere" / "real.toml"
    real.parent.mkdir()
    link = Path("link.toml")
    for each in (real, Path("open.toml")):
        each.write_text("# of before\n")
        each.chmod(0o644)
    link.symlink_to(real)
    config.save_to_file(link)
    config.save_to_file("open.toml")
    assert link.is_symlink()
    for each in (real, Path("open.toml")):
        assert each.stat().st_mode & 0o777 == 0o600
        assert "sk-test" in each.read_text()
    assert [each.name for each in real.parent.iterdir()] == ["real.toml"]
    Path("pipe.toml").symlink_to(os.devnull)
    with pytest.raises(ConfigurationError, match=r"pipe\.toml.*no file"):
        config.save_to_file("pipe.toml")
    with pytest.raises(
        ConfigurationError, match=r"no/such\.toml cannot be written: No such [^.]*$"
    ):
        config.save_to_file("no/such.toml")


@pytest.mark.parametrize("name", ["saved.toml", "saved.json", "saved.yaml"])
def test_what_cannot_be_saved_leaves_the_file_as_it_was(
    name: str, working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(name).write_text("# of before\n")
    config = ConfigManager()
    if name == "saved.toml":  # the others have a way to write it
        config.update_setting("memory.agent_id", "a\ud800b")
        with pytest.raises(ConfigurationError, match=f"{name} cannot be written"):
            config.save_to_file(name)
        config.update_setting("memory.agent_id", None)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigurationError, match=f"{name} cannot be written.*No space"):
        config.save_to_file(name)
    assert Path(name).read_text() == "# of before\n"
    assert [each.name for each in working_directory.iterdir()] == [name]


def test_a_provider_is_an_argument_like_the_others(tmp_path: Path) -> None:
    provider = ProviderConfig.from_azure(
        api_key="secret", azure_endpoint="https://x", azure_deployment="d", api_version="v"
    )
    made = AsyncMemori(provider_config=provider, openai_api_key="sk-other")
    agents = made.settings.agents
    assert (agents.provider, agents.azure_endpoint, agents.azure_deployment) == (
        "azure",
        "https://x",
        "d",
    )
    assert "secret" not in repr(provider) + repr(made.settings)
    custom = ProviderConfig.from_custom("http://127.0.0.1:11434/v1", model="llama3")
    assert AsyncMemori(provider_config=custom).settings.agents.base_url == custom.base_url
    for other in (
        ProviderConfig.from_openai("k"),
        ProviderConfig.from_anthropic("k"),
        ProviderConfig.from_litellm("ollama/llama3"),
    ):
        assert AsyncMemori(provider_config=other).settings.agents.provider == other.provider


def test_config_show_prints_where_each_value_comes_from_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("memori.toml").write_text('[memory]\nnamespace = "file"\n')
    monkeypatch.setenv("MEMORI_AGENTS__OPENAI_API_KEY", "sk-test")
    assert main(["config", "show", "--user", "ana"]) == 0
    shown = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert shown["memory.namespace"] == ["file", "memori.toml"]
    assert shown["memory.user_id"] == ["ana", "argument"]
    assert shown["agents.openai_api_key"] == ["***", "environment"]
    assert shown["memory.timezone"] == ["UTC", "default"]
    monkeypatch.setenv("MEMORI_AGENTS__BASE_URL", "http://h/v1?api_key=hush&a=1")
    monkeypatch.setenv("MEMORI_HTTP__OAUTH_JWKS_URL", "https://hush@login.example.org/keys")
    monkeypatch.setenv("MEMORI_HTTP__ALLOWED_ORIGINS", "https://a.example.org?token=hush")
    url = "postgresql://me:" + "hush@h/db"
    assert main(["config", "show", "--json", "--database", url]) == 0
    text = capsys.readouterr().out
    assert "hush" not in text
    rows = {row["name"]: row for row in json.loads(text)["items"]}
    assert rows["database.connection_string"]["source"] == "argument"
    assert rows["agents.base_url"]["value"] == "http://h/v1?api_key=***&a=1"
    assert main(["config", "show", "--database", "foo://x"]) == 2
    assert "connection_string (from argument)" in capsys.readouterr().err
    assert not Path("memori.db").exists()
