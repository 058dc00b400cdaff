"""Names in what rules learn, by a spaCy pipeline; most of it runs where spaCy is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from client_libraries import need
from conftest import Opener

from memori import AsyncMemori, ConfigurationError, Memori, Memory
from memori.config import Settings, amend_settings

pytestmark = pytest.mark.anyio
SAID = "I love long walks in Lisbon with Maria Schmidt, and I live in Porto"


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    """A pipeline with names of its own, kept in a folder as spaCy keeps one."""
    made = need("spacy").blank("en")
    made.add_pipe("entity_ruler").add_patterns(
        [
            {"label": "PERSON", "pattern": "Maria Schmidt"},
            {"label": "GPE", "pattern": "Lisbon"},
            {"label": "GPE", "pattern": "Porto"},
            {"label": "LOC", "pattern": "the Douro"},
            {"label": "DATE", "pattern": "June 2023"},
        ]
    )
    made.to_disk(tmp_path / "pipeline")
    return str(tmp_path / "pipeline")


async def _learnt(memori: AsyncMemori, said: str) -> dict[str, tuple[str, ...]]:
    await memori.record([{"role": "user", "content": said}], learn=True)
    await memori.learn()
    items = [await memori.get(hit.id) for hit in (await memori.search(kind="memory")).items]
    return {each.content: each.entities for each in items if isinstance(each, Memory)}


def _settings(pipeline: str) -> Settings:
    return amend_settings(Settings(), {"learning.entities": pipeline})


async def test_names_in_a_statement_are_its_entities(opened_file: Opener, pipeline: str) -> None:
    memori = await opened_file(settings=_settings(pipeline))
    assert await _learnt(memori, SAID) == {
        "The user loves long walks in Lisbon with Maria Schmidt": ("Lisbon", "Maria Schmidt"),
        "The user lives in Porto": ("Porto",),
    }
    [hit] = (await memori.search(entity="maria schmidt")).items
    assert "Lisbon" in hit.text
    assert {each.name for each in await memori.entities()} == {"Lisbon", "Maria Schmidt", "Porto"}


async def test_times_are_no_names_and_articles_no_part_of_one(
    opened_file: Opener, pipeline: str
) -> None:
    memori = await opened_file(settings=_settings(pipeline))
    found = await _learnt(memori, "I love sailing on the Douro as in June 2023")
    assert list(found.values()) == [("Douro",)]


async def test_without_a_pipeline_only_the_rules_name(opened_file: Opener) -> None:
    found = await _learnt(await opened_file(), SAID)
    assert found["The user loves long walks in Lisbon with Maria Schmidt"] == ()


def test_nothing_of_it_is_imported_before_something_is_learnt(
    pipeline: str, tmp_path: Path
) -> None:
    code = """
import sys
from memori import Memori
memori = Memori(sys.argv[1])
memori.open()
memori.record([{"role": "user", "content": "hello"}], learn=True)
memori.learn()
assert "spacy" not in sys.modules
memori.record([{"role": "user", "content": "I live in Porto"}], learn=True)
memori.learn()
assert "spacy" in sys.modules
"""
    config = tmp_path / "memori.toml"
    config.write_text(f'[learning]\nentities = "{pipeline}"\n', encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/memori.db"],
        cwd=tmp_path,
        check=True,
        timeout=120,
    )


async def test_a_pipeline_that_does_not_load_stores_nothing_and_says_so(
    opened_file: Opener, pipeline: str
) -> None:
    memori = await opened_file(settings=_settings(pipeline))
    (Path(pipeline) / "config.cfg").unlink()
    assert await _learnt(memori, SAID) == {}
    [job] = await memori.jobs()
    assert job.trouble == "spaCy could not load learning.entities (OSError)"


def test_a_pipeline_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    need("spacy")
    for missing in ("no_such_pipeline", str(tmp_path)):
        with pytest.raises(ConfigurationError, match="python -m spacy download"):
            Memori(settings=_settings(missing))


def test_spacy_that_is_not_there_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memori.learn.names.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'memori-mcp\[entities\]'"):
        Memori(settings=_settings("en_core_web_sm"))
