"""The embedded Valkey's directory: one owner, and writes that reach the disk."""

import os
from pathlib import Path

import pytest

from footfall.run.embedded_valkey import locked, valkey_program
from shared.errors import BadSetting
from shared.settings import Settings


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


def test_what_it_acknowledges_is_on_disk(tmp_path: Path) -> None:
    arguments = valkey_program(Settings(data_dir=tmp_path), 7).command
    assert arguments[arguments.index("--appendfsync") + 1] == "always"
    assert arguments[arguments.index("--appendonly") + 1] == "yes"
