"""Optional packages: found without importing them, imported when their model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memori.errors import ConfigurationError


def require(provider: str, extra: str, modules: Sequence[str]) -> None:
    """See that packages are installed; none is imported.

    Raises:
        ConfigurationError: one is missing; the message says what to install.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"embedding.provider {provider!r} needs the package {missing[0]}: "
            f"pip install 'memori-mcp[{extra}]'"
        )


def load(module: str) -> Any:
    """Import an optional package, whose types nobody has."""
    return import_module(module)


def folder_of(package: str) -> Path:
    """Where an installed package has its files; it is not imported.

    Raises:
        ConfigurationError: it is not installed as files.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"the package {package} has no files; install it again")
    return Path(spec.origin).parent


def version_of(distribution: str) -> str:
    """The installed version, `0` when it does not say."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "0"
