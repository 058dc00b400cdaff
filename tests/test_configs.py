"""The ready-made files in `configs/` say what the code does."""

from __future__ import annotations

import tomllib
from pathlib import Path

from memori.config import Settings, load_settings

CONFIGS = Path(__file__).parent.parent / "configs"


def test_the_sample_settings_are_the_defaults() -> None:
    loaded = load_settings(config_file=CONFIGS / "memori.toml", environ={})
    assert loaded == Settings()


def test_the_sample_names_every_setting() -> None:
    text = (CONFIGS / "memori.toml").read_text(encoding="utf-8")
    sections = tomllib.loads(text)
    assert list(sections) == list(Settings.model_fields)
    for name in Settings.model_fields:
        section = type(getattr(Settings(), name))
        unset = {key for key, field in section.model_fields.items() if field.default is None}
        assert set(sections[name]) == set(section.model_fields) - unset
        assert all(f"# {key} = " in text for key in unset)
