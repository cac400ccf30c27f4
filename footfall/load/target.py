"""Where a load goes to: this machine, unless somebody has said yes to another one."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from footfall.load.errors import CannotLoad
from shared.settings import is_loopback


@dataclass(frozen=True)
class Target:
    """An ingestion by its address and the path before its routes."""

    host: str
    port: int
    path: str

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def authority(self) -> str:
        """As a Host header has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_from(option: str, url: str, *, may_be_remote: bool) -> Target:
    """The target at the URL that this option has. Raises CannotLoad."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    is_plain = parts.scheme == "http" and not (parts.query or parts.fragment or parts.username)
    if not is_plain or not parts.hostname or not url.isprintable() or " " in url:
        raise CannotLoad(f"{option} must be like http://127.0.0.1:8000; https is not spoken here")
    if not (may_be_remote or is_loopback(parts.hostname)):
        raise CannotLoad(
            f"{option}: {parts.hostname} is another machine; --yes-remote says that it is yours, "
            "and that it may be put under load"
        )
    return Target(parts.hostname, port, parts.path.rstrip("/"))
