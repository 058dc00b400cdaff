"""The settings there are: one table for each section, with its defaults and what is allowed.

`memori.config` collects them from their sources and says where a bad value came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from memori.errors import ConfigurationError
from memori.model import DEFAULT_NAMESPACE
from memori.providers import Provider
from memori.store.url import parse_url

LIBRARY_DATABASE = "sqlite:///memori.db"
#: The type of the mistake that a name of a scope is empty.
EMPTY_SCOPE = "empty_scope"
_ENDPOINT = "http://127.0.0.1:11434/v1"
_NUMBERS: tuple[Any, ...] = (int, float, int | None)


def _checked_url(value: str, example: str, key: str) -> str:
    """The URL of a server of models, which holds no key.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(value)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        named = secret = False
    if not named:
        raise ValueError(f"must be a URL like {example}")
    if secret:
        raise ValueError(f"holds a password; put the key into {key}")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if (
            isinstance(value, bool)
            and cls.model_fields[str(info.field_name)].annotation in _NUMBERS
        ):
            raise ValueError("must be a number, not true or false")
        return value

    @field_validator("*")
    @classmethod
    def _no_blank_secret(cls, value: Any) -> Any:
        if isinstance(value, SecretStr) and not value.get_secret_value().strip():
            raise ValueError("is empty; give the key, or leave the setting out")
        return value


class DatabaseSettings(_Section):
    """Where the memory lies and how durable a commit is."""

    connection_string: str = Field(
        default=LIBRARY_DATABASE, description="database URL, e.g. sqlite:///memori.db"
    )
    read_connection_string: str | None = Field(
        default=None,
        description="URL of a replica that may answer reads once it has what was written",
    )
    durability: Literal["full", "process"] = Field(
        default="full",
        description="full: a receipt survives power loss; process: it survives a crash only",
    )
    busy_timeout: float = Field(
        default=30.0, gt=0, le=600, description="seconds to wait for another process's write"
    )
    pool_size: int = Field(
        default=5, ge=1, le=100, description="connections to a server, for reads and writes each"
    )
    auto_migrate: bool = Field(
        default=True, description="make and upgrade the tables; false: only memori db upgrade does"
    )
    schema_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="PostgreSQL schema that holds the tables; made if it is not there",
    )
    table_prefix: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_]{0,19})?$",
        description="begins the name of every table, where the database holds other things",
    )
    pgvector: bool = Field(
        default=True,
        description="compare vectors inside PostgreSQL where its extension vector is installed",
    )

    @field_validator("connection_string", "read_connection_string")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                parse_url(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return value


class MemorySettings(_Section):
    """Whose memory a connection writes and which it may read besides."""

    namespace: str = Field(default=DEFAULT_NAMESPACE, description="namespace written to and read")
    user_id: str | None = Field(default=None, description="the user; unset means 'default'")
    agent_id: str | None = Field(default=None, description="recorded on every write")
    session_id: str | None = Field(default=None, description="recorded on every write")
    read_namespaces: tuple[str, ...] = Field(
        default=(), description="further namespaces of the same user to read, in order"
    )
    personal_namespace: str | None = Field(
        default=None,
        description="the user's own namespace beside that of a project: read too, and written "
        "where a memory is about the user",
    )
    require_scope: bool = Field(
        default=False, description="make a missing user an error instead of 'default'"
    )
    timezone: str = Field(default="UTC", description="IANA zone that a time without zone is in")

    @field_validator("namespace", "user_id", "personal_namespace")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise PydanticCustomError(
                EMPTY_SCOPE, "is empty; give a name, or leave it out for the default"
            )
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone: {value!r} (example: Europe/Lisbon)") from error
        return value


class EmbeddingSettings(_Section):
    """What gives texts their vectors, so that recall also finds what is said in other words."""

    provider: Literal["none", "wordllama", "minilm", "fastembed", "endpoint"] = Field(
        default="none", description="none, wordllama, minilm, fastembed, or endpoint"
    )
    model: str | None = Field(default=None, description="the model, of fastembed and endpoint")
    folder: str | None = Field(
        default=None, description="fastembed: where the model's files are, to download nothing"
    )
    base_url: str | None = Field(
        default=None, description="endpoint: a server's URL, e.g. http://127.0.0.1:11434/v1"
    )
    api_key: SecretStr | None = Field(default=None, description="endpoint: sent as a bearer token")
    dimensions: int | None = Field(
        default=None, ge=8, le=16_384, description="endpoint: ask for vectors of this length"
    )
    timeout: float = Field(
        default=2.0, gt=0, le=60, description="seconds a recall waits for its question's vector"
    )
    storage: Literal["float32", "float16", "int8"] = Field(
        default="int8", description="how a number of a vector is kept: float32, float16 or int8"
    )
    cache_mb: int = Field(
        default=64, ge=1, le=65_536, description="memory for the vectors of recent scopes, in MB"
    )

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else _checked_url(value, _ENDPOINT, "embedding.api_key")


class RecallSettings(_Section):
    """How recall answers."""

    abstain: bool = Field(
        default=True,
        description="answer with nothing when nothing fits; false: always with what comes nearest",
    )


class InterceptSettings(_Section):
    """What `enable()` adds to calls of a model, and how long a call waits for it."""

    conscious_ingest: bool | None = Field(
        default=None,
        description="send the working context with every call; unset means unless auto_ingest",
    )
    auto_ingest: bool = Field(
        default=False, description="send what is recalled for the last user message"
    )
    max_tokens: int = Field(
        default=800, ge=100, le=100_000, description="budget of what is added to a call"
    )
    time_limit: float = Field(
        default=0.15, gt=0, le=60, description="seconds a call waits for memory at most"
    )
    spool: str | None = Field(
        default=None,
        description="folder for exchanges that could not be recorded yet; unset means beside "
        "the database's file, or in the user's state directory",
    )

    @property
    def sends_standing(self) -> bool:
        """Whether the working context is sent."""
        return not self.auto_ingest if self.conscious_ingest is None else self.conscious_ingest


class LearningSettings(_Section):
    """Whether memories are made of what was recorded."""

    enabled: bool | None = Field(
        default=None,
        description="learn from recorded turns; unset means only from those of enable()",
    )
    entities: str | None = Field(
        default=None,
        min_length=1,
        description="a spaCy pipeline, by package or folder, that finds names in what rules learn",
    )


class PromotionSettings(_Section):
    """What short-term memory holds, and when that is decided anew."""

    enabled: bool | None = Field(
        default=None,
        description="promote in the background; unset means in the server and with enable()",
    )
    interval_hours: float = Field(
        default=6.0, gt=0, le=8_760, description="hours between two runs over a scope"
    )
    burst: int = Field(
        default=20, ge=1, description="so many new memories bring the next run forward"
    )
    max_memories: int = Field(
        default=40, ge=1, le=500, description="memories in short-term memory at most"
    )
    max_tokens: int = Field(
        default=1_000, ge=1, le=100_000, description="tokens of all of them together at most"
    )
    min_score: float = Field(
        default=0.3, ge=0, le=1, description="score a memory needs to enter, 0 to 1"
    )
    margin: float = Field(
        default=0.05, ge=0, le=1, description="score that being in is worth, against to and fro"
    )
    half_life_days: float = Field(
        default=30.0, gt=0, description="days after which being new counts half"
    )
    use_half_life_days: float = Field(
        default=14.0, gt=0, description="days after which a use counts half"
    )
    min_trust: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="what is trusted less enters only pinned or confirmed by a person",
    )
    never_promote: tuple[str, ...] = Field(
        default=("never_promote",), description="memories with one of these tags never enter"
    )
    profile: bool = Field(
        default=False, description="let the configured model write a profile of each user"
    )


_KEEP = re.compile(r"permanent|([1-9][0-9]{0,4})_days")
_KEPT = "7_days, 30_days, 90_days (any number of days) or permanent"


class RetentionSettings(_Section):
    """How long things are kept before a rule deletes them for good."""

    fact: str = Field(default="permanent", description=f"facts: {_KEPT}")
    preference: str = Field(default="permanent", description=f"preferences: {_KEPT}")
    skill: str = Field(default="permanent", description=f"skills: {_KEPT}")
    rule: str = Field(default="permanent", description=f"rules: {_KEPT}")
    context: str = Field(default="permanent", description=f"context: {_KEPT}")
    turns: str = Field(default="permanent", description=f"turns of conversations: {_KEPT}")
    events: str = Field(default="permanent", description=f"history and operations: {_KEPT}")
    jobs: str = Field(default="permanent", description=f"jobs that were given up: {_KEPT}")
    store_turns: bool = Field(
        default=True, description="false: turns are deleted once they were learnt from"
    )

    @field_validator("fact", "preference", "skill", "rule", "context", "turns", "events", "jobs")
    @classmethod
    def _known_time(cls, value: str) -> str:
        if _KEEP.fullmatch(value) is None:
            raise ValueError(f"{value!r} says no time to keep things; write {_KEPT}")
        return value

    @property
    def keeps(self) -> Mapping[str, str]:
        """How long each kind of thing is kept, by its rule."""
        return {name: value for name, value in self if isinstance(value, str)}

    @property
    def days(self) -> Mapping[str, int]:
        """The days of each rule; without those that keep for ever."""
        given = {name: _KEEP.fullmatch(value) for name, value in self.keeps.items()}
        return {name: int(found[1]) for name, found in given.items() if found and found[1]}


#: What each provider cannot do without.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "azure": ("api_key", "azure_endpoint", "azure_deployment", "api_version"),
    "custom": ("base_url", "model"),
    "anthropic": ("api_key",),
    "litellm": ("model",),
}


class AgentsSettings(_Section):
    """The model the memory agent may use. A key that merely lies in the environment is not one."""

    provider: Provider | None = Field(
        default=None, description="whose model; unset means openai if a key is set here, else none"
    )
    openai_api_key: SecretStr | None = Field(default=None, description="key of OpenAI")
    api_key: SecretStr | None = Field(default=None, description="key of another provider")
    base_url: str | None = Field(default=None, description="address of a compatible server")
    azure_endpoint: str | None = Field(default=None, description="https://NAME.openai.azure.com")
    azure_deployment: str | None = Field(default=None, description="deployment on Azure")
    api_version: str | None = Field(default=None, description="version of Azure's interface")
    model: str | None = Field(
        default=None,
        description="model name; unset means a small one: gpt-4o-mini, or claude-haiku-4-5",
    )
    max_tokens_per_day: int = Field(
        default=200_000,
        ge=0,
        description="tokens the memory agent may spend a day (UTC), over all users of a database",
    )

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else _checked_url(value, _ENDPOINT, "agents.api_key")

    @field_validator("azure_endpoint")
    @classmethod
    def _azure_url(cls, value: str | None) -> str | None:
        example = "https://NAME.openai.azure.com"
        return None if value is None else _checked_url(value, example, "agents.api_key")

    @property
    def chosen(self) -> Provider | None:
        """Whose model is used; None for none."""
        if self.provider is None and self.openai_api_key is not None:
            return "openai"
        return self.provider

    @model_validator(mode="after")
    def _complete(self) -> AgentsSettings:
        missing = [name for name in _NEEDED.get(self.chosen or "", ()) if not getattr(self, name)]
        if self.chosen == "openai" and self.api_key is None and self.openai_api_key is None:
            missing.append("openai_api_key")
        if missing:
            names = ", ".join(f"agents.{name}" for name in missing)
            raise ValueError(f"the provider {self.chosen} needs {names}")
        return self


class HttpSettings(_Section):
    """Who may come over HTTP, and how much; how a client is told is in docs/http.md."""

    auth: Literal["none", "token", "oauth"] = Field(
        default="none",
        description="none: this machine alone, as one user; token: memori-mcp token; oauth: "
        "tokens of an OAuth 2.1 server",
    )
    public_url: str | None = Field(
        default=None, description="the address clients use, e.g. https://memory.example.org/mcp"
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="names clients reach it under, besides those of this machine"
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="origins of web pages that may call it, e.g. https://example.org"
    )
    oauth_issuer: str | None = Field(default=None, description="oauth: the server's iss, a URL")
    oauth_audience: str | None = Field(
        default=None, description="oauth: the aud of tokens for this server; unset: public_url"
    )
    oauth_jwks_url: str | None = Field(
        default=None, description="oauth: where the server's public keys are"
    )
    oauth_user_claim: str = Field(
        default="sub", min_length=1, description="oauth: the claim that is the user"
    )
    oauth_namespace_claim: str | None = Field(
        default=None,
        min_length=1,
        description="oauth: the claim that is the namespace; unset: memory.namespace",
    )
    requests_per_minute: int = Field(
        default=600, ge=1, description="requests of one token a minute, in each process"
    )
    max_request_bytes: int = Field(
        default=4_000_000, ge=10_000, description="the largest request, in bytes"
    )
    request_seconds: float = Field(
        default=60.0, gt=0, le=3_600, description="seconds that one request may take"
    )
    state_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="the same secret for all replicas, 32 characters or more: what one has asked "
        "a person, another may be answered",
    )
    metrics: bool = Field(
        default=False,
        description="counts at /metrics, for Prometheus; with tokens for services with the right "
        "metrics; needs memori-mcp[metrics]",
    )

    @field_validator("public_url", "oauth_issuer", "oauth_jwks_url")
    @classmethod
    def _safe_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
        except ValueError:
            parts = urlsplit("")
        near = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or parts.scheme not in (("https", "http") if near else ("https",)):
            raise ValueError("must be a URL that begins with https://")
        return value

    @field_validator("allowed_hosts", "allowed_origins")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("*" in each.removesuffix(":*") or not each.strip() for each in value):
            raise ValueError("name each one; a * would let everybody in")
        return value

    @model_validator(mode="after")
    def _complete(self) -> HttpSettings:
        if self.auth == "oauth":
            needed = ("public_url", "oauth_issuer", "oauth_jwks_url")
            missing = [f"http.{name}" for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"oauth needs {', '.join(missing)}")
        return self


class ObservabilitySettings(_Section):
    """Who may count what happens; what is counted is in docs/observability.md."""

    opentelemetry: bool = Field(
        default=False,
        description="traces and metrics through the OpenTelemetry API, to where this process is "
        "set up to send them; needs memori-mcp[otel]",
    )


class Settings(_Section):
    """All settings, validated. Unknown keys and bad values are `ConfigurationError`."""

    database: DatabaseSettings = DatabaseSettings()
    memory: MemorySettings = MemorySettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    recall: RecallSettings = RecallSettings()
    intercept: InterceptSettings = InterceptSettings()
    learning: LearningSettings = LearningSettings()
    agents: AgentsSettings = AgentsSettings()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionSettings = RetentionSettings()
    http: HttpSettings = HttpSettings()
    observability: ObservabilitySettings = ObservabilitySettings()

    @property
    def zone(self) -> ZoneInfo:
        """The zone that times without one are taken to be in."""
        return ZoneInfo(self.memory.timezone)
