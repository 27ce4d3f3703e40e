"""Calls for usage, keys and webhooks: what is sent, and sent again."""

from datetime import date
from typing import Any

import pytest

from trimind import TrimindClientError, Unreachable

from ...clients import Ask
from .conftest import Answer, Script, shown

KEY = "tm_secret"
WEBHOOK = {"id": "hook_1", "url": None, "secret": "whsec_"}


@pytest.mark.parametrize(
    ("which", "query"),
    [
        ({}, ""),
        (
            {"first_day": date(2026, 1, 1), "last_day": "2026-01-31", "group_by": ["day", "mind"]},
            "?from=2026-01-01&to=2026-01-31&group_by=day%2Cmind",
        ),
        ({"group_by": [], "first_day": None}, "?group_by="),
    ],
)
def test_days_and_groups_of_usage(
    ask: Ask, server: Script, which: dict[str, Any], query: str
) -> None:
    server.say(shown({"data": []}))
    assert ask(server.url, KEY, "usage", **which) == {"data": []}
    assert server.requests[0].line == f"GET /v1/usage{query}"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_webhook", []),
        ("rotate_webhook_secret", ["hook_1"]),
        ("send_test_event", ["hook_1"]),
        ("redeliver", ["hook_1", "evt_1"]),
    ],
)
def test_what_would_be_done_twice_is_not_made_again(
    ask: Ask, server: Script, method: str, arguments: list[str]
) -> None:
    server.say(Answer(None), shown(WEBHOOK, 201))
    with pytest.raises(Unreachable):
        ask(server.url, KEY, method, *arguments)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("method", "arguments"), [("create_key", []), ("rotate_key", ["key_1"])])
def test_a_key_is_made_once(ask: Ask, server: Script, method: str, arguments: list[str]) -> None:
    server.say(Answer(None), shown({"id": "key_2", "key": None}, 201))
    made = ask(server.url, KEY, method, *arguments, expires_in_s=60)
    assert made == {"id": "key_2", "key": None}
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert {request.body for request in server.requests} == {b'{"expires_in_s":60}'}


def test_what_is_no_id_is_not_sent(ask: Ask, server: Script) -> None:
    for method, arguments in (
        ("key", ["a/b"]),
        ("webhook", [".."]),
        ("delivery", ["hook_1", "a?b"]),
        ("redeliver", ["", "evt_1"]),
    ):
        with pytest.raises(TrimindClientError, match="is no id"):
            ask(server.url, KEY, method, *arguments)
    assert server.requests == []
