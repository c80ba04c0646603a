import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pytest_tiers import FakeSecrets

from {{ cookiecutter.package_name }}.doppler import DopplerError
from {{ cookiecutter.package_name }}.settings import Settings, SettingsError, load_settings

URL = "postgresql://ada:hunter2@db.invalid/desk"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name == "DOPPLER_TOKEN":
            monkeypatch.delenv(name)


def test_only_the_database_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)

    settings = load_settings()

    assert settings.database_url.get_secret_value() == URL
    assert (settings.redis_url, settings.openai_api_key) == (None, None)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_each_setting_is_read_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        "database_url": SecretStr(URL),
        "redis_url": SecretStr("redis://cache.invalid/1"),
        "openai_api_key": SecretStr("sk-1"),
        "openai_model": "gpt-x",
        "openai_timeout": 1.5,
        "openai_max_retries": 7,
        "summary_ttl": 90,
        "host": "0.0.0.0",  # noqa: S104 - nothing listens there
        "port": 0,
        "log_level": "DEBUG",
    }
    for field, value in expected.items():
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        monkeypatch.setenv(field.upper(), text)

    assert dict(load_settings()) == expected


def test_everything_missing_or_malformed_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")

    with pytest.raises(SettingsError) as error:
        load_settings()

    assert all(name in str(error.value) for name in ["DATABASE_URL", "PORT", "LOG_LEVEL"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://ann@localhost/desk"),
        ("DATABASE_URL", "desk"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("OPENAI_TIMEOUT", "0"),
        ("OPENAI_MAX_RETRIES", "-1"),
        ("SUMMARY_TTL", "0"),
        ("LOG_LEVEL", "info"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f": {name}: "):
        load_settings()


def test_an_error_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have put a secret into the wrong variable."""
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("PORT", "sk-oops")

    with pytest.raises(SettingsError) as error:
        load_settings()

    shown = "".join(traceback.format_exception(error.value))
    assert "PORT" in shown
    assert "sk-oops" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("show", [repr, str, Settings.model_dump, Settings.model_dump_json])
def test_secrets_are_not_printed(show: Callable[[Settings], object]) -> None:
    settings = Settings(database_url=URL, redis_url="redis://:hunter2@cache", openai_api_key="sk-hunter2")

    assert "hunter2" not in str(show(settings))


def test_settings_do_not_change() -> None:
    settings = Settings(database_url=URL)

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_no_env_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={URL}\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="DATABASE_URL"):
        load_settings()


def test_what_the_environment_lacks_comes_from_doppler(fake_secrets: FakeSecrets) -> None:
    fake_secrets.values = {"DATABASE_URL": URL, "PORT": "9000", "DOPPLER_PROJECT": "desk"}

    settings = load_settings()

    assert settings.database_url.get_secret_value() == URL
    assert settings.port == 9000


def test_the_environment_beats_doppler(fake_secrets: FakeSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_secrets.values = {"DATABASE_URL": URL, "PORT": "9000"}
    monkeypatch.setenv("PORT", "9001")

    assert load_settings().port == 9001


@pytest.mark.parametrize("token", [None, ""])
def test_doppler_is_not_asked_without_a_token(
    token: str | None, fake_secrets: FakeSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_secrets.values = {"DATABASE_URL": URL}
    if token is None:
        monkeypatch.delenv("DOPPLER_TOKEN")
    else:
        monkeypatch.setenv("DOPPLER_TOKEN", token)

    with pytest.raises(SettingsError, match="DATABASE_URL"):
        load_settings()

    assert fake_secrets.requests == []


def test_a_malformed_secret_is_named_and_not_shown(fake_secrets: FakeSecrets) -> None:
    fake_secrets.values = {"DATABASE_URL": URL, "PORT": "sk-oops"}

    with pytest.raises(SettingsError, match="PORT") as error:
        load_settings()

    assert "sk-oops" not in "".join(traceback.format_exception(error.value))


def test_an_expired_token_stops_the_start(fake_secrets: FakeSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    fake_secrets.expire_token()

    with pytest.raises(DopplerError, match="new service token"):
        load_settings()


@pytest.mark.parametrize("outage", [lambda secrets: secrets.fail(500), FakeSecrets.break_connection])
def test_doppler_being_down_stops_the_start_and_nothing_stands_in_for_a_secret(
    outage: Callable[[FakeSecrets], None], fake_secrets: FakeSecrets
) -> None:
    fake_secrets.values = {"DATABASE_URL": URL}
    outage(fake_secrets)

    with pytest.raises(DopplerError, match="check the network"):
        load_settings()


def test_a_secret_that_doppler_lacks_is_named(fake_secrets: FakeSecrets) -> None:
    fake_secrets.values = {"OPENAI_API_KEY": "sk-1"}

    with pytest.raises(SettingsError, match="DATABASE_URL"):
        load_settings()


def test_without_doppler_nothing_warns_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)

    load_settings()

    assert (caplog.records, recwarn.list) == ([], [])
