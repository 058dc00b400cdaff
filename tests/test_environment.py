"""A foreign distribution of the same import name is named before it does harm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

CHECK = """
import sys
sys.path.insert(0, {repository!r})
sys.path.append({site!r})
from memori.environment import check_distributions
from memori.errors import ConfigurationError
try:
    check_distributions()
except ConfigurationError as error:
    print(error)
assert "sqlalchemy" not in sys.modules
"""


def check(site: Path) -> str:
    """What the check says of an environment that holds these distributions beside ours."""
    code = CHECK.format(repository=str(REPOSITORY), site=str(site))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=site
    )
    return done.stdout.strip()


def install(site: Path, folder: str, **files: str) -> None:
    metadata = site / folder
    metadata.mkdir(parents=True)
    for name, text in files.items():
        (metadata / name.replace("_txt", ".txt")).write_text(text, encoding="utf-8")


def test_our_own_distribution_is_welcome(tmp_path: Path) -> None:
    install(tmp_path, "memori_mcp-0.1.0.dist-info", RECORD="memori/api.py,,\nmemori_mcp/x.py,,\n")
    assert check(tmp_path) == ""


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("memorisdk-2.3.1.dist-info", "memorisdk"),
        ("memori-3.0.0.dist-info", "memori"),
        ("Memori_SDK-1.0.dist-info", "memori-sdk"),
    ],
)
def test_a_foreign_owner_of_the_name_is_named_with_the_remedy(
    tmp_path: Path, folder: str, name: str
) -> None:
    install(tmp_path, folder, RECORD="memori/__init__.py,sha256=x,1\n")
    said = check(tmp_path)
    assert f"pip uninstall {name}" in said
    assert "pip install --force-reinstall --no-deps memori-mcp" in said


def test_two_foreign_owners_are_named_together(tmp_path: Path) -> None:
    for folder in ("memorisdk-2.3.1.dist-info", "memori-3.0.0.dist-info"):
        install(tmp_path, folder, RECORD="memori/__init__.py,sha256=x,1\n")
    assert "pip uninstall memori memorisdk" in check(tmp_path)


def test_an_owner_of_unknown_name_is_found_by_its_files(tmp_path: Path) -> None:
    install(tmp_path, "memori_pro-1.0.dist-info", RECORD="memori/core.py,sha256=x,1\n")
    assert "pip uninstall memori-pro" in check(tmp_path)


def test_an_old_style_installation_is_found_by_its_top_level(tmp_path: Path) -> None:
    install(tmp_path, "memorisdk-2.0-py3.11.egg-info", top_level_txt="memori\n")
    assert "pip uninstall memorisdk" in check(tmp_path)


def test_a_foreign_installation_for_development_is_found(tmp_path: Path) -> None:
    record = "__editable__.memorisdk-2.0.pth,sha256=x,1\n"
    install(tmp_path, "memorisdk-2.0.dist-info", RECORD=record)
    assert "pip uninstall memorisdk" in check(tmp_path)


@pytest.mark.parametrize("folder", ["memori_plugin-1.0.dist-info", "memori-9.dist-info"])
def test_a_distribution_that_only_sounds_alike_is_left_alone(tmp_path: Path, folder: str) -> None:
    install(tmp_path, folder, RECORD="memori_plugin/__init__.py,sha256=x,1\n")
    assert check(tmp_path) == ""


def test_an_owner_that_has_overwritten_our_files_is_found_whatever_its_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "memori").mkdir()
    (tmp_path / "memori" / "__init__.py").write_text("# foreign\n", encoding="utf-8")
    install(tmp_path, "memori_mcp-0.1.0.dist-info", RECORD="memori/__init__.py,sha256=x,12345\n")
    install(tmp_path, "remember_all-1.0.dist-info", RECORD="memori/__init__.py,sha256=y,10\n")
    install(tmp_path, "bystander-1.0.dist-info", RECORD="bystander/__init__.py,sha256=y,10\n")
    said = check(tmp_path)
    assert "pip uninstall remember-all" in said
    assert "bystander" not in said


def test_a_package_mixed_from_two_places_is_reported(tmp_path: Path) -> None:
    (tmp_path / "memori").mkdir()
    (tmp_path / "memori" / "__init__.py").write_text(
        f"__path__.append({str(REPOSITORY / 'memori')!r})\n", encoding="utf-8"
    )
    code = CHECK.format(repository=str(tmp_path), site=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "two packages named memori are mixed here" in done.stdout


def test_the_check_is_cheap() -> None:
    code = (
        "import time, memori.environment as e; best = 1.0\n"
        "for _ in range(5):\n"
        "    began = time.perf_counter(); e.check_distributions()\n"
        "    best = min(best, time.perf_counter() - began)\n"
        "print(best)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert float(done.stdout) < 0.005
