"""`footfall keys`, as an operator types it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from footfall.__main__ import cli
from shared.keys.keys import digest_of
from shared.queue.event_queue import EventQueue
from shared.sites.published import PublishedSites
from tests.servers import free_port


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "API_AUTH": "root"}


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner(env=environ).invoke(cli, ["keys", *arguments])


def listed(environ: dict[str, str]) -> list[Any]:
    result = run(environ, "list")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_key_is_made_rotated_revoked_and_listed(
    environ: dict[str, str], queue: EventQueue
) -> None:
    made = run(
        environ,
        "create",
        "--kind",
        "read",
        "--site",
        "shop",
        "--name",
        "Ann",
        "--expires",
        "9d",
        "--events-per-day",
        "5000",
    )
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()  # alone, for whoever reads that
    assert "only time" in made.stderr
    assert "API_AUTH" not in made.stderr
    (told,) = listed(environ)
    assert (told["kind"], told["sites"], told["name"]) == ("read", ["shop"], "Ann")
    assert told["expires_at"] > told["created_at"]
    assert told["events_per_day"] == 5000
    assert (told["revoked_at"], told["last_used_at"]) == (None, None)
    assert text.split("_")[1] == told["key_id"]
    published = PublishedSites(queue).fetch()
    assert published is not None
    assert list(published.keys or ()) == [digest_of(text)]

    rotated = run(environ, "rotate", told["key_id"], "--grace", "1h")
    assert rotated.exit_code == 0, rotated.output
    old, new = listed(environ)
    assert new["events_per_day"] == 5000
    assert old["expires_at"] < told["expires_at"] == new["expires_at"]
    for key_id in (old["key_id"], new["key_id"]):
        assert run(environ, "revoke", key_id).exit_code == 0
    assert all(key["revoked_at"] for key in listed(environ))
    published = PublishedSites(queue).fetch()
    assert published is not None
    assert published.keys == {}
    secrets = [text.rpartition("_")[2], rotated.stdout.strip().rpartition("_")[2]]
    assert not any(secret in run(environ, "list").output for secret in secrets)


@pytest.mark.parametrize(
    ("kind", "changes", "missing"),
    [
        ("read", {"API_AUTH": ""}, "reporting asks nobody"),
        ("admin", {"API_AUTH": ""}, "reporting asks nobody"),
        ("ingest", {}, "ingestion asks nobody"),
        ("ingest", {"INGEST_AUTH": "true"}, ""),
    ],
)
def test_whoever_makes_a_key_that_nobody_asks_for_is_told(
    environ: dict[str, str], kind: str, changes: dict[str, str], missing: str
) -> None:
    made = run(environ | changes, "create", "--kind", kind)
    assert made.exit_code == 0, made.output
    assert ("asks nobody" in made.stderr) == bool(missing)
    assert missing in made.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["create"], "--kind"),
        (["create", "--kind", "write"], "write"),
        (["create", "--kind", "read", "--expires", "soon"], "90d"),
        (["create", "--kind", "read", "--expires", "0d"], "expires"),
        (["create", "--kind", "read", "--site", " "], "site_id"),
        (["create", "--kind", "ingest", "--events-per-day", "0"], "0"),
        (["revoke", "nobody"], "no key nobody"),
        (["rotate", "nobody"], "no key nobody"),
    ],
)
def test_what_makes_no_sense_is_said(
    environ: dict[str, str], arguments: list[str], word: str
) -> None:
    result = run(environ, *arguments)
    assert result.exit_code != 0
    assert word in f"{result.output} {result.exception}"
    assert listed(environ) == []


def test_a_key_is_made_while_redis_is_away(environ: dict[str, str]) -> None:
    away = environ | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    made = run(away, "create", "--kind", "ingest")
    assert made.exit_code == 0, made.output
    assert "Redis is away" in made.stderr
    assert len(listed(environ)) == 1
