"""A file that lies where it may be damaged is warned about, once, with a remedy."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from memori import AsyncMemori
from memori.store import places

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("folder", "program"),
    [
        ("Dropbox", "Dropbox"),
        ("Dropbox (Personal)", "Dropbox"),
        ("OneDrive", "OneDrive"),
        ("OneDrive - Example GmbH", "OneDrive"),
        ("Google Drive", "Google Drive"),
        ("Library/CloudStorage/GoogleDrive-ana@example.org/My Drive", "Google Drive"),
        ("Library/Mobile Documents/com~apple~CloudDocs", "iCloud Drive"),
        ("iCloudDrive", "iCloud Drive"),
        ("Nextcloud", "Nextcloud"),
    ],
)
def test_a_synchronised_folder_is_known_by_its_name(
    tmp_path: Path, folder: str, program: str
) -> None:
    assert f"that {program} synchronises" in (places.risk_of(tmp_path / folder / "m.db") or "")


@pytest.mark.parametrize("name", ["dropbox.db", "dropboxes/m.db", "my onedrives/m.db", "m.db"])
def test_a_name_that_only_resembles_one_is_not(tmp_path: Path, name: str) -> None:
    assert places.risk_of(tmp_path / name) is None


def test_a_link_into_a_synchronised_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "Dropbox").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "Dropbox")
    assert places.risk_of(tmp_path / "data" / "m.db") is not None


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "fuse.sshfs"])
def test_a_network_drive_is_known_by_its_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        f"server:/x /srv/our\\040files {kind} rw 0 0\n"
        "/dev/sdb1 /srv/our\\040files/local ext4 rw 0 0\n"
    )
    monkeypatch.setattr(places, "_MOUNTS", mounts)
    assert f"({kind})" in (places.risk_of(Path("/srv/our files/m.db")) or "")
    assert places.risk_of(Path("/srv/our files/local/m.db")) is None
    assert places.risk_of(Path("/srv/other/m.db")) is None


async def test_opening_warns_once_and_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "Dropbox" / "m.db"
    with caplog.at_level(logging.WARNING, "memori"):
        for _ in range(2):
            async with AsyncMemori(f"sqlite:///{path}") as memori:
                assert (await memori.remember("Ana lives in Porto")).status in (
                    "stored",
                    "duplicate",
                )
    [warning] = [record.getMessage() for record in caplog.records]
    for word in (str(path), "Dropbox", "memori backup"):
        assert word in warning
