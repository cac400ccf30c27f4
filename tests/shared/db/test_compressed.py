"""Large tables are kept compressed from their creation where the server can, and nowhere else."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from shared.db.database import writing_engine
from shared.db.mysql_compression import COMPRESSED, compression_of
from shared.db.tables import events, metadata
from shared.settings import Settings
from tests.counted import commit, varied_events
from tests.migration import migrate

DATABASES_PAGE = Path(__file__).parents[3] / "docs" / "databases.md"
ABLE = {
    "innodb_compression_algorithm": "zlib",
    "innodb_file_per_table": "ON",
    "default_storage_engine": "InnoDB",
}
OPTIONS = text(
    "SELECT table_name, create_options FROM information_schema.tables "
    "WHERE table_schema = DATABASE()"
)


def declared() -> set[str]:
    return {table.name for table in metadata.tables.values() if table.info.get("is_compressed")}


def compressed(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        options = connection.execute(OPTIONS).all()
    # Each name and each value is quoted, in different ways.
    bare = str.maketrans("", "", "`'")
    return {name for name, given in options if given.translate(bare) == COMPRESSED}


@pytest.mark.parametrize("migrated_url", ["mariadb"], indirect=True)
def test_a_new_database_keeps_large_tables_compressed(engine: Engine) -> None:
    assert compressed(engine) == declared()
    assert {"events", "events_by_hour", "users_by_hour"} < declared()
    assert "dedupe" not in declared()


@pytest.mark.parametrize("database_url", ["mariadb"], indirect=True)
def test_an_existing_one_is_compressed_by_what_the_page_says(
    settings: Settings, database_url: str
) -> None:
    engine = writing_engine(dataclasses.replace(settings, database_url=database_url))
    migrate(engine, "heads")
    assert compressed(engine) == set()
    stored = varied_events(1, 300)
    commit(engine, "b", stored)
    page = DATABASES_PAGE.read_text(encoding="utf-8")
    with engine.begin() as connection:
        for statement in re.findall(r"^ALTER TABLE \w+ PAGE_COMPRESSED.*;$", page, re.MULTILINE):
            connection.execute(text(statement))
        kept = connection.scalar(select(func.count()).select_from(events))
    assert compressed(engine) == declared()
    assert kept == len(stored)
    engine.dispose()


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({}, COMPRESSED),
        ({"innodb_compression_algorithm": "none"}, ""),
        ({"innodb_file_per_table": "OFF"}, ""),
        ({"default_storage_engine": "MyISAM"}, ""),
    ],
)
def test_a_server_is_asked_whether_it_can(differing: Mapping[str, str], words: str) -> None:
    assert compression_of({**ABLE, **differing}) == words


@pytest.mark.parametrize("name", ABLE)
def test_one_that_does_not_know_it_is_told_nothing(name: str) -> None:
    assert not compression_of({other: value for other, value in ABLE.items() if other != name})
