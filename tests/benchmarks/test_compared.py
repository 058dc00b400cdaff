"""The methods beside memori, the ablation and abstention, on a conversation of a few turns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from benchmarks import recall
from benchmarks.ablation import Without, worth
from benchmarks.compared import Bm25, EmbeddingOnly, RankFusion
from benchmarks.labels import Conversation, LabelledQuestion, LabelledTurn
from benchmarks.methods import MemoriMethod, Method
from memori.recall import rerank

TEXTS = ("I adopted a grey parrot.", "The parrot sleeps.", "We moved to Lisbon.", "It rained.")
CONVERSATION = Conversation(
    "c1",
    "owner",
    tuple(LabelledTurn(id=str(n), session="s", text=text) for n, text in enumerate(TEXTS)),
    (),
)


class Letters:
    """An embedder of no sense: how often each letter occurs."""

    name = "letters"

    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[numpy.float32]:
        counts = [[text.lower().count(chr(c)) for c in range(97, 123)] for text in texts]
        rows = numpy.array(counts, dtype=numpy.float32) + 1e-6
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


async def ask(method: Method, question: str, limit: int = 3) -> list[str]:
    await method.load(CONVERSATION)
    return await method.ask(CONVERSATION, LabelledQuestion(question=question, category="x"), limit)


@pytest.mark.anyio
async def test_bm25_ranks_by_words_and_leaves_out_what_shares_none() -> None:
    assert await ask(Bm25(), "Which grey parrots?") == ["0", "1"]


@pytest.mark.anyio
async def test_embedding_only_ranks_by_nearness() -> None:
    assert (await ask(EmbeddingOnly(Letters()), TEXTS[2]))[0] == "2"


@pytest.mark.anyio
async def test_rank_fusion_prefers_what_both_rank_high() -> None:
    nearest = EmbeddingOnly(Letters())
    fused = await ask(RankFusion([Bm25(), nearest]), "grey parrot", limit=4)
    assert fused[0] == "0"
    assert set(fused) == {"0", "1", "2", "3"}


def test_what_a_signal_is_worth_is_the_mean_of_paired_differences() -> None:
    found = worth("file", "without words", "MRR", [1.0, 0.5, 1.0], [0.5, 0.5, 1.0])
    assert found.mean == pytest.approx(1 / 6)
    assert found.error == pytest.approx(1 / 6)


@pytest.mark.anyio
async def test_an_ablation_takes_a_signal_out_and_puts_it_back() -> None:
    before = dict(rerank.WEIGHTS)
    async with MemoriMethod() as whole:
        assert "0" in await ask(Without(whole, "words"), "grey parrot")
    assert dict(rerank.WEIGHTS) == before


def strangers(folder: Path) -> Path:
    """Three conversations of a turn and a question each."""
    file = folder / "two.jsonl"
    lines = [
        {
            "id": name,
            "turns": [{"id": "1", "session": "s", "speaker": speaker, "at": None, "text": text}],
            "questions": [{"question": question, "category": "x", "evidence": ["1"]}],
        }
        for name, speaker, text, question in (
            ("a", "Ann", "A grey parrot moved in.", "What about the parrot?"),
            ("b", "Ben", "We bought a house.", "What about the house?"),
            # Its stranger is the second: in the first the same person speaks.
            ("c", "Ann", "The parrot sleeps.", "What about the parrot?"),
        )
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def test_the_command_prints_the_ablation_and_abstention(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = strangers(tmp_path)
    out = tmp_path / "out.json"
    assert recall.main([str(file), "--ablate", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "foreign left" in printed
    assert "signal worth" in printed
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["abstention"] == [
        {
            "file": "two",
            "method": "memori",
            "questions": 3,
            "own_answered": 1.0,
            "foreign_left": 1.0,
        }
    ]
    assert {each["method"] for each in report["ablation"]} == {
        f"without {signal}" for signal in rerank.WEIGHTS
    }
    assert {each["method"] for each in report["results"]} == {"memori", "plain FTS5"}


@pytest.mark.parametrize("chosen", [[], ["--set", "embedding.provider=wordllama"]])
def test_one_command_compares_with_every_embedder_and_without(
    chosen: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    command = [str(strangers(tmp_path)), "--compare", "--embedders", "wordllama", *chosen]
    assert recall.main([*command, "--json", str(out)]) == 0
    other = "memori, no embedder" if chosen else "memori + wordllama"
    report = json.loads(out.read_text(encoding="utf-8"))
    names = [each["method"] for each in report["results"]]
    assert names[:4] == ["memori", "plain FTS5", "BM25 (bm25s)", other]
    assert names[4].startswith("embedding only (wordllama")
    assert names[5] == "rank fusion (RRF, wordllama)"
    assert [each["method"] for each in report["abstention"]] == ["memori", other]
    assert other in capsys.readouterr().out


@pytest.mark.parametrize("names", ["minilm,letters", "all", ""])
def test_an_embedder_that_cannot_be_compared_is_an_error_of_usage(
    names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        recall.main([str(tmp_path), "--embedders", names])
    assert "wordllama, minilm" in capsys.readouterr().err


def test_a_setting_that_does_not_exist_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps({"id": "a", "turns": [{"id": "1", "session": "s", "text": "x"}]}))
    assert recall.main([str(file), "--set", "nowhere.nothing=1"]) == 1
    assert "nowhere" in capsys.readouterr().err
