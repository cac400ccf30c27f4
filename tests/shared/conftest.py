"""A migrated database."""

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shared.db.database import writing_engine
from shared.settings import Settings


@pytest.fixture
def engine(settings: Settings, migrated_url: str) -> Iterator[Engine]:
    engine = writing_engine(dataclasses.replace(settings, database_url=migrated_url))
    yield engine
    engine.dispose()
