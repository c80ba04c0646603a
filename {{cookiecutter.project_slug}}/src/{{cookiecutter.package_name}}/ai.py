"""Summaries by OpenAI's models, through its SDK, which is not imported before the first one."""

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Request

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

    from {{ cookiecutter.package_name }}.settings import Settings

INSTRUCTIONS = "Summarise this support ticket in at most two sentences for the agent who takes it over."
DEFAULT_RETRY_AFTER = 30
"""Seconds after which a client may ask again, where the provider doesn't say."""


class AIUnavailableError(Exception):
    """No summary can be had now. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: int = DEFAULT_RETRY_AFTER) -> None:
        """Take what went wrong, in words that may be shown to the client."""
        super().__init__(reason)
        self.retry_after = retry_after


class Summarizer:
    """Summarises tickets."""

    def __init__(self, settings: "Settings", *, transport: "httpx2.BaseTransport | None" = None) -> None:
        """Take key, model and time-outs from `settings`; `transport` carries the requests, None is the network."""
        self.settings = settings
        self.transport = transport

    @cached_property
    def client(self) -> "OpenAI":
        """The SDK's client. Raises AIUnavailableError if there is no key."""
        if self.settings.openai_api_key is None:
            raise AIUnavailableError("No AI provider is configured: set OPENAI_API_KEY.")
        import httpx2
        from openai import OpenAI

        return OpenAI(
            api_key=self.settings.openai_api_key.get_secret_value(),
            timeout=self.settings.openai_timeout,
            max_retries=self.settings.openai_max_retries,
            http_client=httpx2.Client(transport=self.transport) if self.transport else None,
        )

    def summarize(self, subject: str, body: str) -> str:
        """Return a summary in a sentence or two.

        Raises AIUnavailableError if the provider is down, overloaded, refuses us or answers with nothing.
        """
        client = self.client
        import openai

        try:
            response = client.responses.create(
                model=self.settings.openai_model,
                instructions=INSTRUCTIONS,
                input=f"{subject}\n\n{body}",
            )
            summary = response.output_text.strip()
        # The SDK doesn't validate answers: one that is no JSON, or of another form, fails where it is read.
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            structlog.get_logger().warning("AI provider failed", error=type(error).__name__)
            raise AIUnavailableError("The AI provider can't be used now.", _retry_after(error)) from error
        if not summary:
            raise AIUnavailableError("The AI provider gave an empty answer.")
        return summary

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "client" in self.__dict__:
            self.client.close()


def _retry_after(error: Exception) -> int:
    """Return the seconds that the provider asks us to wait; HTTP also allows a date, which is not worth parsing."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    return int(value) if value.isascii() and value.isdigit() else DEFAULT_RETRY_AFTER


def get_summarizer(request: Request) -> Summarizer:
    """Give the request the AI client."""
    summarizer: Summarizer = request.app.state.summarizer
    return summarizer


RequestSummarizer = Annotated[Summarizer, Depends(get_summarizer)]
