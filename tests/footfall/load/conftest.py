"""`footfall load` as a process, against a running Footfall."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.servers import ROOT
from tests.stack import Stack

TIMEOUT_SECONDS = 90

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def stack(settings: Settings) -> Iterator[Stack]:
    with Stack(settings, workers=1) as stack:
        yield stack


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command with these arguments and settings."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
        base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "footfall", "load", *arguments],
            env=base | settings,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def settings_of(stack: Stack) -> dict[str, str]:
    """By which the command finds these services."""
    return {
        "INGESTION_PORT": str(stack.ingestion.port),
        "REPORTING_PORT": str(stack.reporting.port),
    }


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, output, errors
