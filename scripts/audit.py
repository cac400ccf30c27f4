"""Whether any pinned package has a known vulnerability: `make audit`, and the last of `make check`.

It never passes for want of an answer: what could not be asked is said, and is a failure, but with
`--if-online`, for machines that reach no such service. A finding always is.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# It has what runs as well.
LOCK = ROOT / "requirements-dev.lock"
TIMEOUT_SECONDS = 15
NONE_KNOWN, FOUND, NOT_ASKED = range(3)
# Findings that do not concern us, by their ids, and why not.
IGNORED: Mapping[str, str] = {}

# How pip-audit ends where the service was not reached, or did not answer as one does.
UNREACHED = re.compile(r"^\S*(?:requests\.exceptions\.|ServiceError|ERROR:\S*Could not).*", re.M)
# What it passes over although it was answered.
PASSED_OVER = re.compile("Unsupported OSV schema|is missing 'affected'")


class NotAskedError(Exception):
    """The service did not answer, and why."""


class BrokenError(Exception):
    """pip-audit itself failed, with what it said."""


def ask(lock: Path, url: str | None) -> list[dict[str, Any]]:
    """Each package with its `vulns`, as pip-audit tells it. Raises NotAskedError, BrokenError."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock)]
    command += ["--require-hashes", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_SECONDS)]
    command += ["--osv-url", url] if url else []
    command += [part for ignored in IGNORED for part in ("--ignore-vuln", ignored)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    try:
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        unreached = UNREACHED.findall(ended.stderr)
        if unreached:
            raise NotAskedError(unreached[-1]) from None
        raise BrokenError(ended.stderr) from None
    if PASSED_OVER.search(ended.stderr) or not packages:
        raise BrokenError(ended.stderr)
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped and not any(package.get("vulns") for package in packages):
        raise NotAskedError(f"nothing is known of {', '.join(skipped)}")
    return packages


def findings(packages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each."""
    for package in packages:
        for found in package.get("vulns", ()):
            names = ", ".join([found["id"], *found["aliases"]])
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            what = f"{package['name']} {package['version']}: {names}, mended in {mended}"
            yield f"audit: {what}: {found['description'][:200]}"


def audit(lock: Path, url: str | None, *, if_online: bool) -> int:
    """Say what is known; the exit status."""
    try:
        packages = ask(lock, url)
    except NotAskedError as error:
        print(f"audit: could not ask, so nothing is known of {lock.name}: {error}")
        return NONE_KNOWN if if_online else NOT_ASKED
    except BrokenError as error:
        print(f"audit: pip-audit failed:\n{error}")
        return FOUND
    for ignored, reason in IGNORED.items():
        print(f"audit: {ignored} is ignored: {reason}")
    found = list(findings(packages))
    told = found or [f"audit: asked, of {len(packages)} packages no vulnerability is known"]
    print("\n".join(told))
    return FOUND if found else NONE_KNOWN


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--if-online", action="store_true", help="do not fail where nobody answers")
    parser.add_argument("--lock", type=Path, default=LOCK, help="which file of pinned packages")
    parser.add_argument("--url", help="another service that speaks OSV's protocol")
    given = parser.parse_args()
    sys.exit(audit(given.lock, given.url, if_online=given.if_online))
