"""Static word vectors of the package wordllama: 256 numbers, 0.25 ms a text, nothing downloaded.

Its files are read directly. Importing the package sets up logging for the whole process, and its
loader looks for a tokenizer on a model hub although the package holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from memori.embed.packages import folder_of, load, require, version_of
from memori.embed.protocol import Unavailable, Vectors

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

#: A text is read up to so many characters.
MAX_CHARS = 8_000
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR = "embedding.weight"


class WordLlama:
    """The mean of the vectors of a text's tokens."""

    batch = 256

    def __init__(self) -> None:
        """Raises ConfigurationError when the package is missing."""
        require("wordllama", "embed", ("wordllama", "numpy", "safetensors", "tokenizers"))
        self.name = "wordllama l2_supercat_256"
        self.model = f"wordllama/l2_supercat_256@{version_of('wordllama')}"
        self._loading = Lock()
        self._loaded: tuple[NDArray[float32], Any] | None = None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Embed texts; questions and answers alike."""
        import numpy as np

        table, tokenizer = self._load()
        encoded = tokenizer.encode_batch_fast(
            [text[:MAX_CHARS] for text in texts], add_special_tokens=False
        )
        vectors = np.zeros((len(texts), table.shape[1]), np.float32)
        for row, tokens in enumerate(encoded):
            if tokens.ids:
                # Some tokens are newer than the table.
                vectors[row] = table[np.minimum(tokens.ids, len(table) - 1)].mean(axis=0)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length == 0, 1, length)
        return vectors

    def close(self) -> None:
        """Nothing is under way that would not end by itself."""

    def _load(self) -> tuple[NDArray[float32], Any]:
        with self._loading:
            if self._loaded is None:
                import numpy as np

                folder = folder_of("wordllama")
                try:
                    tokenizer = load("tokenizers").Tokenizer.from_file(str(folder / _TOKENIZER))
                    with load("safetensors").safe_open(folder / _WEIGHTS, "np") as file:
                        table = np.ascontiguousarray(file.get_tensor(_TENSOR), np.float32)
                except Exception as error:  # its libraries raise errors of their own kinds
                    raise Unavailable(f"wordllama's files cannot be read: {error}") from error
                tokenizer.no_padding()
                tokenizer.no_truncation()
                self._loaded = table, tokenizer
            return self._loaded
