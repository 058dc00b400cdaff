"""The machine a client is installed on, as far as paths depend on it; tests name another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Literal

Platform = Literal["linux", "macos", "windows"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things lie on one machine.

    Attributes:
        platform: which rules its paths follow.
        home: the person's home folder.
        cwd: the folder the command was given in.
        environ: the environment it was given in.
    """

    platform: Platform
    home: str
    cwd: str = "/"
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def here(cls) -> Machine:
        """This machine, this process."""
        platform: Platform = "linux"
        if os.name == "nt":
            platform = "windows"
        elif sys.platform == "darwin":
            platform = "macos"
        return cls(platform, str(Path.home()), str(Path.cwd()), os.environ)

    def path(self, *parts: str) -> PurePath:
        """A path by this machine's rules."""
        return (PureWindowsPath if self.platform == "windows" else PurePosixPath)(*parts)

    def at_home(self, *parts: str) -> PurePath:
        """A path below the home folder."""
        return self.path(self.home, *parts)

    def folder(self, variable: str, *default: str) -> PurePath:
        """The folder an absolute path in the environment names, or one below the home folder."""
        named = self.path(self.environ.get(variable, ""))
        return named if named.is_absolute() else self.at_home(*default)

    @property
    def application_settings(self) -> PurePath:
        """Where desktop programs keep their settings."""
        if self.platform == "windows":
            return self.folder("APPDATA", "AppData", "Roaming")
        if self.platform == "macos":
            return self.at_home("Library", "Application Support")
        return self.xdg_settings

    @property
    def xdg_settings(self) -> PurePath:
        """Where programs that follow the XDG rules keep theirs, on every platform."""
        return self.folder("XDG_CONFIG_HOME", ".config")
