"""Which command is written: one that is still there after an upgrade."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from memori.errors import ConfigurationError
from memori_mcp.install.launch import Environment, Launch, check_starts, find_launch


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho memori-mcp 1.0\n")
    path.chmod(0o755)
    return path


def _where(folder: Path, prefix: str, *, windows: bool = False, **environ: str) -> Environment:
    place = folder / prefix
    bin_folder = place / ("Scripts" if windows else "bin")
    python = _program(bin_folder / ("python.exe" if windows else "python"))
    return Environment(place, bin_folder, python, folder / "home", environ, windows)


def test_a_plain_environment_gives_its_own_command(tmp_path: Path) -> None:
    where = _where(tmp_path, "my project/.venv")
    own = _program(where.scripts / "memori-mcp")
    assert find_launch(where=where) == Launch(str(own))


@pytest.mark.parametrize(
    ("prefix", "variable"),
    [
        ("home/.local/share/uv/tools/memori-mcp", ""),
        ("home/.local/share/pipx/venvs/memori-mcp", ""),
        ("elsewhere/uv tools/memori-mcp", "UV_TOOL_BIN_DIR"),
        ("elsewhere/pipx/venvs/memori-mcp", "PIPX_BIN_DIR"),
        ("elsewhere/uv/tools/memori-mcp", "XDG_BIN_HOME"),
    ],
)
def test_the_link_of_a_tool_installer_comes_first(
    tmp_path: Path, prefix: str, variable: str
) -> None:
    folder = tmp_path / "bins" if variable else tmp_path / "home" / ".local" / "bin"
    where = _where(tmp_path, prefix, **({variable: str(folder)} if variable else {}))
    own = _program(where.scripts / "memori-mcp")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memori-mcp").symlink_to(own)
    assert find_launch(where=where) == Launch(str(folder / "memori-mcp"))


def test_a_link_to_something_else_is_not_taken(tmp_path: Path) -> None:
    where = _where(tmp_path, "venv")
    own = _program(where.scripts / "memori-mcp")
    other = _program(tmp_path / "other" / "memori-mcp")
    (tmp_path / "home" / ".local" / "bin").mkdir(parents=True)
    (tmp_path / "home" / ".local" / "bin" / "memori-mcp").symlink_to(other)
    assert find_launch(where=where) == Launch(str(own))


def test_on_windows_a_tool_installers_copy_is_taken(tmp_path: Path) -> None:
    where = _where(tmp_path, "uv/tools/memori-mcp", windows=True)
    own = _program(where.scripts / "memori-mcp.exe")
    copy = tmp_path / "home" / ".local" / "bin" / "memori-mcp.exe"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(own.read_bytes())
    assert find_launch(where=where) == Launch(str(copy))


@pytest.mark.parametrize("linked", ["bin/memori-mcp", "opt/memori"])
def test_a_versioned_cellar_is_left_for_the_link_that_stays(tmp_path: Path, linked: str) -> None:
    where = _where(tmp_path, "brew/Cellar/memori/0.1.0/libexec")
    own = _program(where.scripts / "memori-mcp")
    link = tmp_path / "brew" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(own if linked.startswith("bin") else own.parents[2])
    found = find_launch(where=where).command
    assert "Cellar" not in found
    assert "0.1.0" not in found
    assert Path(found).resolve() == own


def test_a_versioned_cellar_without_a_link_is_refused(tmp_path: Path) -> None:
    where = _where(tmp_path, "brew/Cellar/memori/0.1.0/libexec")
    _program(where.scripts / "memori-mcp")
    with pytest.raises(ConfigurationError, match="gone after an upgrade: install it for good"):
        find_launch(where=where)


@pytest.mark.parametrize(
    "prefix",
    [
        "home/.cache/uv/archive-v0/aBc123",
        "home/.cache/uv/environments-v2/memori-mcp-1",
        "home/.local/share/pipx/.cache/0123abcd",
        "home/.cache/pipx/0123abcd",
    ],
)
def test_what_uvx_or_pipx_run_made_for_a_while_is_refused(tmp_path: Path, prefix: str) -> None:
    where = _where(tmp_path, prefix)
    _program(where.scripts / "memori-mcp")
    with pytest.raises(ConfigurationError, match="uv tool install memori-mcp"):
        find_launch(where=where)


def test_without_a_command_python_runs_the_installed_package(tmp_path: Path) -> None:
    where = _where(tmp_path, "venv")
    assert find_launch(where=where) == Launch(str(where.executable), ("-m", "memori_mcp"))
    check_starts(Launch(sys.executable, ("-m", "memori_mcp")))


def test_a_command_that_is_named_keeps_its_link(tmp_path: Path) -> None:
    own = _program(tmp_path / "v1" / "memori-mcp")
    (tmp_path / "now").symlink_to(tmp_path / "v1")
    named = tmp_path / "now" / "memori-mcp"
    assert find_launch(str(named)) == Launch(str(named))
    assert own.is_file()


def test_a_command_is_started_without_an_environment_before_it_is_written(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = _program(tmp_path / "with a blank" / "memori-mcp")
    program.write_text(f"#!/bin/sh\n/usr/bin/env > '{said}'\npwd >> '{said}'\necho memori-mcp 1\n")
    check_starts(Launch(str(program)))
    found = {line.partition("=")[0] for line in said.read_text().splitlines()}
    assert found <= {"PWD", "_", "SHLVL", "OLDPWD", "/"}
    assert said.read_text().endswith("/\n")
    program.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    with pytest.raises(ConfigurationError, match="no such module"):
        check_starts(Launch(str(program)))


def test_an_environment_with_blanks_and_letters_in_its_path_starts(tmp_path: Path) -> None:
    """The real thing: a new environment, in a folder of that kind, with this source in it."""
    prefix = tmp_path / "Prögram files (x)"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    here = next(Path(part) for part in sys.path if part.endswith("site-packages"))
    (packages,) = prefix.glob("lib/python*/site-packages")
    (packages / "all.pth").write_text(f"{here}\n{Path(__file__).parents[2]}\n", encoding="utf-8")
    check_starts(Launch(str(prefix / "bin" / "python"), ("-m", "memori_mcp")))
