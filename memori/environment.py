"""Whether this `memori` is the one that was installed.

Other distributions install a package of the same import name. Two of them in one environment
overwrite each other's files, and what then runs is a mixture of both. That has to be said
before it shows as a strange error somewhere else.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from memori.errors import ConfigurationError

DISTRIBUTION = "memori-mcp"
#: Distributions known to install a package named `memori`.
FOREIGN = frozenset({"memori", "memorisdk", "memoriai", "memori-sdk", "memori-ai"})

_PACKAGE = Path(__file__).resolve().parent
_METADATA = (".dist-info", ".egg-info")
#: Files that list what a distribution installed, and how one with `memori` at its top looks.
_LISTS = {
    "top_level.txt": re.compile(r"^memori$", re.MULTILINE),
    "RECORD": re.compile(r"^memori/", re.MULTILINE),
    "SOURCES.txt": re.compile(r"^memori/", re.MULTILINE),
}
_RECORDED_SIZE = re.compile(r"^memori/__init__\.py,[^,]*,(\d+)", re.MULTILINE)


def check_distributions() -> None:
    """Refuse to run beside a foreign distribution that installs a package named `memori`.

    Only directory listings and, when a name looks suspicious, one or two small files are read;
    `importlib.metadata` alone would take longer to import than all of it.

    Raises:
        ConfigurationError: naming what to uninstall and what to install again.
    """
    foreign = sorted(_foreign())
    if foreign:
        raise ConfigurationError(
            f"{' and '.join(foreign)} also installs a package named memori and overwrites parts "
            f"of this one: run `pip uninstall {' '.join(foreign)}`, then "
            f"`pip install --force-reinstall --no-deps {DISTRIBUTION}`"
        )
    loaded = getattr(sys.modules.get("memori"), "__file__", None)
    if loaded is not None and Path(loaded).resolve().parent != _PACKAGE:
        raise ConfigurationError(
            f"two packages named memori are mixed here, {Path(loaded).parent} and {_PACKAGE}; "
            "remove the one you do not want from the environment or from PYTHONPATH"
        )


def _foreign() -> set[str]:
    """Names of installed distributions that are not ours and own the import name."""
    found: set[str] = set()
    for metadata in _installed("memori"):
        name = _distribution(metadata)
        if name == DISTRIBUTION:
            if _was_overwritten(metadata):
                # By one with another name: reading every list is slow, but this is broken.
                found.update(
                    _distribution(other)
                    for other in _installed("")
                    if _distribution(other) != DISTRIBUTION and _owns_memori(other, known=False)
                )
        elif _owns_memori(metadata, known=name in FOREIGN):
            found.add(name)
    return found


def _installed(prefix: str) -> Iterator[Path]:
    """Metadata of the installed distributions whose name begins with `prefix`."""
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208  # strings are quicker
        except OSError:  # a path entry may be a zip file, or gone
            continue
        for name in names:
            if name.endswith(_METADATA) and name[: len(prefix)].lower() == prefix:
                yield Path(folder, name)


def _distribution(metadata: Path) -> str:
    """The normalised name in `name-version.dist-info`."""
    return re.sub(r"[-_.]+", "-", metadata.stem.partition("-")[0]).lower()


def _was_overwritten(metadata: Path) -> bool:
    """Whether our `__init__.py` is not of the size that was installed."""
    recorded = _RECORDED_SIZE.search(_read(metadata / "RECORD"))
    if recorded is None:
        return False
    installed = metadata.parent / "memori" / "__init__.py"
    return installed.is_file() and installed.stat().st_size != int(recorded[1])


def _owns_memori(metadata: Path, *, known: bool) -> bool:
    """Whether a distribution's list of files has a `memori` folder at its top.

    A known one without such a list (installed for development, or by a system's packager) is
    taken to own it.
    """
    lists = {name: text for name in _LISTS if (text := _read(metadata / name))}
    if any(_LISTS[name].search(text) for name, text in lists.items()):
        return True
    return known and all("__editable__" in text for text in lists.values())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not every distribution has every list
        return ""
