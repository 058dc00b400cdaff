"""Asking a model, over the wire of its provider: one request, one answer by a schema.

No SDK is imported (litellm is the exception, which is one), so nothing here can be mistaken for a
call of the program's own. Formats: https://platform.openai.com/docs/api-reference/chat and
https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn, Protocol, cast
from urllib.parse import quote

from memori.config import AgentsSettings
from memori.learn.learnt import Unavailable
from memori.learn.threads import in_background
from memori.quiet import quietly
from memori.text.tokens import estimate_tokens

#: Seconds the provider may take for one answer.
SECONDS = 60.0
_MAX_ANSWER = 4 * 1024 * 1024
#: An answer may have so many tokens; where thinking counts as answer, more.
_MAX_TOKENS = 4_000
_MAX_THOUGHT_TOKENS = 16_000
#: How a server is asked, each next way if it refuses the one before: by the schema, and within the
#: limit of tokens. A server of an old interface, or a small context, may refuse both.
_WAYS = ((True, True), (False, True), (False, False))
#: No call costs more tokens, whatever a provider says.
_MOST_TOKENS = 10_000_000
_TOOL = "keep_memories"
_OPENAI, _ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"
_ANTHROPIC_VERSION = "2023-06-01"
#: A small model where none is configured; the others have to be named.
DEFAULT_MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
_REFUSES_SCHEMA = frozenset({400, 404, 415, 422})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and the tokens it cost."""

    text: str
    tokens: int


class Refused(Exception):
    """The provider does not take the request as it is."""


class Model(Protocol):
    """One model of one provider."""

    name: str

    def ask(self, system: str, said: str, schema: Mapping[str, Any]) -> Answer:
        """Ask once, and wait.

        Raises:
            Unavailable: there is no answer.
        """
        ...


def make_model(settings: AgentsSettings) -> Model:
    """The configured model."""
    provider = settings.chosen
    if provider == "anthropic":
        return _Anthropic(settings)
    if provider == "litellm":
        return _LiteLLM(settings)
    return _Chat(settings)


class _SchemaFirst(ABC):
    """Asks with the schema, or in words alone where the server knows no schemas."""

    _way = 0

    def ask(self, system: str, said: str, schema: Mapping[str, Any]) -> Answer:
        """Ask in the first way the server has not refused."""
        while True:
            by_schema, limited = _WAYS[self._way]
            try:
                return self._ask(system, said, schema if by_schema else None, limited=limited)
            except Refused as error:
                self._way = (self._way + 1) % len(_WAYS)
                if self._way == 0:  # it was not for the way, then
                    raise Unavailable(str(error)) from None

    @abstractmethod
    def _ask(
        self, system: str, said: str, schema: Mapping[str, Any] | None, *, limited: bool
    ) -> Answer: ...


class _Chat(_SchemaFirst):
    """OpenAI, Azure, and servers of the same interface."""

    def __init__(self, settings: AgentsSettings) -> None:
        key = _secret(settings)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._body: dict[str, Any] = {}
        self._limit: dict[str, Any] = {"max_completion_tokens": _MAX_THOUGHT_TOKENS}
        if settings.chosen == "azure":
            model = settings.model or settings.azure_deployment or ""
            self._headers = {"api-key": key or ""}
            deployment = quote(settings.azure_deployment or "", safe="")
            version = quote(settings.api_version or "", safe="")
            base = (settings.azure_endpoint or "").rstrip("/")
            self._url = (
                f"{base}/openai/deployments/{deployment}/chat/completions?api-version={version}"
            )
        else:
            model = settings.model or DEFAULT_MODELS["openai"]
            self._url = (settings.base_url or _OPENAI).rstrip("/") + "/chat/completions"
            if settings.chosen != "openai":  # the name that all of them know
                self._limit = {"max_tokens": _MAX_TOKENS}
        self._body["model"] = model
        self.name = f"{settings.chosen} {model}"

    def _ask(
        self, system: str, said: str, schema: Mapping[str, Any] | None, *, limited: bool
    ) -> Answer:
        body = {**self._body, "messages": _messages(system, said)}
        if limited:
            body |= self._limit
        if schema is not None:
            body["response_format"] = _response_format(schema)
        answer = _post(self._url, self._headers, body)
        tokens = _tokens(answer, "prompt_tokens", "completion_tokens")
        try:
            text = answer["choices"][0]["message"]["content"] or ""
        except (KeyError, IndexError, TypeError):
            raise Unavailable("the provider's answer holds no message", tokens) from None
        return Answer(str(text), tokens)


class _Anthropic:
    """Anthropic: the schema is that of a tool the model has to call."""

    def __init__(self, settings: AgentsSettings) -> None:
        self._url = (settings.base_url or _ANTHROPIC).rstrip("/") + "/v1/messages"
        self._headers = {
            "x-api-key": _secret(settings) or "",
            "anthropic-version": _ANTHROPIC_VERSION,
        }
        self._model = settings.model or DEFAULT_MODELS["anthropic"]
        self.name = f"anthropic {self._model}"

    def ask(self, system: str, said: str, schema: Mapping[str, Any]) -> Answer:
        """Ask for a call of the tool."""
        body = {
            "model": self._model,
            "max_tokens": _MAX_TOKENS,
            "system": system,
            "messages": [{"role": "user", "content": said}],
            "tools": [{"name": _TOOL, "description": "Keep memories.", "input_schema": schema}],
            "tool_choice": {"type": "tool", "name": _TOOL},
        }
        try:
            answer = _post(self._url, self._headers, body)
        except Refused as error:
            raise Unavailable(str(error)) from None
        tokens = _tokens(answer, "input_tokens", "output_tokens")
        pieces: list[str] = []
        try:
            for block in answer.get("content") or ():
                given = cast("Mapping[str, Any]", block)
                if given.get("type") == "tool_use":
                    pieces = [json.dumps(given.get("input"))]
                    break
                pieces.append(str(given.get("text", "")))
        except (AttributeError, TypeError):
            raise Unavailable("the provider's answer holds no message", tokens) from None
        return Answer("".join(pieces), tokens)


class _LiteLLM(_SchemaFirst):
    """Whatever litellm knows, by litellm's name for it."""

    def __init__(self, settings: AgentsSettings) -> None:
        self._model = settings.model or ""
        self._key = _secret(settings)
        self._base = settings.base_url
        self.name = f"litellm {self._model}"

    def _ask(
        self, system: str, said: str, schema: Mapping[str, Any] | None, *, limited: bool
    ) -> Answer:
        litellm = _import_litellm()
        more: dict[str, Any] = {"max_tokens": _MAX_TOKENS} if limited else {}
        try:
            with quietly(), _silent(litellm):  # the interceptor does not see it
                if schema is not None:
                    if not litellm.supports_response_schema(model=self._model):
                        raise Refused
                    more["response_format"] = _response_format(schema)
                answer: Any = litellm.completion(
                    model=self._model,
                    messages=_messages(system, said),
                    api_key=self._key,
                    base_url=self._base,
                    timeout=SECONDS,
                    num_retries=0,
                    **more,
                )
                text = str(answer.choices[0].message.content or "")
        except Refused:
            raise
        except Exception as error:
            trouble = f"litellm failed: {type(error).__name__}"
            if getattr(error, "status_code", None) in _REFUSES_SCHEMA:
                raise Refused(f"{trouble}; check agents.model and the address") from None
            raise Unavailable(trouble) from None
        return Answer(text, _count(getattr(getattr(answer, "usage", None), "total_tokens", 0)))


async def ask_in_background(
    model: Model, task: str, said: str, schema: Mapping[str, Any]
) -> Answer:
    """Ask a model without blocking the loop; the tokens are estimated where it tells none.

    Args:
        model: which.
        task: what it has to do.
        said: the data it is given.
        schema: of the answer.

    Raises:
        Unavailable: there is no answer, or none in time.
    """
    asked = in_background(lambda: model.ask(task, said, schema))
    try:
        async with asyncio.timeout(2 * SECONDS):
            answer = await asyncio.wrap_future(asked)
    except TimeoutError:
        raise Unavailable("the provider did not answer in time") from None
    tokens = min(answer.tokens, _MOST_TOKENS) or estimate_tokens(task + said + answer.text)
    return replace(answer, tokens=tokens)


def _import_litellm() -> Any:
    if find_spec("litellm") is None:
        raise Unavailable("litellm is not installed: pip install 'memori-mcp[litellm]'")
    # Else its import asks the network for a list of prices, which nobody configured.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return import_module("litellm")


@contextmanager
def _silent(litellm: Any) -> Generator[None]:
    """It prints help to stdout when a call fails; the program may need that for itself."""
    before = litellm.suppress_debug_info
    litellm.suppress_debug_info = True
    try:
        yield
    finally:
        litellm.suppress_debug_info = before


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the key elsewhere."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow none."""


def _post(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # the configured address
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            data = answer.read(_MAX_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            _refuse(error.code)
    except (OSError, ValueError) as error:
        raise Unavailable(f"the provider did not answer: {type(error).__name__}") from None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Unavailable("the provider's answer is not JSON") from None
    if not isinstance(value, dict):
        raise Unavailable("the provider's answer is not a JSON object")
    return cast("dict[str, Any]", value)


def _refuse(status: int) -> NoReturn:
    if status in (401, 403):
        raise Unavailable(f"the provider wants another key (HTTP {status}); set agents.api_key")
    said = f"the provider answered HTTP {status}"
    if status in _REFUSES_SCHEMA:
        raise Refused(f"{said}; check agents.model and the address")
    raise Unavailable(said)


def _messages(system: str, said: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": said}]


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": _TOOL, "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def _secret(settings: AgentsSettings) -> str | None:
    key = settings.api_key
    if key is None and settings.chosen == "openai":
        key = settings.openai_api_key
    return None if key is None else key.get_secret_value()


def _tokens(answer: Mapping[str, Any], *names: str) -> int:
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return 0
    return sum(_count(cast("Mapping[str, Any]", usage).get(name)) for name in names)


def _count(given: Any) -> int:
    """A number of tokens as a provider says it, 0 where it is none."""
    return min(max(given, 0), _MOST_TOKENS) if type(given) is int else 0
