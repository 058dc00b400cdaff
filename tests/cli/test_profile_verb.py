"""`memori profile` shows what a model wrote of the user, with the ids each sentence rests on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.provider import Provider
from memori import Memori
from memori.cli import main
from memori.config import load_settings


def test_profile_lists_sentences_and_their_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/memori.db"
    with Provider() as provider, Memori(url) as memori:
        assert main(["profile", "--database", url]) == 1
        assert "no profile" in capsys.readouterr().err
        ana = memori.remember("The user's name is Ana", importance=0.9).id
        said = json.dumps({"sentences": [{"text": "Ana is the user.", "ids": [ana]}]})
        provider.structured = lambda _: said
        settings = load_settings(
            {
                "database.connection_string": url,
                "promotion.profile": True,
                "agents.provider": "custom",
                "agents.model": "tiny",
                "agents.base_url": provider.url,
            }
        )
        with Memori(settings=settings) as writing:
            writing.promote()
    assert main(["profile", "--json", "--database", url]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sentences"] == [{"text": "Ana is the user.", "ids": [ana]}]
    assert shown["holds"] is True
    assert main(["profile", "--database", url]) == 0
    printed = capsys.readouterr().out
    assert "Ana is the user." in printed
    assert str(ana) in printed
    assert main(["verify", "--database", url]) == 0
