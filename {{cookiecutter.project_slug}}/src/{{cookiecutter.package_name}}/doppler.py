"""Secrets from Doppler, https://docs.doppler.com/reference/secrets-download."""

import os
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

if TYPE_CHECKING:
    import httpx2

DOWNLOAD_URL = "https://api.doppler.com/v3/configs/config/secrets/download"


class DopplerError(Exception):
    """Doppler refused or didn't answer; the message says what to check."""


def download(token: str, *, transport: "httpx2.BaseTransport | None" = None) -> dict[str, str]:
    """Return the secrets of the config that `token` (a service token) belongs to, by name.

    Raises DopplerError if the token isn't accepted or Doppler can't be reached within 10 s.
    """
    import httpx2

    try:
        with httpx2.Client(transport=transport, timeout=10) as client:
            response = client.get(
                DOWNLOAD_URL, params={"format": "json"}, headers={"Authorization": f"Bearer {token}"}
            )
            if response.status_code in (401, 403):
                raise DopplerError("Doppler refused DOPPLER_TOKEN: issue a new service token for this config")
            response.raise_for_status()
            secrets = TypeAdapter(dict[str, str]).validate_json(response.content)
    except (httpx2.HTTPError, ValueError) as error:
        raise DopplerError(
            f"Doppler gave no secrets ({type(error).__name__}): check the network,"
            " or unset DOPPLER_TOKEN and set the variables themselves"
        ) from None  # the error may show what was received
    return secrets


class DopplerSource(PydanticBaseSettingsSource):
    """A source for pydantic-settings: every secret whose name is that of a field, in capitals."""

    transport: ClassVar["httpx2.BaseTransport | None"] = None
    """What carries the request; None is the network."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return nothing for a single field: the secrets come all at once, in `__call__`."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by field; nothing where DOPPLER_TOKEN is not set."""
        token = os.environ.get("DOPPLER_TOKEN")
        if not token:
            return {}
        secrets = download(token, transport=self.transport)
        return {
            field: secrets[field.upper()]
            for field in self.settings_cls.model_fields
            if field.upper() in secrets
        }
