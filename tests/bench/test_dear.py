"""The search for dear questions in its shortest form: every route is asked, and answers."""

from pathlib import Path

from bench.dear.__main__ import measure
from bench.dear.questions import LEFT_OUT, make_questions
from bench.dear.shapes import shapes_of
from reporting.http.openapi import OPENAPI
from shared.clock import DAY_MS
from shared.settings import Settings
from tests.counted import TODAY
from tests.servers import ValkeyServer

SMALL = shapes_of(1_000, TODAY - DAY_MS)


def test_a_seed_makes_the_same_questions_of_all_routes() -> None:
    routes = {path for path, asked in OPENAPI["paths"].items() if "get" in asked} - LEFT_OUT
    questions = make_questions(SMALL, 7, 3 * len(routes))
    assert questions == make_questions(SMALL, 7, 3 * len(routes))
    assert questions != make_questions(SMALL, 8, 3 * len(routes))
    fixed = {route for route in routes if "{" not in route}
    assert fixed <= {question.partition("?")[0] for question in questions}


def test_the_dearest_are_found_and_none_fails(valkey: ValkeyServer, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/footfall.db")
    found = measure(settings, valkey, SMALL, make_questions(SMALL, 1, 150))
    assert len(found) == 150
    assert {asked.status for asked in found} <= {200, 400, 404}
    assert sum(asked.status == 200 for asked in found) > 75
    assert [asked.ms for asked in found] == sorted((asked.ms for asked in found), reverse=True)
    assert all(asked.again_ms > 0 for asked in found[:10])
