"""Which provider the settings name."""

from __future__ import annotations

from memori.config import EmbeddingSettings
from memori.embed.protocol import Embedder
from memori.errors import ConfigurationError


def make_embedder(settings: EmbeddingSettings) -> Embedder:
    """The configured embedder, where one is. No model is loaded and nothing is sent.

    Raises:
        ConfigurationError: a package is missing, or a setting the provider needs.
    """
    if settings.provider == "wordllama":
        from memori.embed.wordllama import WordLlama

        return WordLlama()
    if settings.provider == "minilm":
        from memori.embed.minilm import MiniLM

        return MiniLM()
    if settings.provider == "fastembed":
        from memori.embed.fastembed import FastEmbed

        return FastEmbed(settings.model, settings.folder)
    if settings.provider == "endpoint":
        from memori.embed.endpoint import Endpoint

        if not settings.base_url or not settings.model:
            raise ConfigurationError(
                "embedding.provider 'endpoint' needs embedding.base_url and embedding.model, "
                "e.g. http://127.0.0.1:11434/v1 and nomic-embed-text"
            )
        key = settings.api_key
        return Endpoint(
            settings.base_url,
            settings.model,
            api_key=None if key is None else key.get_secret_value(),
            dimensions=settings.dimensions,
            query_seconds=settings.timeout,
        )
    raise ConfigurationError("embedding.provider is 'none'; choose a provider")


def packaged_embedder(model: str) -> Embedder | None:
    """The embedder that made vectors of this `Embedder.model`, if a package here has it."""
    provider = model.partition("/")[0]
    if provider not in ("wordllama", "minilm"):
        return None
    try:
        made = make_embedder(EmbeddingSettings(provider=provider))
    except ConfigurationError:
        return None
    return made if made.model == model else None
