"""Reporting on a migrated database, and a way to put events there as a worker does."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from reporting.app import create_app
from shared.db.database import reading_engine, writing_engine
from shared.event import Event
from shared.settings import Settings
from tests.events import NOW, make_batch
from worker.batch.commit import commit_batch

Store = Callable[..., None]


@pytest.fixture
def reporting_settings(settings: Settings, migrated_url: str) -> Settings:
    return dataclasses.replace(settings, database_url=migrated_url)


@pytest.fixture
def writing(reporting_settings: Settings) -> Iterator[Engine]:
    engine = writing_engine(reporting_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def reading(reporting_settings: Settings, writing: Engine) -> Iterator[Engine]:
    engine = reading_engine(reporting_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def store(writing: Engine) -> Store:
    """Store events, each call as one batch."""
    batches = iter(range(1_000_000))

    def store(*events: Event) -> None:
        commit_batch(writing, make_batch(f"batch-{next(batches)}", *events), NOW)

    return store


@pytest.fixture
def reports(reporting_settings: Settings, writing: Engine) -> FlaskClient:
    """Reporting's client; its clock stands at NOW."""
    return create_app(reporting_settings, clock=lambda: NOW).test_client()


@pytest.fixture
def statements(reading: Engine) -> list[str]:
    """Each statement that reporting sends from here on, on one line."""
    sent: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: Any) -> None:
        sent.append(" ".join(statement.split()))

    event.listen(reading, "before_cursor_execute", note)
    return sent
