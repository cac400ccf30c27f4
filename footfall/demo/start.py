"""`make demo`: everything that `make run` starts, on data of its own, and what fills it."""

import os
from pathlib import Path

from footfall.load.page import page
from footfall.run import launch
from footfall.run.process import Program
from footfall.run.services import base_url, python_program
from shared.settings import Settings

COUNTRY_HEADER = "X-Demo-Country"
# What would lead to other data than the demo's, or delete its past.
NOT_FOR_THE_DEMO = ("REDIS_URL", "DATABASE_URL", "MAX_AGE")

TEXT = """\
This is the demo: two made-up sites with 30 days behind them, which take half a minute to come
in, and a few visitors. It is kept in {data_dir}, apart from any data of yours.

  look at          {reporting}/?site=shop.example and {reporting}/?site=blog.example
  put to work at   http://127.0.0.1:{page_port}/ (100, 1,000 or 10,000 events a second)

"""


def environment_for_demo(settings: Settings) -> dict[str, str]:
    """What the demo's processes find in their environment, whatever `.env` says."""
    blank = {name: "" for setting in NOT_FOR_THE_DEMO for name in (setting, f"{setting}_FILE")}
    return blank | {
        "DATA_DIR": str(demo_directory(settings)),
        "COUNTRY_HEADER": COUNTRY_HEADER,
    }


def demo_directory(settings: Settings) -> Path:
    return settings.data_dir / "demo"


def run_demo(page_port: int) -> None:
    """Start everything; raises CannotLoad where the port of the page is taken."""
    os.environ.update(environment_for_demo(Settings.from_env()))
    settings = Settings.from_env()
    page.listening(page_port).close()
    text = TEXT.format(
        data_dir=settings.data_dir.resolve(),
        reporting=base_url(settings.reporting_host, settings.reporting_port),
        page_port=page_port,
    )
    launch.run_everything(settings, [traffic_program(), page_program(page_port)], text)


def traffic_program() -> Program:
    return python_program("demo", "footfall", 0, arguments=("demo-traffic",))


def page_program(port: int) -> Program:
    arguments = ("load", "--page", "--page-port", str(port))
    return python_program("load", "footfall", 0, (page.HOST, port), arguments)
