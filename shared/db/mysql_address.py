"""What may stand behind the `?` in the address of a MySQL server: what the driver is told, and TLS.

TLS is written in as many ways as there are drivers. Of all that is asked for, by the address and by
the settings, the strictest counts, so that no connection is ever less safe than one of them says.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from sqlalchemy import URL

from shared.errors import BadSetting
from shared.setting_parsers import boolean
from shared.settings import Settings

# Passed on to the driver as they are.
DRIVER_OPTIONS = frozenset(
    {
        "bind_address",
        "init_command",
        "password",
        "program_name",
        "read_default_file",
        "read_default_group",
        "sql_mode",
        "unix_socket",
        "user",
    }
)
# Options of a file, which may say more of TLS.
DEFAULTS = frozenset({"read_default_file", "read_default_group"})
NO_TLS = {"ssl_disabled": True}
# All text is sent in it, whatever the address says.
CHARSET = "utf8mb4"
SPELLING = (
    "for TLS write ssl-mode=REQUIRED, VERIFY_CA or VERIFY_IDENTITY and ssl_ca=FILE, "
    "or set FORCE_SSL=true or DATABASE_CA_PATH"
)


class Mode(IntEnum):
    """How far a connection is to be trusted; what is greater is stricter."""

    DISABLED = 0
    PREFERRED = 1  # TLS where the server has it
    REQUIRED = 2  # TLS with anybody
    VERIFY_CA = 3  # with whoever has a certificate of a known authority
    VERIFY_IDENTITY = 4  # that is made out to this host


# Names and values as they are once case, - and _ are gone. The last two of each line are those of
# PostgreSQL's drivers and of Go's; whoever writes `true` expects to be safe.
MODE_NAMES = frozenset({"sslmode", "ssl", "tls", "usessl"})
MODES = {
    **dict.fromkeys(("disabled", "disable", "false", "no", "off", "0"), Mode.DISABLED),
    **dict.fromkeys(("preferred", "prefer"), Mode.PREFERRED),
    **dict.fromkeys(("required", "require", "skipverify"), Mode.REQUIRED),
    **dict.fromkeys(("verifyca",), Mode.VERIFY_CA),
    **dict.fromkeys(
        ("verifyidentity", "verifyfull", "true", "yes", "on", "1"), Mode.VERIFY_IDENTITY
    ),
}
# What `true` asks for, and `false`.
SWITCHES = {
    "ssldisabled": (Mode.DISABLED, Mode.PREFERRED),
    "requiressl": (Mode.REQUIRED, Mode.PREFERRED),
    "sslverifycert": (Mode.VERIFY_CA, Mode.PREFERRED),
    "sslverifyidentity": (Mode.VERIFY_IDENTITY, Mode.PREFERRED),
    "sslcheckhostname": (Mode.VERIFY_IDENTITY, Mode.PREFERRED),
}
FILE_NAMES = {
    "sslca": "ca",
    "sslrootcert": "ca",
    "sslcert": "cert",
    "sslkey": "key",
    "sslkeypassword": "key_password",
}


@dataclass(frozen=True)
class Options:
    """What an address asks for behind its `?`."""

    driver: Mapping[str, str]
    mode: Mode | None
    files: Mapping[str, str]


def options_of(url: URL) -> Options:
    """Raises ValueError with a sentence for what is not understood."""
    driver: dict[str, str] = {}
    modes: list[Mode] = []
    files: dict[str, str] = {}
    for name, value in url.query.items():
        plain = plain_word(name)
        if not isinstance(value, str):
            raise ValueError(f"has the option {name!r} more than once")
        if plain in FILE_NAMES:
            files[FILE_NAMES[plain]] = value
        elif plain in MODE_NAMES or plain in SWITCHES:
            modes.append(mode_from(name, value))
        elif name in DRIVER_OPTIONS:
            driver[name] = value
        elif name != "charset" or value.lower() != CHARSET:
            raise ValueError(f"has the option {name}={value}, which is not known; {SPELLING}")
    return Options(driver, max(modes, default=None), files)


def mode_from(name: str, value: str) -> Mode:
    plain = plain_word(name)
    try:
        return MODES[plain_word(value)] if plain in MODE_NAMES else switched(plain, value)
    except (KeyError, ValueError):
        raise ValueError(f"has {name}={value}, which is not understood; {SPELLING}") from None


def switched(plain: str, value: str) -> Mode:
    on, off = SWITCHES[plain]
    return on if boolean(value) else off


def plain_word(text: str) -> str:
    return re.sub("[-_]", "", text.lower())


def tls_arguments(options: Options, settings: Settings) -> dict[str, Any]:
    """What the driver is told of TLS. Raises ValueError, and BadSetting."""
    mode = strictest(options, settings)
    if mode <= Mode.PREFERRED:  # the driver's own way
        return NO_TLS if mode is Mode.DISABLED else {}
    context = trusting(options, settings)
    context.check_hostname = mode is Mode.VERIFY_IDENTITY
    context.verify_mode = ssl.CERT_REQUIRED if mode >= Mode.VERIFY_CA else ssl.CERT_NONE
    show_own_certificate(context, options)
    return {"ssl": context}


def is_tls_offered(options: Options, settings: Settings) -> bool:
    """Whether TLS is to be used if the server has it, whoever it is, and no file says otherwise."""
    is_preferred = strictest(options, settings) is Mode.PREFERRED
    return is_preferred and not DEFAULTS & options.driver.keys()


def offer_tls(connection: Any) -> None:
    """Let a connection that is not open yet, and knows NO_TLS, use it if the server has it.

    The driver would do so by itself, and read all authorities that the system knows for each
    connection, 20 ms of CPU time, though it checks the server against none.
    """
    connection.ssl, connection.ctx = True, trusting_all()


@cache
def trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def strictest(options: Options, settings: Settings) -> Mode:
    """An authority that is named without a word on how far to check is checked against."""
    asked = [Mode.PREFERRED] if options.mode is None else [options.mode]
    if settings.force_ssl or settings.database_ca_path:
        asked.append(Mode.VERIFY_IDENTITY)
    if "ca" in options.files:
        asked.append(Mode.VERIFY_IDENTITY if options.mode is None else Mode.VERIFY_CA)
    if "cert" in options.files or "key" in options.files:
        asked.append(Mode.REQUIRED)
    return max(asked)


def trusting(options: Options, settings: Settings) -> ssl.SSLContext:
    """A context that knows the authority of the address, of the settings, or those of the system.

    Servers make themselves certificates that lack what Python 3.13 would like to see in one.
    """
    ca = options.files.get("ca", "")
    try:
        context = ssl.create_default_context(cafile=ca or settings.database_ca_path or None)
    except OSError as error:  # of which TLS's own errors are
        if ca:
            raise ValueError(f"ssl_ca: {ca}: {error}") from error
        raise BadSetting(f"DATABASE_CA_PATH: {settings.database_ca_path}: {error}") from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def show_own_certificate(context: ssl.SSLContext, options: Options) -> None:
    """For a server that asks who it talks to."""
    cert, key = options.files.get("cert"), options.files.get("key")
    if cert is None:
        if key is not None:
            raise ValueError("has ssl_key without ssl_cert")
        return
    # Without a password, OpenSSL would ask for one at the terminal.
    password = options.files.get("key_password", "")
    try:
        context.load_cert_chain(cert, key, password)
    except OSError as error:
        raise ValueError(f"ssl_cert and ssl_key: {cert}, {key or cert}: {error}") from error
