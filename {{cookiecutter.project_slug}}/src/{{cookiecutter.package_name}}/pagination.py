"""Keyset pagination: a page starts behind a row, not at an offset, so new rows don't shift it."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime


class InvalidCursorError(ValueError):
    """The text isn't a cursor that this service gave out."""


@dataclass(frozen=True)
class Cursor:
    """The position behind one row, in the order of (created_at, id)."""

    created_at: datetime
    id: int

    def encode(self) -> str:
        """Return the cursor as opaque text that is safe in a URL."""
        text = f"{self.created_at.astimezone(UTC).isoformat()}|{self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return the cursor that `encode` made `text` of. Raises InvalidCursorError for anything else."""
        try:
            padded = text + "=" * (-len(text) % 4)
            created_at, identifier = (
                base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("|")
            )
            cursor = cls(datetime.fromisoformat(created_at), int(identifier))
            encoded = cursor.encode()
        except (ValueError, OverflowError) as error:  # 0001-01-01T00:00+14:00 is a time, but not in UTC
            raise InvalidCursorError(text) from error
        # One row has one cursor: other spellings of it, naive times and huge numbers were not made here.
        if cursor.created_at.tzinfo is None or cursor.id >= 2**63 or encoded != text:
            raise InvalidCursorError(text)
        return cursor
