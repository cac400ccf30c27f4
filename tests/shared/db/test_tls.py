"""TLS to a real server, as drivers of this world write it behind a database's address."""

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.db.database import check_connection, make_engine
from shared.errors import BadSetting, Unavailable
from shared.settings import Settings
from tests.certificates import Authority
from tests.servers import MariaDbServer

ADDRESS = "mysql://user:secret@127.0.0.1:1/footfall"
# Behind the address, with {ca} for the right authority's file.
ENCRYPTED = [
    "",  # as the driver does by itself
    "ssl-mode=PREFERRED",
    "ssl-mode=REQUIRED",
    "ssl_mode=required",
    "sslMode=REQUIRED",
    "sslmode=require",
    "tls=skip-verify",
    "requireSSL=true",
    "ssl_ca={ca}",
    "ssl-ca={ca}",
    "sslrootcert={ca}&sslmode=verify-full",
    "ssl_ca={ca}&ssl-mode=VERIFY_CA",
    "ssl_ca={ca}&ssl-mode=VERIFY_IDENTITY",
    "ssl_ca={ca}&ssl=true",
    "ssl_ca={ca}&ssl-mode=DISABLED",  # the strictest counts
    "ssl_ca={ca}&ssl_verify_cert=true",
    "ssl_ca={ca}&ssl_verify_identity=true",
    "ssl_ca={ca}&ssl_check_hostname=false",
]
# Each checks the server's certificate, of which the system knows nothing.
STRICT = [
    "ssl=true",
    "ssl=1",
    "tls=true",
    "useSSL=true",
    "sslmode=verify-full",
    "ssl-mode=VERIFY_CA",
    "ssl-mode=VERIFY_IDENTITY",
    "ssl_verify_cert=true",
    "ssl_ca={wrong}",
    "ssl_ca={wrong}&ssl-mode=REQUIRED",
    "ssl_ca={wrong}&ssl_check_hostname=false",
]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("wrong"), "wrong")


@pytest.fixture
def other_host(strange_url: str) -> str:
    """The same server by a name to which its certificate is not made out."""
    return strange_url.replace("127.0.0.1", "localhost")


def cipher_of(url: str, **settings: Any) -> str:
    """What a connection is encrypted with; empty where it is not."""
    engine = make_engine(Settings(database_url=url, **settings))
    try:
        check_connection(engine)
        with engine.connect() as connection:
            status = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
            return str(status.one()[1])
    finally:
        engine.dispose()


@pytest.mark.parametrize("options", ENCRYPTED)
def test_a_connection_is_encrypted(strange_url: str, authority: Authority, options: str) -> None:
    assert cipher_of(f"{strange_url}?{options.format(ca=authority.path)}")


@pytest.mark.parametrize("options", ["ssl-mode=DISABLED", "sslmode=disable", "ssl=false", "tls=0"])
def test_a_connection_is_plain_where_that_is_asked_for(strange_url: str, options: str) -> None:
    assert cipher_of(f"{strange_url}?{options}") == ""


@pytest.mark.parametrize("options", STRICT)
def test_a_server_that_nobody_vouches_for_is_refused(
    strange_url: str, wrong: Authority, options: str
) -> None:
    with pytest.raises(Unavailable, match="certificate verify failed"):
        cipher_of(f"{strange_url}?{options.format(wrong=wrong.path)}")


@pytest.mark.parametrize("options", ["ssl-mode=DISABLED", "ssl-mode=REQUIRED", ""])
@pytest.mark.parametrize("setting", ["force_ssl", "database_ca_path"])
def test_the_address_weakens_no_setting(
    strange_url: str, wrong: Authority, options: str, setting: str
) -> None:
    value: Any = True if setting == "force_ssl" else str(wrong.path)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        cipher_of(f"{strange_url}?{options}", **{setting: value})


@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        ("ssl_ca={ca}", True),
        ("ssl_ca={ca}&ssl-mode=VERIFY_IDENTITY", True),
        ("ssl_ca={ca}&ssl_verify_identity=true", True),
        ("ssl_ca={ca}&ssl-mode=VERIFY_CA", False),
        ("ssl_ca={ca}&ssl_verify_cert=true", False),
        ("ssl_ca={ca}&ssl_check_hostname=false", False),
    ],
)
def test_the_name_of_a_host_is_checked_where_that_is_asked_for(
    other_host: str, authority: Authority, options: str, is_refused: bool
) -> None:
    url = f"{other_host}?{options.format(ca=authority.path)}"
    if is_refused:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            cipher_of(url)
    else:
        assert cipher_of(url)


def test_a_server_without_tls_is_refused_where_that_is_asked_for(mariadb_url: str) -> None:
    assert cipher_of(mariadb_url) == ""
    for options in ("ssl-mode=REQUIRED", "ssl=true"):
        with pytest.raises(Unavailable, match="SSL is required"):
            cipher_of(f"{mariadb_url}?{options}")


def test_a_client_shows_its_own_certificate(
    strange_server: MariaDbServer, strange_url: str, authority: Authority
) -> None:
    """A server may ask for it: `REQUIRE X509`."""
    name = strange_url.rpartition("/")[2]
    strange_server.execute(f"GRANT ALL ON {name}.* TO certified REQUIRE X509")
    url = strange_url.replace("root@", "certified@")
    own = authority.certify("client", password="open sesame")
    files = f"ssl_cert={own.cert}&ssl_key={own.key}&ssl_key_password=open%20sesame"
    assert cipher_of(f"{url}?{files}&ssl_ca={authority.path}")
    assert cipher_of(f"{url}?{files}")
    with pytest.raises(Unavailable, match="1045"):
        cipher_of(f"{url}?ssl_ca={authority.path}")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("ssl_ca=/nowhere/ca.pem", "ssl_ca: /nowhere/ca.pem"),
        ("ssl_ca={here}", "ssl_ca: {here}"),
        (
            "ssl_cert=/nowhere/own.crt&ssl_key=/nowhere/own.key",
            "ssl_cert and ssl_key: /nowhere/own",
        ),
        ("ssl_cert={own}&ssl_key={locked}", "ssl_cert and ssl_key: {own}, {locked}"),
        ("ssl_key={locked}", "ssl_key without ssl_cert"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    authority: Authority, options: str, named: str
) -> None:
    own = authority.certify("locked", password="secret")
    files = {"here": __file__, "own": own.cert, "locked": own.key}
    with pytest.raises(BadSetting, match=r"^DATABASE_URL: ") as caught:
        make_engine(Settings(database_url=f"{ADDRESS}?{options.format(**files)}"))
    assert named.format(**files) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_of_the_setting_is_named_by_the_setting() -> None:
    settings = replace(Settings(database_url=ADDRESS), database_ca_path="/nowhere/ca.pem")
    with pytest.raises(BadSetting, match=r"^DATABASE_CA_PATH: /nowhere/ca.pem: "):
        make_engine(settings)


def test_where_no_server_is_checked_no_authority_is_read(
    strange_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own are a quarter of a megabyte, and would be read for each connection."""

    def refuse(*_: Any) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", refuse)
    assert cipher_of(strange_url)


def test_a_file_of_options_may_ask_for_tls(
    strange_url: str, authority: Authority, wrong: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "my.cnf"
    for known, is_known in ((authority, True), (wrong, False)):
        file.write_text(f"[client]\nssl-ca={known.path}\n")
        url = f"{strange_url}?read_default_file={file}"
        if is_known:
            assert cipher_of(url)
        else:
            with pytest.raises(Unavailable):
                cipher_of(url)
