"""Settings: from the environment first, then from Doppler where a token for it is set."""

from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from {{ cookiecutter.package_name }}.doppler import DopplerSource


class SettingsError(Exception):
    """The settings are incomplete or malformed; the message names each one without showing its value."""


class Settings(BaseSettings):
    """What the service needs to know about where it runs. Each field is read from the variable of its name."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: SecretStr
    """`postgresql+psycopg://user:password@host:port/name`; plain `postgresql://` works as well."""
    redis_url: SecretStr | None = None
    """Where summaries are kept. Without it they are made anew each time."""
    openai_api_key: SecretStr | None = None
    """Without it tickets can't be summarised."""
    openai_model: str = "gpt-5-mini"
    openai_timeout: float = Field(default=20.0, gt=0)
    """Seconds to wait for a summary before the provider counts as down."""
    openai_max_retries: int = Field(default=2, ge=0)
    summary_ttl: int = Field(default=3600, gt=0)
    """Seconds that a summary is kept."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        scheme, separator, _ = value.get_secret_value().partition("://")
        if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
            raise ValueError("it begins with postgresql://")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override Doppler; read no `.env`, which would follow the working directory."""
        return init_settings, env_settings, DopplerSource(settings_cls)


def load_settings() -> Settings:
    """Return the settings of this process.

    Raises SettingsError, naming every variable that is missing or malformed, and DopplerError.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        # "from None": pydantic's own message shows the values it was given.
        raise SettingsError(f"Set these in the environment or in Doppler: {problems}") from None
