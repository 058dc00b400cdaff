"""A vector as bytes in the database, and back: float32, float16, or eight bits a number.

Eight bits keep the direction to within a few thousandths of the cosine. A vector is scaled to use
all of them, and the scale is not kept, since only directions are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from memori.embed.protocol import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

Storage = Literal["float32", "float16", "int8"]


def pack(vectors: Vectors, storage: Storage) -> list[bytes]:
    """The bytes of each row, little-endian.

    Args:
        vectors: rows of length 1.
        storage: how a number is kept.
    """
    import numpy as np

    if storage != "int8":
        return [row.tobytes() for row in vectors.astype(f"<f{4 if storage == 'float32' else 2}")]
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors * (127 / np.where(largest == 0, 1, largest))
    return [row.tobytes() for row in np.rint(scaled).astype(np.int8)]


def unpack(blobs: Sequence[bytes], storage: Storage) -> NDArray[Any]:
    """Rows as they are kept in memory: eight bits stay so, others become float32."""
    import numpy as np

    kind = {"float32": "<f4", "float16": "<f2", "int8": "i1"}[storage]
    rows = np.frombuffer(b"".join(blobs), dtype=kind).reshape(len(blobs), -1)
    return rows if storage == "int8" else rows.astype(np.float32)
