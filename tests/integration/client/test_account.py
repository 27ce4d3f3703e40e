"""Usage, keys and webhooks by both clients, with the real server."""

import pytest

from trimind import ApiError

from ...chaos.stack import Stack
from ...clients import Ask

QUESTION = "Please consider the river and answer."
URL = "https://example.com/hook"


def refusal(ask: Ask, method: str, *arguments: str, **options: str) -> str:
    with pytest.raises(ApiError) as refused:
        ask(method, *arguments, **options)
    return refused.value.code


def test_usage_is_read_by_day_model_and_mind(ask: Ask) -> None:
    job = ask("wait", ask("submit", QUESTION, mind="two")["id"])
    report = ask("usage", group_by=["day", "mind"])
    [row] = [row for row in report["data"] if row["mind"] == "two"]
    assert row["day"] == job["completed_at"][:10]
    assert row["jobs"] >= 1
    assert report["total"]["jobs"] >= row["jobs"]
    assert report["budget"] is None
    day = row["day"]
    assert ask("usage", first_day=day, last_day=day)["group_by"] == ["day"]


def test_a_key_is_created_used_rotated_and_revoked(ask: Ask, stack: Stack) -> None:
    made = ask("create_key", name="reader", scopes=["jobs:read"], expires_in_s=3600)
    shown = ask("key", made["id"])
    assert shown == {name: it for name, it in made.items() if name != "key"}
    assert ask("keys", limit=1) == [shown]
    assert ask("jobs", limit=1, key=made["key"]) is not None
    assert refusal(ask, "submit", QUESTION, key=made["key"]) == "insufficient_scope"
    again = ask("rotate_key", made["id"], overlap_s=60)
    assert ask("key", made["id"])["replaced_by"] == again["id"]
    for each in (made, again):
        ask("revoke_key", each["id"])
        assert ask("key", each["id"])["revoked_at"] is not None
    assert refusal(ask, "jobs", key=again["key"]) == "unauthorized"


def test_a_webhook_is_created_changed_rotated_and_deleted(ask: Ask) -> None:
    made = ask("create_webhook", url=URL, events=["job.failed"])
    shown = ask("webhook", made["id"])
    assert shown == {name: it for name, it in made.items() if name != "secret"}
    assert shown in ask("webhooks")
    changed = ask("change_webhook", made["id"], events=["job.completed"], enabled=False)
    assert (changed["events"], changed["enabled"]) == (["job.completed"], False)
    rotated = ask("rotate_webhook_secret", made["id"], overlap_s=60)
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] is not None
    assert refusal(ask, "send_test_event", made["id"]) == "webhook_disabled"
    ask("delete_webhook", made["id"])
    assert refusal(ask, "webhook", made["id"]) == "not_found"


def test_what_was_sent_is_listed_and_sent_again(ask: Ask) -> None:
    webhook = ask("create_webhook", url="https://no-such-host.invalid/")["id"]
    event = ask("send_test_event", webhook)
    assert ask("deliveries", webhook, limit=1)[0]["id"] == event["id"]
    assert ask("deliveries", webhook, status="delivered") == []
    assert ask("delivery", webhook, event["id"])["type"] == "webhook.test"
    assert ask("redeliver", webhook, event["id"])["status"] == "pending"
    ask("delete_webhook", webhook)
