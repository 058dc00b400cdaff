"""Embedders: what turns a text into a vector, so that texts of like meaning lie close together.

Optional and lazy: without `[embedding] provider` nothing here is imported, and a provider's
package and model are loaded by the first text that needs a vector.
"""

from memori.embed.protocol import Embedder, Refused, Unavailable, Vectors
from memori.embed.providers import make_embedder, packaged_embedder

__all__ = [
    "Embedder",
    "Refused",
    "Unavailable",
    "Vectors",
    "make_embedder",
    "packaged_embedder",
]
