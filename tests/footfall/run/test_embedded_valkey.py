"""The embedded Valkey's directory: one owner, and a file that reaches the disk."""

import os
from pathlib import Path

import pytest

from footfall.run.embedded_valkey import FileFlusher, locked, valkey_program
from shared.errors import BadSetting
from shared.settings import Settings
from tests.servers import wait_until


def test_a_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with (
        locked(settings),
        pytest.raises(BadSetting, match=f"DATA_DIR: {tmp_path}"),
        locked(settings),
    ):
        pass
    with locked(settings):
        pass


def test_whoever_inherits_the_lock_holds_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with locked(settings) as lock:
        inherited = os.dup(lock)
    with pytest.raises(BadSetting), locked(settings):
        pass
    os.close(inherited)
    with locked(settings):
        pass


def test_valkey_inherits_the_lock(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert valkey_program(settings, 7).descriptors == (7,)


def test_files_that_have_grown_are_flushed(tmp_path: Path) -> None:
    files = tmp_path / "valkey" / "appendonlydir"
    files.mkdir(parents=True)
    path = files / "appendonly.aof.1.incr.aof"
    path.write_bytes(b"1")
    said: list[str] = []
    with FileFlusher(Settings(data_dir=tmp_path), said.append) as flusher:
        wait_until(lambda: flusher.flushed.get(path) == 1)
        path.write_bytes(b"123")
        wait_until(lambda: flusher.flushed.get(path) == 3)
        path.unlink()  # as a rewrite does
        wait_until(lambda: not list(files.iterdir()))
    assert said == []
