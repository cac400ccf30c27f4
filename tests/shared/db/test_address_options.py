"""Options behind a database's address, as drivers of this world write them."""

import pytest

from shared.db.database import make_engine
from shared.errors import BadSetting
from shared.settings import Settings

ADDRESS = "mysql://user:secret@127.0.0.1:1/footfall"


@pytest.mark.parametrize(
    "option",
    [
        "sslaccept=strict",
        "serverSslCert=ca.pem",
        "autocommit=true",
        "connect_timeout=x",
        "charset=latin1",
        "cursorclass=x",
        "ssl-mode=MAYBE",
        "sslMode=verify",
        'ssl={"rejectUnauthorized":true}',
        "tls=custom",
        "ssl_verify_cert=perhaps",
        "ssl_check_hostname=2",
    ],
)
def test_an_option_that_is_not_known_is_named_and_refused(option: str) -> None:
    with pytest.raises(BadSetting) as caught:
        make_engine(Settings(database_url=f"{ADDRESS}?{option}"))
    assert str(caught.value).startswith("DATABASE_URL: has ")
    assert option in str(caught.value)
    assert "ssl-mode=REQUIRED" in str(caught.value)
    assert "FORCE_SSL=true" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_option_is_given_once() -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL: has the option 'ssl_ca' more than once"):
        make_engine(Settings(database_url=f"{ADDRESS}?ssl_ca=a.pem&ssl_ca=b.pem"))


@pytest.mark.parametrize(
    "option",
    [
        "charset=utf8mb4",
        "ssl_check_hostname=false",
        "unix_socket=/run/mysqld.sock",
        "sql_mode=ANSI",
        "init_command=SET%20wait_timeout%3D60",
        "ssl-mode=REQUIRED",
        "ssl_mode=VERIFY_IDENTITY",
        "ssl=true",
        "sslmode=require",
    ],
)
def test_an_option_of_the_driver_is_accepted(option: str) -> None:
    make_engine(Settings(database_url=f"{ADDRESS}?{option}")).dispose()


@pytest.mark.parametrize(
    "address", ["postgresql://user:secret@h/d", "mongodb://h", "oracle+thin://h", "mysqlx://h"]
)
def test_a_database_of_another_kind_is_refused_in_one_sentence(address: str) -> None:
    scheme = address.partition("://")[0]
    with pytest.raises(BadSetting) as caught:
        make_engine(Settings(database_url=address))
    assert str(caught.value) == (
        f"DATABASE_URL: begins with {scheme}://, and supported are sqlite://, mysql://, mariadb://"
    )


@pytest.mark.parametrize(
    "address",
    [
        "nothing",
        "mysql:/h",
        "mysql://u:secret@h:port/d",
        "sqlite://host/f.db",
        "sqlite:///f?mode=x",
    ],
)
def test_an_address_without_sense_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(BadSetting, match=r"^DATABASE_URL: ") as caught:
        make_engine(Settings(database_url=address))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
