"""Requests that the server refuses: the application answers them, with an id and a log line."""

from typing import Final

from flask import Flask, request

from app.http.problems import Problem, Refusal

REFUSAL: Final = "trimind.refusal"


def register_refusals(app: Flask) -> None:
    """Answer the requests that the server has refused, before authentication."""
    app.before_request(_refuse)


def _refuse() -> None:
    problem: Problem | None = request.environ.get(REFUSAL)
    if problem is not None:
        raise Refusal(problem)
