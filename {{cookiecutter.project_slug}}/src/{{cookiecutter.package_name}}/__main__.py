"""Serve the application: `python -m {{ cookiecutter.package_name }}`."""

import sys

import uvicorn

from {{ cookiecutter.package_name }}.app import create_app
from {{ cookiecutter.package_name }}.doppler import DopplerError
from {{ cookiecutter.package_name }}.logs import configure_logging
from {{ cookiecutter.package_name }}.settings import SettingsError, load_settings


def main() -> None:
    """Serve until interrupted, with settings from the environment or Doppler."""
    try:
        settings = load_settings()
    except (SettingsError, DopplerError) as error:
        sys.exit(str(error))
    configure_logging(settings.log_level)
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False
    )


if __name__ == "__main__":
    main()
