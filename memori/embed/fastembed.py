"""Models of the library fastembed, which downloads each once from a model hub."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from memori.embed.packages import load, require
from memori.embed.protocol import Unavailable, Vectors

DEFAULT_MODEL = "BAAI/bge-small-en-v1.5"
#: A text is read up to so many characters.
MAX_CHARS = 4_000


class FastEmbed:
    """One model, by fastembed's name for it."""

    batch = 32

    def __init__(self, model: str | None = None, folder: str | None = None) -> None:
        """Choose a model; nothing is downloaded yet.

        Args:
            model: fastembed's name for it; by default `DEFAULT_MODEL`.
            folder: where the model's files are, on a machine that cannot download them.

        Raises:
            ConfigurationError: the package is missing.
        """
        require("fastembed", "fastembed", ("fastembed",))
        self._model = model or DEFAULT_MODEL
        self._folder = folder
        self.name = f"fastembed {self._model}"
        self.model = f"fastembed/{self._model}"
        self._loading = Lock()
        self._loaded: Any = None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Embed texts; questions as the model wants them."""
        import numpy as np

        model = self._load()
        run = model.query_embed if query else model.passage_embed
        try:
            rows = list(run([text[:MAX_CHARS] for text in texts]))
        except Exception as error:  # its libraries raise errors of their own kinds
            raise Unavailable(f"{self.name} failed: {type(error).__name__}") from error
        vectors = np.asarray(rows, np.float32)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length == 0, 1, length)
        return vectors

    def close(self) -> None:
        """Nothing is under way that would not end by itself."""

    def _load(self) -> Any:
        with self._loading:
            if self._loaded is None:
                try:
                    self._loaded = load("fastembed").TextEmbedding(
                        self._model, specific_model_path=self._folder
                    )
                except Exception as error:  # a download has many ways to fail
                    raise Unavailable(
                        f"{self.name} cannot be loaded ({type(error).__name__}: {error}); check "
                        "embedding.model, and that this machine reaches the model hub"
                    ) from error
            return self._loaded
