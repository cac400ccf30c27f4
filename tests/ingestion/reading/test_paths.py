import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.reading.paths import campaign_from, path_from
from shared.errors import InvalidInput
from shared.fields import MAX_NAME, MAX_TEXT

PATHS = [
    ("/pricing", "/pricing"),
    ("/pricing?plan=pro#faq", "/pricing"),
    ("/pricing#faq?plan=pro", "/pricing"),
    ("/", "/"),
    ("?utm_source=x", "/"),
    ("#top", "/"),
    ("pricing", "pricing"),
    ("https://example.com/blog/post-1?x=1#y", "/blog/post-1"),
    ("HTTP://EXAMPLE.COM/Blog", "/Blog"),
    ("https://example.com", "/"),
    ("https://example.com/", "/"),
    ("https://example.com?next=/a/b", "/"),
    ("https://example.com#/a/b", "/"),
    ("https://example.com/a?next=https://other.example/b", "/a"),
    ("https://user:pass@example.com:8443//double//slash/", "//double//slash/"),
    ("https://", "/"),
    ("ftp://example.com/file", "ftp://example.com/file"),
    ("/redirect/https://example.com/x", "/redirect/https://example.com/x"),
    ("/caf%C3%A9", "/caf%C3%A9"),
    ("/café/日本", "/café/日本"),
]


@pytest.mark.parametrize(("page", "path"), PATHS)
def test_a_page_is_reduced_to_its_path_as_written(page: str, path: str) -> None:
    assert path_from(page) == path


def test_an_empty_page_is_no_path() -> None:
    assert path_from("") is None


def test_the_bound_counts_the_path_without_host_and_query() -> None:
    longest = "/" + "é" * (MAX_TEXT - 1)
    assert path_from(f"https://example.com{longest}?{'q' * 500}#{'f' * 500}") == longest
    with pytest.raises(InvalidInput) as caught:
        path_from(longest + "x")
    assert (caught.value.code, caught.value.field) == ("too_long", "path")


CAMPAIGNS = [
    ("/?utm_source=news&utm_medium=mail", {"utm_source": "news", "utm_medium": "mail"}),
    ("/?utm_source=a%20b+c%C3%A9", {"utm_source": "a b cé"}),
    ("/?x=1&utm_term=shoes#f", {"utm_term": "shoes"}),
    ("/?utm_source=&utm_medium", {}),
    ("/#utm_source=a", {}),
    ("/#f?utm_source=a", {}),
    ("/utm_source=a", {}),
    ("/?xutm_source=a", {}),
    ("/?utm_source=%FF", {"utm_source": "\N{REPLACEMENT CHARACTER}"}),
    ("/?utm_source=a%00b&utm_%00=c&utm_medium=d", {"utm_medium": "d"}),
    (f"/?utm_{'x' * MAX_NAME}=1", {}),
    (f"/?utm_source={'x' * 300}", {"utm_source": "x" * MAX_NAME}),
]


@pytest.mark.parametrize(("page", "campaign"), CAMPAIGNS)
def test_the_campaign_is_read_from_the_query_string(page: str, campaign: dict[str, str]) -> None:
    assert campaign_from(page) == campaign


@given(st.text() | st.text().map("https://".__add__) | st.text().map("/?utm_source=".__add__))
def test_any_text_is_a_path_without_query(page: str) -> None:
    path = path_from(page)
    assert (path is None) == (page == "")
    assert path is None or not set(path) & set("?#")
    for name, value in campaign_from(page).items():
        assert name.startswith("utm_")
        assert "\0" not in name + value
