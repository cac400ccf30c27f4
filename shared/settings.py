"""Every setting of every process: name, meaning, default, bounds.

A process builds one frozen `Settings` in its entry point and passes it down. All problems are
reported at once. `NAME_FILE` may name a file that holds the value of `NAME`, for secrets.
"""

import dataclasses
import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dotenv import dotenv_values

from shared.errors import BadSetting
from shared.setting_parsers import (
    boolean,
    directory,
    header_name,
    header_safe,
    host,
    integer,
    key_name,
    names,
    networks,
    one_of,
    site_name,
    text,
    url,
    url_path,
    web_address,
)

# A Unix socket's path has 108 bytes on Linux, 104 on macOS, terminator included.
MAX_SOCKET_PATH_BYTES = 100
# Of one transaction: what is asked of the database for a batch is tried with so many.
MAX_BATCH_EVENTS = 10_000
# The services that listen, and may take `PORT`.
SERVED = ("ingestion", "reporting")
# Where both are asked past any proxy: by a load balancer, by Prometheus.
OPERATORS_PATHS = frozenset({"/health", "/ready", "/metrics"})


def setting(default: object, description: str, parse: Callable[[str], object]) -> Any:
    """A dataclass field that knows how it is read and what the docs say of it."""
    return dataclasses.field(default=default, metadata={"description": description, "parse": parse})


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one process, checked."""

    data_dir: Path = setting(  # noqa: RUF009  # a Path never changes
        Path("data"),
        "Directory of the embedded Valkey and the SQLite file, and of what ingestion keeps itself: "
        "the spool and the salts.",
        directory,
    )
    database_url: str = setting(
        "",
        "Database, as `mysql://user:password@host:3306/name` (MariaDB, MySQL, TiDB) or "
        "`sqlite:////path/file.db`. Empty: SQLite in `DATA_DIR`.",
        url("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql", "sqlite"),
    )
    reporting_database_url: str = setting(
        "",
        "A replica of that database for reporting to read from, written as `DATABASE_URL` is; how "
        "far it is behind is told at `/pipeline/status`. Empty: `DATABASE_URL`.",
        url("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql", "sqlite"),
    )
    database_ca_path: str = setting(
        "",
        "File with the certificate authority of the database's TLS; also read as `TIDB_CA_PATH`. "
        "Set: TLS with a verified host name.",
        text,
    )
    force_ssl: bool = setting(
        False,
        "Refuse a database connection without TLS; without a CA file the system's are used.",
        boolean,
    )
    redis_url: str = setting(
        "",
        "Redis or Valkey, as `redis://host:6379/0` (`rediss://` for TLS, `unix://` for a "
        "socket). Empty: an embedded Valkey in `DATA_DIR`, append-only file on.",
        url("redis", "rediss", "unix"),
    )
    redis_key: str = setting(
        "footfall", "Prefix of every key Footfall itself writes to Redis.", key_name
    )
    redis_queue_name: str = setting(
        "events",
        "RQ queue of the event workers. Two installations on one Redis need different values of "
        "this and of `REDIS_KEY`.",
        key_name,
    )
    ingestion_host: str = setting("127.0.0.1", "Address ingestion listens on.", host)
    ingestion_port: int = setting(8000, "Port ingestion listens on.", integer(1, 65535))
    ingestion_server: str = setting(
        "granian", "Server of ingestion: `granian` or `gunicorn`.", one_of("granian", "gunicorn")
    )
    ingestion_processes: int = setting(
        1, "Processes of the ingestion server on this machine.", integer(1, 256)
    )
    ingestion_threads: int = setting(
        4,
        "Requests each ingestion process handles at a time with `INGESTION_SERVER=gunicorn`, at "
        "least 4; a client that stalls holds one. Granian, where clients hold none, takes no "
        "notice.",
        integer(1, 256),
    )
    public_ingestion_url: str = setting(
        "",
        "Where browsers reach ingestion, e.g. `https://count.example.com`: the dashboard shows it "
        "in snippets and posts its test event there. Empty: `http://` with `INGESTION_HOST` (the "
        "name by which reporting was reached, if that is every address) and `INGESTION_PORT`. The "
        "description of ingestion's routes shows it, too.",
        web_address,
    )
    ingestion_prefix: str = setting(
        "",
        "Path that your proxy leaves on what it hands to ingestion, e.g. `/count`: `/count/event` "
        "is `/event` then, which is answered as well. Empty: it takes the path off, or there is "
        "none.",
        url_path,
    )
    tracker_path: str = setting(
        "",
        "Path of your own for the script for websites, e.g. `/js/f.js`, beside `/tracker.js`. It "
        "posts to `EVENT_PATH`, or to `/event`; reporting shows it in snippets.",
        url_path,
    )
    event_path: str = setting(
        "",
        "Path of your own for posting events, e.g. `/api/x`, beside `/event`; the script at "
        "`TRACKER_PATH` posts there.",
        url_path,
    )
    reporting_host: str = setting("127.0.0.1", "Address reporting listens on.", host)
    reporting_port: int = setting(8001, "Port reporting listens on.", integer(1, 65535))
    reporting_server: str = setting(
        "granian", "Server of reporting: `granian` or `gunicorn`.", one_of("granian", "gunicorn")
    )
    reporting_processes: int | None = setting(
        None,
        "Processes of the reporting server on this machine. Empty: one for each core, at most 4.",
        integer(1, 256),
    )
    public_reporting_url: str = setting(
        "",
        "Where browsers reach reporting, e.g. `https://example.com/stats`: the description of its "
        "routes shows it. Empty: as it was asked, and as the proxy tells in `X-Forwarded-Prefix`, "
        "`X-Forwarded-Proto` and `X-Forwarded-Host`.",
        web_address,
    )
    reporting_prefix: str = setting(
        "",
        "Path that your proxy leaves on what it hands to reporting, e.g. `/stats`: `/stats/sites` "
        "is `/sites` then. Empty: it takes the path off, or there is none.",
        url_path,
    )
    port: int | None = setting(
        None,
        "Port of the one service that is started, for platforms that set it: ingestion or "
        "reporting where it has no port of its own by `INGESTION_PORT` or `REPORTING_PORT`. "
        "`make run`, which starts both, takes no notice.",
        integer(1, 65535),
    )
    workers: int = setting(
        1, "Event workers that `make run` and `make worker` start on this machine.", integer(1, 256)
    )
    batch_size: int = setting(
        2000,
        "Most events in one database transaction, unless so many wait that `MAX_BATCH_SIZE` holds.",
        integer(1, MAX_BATCH_EVENTS),
    )
    max_batch_size: int | None = setting(
        None,
        "Most events in one database transaction while many wait: it grows up to this as long as "
        "it takes less than 2 s, and shrinks back. Empty: five times `BATCH_SIZE`, at most 10000. "
        "Where it is less than `BATCH_SIZE`, it holds for few as well.",
        integer(1, MAX_BATCH_EVENTS),
    )
    lease_seconds: int = setting(
        30,
        "How long a worker may be silent before another one takes its batch for abandoned. It "
        "tells every second that it is alive, however long the database takes; more is for "
        "machines that stand still for a while.",
        integer(4, 3600),
    )
    max_backlog: int = setting(
        1_000_000,
        "Events that may wait in Redis; above it ingestion answers 503 until workers catch up.",
        integer(1, 1_000_000_000),
    )
    max_backlog_bytes: int = setting(
        256 * 1024 * 1024,
        "Bytes of events that may wait in Redis, which needs about a tenth more for them; above it "
        "ingestion answers 503 as with `MAX_BACKLOG`.",
        integer(1, 1 << 50),
    )
    spool_max_bytes: int = setting(
        1 << 30,
        "Bytes of events that ingestion keeps under `DATA_DIR` while Redis does not take them, and "
        "pushes when it does; above it, or with 0, it answers 503 instead.",
        integer(0, 1 << 50),
    )
    dedupe_days: int = setting(
        7,
        "Days for which a caller's `event_id` is remembered; within them it counts once.",
        integer(1, 365),
    )
    bot_burst_limit: int = setting(
        10,
        "Most page views of one user in one second; more are dropped as `burst`. 0: any number.",
        integer(0, 1000),
    )
    drop_bots: bool = setting(
        True, "Drop the events of known crawlers, told by their user agent, as `bot`.", boolean
    )
    max_age: int | None = setting(
        None,
        "Days after which raw events are deleted, unless their site has an age of its own; their "
        "counts stay. Empty: they are kept.",
        integer(1, 36_500),
    )
    query_seconds: int = setting(
        30,
        "Seconds after which reporting gives a question up; only what no rollup covers, such as "
        "several filters over months, takes long.",
        integer(1, 3600),
    )
    registered_sites_only: bool = setting(
        False,
        "Refuse events of sites that nobody has registered with `footfall sites create`.",
        boolean,
    )
    max_sites: int = setting(
        100_000,
        "Most sites that may come into being because events name them; a registered one counts for "
        "nothing, and those that are there stay.",
        integer(0, 10_000_000),
    )
    site_events_per_second: int = setting(
        0,
        "Most events of a site each second, ten seconds' worth at once; more are answered 429. 0: "
        "any number. A site's own setting goes before.",
        integer(0, 1_000_000),
    )
    address_events_per_second: int = setting(
        0,
        "The same of whoever posts from one address, or one IPv6 /64, also of a server that posts "
        "for many. Behind a proxy it takes `TRUSTED_PROXIES`.",
        integer(0, 1_000_000),
    )
    default_site_id: str = setting(
        "", "Site of events that name none. Empty: they are refused.", site_name
    )
    api_auth: str = setting(
        "",
        "Key that reporting (and with `INGEST_AUTH` ingestion) asks for. Empty: open.",
        header_safe,
    )
    allow_open: bool = setting(
        False,
        "Let reporting listen on another address than loopback without `API_AUTH`: whoever reaches "
        "it reads every number.",
        boolean,
    )
    ingest_auth: bool = setting(
        False,
        "Ask for `API_AUTH` at ingestion as well: of whoever posts, and of the image, which counts "
        "nothing without it.",
        boolean,
    )
    country_header: str = setting(
        "",
        "Request header with the visitor's two-letter country, set by a CDN or proxy, "
        "e.g. `CF-IPCountry`.",
        header_name,
    )
    country_database: str = setting(
        "",
        "Path of a MaxMind database (`.mmdb`, e.g. GeoLite2 Country) in which ingestion looks up "
        "the visitor's country where `COUNTRY_HEADER` gives none.",
        text,
    )
    address_header: str = setting(
        "",
        "Request header in which your proxy passes the visitor's address, e.g. `X-Real-IP`, or "
        "`X-Forwarded-For` or `Forwarded`, whose last address counts, or the last that is not of "
        "`TRUSTED_PROXIES`. Empty: the connection's address.",
        header_name,
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses and networks of your proxies, separated by commas. Only from them is a header "
        "believed: `ADDRESS_HEADER`, or of `X-Forwarded-For`, `Forwarded`, `X-Real-IP` and "
        "`CF-Connecting-IP` the first that is there.",
        networks,
    )
    cors_origins: tuple[str, ...] = setting(
        (), "Origins that browsers may post from, separated by commas. Empty: any.", names
    )
    log_level: str = setting(
        "info",
        "`debug`, `info`, `warning` or `error`.",
        one_of("debug", "info", "warning", "error"),
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, service: str = "") -> "Settings":
        """Settings from `.env` (if present) and the environment, which wins.

        `service`, `ingestion` or `reporting`, is the only one that is started: it takes `PORT`.
        Raises BadSetting with one line for each setting that cannot be used.
        """
        if environ is None:
            environ = read_dot_env() | dict(os.environ)
        values: dict[str, object] = {}
        problems: list[str] = []
        for field in dataclasses.fields(cls):
            try:
                found = read(environ, field.name.upper())
                if found is not None:
                    values[field.name] = field.metadata["parse"](found)
            except (ValueError, OSError) as error:
                problems.append(f"{field.name.upper()}: {error}")
        if problems:
            raise BadSetting("\n".join(problems))
        own_port = f"{service}_port"
        takes_port = service in SERVED and "port" in values and own_port not in values
        if takes_port:
            values[own_port] = values["port"]
        settings = cls(**values)  # type: ignore[arg-type]  # each parser returns its field's type
        settings.check_together(is_alone=takes_port)
        return settings

    def check_together(self, *, is_alone: bool) -> None:
        """Refuse settings that are each fine and together make no sense. Of a service that is alone
        the other's port says nothing."""
        if self.ingest_auth and not self.api_auth:
            raise BadSetting("INGEST_AUTH: is on, but API_AUTH is empty; set API_AUTH to a key")
        if (
            not is_alone
            and self.ingestion_port == self.reporting_port
            and self.ingestion_host == self.reporting_host
        ):
            raise BadSetting(
                f"REPORTING_PORT: {self.reporting_port} is INGESTION_PORT too; change one of them"
            )
        self.check_paths()

    def check_paths(self) -> None:
        """Refuse paths that hide one another; what ingestion has routes for, it knows itself."""
        prefix = self.ingestion_prefix
        for name, own in (("TRACKER_PATH", self.tracker_path), ("EVENT_PATH", self.event_path)):
            if prefix and f"{own}/".startswith(f"{prefix}/"):
                raise BadSetting(
                    f"{name}: {own} is below INGESTION_PREFIX; write it without {prefix}, or "
                    "choose another"
                )
        if self.event_path and self.event_path == self.tracker_path:
            raise BadSetting(
                f"EVENT_PATH: {self.event_path} is TRACKER_PATH too; change one of them"
            )
        for service in SERVED:
            if getattr(self, f"{service}_prefix") in OPERATORS_PATHS:
                raise BadSetting(
                    f"{service.upper()}_PREFIX: {getattr(self, f'{service}_prefix')} is where the "
                    "service itself is looked at; choose another"
                )

    @property
    def largest_batch(self) -> int:
        """The most events that a batch may grow to."""
        return self.max_batch_size or min(5 * self.batch_size, MAX_BATCH_EVENTS)

    @property
    def redis_address(self) -> str:
        """URL of the Redis in use: `REDIS_URL`, or the embedded Valkey's socket."""
        return self.redis_url or f"unix://{quote(str(self.valkey_socket))}"

    @property
    def valkey_socket(self) -> Path:
        """Socket of the embedded Valkey; outside `DATA_DIR` only where that path will not do.

        It may be too long, or hold what takes a line of CLIENT LIST apart: RQ reads those.
        """
        socket = self.data_dir.resolve() / "valkey" / "valkey.sock"
        if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES and not re.search(
            r"[\s=]", str(socket)
        ):
            return socket
        digest = hashlib.sha256(os.fsencode(socket)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"footfall-{os.getuid()}-{digest}.sock"

    @property
    def database_address(self) -> str:
        """URL of the database in use: `DATABASE_URL`, or SQLite under `DATA_DIR`."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'footfall.db'}"


def read_dot_env() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(".env").items() if value}
    except (OSError, ValueError) as error:
        raise BadSetting(f".env: cannot be read: {error}") from error


def read(environ: Mapping[str, str], name: str) -> str | None:
    """The value of `name`, of the file that `name_FILE` names, or None where neither is set."""
    aliases = (name, "TIDB_CA_PATH") if name == "DATABASE_CA_PATH" else (name,)
    for alias in aliases:
        if environ.get(alias):
            return environ[alias].strip()
        if environ.get(f"{alias}_FILE"):
            return Path(environ[f"{alias}_FILE"]).read_text(encoding="utf-8").strip()
    return None


# In the name of a URL's option whose value must not be shown: drivers have several for a password.
HIDDEN = "pass|pwd|secret|token|credential"


def masked(address: str) -> str:
    """A URL fit for a log: its password, if any, replaced by asterisks."""
    # Up to the last @: a password may hold one that was not percent-encoded, or a slash.
    address = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", address)
    return re.sub(rf"([?&][^=&]*(?:{HIDDEN})[^=&]*=)[^&]*", r"\1***", address, flags=re.I)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
