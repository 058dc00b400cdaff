"""The client libraries: patched once imported, never imported by us, put back in the end."""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Protocol

from memori.intercept import anthropic, litellm, openai

_log = logging.getLogger("memori")
#: Library -> what patches it, once it is imported.
_LIBRARIES: dict[str, Callable[[], Sequence[Undoable]]] = {
    openai.MODULE: openai.patch,
    anthropic.MODULE: anthropic.patch,
    litellm.MODULE: litellm.patch,
}


class Undoable(Protocol):
    """A change of a library that can be taken back."""

    def undo(self) -> None:
        """Take it back."""
        ...


_lock = threading.RLock()
_patches: dict[str, Sequence[Undoable]] = {}


def watch() -> None:
    """Patch the libraries that are imported, and the others when the program imports them."""
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        for name in _LIBRARIES:
            if _is_whole(sys.modules.get(name)):
                _patch(name)


def leave() -> None:
    """Put every library back as it was."""
    with _lock:
        if _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
        for name in list(_patches):
            for each in _patches.pop(name):
                each.undo()


def patched() -> tuple[str, ...]:
    """The libraries whose calls are seen."""
    return tuple(_patches)


def _patch(name: str) -> None:
    with _lock:
        if name in _patches:
            return
        try:
            _patches[name] = _LIBRARIES[name]()
        except AttributeError as error:
            _log.warning(
                "memori: this version of %s is not supported (%s); its calls go on without memory",
                name,
                error,
            )


def _is_whole(module: ModuleType | None) -> bool:
    """Whether a module is there and imported to its end; a program's tests may put in others."""
    spec = getattr(module, "__spec__", None)
    return isinstance(spec, ModuleSpec) and not getattr(spec, "_initializing", False)


class _Finder(MetaPathFinder):
    """Finds what the other finders find, and patches a library when its import has ended."""

    def __init__(self) -> None:
        self._finding = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a library of ours; None for everything else."""
        if fullname not in _LIBRARIES or getattr(self._finding, "now", False):
            return None
        self._finding.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.now = False
        if spec is not None and spec.loader is not None:
            _call_after_import(spec.loader, fullname)
        return spec


def _call_after_import(loader: Any, name: str) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        del loader.exec_module
        if sys.meta_path.count(_finder):
            _patch(name)

    # On this one loader: its type, which others look at, stays what it is.
    loader.exec_module = exec_module


_finder = _Finder()
