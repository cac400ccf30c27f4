"""The compose file hands the containers every setting, save those that containers decide."""

import dataclasses
import re
from pathlib import Path

from shared.settings import Settings

COMPOSE = (Path(__file__).parent.parent / "docker-compose.yml").read_text("utf-8")
# Where they, their data, their Redis and their database are; `--scale` says how many workers.
DECIDED = {
    "DATA_DIR",
    "DATABASE_CA_PATH",
    "FORCE_SSL",
    "REDIS_KEY",
    "REDIS_QUEUE_NAME",
    "INGESTION_HOST",
    "INGESTION_PORT",
    "REPORTING_HOST",
    "REPORTING_PORT",
    "PORT",
    "WORKERS",
}


def test_every_setting_reaches_the_containers() -> None:
    environment = COMPOSE.partition("  environment:\n")[2].partition("\nservices:")[0]
    handed = set(re.findall(r"^    ([A-Z_]+): ", environment, re.MULTILINE))
    settings = {field.name.upper() for field in dataclasses.fields(Settings)}
    assert handed == settings - DECIDED
