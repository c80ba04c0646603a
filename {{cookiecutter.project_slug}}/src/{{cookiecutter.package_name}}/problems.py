"""Errors as problem details, RFC 9457."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from {{ cookiecutter.package_name }}.logs import REQUEST_ID

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """What a request gets that can't be served."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


_CONTENT = {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is at fault.", "content": _CONTENT},
    "5XX": {"description": "The service, or what it depends on, is at fault.", "content": _CONTENT},
}
"""For the OpenAPI document."""


class Problem(Exception):  # noqa: N818 - the name is the standard's
    """Something that keeps a request from being served. Raise it anywhere below an endpoint."""

    def __init__(
        self, status: int, type_: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        """Take the HTTP status, a short name for the kind of problem, a sentence about this one,
        and further members of the answer.
        """
        super().__init__(detail)
        self.status = status
        self.type = type_
        self.detail = detail
        self.headers = headers
        self.extra = extra


def _response(
    request: Request,
    status: int,
    detail: str,
    *,
    type_: str | None = None,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    body = {
        # Without a kind of its own a problem is what its status says (RFC 9457, 4.2.1).
        "type": f"urn:problem:{type_}" if type_ else "about:blank",
        "title": HTTPStatus(status).phrase if type_ is None else type_.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": request.state.request_id,
    }
    return JSONResponse(body | extra, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's handlers are typed for any exception
    return _response(
        request, error.status, error.detail, type_=error.type, headers=error.headers, **error.extra
    )


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers) if error.headers else None
    return _response(request, error.status_code, error.detail, headers=headers)


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # Without "input" and "ctx": what was sent may be secret, and needn't be valid JSON.
    errors = [{"loc": item["loc"], "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    return _response(
        request,
        422,
        "The request is not valid; see errors.",
        type_="invalid-request",
        errors=jsonable_encoder(errors),
    )


def _crash(request: Request, error: Exception) -> JSONResponse:
    # Called outside of RequestLog, which would have given both the id.
    request_id = request.state.request_id
    structlog.get_logger().error("request crashed", request_id=request_id, exc_info=error)
    return _response(
        request,
        500,
        "Something went wrong; quote the request id when you report it.",
        headers={REQUEST_ID: request_id},
    )


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(Exception, _crash)
