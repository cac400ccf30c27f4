"""Paths of an installation's own, for its script and for posting, beside the usual ones.

Whatever has a route keeps it: such a path is refused before anything is served.
"""

import re

from shared.errors import BadSetting
from shared.settings import Settings

# Of the script, those that are to come as well.
VERSIONED = re.compile(r"/tracker\.v[0-9]+\.js")


def check_own_paths(settings: Settings) -> None:
    """Raises BadSetting for one that is a route already."""
    own = {"TRACKER_PATH": settings.tracker_path, "EVENT_PATH": settings.event_path}
    for name, path in own.items():
        if path and is_taken(path):
            raise BadSetting(
                f"{name}: {path} is a route of ingestion already; choose another path, or leave it "
                "empty"
            )


def is_taken(path: str) -> bool:
    # It takes Flask, which who only starts ingestion can do without.
    from ingestion.openapi import OPENAPI

    return path in OPENAPI["paths"] or VERSIONED.fullmatch(path) is not None
