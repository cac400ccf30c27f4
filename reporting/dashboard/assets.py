"""The dashboard's files, under an address that names their contents: browsers keep them for ever.

One digest stands for all of them, as a directory, so that files refer to each other as they lie.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

STATIC = Path(__file__).with_name("static")
PAGE, SETTINGS_PAGE = "index.html", "settings.html"
PAGES = (PAGE, SETTINGS_PAGE)
OF_SETTINGS = "scripts/settings/"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    "": "text/plain; charset=utf-8",  # a LICENSE
}
COMPRESSED_ALREADY = {".woff2"}
# A classic script: the page loads it before anything else.
AT_START = "theme-at-start.js"
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Asset:
    """One file."""

    suffix: str
    body: bytes

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.suffix]

    @cached_property
    def gzipped(self) -> bytes | None:
        """The same compressed; None where that gains nothing."""
        if self.suffix in COMPRESSED_ALREADY:
            return None
        return gzip.compress(self.body, mtime=0)


@dataclass(frozen=True)
class Assets:
    """All files by name, such as `styles/theme.css`, and the digest that stands for them."""

    digest: str
    files: dict[str, Asset]

    @property
    def modules(self) -> list[str]:
        """Every script that the dashboard's module imports, so that none waits for another's
        import."""
        return [
            name
            for name in self.files
            if name.endswith(".js") and name != AT_START and not name.startswith(OF_SETTINGS)
        ]


def load_assets(directory: Path = STATIC) -> Assets:
    paths = sorted(path for path in directory.rglob("*") if path.suffix in CONTENT_TYPES)
    files = {
        path.relative_to(directory).as_posix(): Asset(path.suffix, path.read_bytes())
        for path in paths
        if path.is_file()
    }
    digest = hashlib.sha256()
    for name, asset in files.items():
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(asset.body), asset.body))
    return Assets(digest.hexdigest()[:DIGEST_LENGTH], files)
