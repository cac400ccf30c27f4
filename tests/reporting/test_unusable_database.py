"""What answers at the database's address is no database: that is told, and is no fault of ours."""

from dataclasses import replace

import pytest

from footfall.preflight import check_database
from reporting.app import create_app
from shared.errors import BadSetting
from shared.settings import Settings
from tests.played import SALT, saying

# Each made the driver raise an error that is none of its own, or none of a connection.
ANSWERS = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x00\x00\x00\x00",
    b"\x05\x00\x00\x00hello",
    b"\x20\x00\x00\x00\x0anonsense\x00" + SALT,
    b"\x04\x00\x00\x00\x0a\xff\xfe\x00",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_no_database_is_told(settings: Settings, answer: bytes) -> None:
    with saying(answer) as server:
        address = f"mysql://root:secret@127.0.0.1:{server.port}/d"
        unusable = replace(settings, database_url=address)
        app = create_app(unusable)
        client = app.test_client()
        for path in ("/stats?site_id=a", "/ready", "/pipeline/status"):
            answered = client.get(path)
            assert answered.status_code == 503, (path, answered.text)
            assert "Retry-After" in answered.headers
            assert "secret" not in answered.text
        app.close()
        with pytest.raises(BadSetting, match=r"^DATABASE_URL: cannot use mysql://root:\*\*\*@"):
            check_database(unusable, migrated=False)
