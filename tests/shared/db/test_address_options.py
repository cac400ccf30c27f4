"""Options behind a database's address, as drivers of this world write them."""

import pytest

from shared.db.database import make_engine
from shared.errors import BadSetting
from shared.settings import Settings

ADDRESS = "mysql://user:secret@127.0.0.1:1/footfall"


@pytest.mark.parametrize(
    "option", ["ssl-mode=REQUIRED", "ssl_mode=VERIFY_IDENTITY", "ssl=true", "sslmode=require"]
)
def test_an_option_that_is_not_known_is_named_and_refused(option: str) -> None:
    name = option.partition("=")[0]
    with pytest.raises(BadSetting, match=f"^DATABASE_URL: .*'{name}'.*FORCE_SSL") as caught:
        make_engine(Settings(database_url=f"{ADDRESS}?{option}"))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["charset=utf8mb4", "ssl_check_hostname=false"])
def test_an_option_of_the_driver_is_accepted(option: str) -> None:
    make_engine(Settings(database_url=f"{ADDRESS}?{option}")).dispose()
