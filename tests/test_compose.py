"""The compose file hands the containers every setting, save those that containers decide."""

import dataclasses
import re
from pathlib import Path

from shared.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
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


def test_what_ingestion_keeps_outlives_its_container() -> None:
    services = dict(re.findall(r"^  (\w+):\n((?:    .*\n)+)", COMPOSE, re.MULTILINE))
    (data_dir,) = re.findall(r"DATA_DIR=(\S+)", (ROOT / "Dockerfile").read_text("utf-8"))
    assert f"- ingestion:{data_dir}\n" in services["ingestion"]
    assert "  ingestion:\n" in COMPOSE.partition("\nvolumes:\n")[2]


def test_the_replica_is_what_reporting_reads_and_nothing_else() -> None:
    added = (ROOT / "docker-compose.replica.yml").read_text("utf-8")
    services = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n)+)", added, re.MULTILINE))
    readers = [name for name, text in services.items() if "REPORTING_DATABASE_URL:" in text]
    assert readers == ["reporting"]
    assert "@replica:3306/footfall" in services["reporting"]
    assert "MARIADB_MASTER_HOST: mariadb" in services["replica"]
    assert "\n  mariadb:\n" in COMPOSE
    assert "\n  reporting:\n" in COMPOSE
