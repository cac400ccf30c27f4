"""wrk, which makes the load: connections that ask one URL without pause, for so many seconds."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

FAILED = re.compile(r"^ *(?:Socket errors|Non-2xx).*$", re.MULTILINE)
TIMEOUT_SECONDS = 10
MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Measured:
    """One run of wrk: requests a second, their 99th percentile in ms, and how many there were."""

    rate: float
    p99_ms: float
    requests: int


def run_wrk(url: str, seconds: int, connections: int, body: str = "", key: str = "") -> Measured:
    """GET the URL, or POST a body of JSON, with a key where one is given. RuntimeError where an
    answer was not 2xx, or none."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["--timeout", f"{TIMEOUT_SECONDS}s"]
    with tempfile.TemporaryDirectory() as directory:
        if body:
            command += ["-s", str(write_script(Path(directory, "post.lua"), body, key))]
        done = subprocess.run([*command, url], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{url}: {(done.stderr or done.stdout).strip()}")
    if failed := FAILED.search(done.stdout):
        raise RuntimeError(f"{url}: {failed.group().strip()}")
    rate = found(r"Requests/sec:\s+([\d.]+)", done.stdout)
    requests = found(r"(\d+) requests in", done.stdout)
    if not requests:
        raise RuntimeError(f"{url}: no answer within {seconds} s")
    return Measured(rate, p99(done.stdout), int(requests))


def write_script(path: Path, body: str, key: str) -> Path:
    headers = 'wrk.headers["Content-Type"] = "application/json"'
    if key:
        headers += f'\nwrk.headers["Authorization"] = "Bearer {key}"'
    path.write_text(f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n{headers}\n')
    return path


def found(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"wrk said no {pattern}:\n{output}")
    return float(match.group(1))


def p99(output: str) -> float:
    match = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", output)
    if match is None:
        raise RuntimeError(f"wrk said no 99%:\n{output}")
    return float(match.group(1)) * MS[match.group(2)]
