"""Who asks: with which key, if any, of a service that asks for one, if it does."""

from dataclasses import replace
from typing import NamedTuple

from shared.keys.keys import Kind
from shared.settings import Settings
from tests.openapi.names import SITES

ROOT = "root"
# Keys that are in the database, what each is for, and of which sites; none stands for all.
READING, POSTING, OF_ONE_SITE = "ff_reading", "ff_posting", "ff_of_one_site"
MADE: dict[str, tuple[Kind, list[str]]] = {
    READING: (Kind.READ, []),
    POSTING: (Kind.INGEST, []),
    OF_ONE_SITE: (Kind.ADMIN, SITES[:1]),
    **{f"ff_spare_{number}": (Kind.READ, SITES[:1]) for number in range(3)},
}


class Caller(NamedTuple):
    """`key` is in its Authorization, `host` the name under which it asks."""

    key: str = ""
    is_asked: bool = True
    host: str = ""

    @property
    def headers(self) -> dict[str, str]:
        given = {"Authorization": self.key, "Host": self.host}
        return {name: value for name, value in given.items() if value}

    def settings(self, installed: Settings) -> Settings:
        """Those of the service that this one asks."""
        api_auth = ROOT if self.is_asked else ""
        return replace(installed, api_auth=api_auth, ingest_auth=self.is_asked)


CALLERS = {
    "anybody": Caller(is_asked=False),
    "root": Caller(f"Bearer {ROOT}"),
    "reading": Caller(READING),
    "posting": Caller(f"Bearer {POSTING}"),
    "of one site": Caller(OF_ONE_SITE),
    "wrong": Caller("Bearer ff_wrong"),
    "none": Caller(),
    "website": Caller(is_asked=False, host="stats.example"),
}
