"""The visitor's country, from the proxy's header or from a MaxMind database."""

import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from ingestion.visitor.addresses import address_from
from ingestion.visitor.countries import country_of, open_countries
from shared.errors import BadSetting
from shared.queue.event_queue import EventQueue
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, call, make_environ, payloads, post, queued
from tests.servers import ServiceProcess, ValkeyServer

GERMAN, FRENCH, ODD = "192.0.2.1", "2001:db8::1", "198.51.100.1"
COUNTRIES: dict[str, object] = {
    "192.0.2.0/24": {"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "US"}},
    "2001:db8::/32": {"registered_country": {"iso_code": "fr"}},
    "198.51.100.0/24": {"country": {"iso_code": "EUR"}, "registered_country": "Nowhere"},
    "127.0.0.0/8": {"country": {"iso_code": "IT"}},
}
NO_COUNTRIES: dict[str, object] = {"192.0.2.0/24": {"autonomous_system_number": 64_496}}


def write(path: Path, networks: dict[str, object], version: int = 6) -> str:
    """A database of these records; returns its path."""
    kind = "GeoLite2-Country" if networks is COUNTRIES else "GeoLite2-ASN"
    writer = MMDBWriter(version, kind, ipv4_compatible=version == 6)
    for network, record in networks.items():
        if version == 6 or ":" not in network:
            writer.insert_network(IPSet([network]), record)  # type: ignore[arg-type]  # any JSON
    writer.to_db_file(str(path))
    return str(path)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("countries") / "countries.mmdb", COUNTRIES)


@pytest.fixture(scope="module")
def lookup(database: str) -> Callable[[str | None], str | None]:
    countries = open_countries(database)
    assert countries

    def lookup(text: str | None) -> str | None:
        try:
            return country_of(countries, address_from(text or ""))
        except ValueError:
            return None

    return lookup


ADDRESSES = [
    (GERMAN, "DE"),
    (f"{GERMAN}:5678", "DE"),
    (f"::ffff:{GERMAN}", "DE"),
    (f" {GERMAN} ", "DE"),
    (f"{FRENCH}, 10.0.0.1,{GERMAN}", "DE"),
    (FRENCH, "FR"),
    (f"[{FRENCH}]", "FR"),
    (f"{GERMAN}, [{FRENCH}]:443", "FR"),
    (ODD, None),
    ("203.0.113.1", None),
    ("10.0.0.1", None),
    (f"{GERMAN}, 10.0.0.1", None),
    (f"{GERMAN}, unknown", None),
    (f"{GERMAN},", None),
    ("192.513", None),
    ("localhost", None),
    ("[", None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("address", "country"), ADDRESSES)
def test_the_last_address_is_looked_up(
    lookup: Callable[[str | None], str | None], address: str | None, country: str | None
) -> None:
    assert lookup(address) == country


@given(st.text())
@example("fe80::1%eth0")
@example("[::1%\0]:1")
@example("1" * 9000)
def test_whatever_is_no_address_has_no_country(
    lookup: Callable[[str | None], str | None], address: str
) -> None:
    assert lookup(address) is None


def test_a_database_of_ipv4_knows_no_ipv6(tmp_path: Path) -> None:
    countries = open_countries(write(tmp_path / "v4.mmdb", COUNTRIES, version=4))
    assert countries
    found = [country_of(countries, address_from(text)) for text in (GERMAN, FRENCH)]
    assert found == ["DE", None]


def test_a_damaged_record_costs_the_country_and_not_the_event(
    make_ingestion: MakeIngestion, queue: EventQueue, database: str, tmp_path: Path
) -> None:
    whole = Path(database).read_bytes()
    damaged = tmp_path / "damaged.mmdb"
    damaged.write_bytes(whole.replace(b"\x42DE", b"\xff\xff\xff"))
    app = make_ingestion(country_database=str(damaged))
    assert post(app, ONE, REMOTE_ADDR=GERMAN).status == 202
    assert post(app, ONE, REMOTE_ADDR="127.0.0.1").status == 202
    assert [event.country for event in queued(queue)] == [None, "IT"]


@pytest.mark.parametrize("through_flask", [False, True])
@pytest.mark.parametrize(
    ("headers", "country"),
    [
        ({"HTTP_CF_IPCOUNTRY": "NL", "HTTP_X_REAL_IP": GERMAN}, "NL"),
        ({"HTTP_CF_IPCOUNTRY": "T1", "HTTP_X_REAL_IP": GERMAN}, "DE"),
        ({"HTTP_X_REAL_IP": GERMAN}, "DE"),
        ({}, None),
    ],
)
def test_the_header_wins_then_the_address_in_the_other_one(
    make_ingestion: MakeIngestion,
    queue: EventQueue,
    database: str,
    headers: dict[str, str],
    country: str | None,
    through_flask: bool,
) -> None:
    app = make_ingestion(
        country_header="CF-IPCountry", country_database=database, address_header="X-Real-IP"
    )
    environ = make_environ(b'{"site_id":"s","event_type":"e"}', REMOTE_ADDR=FRENCH, **headers)
    assert call(app, environ, through_flask=through_flask).status == 202
    assert [event.country for event in queued(queue)] == [country]


def test_without_a_header_the_connection_counts_and_its_address_is_kept_nowhere(
    make_ingestion: MakeIngestion, queue: EventQueue, database: str
) -> None:
    app = make_ingestion(country_database=database)
    post(app, [ONE, ONE], REMOTE_ADDR=GERMAN, HTTP_X_FORWARDED_FOR=FRENCH)
    assert [event.country for event in queued(queue)] == ["DE", "DE"]
    assert GERMAN.encode() not in b"".join(payloads(queue))


def test_an_image_tells_the_country_too(
    make_ingestion: MakeIngestion, queue: EventQueue, database: str
) -> None:
    client = make_ingestion(country_database=database).test_client()
    given = {"REMOTE_ADDR": GERMAN}
    client.get("/pixel.gif?site_id=s&event_type=e", environ_overrides=given)
    assert [event.country for event in queued(queue)] == ["DE"]


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_each_server_tells_the_address(
    valkey: ValkeyServer, queue: EventQueue, database: str, server: str
) -> None:
    given = {"REDIS_URL": valkey.url, "INGESTION_SERVER": server, "COUNTRY_DATABASE": database}
    with ServiceProcess("ingestion", given) as service:
        body = b'{"site_id":"s","event_type":"e"}'
        with urllib.request.urlopen(f"{service.url}/event", body, timeout=60) as answer:
            assert answer.status == 202
    assert [event.country for event in queued(queue)] == ["IT"]


def test_without_a_path_there_is_nothing_to_look_up() -> None:
    assert open_countries("") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file or directory"),
        (b"", "is not a MaxMind database"),
        (b"x" * 1000, "is not a MaxMind database"),
    ],
)
def test_a_file_that_is_no_database_is_a_bad_setting(
    make_ingestion: MakeIngestion, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "countries.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadSetting, match=rf"^COUNTRY_DATABASE: {path}: {expected}"):
        make_ingestion(country_database=str(path))


def test_a_database_of_something_else_is_a_bad_setting(tmp_path: Path) -> None:
    path = write(tmp_path / "asn.mmdb", NO_COUNTRIES)
    with pytest.raises(BadSetting, match="holds no countries, it is GeoLite2-ASN; take"):
        open_countries(path)
