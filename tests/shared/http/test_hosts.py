"""Under which names a service without a key is asked."""

import socket

import pytest

from shared.http.hosts import OwnNames


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("", True),
        ("localhost:8001", True),
        ("LOCALHOST", True),
        ("footfall.localhost:8001", True),
        ("127.0.0.1:8001", True),
        ("[::1]:8001", True),
        ("192.168.1.7", True),
        ("stats.internal:8001", True),
        ("stats.internal.", True),
        (f"{socket.gethostname()}:80", True),
        ("evil.example", False),
        ("evil.example:8001", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("notlocalhost", False),
        ("evil.example/127.0.0.1", False),
        ("evil.example@127.0.0.1", False),
        ("\\127.0.0.1", False),
        ("xn--", False),
        (" ", False),
    ],
)
def test_only_names_that_nobody_else_can_have_are_ours(host: str, is_ours: bool) -> None:
    assert OwnNames("Stats.internal").has(host) == is_ours
