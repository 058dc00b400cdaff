"""Which model the memory agent uses, as an argument: `Memori(provider_config=...)`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

Provider = Literal["openai", "azure", "custom", "anthropic", "litellm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider of models; make one with a `from_` method."""

    provider: Provider
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    azure_endpoint: str | None = None
    azure_deployment: str | None = None
    api_version: str | None = None
    model: str | None = None

    @classmethod
    def from_openai(
        cls, api_key: str, *, model: str | None = None, base_url: str | None = None
    ) -> ProviderConfig:
        """OpenAI itself."""
        return cls(provider="openai", api_key=api_key, model=model, base_url=base_url)

    @classmethod
    def from_azure(
        cls,
        *,
        api_key: str,
        azure_endpoint: str,
        azure_deployment: str,
        api_version: str,
        model: str | None = None,
    ) -> ProviderConfig:
        """Azure OpenAI; `model` is the deployment's unless given."""
        return cls(
            provider="azure",
            api_key=api_key,
            azure_endpoint=azure_endpoint,
            azure_deployment=azure_deployment,
            api_version=api_version,
            model=model,
        )

    @classmethod
    def from_custom(
        cls, base_url: str, *, model: str, api_key: str | None = None
    ) -> ProviderConfig:
        """Any server that speaks OpenAI's interface: Ollama, vLLM, LM Studio."""
        return cls(provider="custom", base_url=base_url, model=model, api_key=api_key)

    @classmethod
    def from_anthropic(cls, api_key: str, *, model: str | None = None) -> ProviderConfig:
        """Anthropic."""
        return cls(provider="anthropic", api_key=api_key, model=model)

    @classmethod
    def from_litellm(
        cls, model: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> ProviderConfig:
        """Any provider litellm knows, by its model name (`ollama/llama3`)."""
        return cls(provider="litellm", model=model, api_key=api_key, base_url=base_url)

    def as_overrides(self) -> dict[str, Any]:
        """These values as settings of the section [agents]."""
        return {f"agents.{each.name}": getattr(self, each.name) for each in fields(self)}
