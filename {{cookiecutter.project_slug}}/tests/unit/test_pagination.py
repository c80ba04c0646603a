import base64
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from {{ cookiecutter.package_name }}.pagination import Cursor, InvalidCursorError

NOON = "2026-01-02T12:00:00+00:00"


def spelled(text: str | bytes) -> str:
    """Return what a cursor looks like whose content is `text`."""
    content = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize(
    "created_at",
    [
        pytest.param(datetime(2026, 1, 2, 12, tzinfo=UTC), id="whole second"),
        pytest.param(datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=UTC), id="microsecond"),
        pytest.param(datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=-9))), id="other time zone"),
        pytest.param(datetime.max.replace(tzinfo=UTC), id="latest"),
        pytest.param(datetime.min.replace(tzinfo=UTC), id="earliest"),
    ],
)
def test_a_cursor_survives_the_way_to_the_client_and_back(created_at: datetime) -> None:
    cursor = Cursor(created_at, 42)

    assert Cursor.decode(cursor.encode()) == cursor


def test_a_cursor_needs_no_quoting_in_a_url() -> None:
    encoded = {Cursor(datetime(2026, 1, 2, tzinfo=UTC), number).encode() for number in range(100)}

    assert len(encoded) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", text) for text in encoded)


def test_spelled_gives_genuine_cursors() -> None:
    """Otherwise the refusals below would prove nothing."""
    assert Cursor.decode(spelled(f"{NOON}|1")) == Cursor(datetime.fromisoformat(NOON), 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("next", id="not base64 of text"),
        pytest.param("%%%%", id="not base64"),
        pytest.param("ä", id="not ASCII"),
        pytest.param(spelled(b"\xff\xfe|1"), id="not UTF-8"),
        pytest.param(spelled(NOON), id="no id"),
        pytest.param(spelled(f"{NOON}|1|2"), id="two ids"),
        pytest.param(spelled("yesterday|1"), id="not a time"),
        pytest.param(spelled("2026-01-02T12:00:00|1"), id="time without a zone"),
        pytest.param(spelled("2026-01-02T13:00:00+01:00|1"), id="time not in UTC"),
        pytest.param(spelled("2026-01-02T12:00:00Z|1"), id="other spelling of the time"),
        pytest.param(spelled("0001-01-01T00:00:00+14:00|1"), id="time before the year 1 in UTC"),
        pytest.param(spelled(f"{NOON}|one"), id="id not a number"),
        pytest.param(spelled(f"{NOON}|+1"), id="id with a sign"),
        pytest.param(spelled(f"{NOON}|01"), id="id with a leading zero"),
        pytest.param(spelled(f"{NOON}|\u0661"), id="id in other digits"),
        pytest.param(spelled(f"{NOON}|{2**63}"), id="id too large for a database"),
        pytest.param(spelled(f"{NOON}|{'9' * 5000}"), id="id too large for Python"),
        pytest.param(spelled(f"{NOON}|1") + "=", id="padded"),
        pytest.param(spelled(f"{NOON}|1") + "\n", id="with a newline"),
        pytest.param(spelled(f"{NOON}|12")[:-1] + "J", id="other spelling of the last byte"),
    ],
)
def test_what_the_service_did_not_give_out_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.decode(text)
