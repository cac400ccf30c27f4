"""A running Footfall on each kind of database."""

import dataclasses
from collections.abc import Iterator

import pytest

from shared.settings import Settings
from tests.stack import Stack


@pytest.fixture
def stack(settings: Settings, database_url: str) -> Iterator[Stack]:
    with Stack(dataclasses.replace(settings, database_url=database_url)) as stack:
        yield stack
