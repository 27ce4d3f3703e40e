"""What the server refuses is answered by the application: one shape, one id, one log line."""

from typing import Final

from flask import Flask, request

from app.http.problems import Problem, Refusal

REFUSAL: Final = "trimind.refusal"


def register_refusals(app: Flask) -> None:
    """Answer what the server has refused already, before anybody is asked who he is."""
    app.before_request(_refuse)


def _refuse() -> None:
    problem: Problem | None = request.environ.get(REFUSAL)
    if problem is not None:
        raise Refusal(problem)
