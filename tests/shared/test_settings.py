import dataclasses
import os
from pathlib import Path
from typing import get_type_hints

import pytest

from footfall.settings_table import as_markdown_table
from shared.errors import BadSetting
from shared.settings import (
    MAX_SOCKET_PATH_BYTES,
    Settings,
    is_loopback,
    masked,
)


def problems(**environ: str) -> list[str]:
    with pytest.raises(BadSetting) as caught:
        Settings.from_env(environ)
    return str(caught.value).splitlines()


def test_without_any_setting_everything_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.database_address == f"sqlite:///{tmp_path}/data/footfall.db"
    assert settings.redis_address == f"unix://{tmp_path}/data/valkey/valkey.sock"


def test_the_defaults_are_settings_that_could_be_given() -> None:
    for field in dataclasses.fields(Settings):
        if field.default not in ("", (), None):
            assert field.metadata["parse"](str(field.default)) == field.default


@pytest.mark.parametrize("name", ["ADDRESS_HEADER", "COUNTRY_HEADER"])
def test_a_header_is_named_as_http_has_it(name: str) -> None:
    for value in ("", "X-Real-IP", "forwarded"):
        assert getattr(Settings.from_env({name: value}), name.lower()) == value
    for bad in ("X_Real_IP", "X Real", "X-Real-IP:", "\xe9"):
        [problem] = problems(**{name: bad})
        assert problem.startswith(f"{name}: must be the name of a header")


def test_proxies_are_addresses_and_networks() -> None:
    given = Settings.from_env({"TRUSTED_PROXIES": " 10.1.2.3/8, 2001:db8::7 ,192.0.2.7,"})
    assert given.trusted_proxies == ("10.0.0.0/8", "2001:db8::7/128", "192.0.2.7/32")
    for bad in ("10.0.0.0/33", "proxy.internal", "10.0.0.1;10.0.0.2", "*"):
        [problem] = problems(TRUSTED_PROXIES=bad)
        assert problem.startswith("TRUSTED_PROXIES: must be IP addresses or networks")
        assert bad not in problem.removeprefix("TRUSTED_PROXIES")


NUMBERS = [
    ("INGESTION_PORT", 1, 65_535),
    ("INGESTION_PROCESSES", 1, 256),
    ("INGESTION_THREADS", 1, 256),
    ("REPORTING_PORT", 1, 65_535),
    ("REPORTING_PROCESSES", 1, 256),
    ("PORT", 1, 65_535),
    ("WORKERS", 1, 256),
    ("BATCH_SIZE", 1, 10_000),
    ("LEASE_SECONDS", 4, 3600),
    ("MAX_BATCH_SIZE", 1, 10_000),
    ("MAX_BACKLOG", 1, 1_000_000_000),
    ("MAX_SITES", 0, 10_000_000),
    ("SITE_EVENTS_PER_SECOND", 0, 1_000_000),
    ("ADDRESS_EVENTS_PER_SECOND", 0, 1_000_000),
    ("MAX_BACKLOG_BYTES", 1, 1 << 50),
    ("SPOOL_MAX_BYTES", 0, 1 << 50),
    ("DEDUPE_DAYS", 1, 365),
    ("QUERY_SECONDS", 1, 3600),
    ("BOT_BURST_LIMIT", 0, 1000),
]


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS)
def test_numbers_have_bounds(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(Settings.from_env({name: str(value)}), name.lower()) == value
    for bad in (low - 1, high + 1):
        [problem] = problems(**{name: str(bad)})
        assert problem.startswith(f"{name}: must be from {low} to {high}")
    for text in ("ten", "1.5", "0x10", "1e3"):
        [problem] = problems(**{name: text})
        assert problem.startswith(f"{name}: must be a whole number")


def test_every_number_among_the_settings_is_in_that_table() -> None:
    kinds = {int, int | None}  # MAX_AGE is written as an age
    hints = get_type_hints(Settings)
    numbers = {name.upper() for name, kind in hints.items() if kind in kinds} - {"MAX_AGE"}
    assert numbers == {name for name, _, _ in NUMBERS}


@pytest.mark.parametrize("name", ["FORCE_SSL", "INGEST_AUTH", "DROP_BOTS"])
def test_switches_are_read_as_people_write_them(name: str) -> None:
    for given, meant in [
        *((word, True) for word in ("1", "true", "True", "yes", "ON")),
        *((word, False) for word in ("0", "false", "FALSE", "no", "off")),
    ]:
        settings = Settings.from_env({name: given, "API_AUTH": "key"})
        assert getattr(settings, name.lower()) is meant
    assert problems(**{name: "perhaps"}) == [f"{name}: must be true or false"]


BAD = [
    ("DATABASE_URL", "postgres://h/d"),
    ("DATABASE_URL", "footfall.db"),
    ("DATABASE_URL", "mysql://u:pa/ss@h/d"),
    ("DATABASE_URL", "mysql://h:99999/d"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "http://localhost"),
    ("REDIS_URL", "redis://localhost:port"),
    ("REDIS_URL", "redis://[::1"),
    ("REDIS_KEY", "a b"),
    ("REDIS_KEY", "k" * 65),
    ("REDIS_QUEUE_NAME", "events*"),
    ("INGESTION_SERVER", "uwsgi"),
    ("REPORTING_SERVER", "uwsgi"),
    ("LOG_LEVEL", "loud"),
    ("API_AUTH", "ключ"),
    ("API_AUTH", "two words"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_in_one_line_that_does_not_repeat_it(name: str, value: str) -> None:
    [problem] = problems(**{name: value})
    assert problem.startswith(f"{name}: must be ")
    assert value not in problem


GOOD = [
    ("DATABASE_URL", "sqlite:////var/lib/footfall.db"),
    ("DATABASE_URL", "mysql+pymysql://u:p%40ss@h:3306/d?charset=utf8mb4"),
    ("DATABASE_URL", "mariadb://u@h/d"),
    ("REDIS_URL", "redis://:secret@10.0.0.1:6379/2"),
    ("REDIS_URL", "rediss://h"),
    ("REDIS_URL", "unix:///run/valkey.sock"),
    ("REDIS_KEY", "site-1:footfall_2.0"),
    ("INGESTION_SERVER", "gunicorn"),
    ("REPORTING_SERVER", "gunicorn"),
    ("COUNTRY_HEADER", "CF-IPCountry"),
    ("DEFAULT_SITE_ID", "home"),
    ("API_AUTH", "s3cret/+=~"),
    ("LOG_LEVEL", "debug"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_kept_as_it_is(name: str, value: str) -> None:
    assert getattr(Settings.from_env({name: f" {value} "}), name.lower()) == value


def test_all_problems_are_told_at_once() -> None:
    found = problems(BATCH_SIZE="0", REDIS_URL="x", LOG_LEVEL="loud", WORKERS="4")
    assert [line.partition(":")[0] for line in found] == ["REDIS_URL", "BATCH_SIZE", "LOG_LEVEL"]


def test_settings_that_make_no_sense_together_are_refused() -> None:
    assert problems(INGEST_AUTH="true")[0].startswith("INGEST_AUTH: ")
    assert problems(INGESTION_PORT="8001")[0].startswith("REPORTING_PORT: ")
    Settings.from_env({"INGESTION_PORT": "8001", "INGESTION_HOST": "10.0.0.1"})


PATHS = ["INGESTION_PREFIX", "REPORTING_PREFIX", "TRACKER_PATH", "EVENT_PATH"]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_what_needs_no_escape_anywhere(name: str) -> None:
    for given, meant in [
        ("/x", "/x"),
        ("/a/b/", "/a/b"),
        ("/.well-known/_x~1.JS", "/.well-known/_x~1.JS"),
        ("/" + "x" * 199, "/" + "x" * 199),
    ]:
        assert getattr(Settings.from_env({name: given}), name.lower()) == meant
    for bad in ("/", "x", "a/b", "//a", "/a//b", "/a/../b", "/..", "/.", "/a b", "/ä", "/a?b",
                "/a%20b", "https://a.example/b", "/a\"b", "/" + "x" * 200):  # fmt: skip
        [problem] = problems(**{name: bad})
        assert problem.startswith(f"{name}: must be a path such as /a/b")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"EVENT_PATH": "/x", "TRACKER_PATH": "/x"}, "EVENT_PATH: /x is TRACKER_PATH too"),
        ({"EVENT_PATH": "/a/x", "INGESTION_PREFIX": "/a"}, "EVENT_PATH: /a/x is below"),
        ({"TRACKER_PATH": "/a", "INGESTION_PREFIX": "/a"}, "TRACKER_PATH: /a is below"),
        ({"INGESTION_PREFIX": "/health"}, "INGESTION_PREFIX: /health is where"),
        ({"REPORTING_PREFIX": "/metrics/"}, "REPORTING_PREFIX: /metrics is where"),
    ],
)
def test_paths_that_would_hide_one_another_are_refused(given: dict[str, str], named: str) -> None:
    assert problems(**given)[0].startswith(named)


def test_a_prefix_may_be_named_like_a_route_or_begin_like_a_path() -> None:
    Settings.from_env({"REPORTING_PREFIX": "/stats", "INGESTION_PREFIX": "/a", "EVENT_PATH": "/ab"})


def test_port_is_of_the_one_service_that_is_started_without_a_port_of_its_own() -> None:
    for service, other in [("ingestion", "reporting"), ("reporting", "ingestion")]:
        both = Settings.from_env({"PORT": "8001"}, service=other), Settings()
        assert getattr(both[0], f"{service}_port") == getattr(both[1], f"{service}_port")
        assert getattr(both[0], f"{other}_port") == 8001
        own = {"PORT": "9000", f"{service.upper()}_PORT": "9001"}
        assert getattr(Settings.from_env(own, service=service), f"{service}_port") == 9001
    for service in ("", "worker", "periodic"):
        settings = Settings.from_env({"PORT": "9000"}, service=service)
        assert (settings.ingestion_port, settings.reporting_port) == (8000, 8001)
    assert problems(PORT="0")[0].startswith("PORT: must be from 1 to 65535")


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert Settings.from_env({"BATCH_SIZE": "", "REDIS_URL": "", "CORS_ORIGINS": ""}) == Settings()


def test_origins_are_separated_by_commas() -> None:
    settings = Settings.from_env({"CORS_ORIGINS": "https://a.example, https://b.example,"})
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    assert Settings.from_env({"API_AUTH_FILE": str(secret)}).api_auth == "s3cret"
    both = {"API_AUTH_FILE": str(secret), "API_AUTH": "variable"}
    assert Settings.from_env(both).api_auth == "variable"
    secret.write_text("0", encoding="utf-8")
    assert problems(BATCH_SIZE_FILE=str(secret))[0].startswith("BATCH_SIZE: must be from 1")
    [problem] = problems(API_AUTH_FILE=str(tmp_path / "missing"))
    assert problem.startswith("API_AUTH: ")
    assert "missing" in problem


def test_the_databases_ca_has_a_second_name(tmp_path: Path) -> None:
    assert Settings.from_env({"TIDB_CA_PATH": "/ca.pem"}).database_ca_path == "/ca.pem"
    both = {"TIDB_CA_PATH": "/tidb.pem", "DATABASE_CA_PATH": "/own.pem"}
    assert Settings.from_env(both).database_ca_path == "/own.pem"


def test_dot_env_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "BATCH_SIZE=7\nWORKERS=3\n# comment\nAPI_AUTH='quoted'\nREDIS_KEY=\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() & {f.name.upper() for f in dataclasses.fields(Settings)}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WORKERS", "5")
    settings = Settings.from_env()
    assert (settings.batch_size, settings.workers) == (7, 5)
    assert (settings.api_auth, settings.redis_key) == ("quoted", "footfall")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("mysql://u:hunter2@h/d", "mysql://u:***@h/d"),
        ("mysql://u:hun@ter2@h/d", "mysql://u:***@h/d"),
        ("mysql://u:hun/ter2@h/d", "mysql://u:***@h/d"),
        ("mysql://u:hun:ter2@h/d", "mysql://u:***@h/d"),
        ("redis://h/0?password=hunter2&db=1", "redis://h/0?password=***&db=1"),
        (
            "mysql://h/d?ssl_key_password=hunter2&ssl_ca=a",
            "mysql://h/d?ssl_key_password=***&ssl_ca=a",
        ),
        ("mysql://h/d?passwd=hunter2&ssl_ca=a", "mysql://h/d?passwd=***&ssl_ca=a"),
        ("mysql://h/d?charset=a&PassPhrase=hunter2", "mysql://h/d?charset=a&PassPhrase=***"),
        ("redis://h/0?client_secret=hunter2", "redis://h/0?client_secret=***"),
        ("mysql://u@h:3306/d", "mysql://u@h:3306/d"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("unix:///run/v.sock", "unix:///run/v.sock"),
        ("sqlite:////data/f.db", "sqlite:////data/f.db"),
    ],
)
def test_a_masked_address_has_no_password(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize("name", ["with space", "a=b"])
def test_the_embedded_socket_avoids_paths_that_rq_cannot_read(tmp_path: Path, name: str) -> None:
    socket = str(Settings(data_dir=tmp_path / name).valkey_socket)
    assert " " not in socket
    assert "=" not in socket


def test_the_embedded_socket_always_has_a_path_short_enough(tmp_path: Path) -> None:
    near = Settings(data_dir=tmp_path).valkey_socket
    deep = Settings(data_dir=tmp_path / ("é" * 60) / "x").valkey_socket
    other = Settings(data_dir=tmp_path / ("é" * 60) / "y").valkey_socket
    for socket in (near, deep, other):
        assert len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES
    assert near.is_relative_to(tmp_path)
    assert deep != other


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_the_table_for_the_readme_has_every_setting_and_its_meaning() -> None:
    rows = [line.split(" | ") for line in as_markdown_table().splitlines()[2:]]
    assert [row[0].strip("| `") for row in rows] == [
        field.name.upper() for field in dataclasses.fields(Settings)
    ]
    assert all(row[2].rstrip("| ").endswith(".") for row in rows)
    shown = {row[0].strip("| `"): row[1] for row in rows}
    assert (shown["BATCH_SIZE"], shown["FORCE_SSL"], shown["API_AUTH"]) == ("`2000`", "`false`", "")


@pytest.mark.parametrize(
    ("batch_size", "largest", "expected"),
    [(2000, None, 10_000), (500, None, 2500), (9000, None, 10_000), (2000, 3000, 3000)],
)
def test_batches_may_grow_to_five_times_their_usual_size(
    batch_size: int, largest: int | None, expected: int
) -> None:
    assert Settings(batch_size=batch_size, max_batch_size=largest).largest_batch == expected
