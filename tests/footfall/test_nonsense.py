"""Whatever a setting is set to: it is used, or refused in one line that names it."""

import dataclasses
import ipaddress
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from footfall import preflight
from footfall.run.embedded_valkey import directory, open_lock
from ingestion.app import create_app as create_ingestion
from reporting.app import create_app as create_reporting
from shared.errors import BadSetting
from shared.settings import Settings
from tests.footfall.conftest import Environment
from tests.servers import PATIENCE_SECONDS, ROOT, free_port

NAMES = [field.name.upper() for field in dataclasses.fields(Settings)]
# Nobody listens on port 1 of this machine.
NOBODY = "127.0.0.1:1"
NONSENSE = [
    "",
    " ",
    "text",
    "two words",
    "größe 🙂",
    "0",
    "1",
    "-1",
    "1.5",
    "NaN",
    "1e400",
    "9" * 5000,
    "true",
    "x" * 300,
    "a\nb",
    "a\0b",
    "a\ud800b",  # as a variable has it whose bytes are not UTF-8
    "%zz",
    "'\"\\",
    "{}",
    "*",
    "?",
    "..",
    "[::1",
    "127.0.0.1",
    "{directory}",
    "{file}",
    "{file}/below",
    "/proc/1/mem",
    "https://a.example",
    "postgresql://u:secret@h/d",
]
# Of settings that are addresses.
ADDRESSES = [
    "mysql://",
    f"mysql://u:secret@{NOBODY}/d?x=y",
    f"mysql://u:secret@{NOBODY}/d?ssl_ca=/nowhere",
    f"mysql://u:secret@{NOBODY}/\ud800",
    "mysql://u:secret@..:1/d",
    "mysql+other://h/d",
    "sqlite://",
    "sqlite://h/d",
    "sqlite:///{directory}",
    "sqlite:///{file}",
    "sqlite:///{file}/below",
    "sqlite:///{directory}/d?mode=x",
    f"redis://:secret@{NOBODY}/x",
    f"redis://:secret@{NOBODY}?x=y",
    f"redis://:secret@{NOBODY}?db=x",
    f"redis://:secret@{NOBODY}?decode_responses=true",
    f"rediss://:secret@{NOBODY}?ssl_cert_reqs=x",
    f"rediss://:secret@{NOBODY}?ssl_ca_certs=/nowhere",
    f"redis://{'x' * 70}:1",
    "unix://",
    "unix:///{file}",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative DATA_DIR is made where nobody minds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"\xff\xfe")


def environ_with(name: str, value: str, here: Path) -> dict[str, str]:
    """Settings that are fine, save perhaps that one."""
    own = {
        "INGESTION_PORT": str(free_port()),
        "REPORTING_PORT": str(free_port()),
        "DATA_DIR": str(here / "data"),
        "REDIS_URL": f"redis://{NOBODY}",
    }
    if name != "DATA_DIR":
        own["DATABASE_URL"] = f"mysql://{NOBODY}/d"
    value = value.replace("{directory}", str(here)).replace("{file}", str(here / "file"))
    return own | {name: value}


def begin(name: str, settings: Settings) -> None:
    """What `footfall run` does before it starts anything, and its services before they serve.

    Whether anybody is at an address is asked only where that address is in question.
    """
    preflight.check_ingestion(settings)
    hosts = settings.ingestion_host, settings.reporting_host
    if all(map(is_number, hosts)):  # the names of others are not looked up in a test
        ports = settings.ingestion_port, settings.reporting_port
        preflight.check_ports(("ingestion", hosts[0], ports[0]), ("reporting", hosts[1], ports[1]))
    if name in ("DATABASE_URL", "DATA_DIR"):
        preflight.check_database(settings, migrated=False)
    if name == "REDIS_URL":
        preflight.check_redis(settings)
    if name == "DATA_DIR":
        open_lock(directory(settings))
    create_ingestion(settings).door.queue.close()
    create_reporting(settings).close()


def is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_used_or_named(name: str, tmp_path: Path) -> None:
    is_address = name.endswith("_URL")
    for value in [*NONSENSE, *(ADDRESSES if is_address else [])]:
        said = refused(name, value, tmp_path)
        assert said is None or said.startswith(f"{name}: "), (value, said)
        assert "\n" not in (said or ""), (value, said)
        assert not is_address or "secret" not in (said or ""), (value, said)


def refused(name: str, value: str, here: Path) -> str | None:
    """What is said of a value that cannot be used; None where it can."""
    try:
        begin(name, Settings.from_env(environ_with(name, value, here)))
    except BadSetting as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["", "{directory}", "{file}", "/nowhere/file", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_named(name: str, file: str, tmp_path: Path) -> None:
    environ = environ_with(f"{name}_FILE", file, tmp_path)
    environ.pop(name, None)
    if not file:
        Settings.from_env(environ)
        return
    with pytest.raises(BadSetting, match=f"^{name}: "):
        Settings.from_env(environ)


def test_a_dot_env_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"WORKERS=\xff")
    with pytest.raises(BadSetting, match=r"^\.env: cannot be read: "):
        Settings.from_env()


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("migrate", "DATABASE_URL", f"mysql://u:secret@{NOBODY}/d?tls=maybe"),
        ("verify", "DATABASE_CA_PATH", "/nowhere/ca.pem"),
        ("ingestion", "REDIS_URL", f"redis://:secret@{NOBODY}?x=y"),
        ("reporting", "REPORTING_HOST", "x" * 70),
    ],
)
def test_a_command_names_it(
    refusal: Callable[..., list[str]], command: str, name: str, value: str
) -> None:
    others = {"DATABASE_URL": f"mysql://{NOBODY}/d"} if command == "verify" else {}
    (line,) = refusal(command, **{name: value}, **others)
    assert line.startswith(f"footfall: {name}: ")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("ingestion", "REDIS_URL", f"redis://:secret@{NOBODY}?x=y"),
        ("ingestion", "INGESTION_HOST", "256.1.1.1"),
        ("reporting", "DATABASE_URL", f"mysql://u:secret@{NOBODY}/d?x=y"),
        ("reporting", "REPORTING_HOST", "256.1.1.1"),
        ("worker", "DATABASE_URL", f"mysql://u:secret@{NOBODY}/d?ssl_ca=/nowhere"),
    ],
)
def test_a_service_by_itself_names_it(
    environment: Environment, module: str, name: str, value: str
) -> None:
    others = {"DATABASE_URL": f"mysql://{NOBODY}/d"} | {name: value}
    finished = subprocess.run(
        [sys.executable, "-m", module],
        env=environment | others,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert finished.returncode == 2, finished
    (line,) = finished.stderr.splitlines()
    assert line.startswith(f"footfall: {name}: ")
    assert "secret" not in line
