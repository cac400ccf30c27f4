"""What is on disk is for its owner alone, whoever makes it, and also where it was not before."""

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.private import keep_private
from shared.settings import Settings
from tests.servers import ROOT, ServiceProcess, free_port
from tests.stack import Client


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(directory: Path) -> list[str]:
    return [
        f"{path} {stat.filemode(path.stat().st_mode)}"
        for path in (directory, *directory.rglob("*"))
        if path.stat().st_mode & 0o077
    ]


def test_what_others_could_read_they_cannot_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    for name in ("footfall.db", "footfall.db-wal"):
        (data / name).touch(0o644)
    settings = replace(Settings(), data_dir=data)
    keep_private(settings)
    (data / "made").mkdir()
    (data / "made" / "later").touch()
    assert open_to_others(data) == []
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [record.getMessage() for record in caplog.records] == [
        f"DATA_DIR: {data} is readable by its owner only from now on"
    ]
    keep_private(settings)
    assert len(caplog.records) == 1


def test_a_directory_that_is_not_there_is_none_to_close(tmp_path: Path) -> None:
    keep_private(replace(Settings(), data_dir=tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_ingestion_keeps_its_spool_and_salts_to_itself(tmp_path: Path, server: str) -> None:
    settings = {"DATA_DIR": tmp_path / "data", "REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    with ServiceProcess("ingestion", settings | {"INGESTION_SERVER": server}) as door:
        client = Client(door.url)
        event = {"event_type": "page_view", "site_id": "a", "path": "/"}
        assert client.post(event)[0] == 202
        client.connection.close()
        assert door.spooled_files()
        assert open_to_others(tmp_path / "data") == []


def test_a_database_is_made_for_its_owner(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "footfall", "migrate"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": f"{tmp_path}/data"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "data" / "footfall.db").exists()
    assert open_to_others(tmp_path / "data") == []
