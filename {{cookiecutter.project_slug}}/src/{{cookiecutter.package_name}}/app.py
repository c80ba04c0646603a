"""The application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import metadata

from fastapi import FastAPI

from {{ cookiecutter.package_name }} import customers, health, problems, tickets
from {{ cookiecutter.package_name }}.ai import Summarizer
from {{ cookiecutter.package_name }}.cache import RedisServer
from {{ cookiecutter.package_name }}.database import Database
from {{ cookiecutter.package_name }}.logs import RequestLog
from {{ cookiecutter.package_name }}.settings import Settings


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.summarizer.close()
    app.state.redis.close()
    app.state.database.dispose()


def create_app(settings: Settings) -> FastAPI:
    """Return the application. It connects to nothing before the first request that needs it."""
    package = metadata("{{ cookiecutter.project_slug }}")
    app = FastAPI(
        title=package["Name"],
        summary=package["Summary"],
        version=package["Version"],
        lifespan=_lifespan,
        responses=problems.RESPONSES,
    )
    redis_url = settings.redis_url
    app.state.settings = settings
    app.state.database = Database(settings.database_url.get_secret_value())
    app.state.redis = RedisServer(redis_url.get_secret_value() if redis_url else None)
    app.state.summarizer = Summarizer(settings)
    app.include_router(customers.router)
    app.include_router(tickets.router)
    app.include_router(health.router)
    problems.install(app)
    app.add_middleware(RequestLog)
    return app
