"""`footfall demo`: everything runs, on data of its own, and fills up."""

import json
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

from footfall.demo.sites import SITES
from footfall.demo.start import environment_for_demo
from shared.settings import Settings
from tests.footfall.conftest import Environment, Footfall
from tests.servers import free_port, wait_until


def test_it_runs_apart_from_other_data_and_fills_up(
    start: Callable[..., Footfall], environment: Environment, tmp_path: Path
) -> None:
    page = free_port()
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    start("demo", "--page-port", str(page), DATABASE_URL=elsewhere, MAX_AGE="1")
    reporting = f"http://127.0.0.1:{environment['REPORTING_PORT']}"
    wait_until(lambda: sites_of(reporting) == {site.site_id for site in SITES})
    with urllib.request.urlopen(f"http://127.0.0.1:{page}/health", timeout=60) as answer:
        assert answer.status == 200
    assert not (tmp_path / "elsewhere.db").exists()
    assert sorted(path.name for path in Path(environment["DATA_DIR"]).iterdir()) == ["demo"]


def sites_of(reporting: str) -> set[str]:
    with urllib.request.urlopen(f"{reporting}/sites", timeout=60) as answer:
        return {site["site_id"] for site in json.load(answer)["sites"]}


def test_a_page_port_that_is_taken_is_told_before_anything_starts(
    refusal: Callable[..., list[str]],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (line,) = refusal("demo", "--page-port", str(port))
    assert line == f"footfall: --page-port: cannot listen on port {port}: Address already in use"


def test_its_environment_leads_to_no_other_data() -> None:
    own = environment_for_demo(Settings())
    settings = Settings.from_env({"REDIS_URL": "redis://a", "DATABASE_URL_FILE": "/x"} | own)
    assert (settings.redis_url, settings.database_url, settings.max_age) == ("", "", None)
    assert settings.data_dir == Path("data/demo")
