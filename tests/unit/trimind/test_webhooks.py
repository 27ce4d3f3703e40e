"""Webhooks are verified as Standard Webhooks says: by the reference library's own signatures."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from trimind import InvalidWebhook, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = {"type": "job.completed", "data": {"id": "job_1", "output": "Grüße \u2028 💡"}}
BODY = json.dumps(EVENT, ensure_ascii=False)


def headers(
    body: str = BODY, secret: str = SECRET, age: timedelta = timedelta(), message_id: str = "msg_1"
) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(message_id, at, body),
    }


@pytest.mark.parametrize("body", [BODY, BODY.encode()])
@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_")])
def test_what_the_reference_signs_is_valid(body: str | bytes, secret: str) -> None:
    assert verify_webhook(body, headers(), secret) == EVENT


def test_one_of_several_signatures_is_enough() -> None:
    ours, old = headers(), headers(secret=OTHER)["Webhook-Signature"]
    ours["Webhook-Signature"] = f"v1a,x {old} {ours['Webhook-Signature']}"
    assert verify_webhook(BODY, ours, SECRET) == EVENT
    assert verify_webhook(BODY, ours, OTHER) == EVENT


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_may_differ_by_minutes(minutes: int) -> None:
    assert verify_webhook(BODY, headers(age=timedelta(minutes=minutes)), SECRET) == EVENT


@pytest.mark.parametrize("minutes", [-60, -6, 6, 60])
def test_what_is_too_old_or_too_new_is_refused(minutes: int) -> None:
    with pytest.raises(InvalidWebhook, match="too old or too new"):
        verify_webhook(BODY, headers(age=timedelta(minutes=minutes)), SECRET)


@pytest.mark.parametrize(
    "changed",
    [
        {"Webhook-Id": "msg_2"},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1"},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1,\u00e4\udc80"},
        {"Webhook-Signature": headers(secret=OTHER)["Webhook-Signature"]},
        {"Webhook-Signature": headers(body="{}")["Webhook-Signature"]},
        {"Webhook-Signature": headers()["Webhook-Signature"].replace("v1,", "v2,")},
    ],
)
def test_what_is_signed_otherwise_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(InvalidWebhook, match="No signature"):
        verify_webhook(BODY, headers() | changed, SECRET)


def test_another_body_is_refused() -> None:
    with pytest.raises(InvalidWebhook, match="No signature"):
        verify_webhook(BODY + " ", headers(), SECRET)


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "9" * 13, "\u0661"])
def test_a_malformed_time_is_refused(timestamp: str) -> None:
    with pytest.raises(InvalidWebhook, match="webhook-timestamp"):
        verify_webhook(BODY, headers() | {"Webhook-Timestamp": timestamp}, SECRET)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_missing_header_is_named(name: str) -> None:
    given = headers()
    del given[name]
    with pytest.raises(InvalidWebhook, match=f"{name.lower()} is missing"):
        verify_webhook(BODY, given, SECRET)


def test_a_signed_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidWebhook, match="no JSON object"):
        verify_webhook("[]", headers(body="[]"), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_ä", "whsec_a"])
def test_a_malformed_secret_is_a_mistake_of_the_caller(secret: str) -> None:
    with pytest.raises(ValueError, match="secret is malformed"):
        verify_webhook(BODY, headers(), secret)
