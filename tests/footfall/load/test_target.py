"""Where a load may go to."""

import pytest

from footfall.load.errors import CannotLoad
from footfall.load.target import Target, target_from


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("http://127.0.0.1:8000", Target("127.0.0.1", 8000, ""), "127.0.0.1:8000"),
        ("http://localhost/", Target("localhost", 80, ""), "localhost:80"),
        ("http://[::1]:8000/behind/", Target("::1", 8000, "/behind"), "[::1]:8000"),
    ],
)
def test_this_machine_may_be_loaded(url: str, target: Target, authority: str) -> None:
    assert target_from("--url", url, may_be_remote=False) == target
    assert target.authority == authority


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "127.0.0.1.example.com", "0.0.0.0"])
def test_another_machine_needs_a_yes(host: str) -> None:
    with pytest.raises(CannotLoad, match=f"--url: {host} is another machine; --yes-remote"):
        target_from("--url", f"http://{host}:8000", may_be_remote=False)
    assert target_from("--url", f"http://{host}:8000", may_be_remote=True).host == host


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "https://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://user@127.0.0.1",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nX: y",
        "",
    ],
)
def test_what_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(CannotLoad, match="--url must be like"):
        target_from("--url", url, may_be_remote=True)
