"""What every embedding provider implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Vectors = NDArray[float32]
    """One row a text, each of length 1 (or 0 for a text without a known word)."""
else:
    Vectors = object


class Refused(Exception):
    """A provider will not embed these texts, now or later; other texts may be welcome."""


class Unavailable(Exception):
    """A provider cannot answer now: no connection, a time limit, a garbled answer."""


class Embedder(Protocol):
    """Turns texts into vectors. Made at once; loads its model when it is first asked.

    `embed` runs on worker threads, at most one query and one batch at a time.
    """

    name: str
    """Provider and model, for people."""
    model: str
    """Provider, model and version: vectors of two embedders compare only if these are equal."""
    batch: int
    """How many texts of ordinary length to hand over at once."""

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Embed texts.

        Args:
            texts: of any length; a model reads the beginning.
            query: whether they are questions, which some models embed unlike answers.

        Returns:
            A float32 array, one row a text, each row of length 1.

        Raises:
            Refused: these texts cannot be embedded.
            Unavailable: try again later.
        """
        ...

    def close(self) -> None:
        """Give up what is under way; safe to call twice."""
        ...
