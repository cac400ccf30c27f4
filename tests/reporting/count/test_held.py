from reporting.count.held import Held


def test_what_was_used_last_is_kept() -> None:
    held: Held[str, int] = Held(30)
    for number, name in enumerate("abc"):
        held.keep(name, number, 10)
    assert held.find("a") == 0
    held.keep("d", 3, 10)
    assert [held.find(name) for name in "abcd"] == [0, None, 2, 3]
    assert held.bytes == 30


def test_what_is_kept_again_counts_once_and_what_does_not_fit_is_not_kept() -> None:
    held: Held[str, int] = Held(30)
    held.keep("a", 1, 20)
    held.keep("a", 2, 25)
    assert (held.find("a"), held.bytes) == (2, 25)
    held.keep("large", 3, 31)
    assert (held.find("large"), held.bytes) == (None, 0)
