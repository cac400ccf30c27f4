"""Ingestion on Granian as it is, but for a body's time: it waits for one second, not for thirty."""

import os

from granian.constants import Interfaces

from ingestion.__main__ import load_rsgi
from ingestion.doors import rsgi
from shared.http import granian_server


def load() -> rsgi.RsgiDoor:
    vars(rsgi)["BODY_SECONDS"] = 1  # a name it imports
    rsgi.SWEEP_SECONDS = 0.1
    return load_rsgi()


if __name__ == "__main__":
    granian_server.serve(
        "tests.ingestion.doors.hasty:load",
        interface=Interfaces.RSGI,
        host="127.0.0.1",
        port=int(os.environ["INGESTION_PORT"]),
        processes=1,
        threads=1,
        level="info",
    )
