"""Health of the service and of what it depends on."""

import structlog
from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from {{ cookiecutter.package_name }}.cache import RequestCache
from {{ cookiecutter.package_name }}.database import RequestSession
from {{ cookiecutter.package_name }}.schemas import HealthOut

router = APIRouter(tags=["health"])


@router.get("/health", responses={503: {"model": HealthOut}})
def health(session: RequestSession, cache: RequestCache, response: Response) -> HealthOut:
    """Say how database and Redis are. 503 without the database; without Redis the service works, only slower."""
    redis = cache.ping()
    try:
        session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        structlog.get_logger().error("database unavailable", error=type(error).__name__)
        response.status_code = 503
        return HealthOut(status="down", database="down", redis=redis)
    return HealthOut(status="degraded" if redis == "down" else "ok", database="ok", redis=redis)
