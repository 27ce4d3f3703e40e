"""/v1/webhooks."""

import pytest
from sqlalchemy import select, update

from models.audit import AuditEntry
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.webhook_deliveries import WebhookDelivery
from models.webhooks import MAX_WEBHOOKS

URL = "https://example.com/hook"
HELLO = {"message": "Hello there"}
UNKNOWN = "hook_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


@pytest.fixture
def webhook(client):
    return created(client, url=URL)


def created(client, **body):
    response = client.post("/v1/webhooks", json=body)
    assert response.status_code == 201, response.text
    return response.json


def code(response):
    return response.status_code, response.json["code"]


def end(job):
    with unit_of_work() as session:
        assert cancel(session, job["id"])


def deliveries(client, webhook, **query):
    response = client.get(f"/v1/webhooks/{webhook['id']}/deliveries", query_string=query)
    assert response.status_code == 200, response.text
    return response.json["data"]


def test_a_webhook_is_created_for_every_event_and_its_secret_is_shown_once(client, webhook):
    response = client.get(f"/v1/webhooks/{webhook['id']}")
    assert response.json == {name: value for name, value in webhook.items() if name != "secret"}
    assert webhook["secret"].startswith("whsec_")
    assert webhook["secret"] not in client.get("/v1/webhooks").text
    assert webhook["enabled"]
    assert webhook["events"] == ["job.completed", "job.failed", "job.cancelled", "job.expired"]


def test_the_answer_with_a_secret_is_not_stored(client):
    response = client.post("/v1/webhooks", json={"url": URL})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Location"] == f"/v1/webhooks/{response.json['id']}"


def test_webhooks_are_listed_by_page_newest_first(client):
    ids = [created(client, url=URL)["id"] for _ in range(3)][::-1]
    first = client.get("/v1/webhooks?limit=2").json
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (ids[:2], True)
    second = client.get(f"/v1/webhooks?limit=2&after={first['last_id']}").json
    assert [each["id"] for each in second["data"]] == ids[2:]
    assert code(client.get(f"/v1/webhooks?after={UNKNOWN}")) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must be a URL that begins with https://"),
        ("https:///path", "must be a URL that begins with https://"),
        ("example.com", "must be a URL that begins with https://"),
        ("https://user:secret@example.com/", "must not contain credentials"),
        ("https://example.com:0/", "must have a port from 1 to 65535, or none"),
        ("https://example.com:70000/", "must be a URL"),
        ("https://example.com/#part", "must not have a fragment"),
        ("https://example.com/ x", "must consist of visible ASCII characters"),
        ("https://example.com/\r\nX: y", "must consist of visible ASCII characters"),
        ("https://exämple.com/", "must consist of visible ASCII characters"),
        ("https://localhost/", "must have a public address"),
        ("https://127.0.0.1/", "must have a public address"),
        ("https://2130706433/", "must have a public address"),
        ("https://169.254.169.254/latest/meta-data", "must have a public address"),
        ("https://[::ffff:10.0.0.1]/", "must have a public address"),
        (f"https://example.com/{'x' * 2048}", "must have at most 2048 characters"),
    ],
)
def test_a_url_that_is_not_allowed_is_refused_with_the_reason(client, url, why):
    webhook = client.post("/v1/webhooks", json={"url": url})
    job = client.post("/v1/jobs", json=HELLO | {"webhook_url": url})
    for response, field in ((webhook, "url"), (job, "webhook_url")):
        assert code(response) == (422, "invalid_request")
        [error] = response.json["errors"]
        assert (error["field"], error["message"]) == (field, why)
        assert "secret" not in response.text


@pytest.mark.parametrize("events", [[], ["job.done"], ["job.failed", "job.failed"], "job.failed"])
def test_a_wrong_filter_is_refused(client, events):
    response = client.post("/v1/webhooks", json={"url": URL, "events": events})
    assert code(response) == (422, "invalid_request")
    assert response.json["errors"][0]["field"].startswith("events")


def test_a_user_has_so_many_webhooks(client, stranger):
    for _ in range(MAX_WEBHOOKS):
        created(client, url=URL)
    assert code(client.post("/v1/webhooks", json={"url": URL})) == (409, "too_many_webhooks")
    created(stranger, url=URL)


def test_there_is_one_webhook_without_a_url(client, stranger):
    created(client)
    assert code(client.post("/v1/webhooks", json={})) == (409, "webhook_exists")
    created(stranger)


def test_a_webhook_is_changed(client, webhook):
    path = f"/v1/webhooks/{webhook['id']}"
    changed = client.patch(path, json={"url": f"{URL}/2", "events": ["job.failed"]}).json
    assert (changed["url"], changed["events"]) == (f"{URL}/2", ["job.failed"])
    disabled = client.patch(path, json={"enabled": False}).json
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "disabled")
    enabled = client.patch(path, json={"enabled": True}).json
    assert (enabled["enabled"], enabled["disabled_at"]) == (True, None)
    assert enabled == client.get(path).json
    assert code(client.patch(path, json={})) == (422, "invalid_request")
    assert code(client.patch(path, json={"url": None})) == (422, "invalid_request")
    without = created(client)
    given = client.patch(f"/v1/webhooks/{without['id']}", json={"url": URL})
    assert code(given) == (409, "webhook_without_url")


def test_a_rotated_secret_overlaps(client, webhook):
    path = f"/v1/webhooks/{webhook['id']}"
    rotated = client.post(f"{path}/rotate-secret", json={"overlap_s": 60})
    assert rotated.status_code == 200
    assert rotated.json["secret"] != webhook["secret"]
    assert rotated.json["previous_secret_until"] > rotated.json["created_at"]
    at_once = client.post(f"{path}/rotate-secret", json={"overlap_s": 0}).json
    assert at_once["previous_secret_until"] is None
    for wrong in (-1, 604_801, "60"):
        refused = client.post(f"{path}/rotate-secret", json={"overlap_s": wrong})
        assert refused.json["errors"][0]["field"] == "overlap_s"


def test_a_foreign_id_is_an_unknown_id(client, stranger, webhook):
    end(client.post("/v1/jobs", json=HELLO).json)
    [event] = deliveries(client, webhook)
    theirs = created(stranger, url=URL)
    for path in (f"/v1/webhooks/{webhook['id']}", f"/v1/webhooks/{UNKNOWN}"):
        calls = [
            stranger.get(path),
            stranger.patch(path, json={"enabled": False}),
            stranger.delete(path),
            stranger.post(f"{path}/rotate-secret", json={}),
            stranger.post(f"{path}/test"),
            stranger.get(f"{path}/deliveries"),
            stranger.get(f"{path}/deliveries/{event['id']}"),
            stranger.post(f"{path}/deliveries/{event['id']}/redeliver"),
        ]
        assert {code(call) for call in calls} == {(404, "not_found")}
    mixed = f"/v1/webhooks/{theirs['id']}/deliveries/{event['id']}/redeliver"
    assert code(stranger.post(mixed)) == (404, "not_found")
    assert client.get(f"/v1/webhooks/{webhook['id']}").json["enabled"]


def test_ends_of_jobs_are_in_the_log(client, webhook):
    jobs = [client.post("/v1/jobs", json=HELLO).json for _ in range(2)]
    for job in jobs:
        end(job)
    newest, oldest = deliveries(client, webhook)
    assert [newest["job_id"], oldest["job_id"]] == [job["id"] for job in jobs[::-1]]
    assert newest["data"]["status"] == "cancelled"
    assert (newest["status"], newest["attempts"]) == ("pending", [])
    assert deliveries(client, webhook, after=newest["id"]) == [oldest]
    assert deliveries(client, webhook, status="failed") == []
    assert len(deliveries(client, webhook, status="pending")) == 2
    assert HELLO["message"] not in str(newest)


def test_a_delivery_is_started_again(client, webhook):
    job = client.post("/v1/jobs", json=HELLO).json
    end(job)
    done = {"status": "failed", "next_attempt_at": None, "ended_at": WebhookDelivery.created_at}
    with unit_of_work() as session:
        of_job = update(WebhookDelivery).filter_by(job_id=job["id"])
        session.execute(of_job.values(**done, attempts=10))
    [event] = deliveries(client, webhook)
    path = f"/v1/webhooks/{webhook['id']}/deliveries/{event['id']}/redeliver"
    again = client.post(path)
    assert (again.status_code, again.json["id"]) == (202, event["id"])
    assert again.json["status"] == "pending"
    assert again.json["next_attempt_at"] is not None
    client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": False})
    assert code(client.post(path)) == (409, "webhook_disabled")


def test_a_test_is_sent_by_the_outbox(client, webhook):
    path = f"/v1/webhooks/{webhook['id']}/test"
    response = client.post(path)
    assert (response.status_code, response.json["type"]) == (202, "webhook.test")
    assert deliveries(client, webhook) == [response.json]
    assert client.get(response.headers["Location"]).json == response.json
    client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": False})
    assert code(client.post(path)) == (409, "webhook_disabled")
    without = created(client)
    assert code(client.post(f"/v1/webhooks/{without['id']}/test")) == (409, "webhook_without_url")


@pytest.mark.parametrize("call", ["/v1/jobs", "/v1/broadcasts"])
def test_a_job_may_name_a_url_once_a_webhook_signs_it(client, call):
    body = HELLO | {"webhook_url": URL}
    refused = client.post(call, json=body)
    assert code(refused) == (422, "invalid_request")
    assert refused.json["errors"][0]["field"] == "webhook_url"

    webhook = created(client)
    accepted = client.post(call, json=body)
    assert accepted.status_code == 202
    jobs = accepted.json.get("jobs", [accepted.json])
    for job in jobs:
        end(job)
    found = deliveries(client, webhook)
    assert {event["url"] for event in found} == {URL}
    assert {event["job_id"] for event in found} == {job["id"] for job in jobs}
    broadcast_id = None if call == "/v1/jobs" else accepted.json["id"]
    assert {event["data"]["broadcast_id"] for event in found} == {broadcast_id}


def test_a_retried_job_names_it_too(client):
    webhook = created(client)
    job = client.post("/v1/jobs", json=HELLO | {"webhook_url": URL}).json
    end(job)
    end(client.post(f"/v1/jobs/{job['id']}/retry").json)
    assert [event["url"] for event in deliveries(client, webhook)] == [URL, URL]


def test_a_deleted_webhook_is_gone_with_its_log(client, webhook):
    path = f"/v1/webhooks/{webhook['id']}"
    client.post(f"{path}/test")
    assert client.delete(path).status_code == 204
    assert code(client.get(path)) == (404, "not_found")
    assert code(client.delete(path)) == (404, "not_found")
    with unit_of_work() as session:
        left = select(WebhookDelivery).filter_by(webhook_id=webhook["id"])
        assert session.scalars(left).all() == []


def test_changes_are_audited_without_a_secret(client, webhook):
    path = f"/v1/webhooks/{webhook['id']}"
    client.patch(path, json={"enabled": False})
    rotated = client.post(f"{path}/rotate-secret", json={}).json
    client.delete(path)
    with unit_of_work() as session:
        about = select(AuditEntry).filter_by(subject=webhook["id"]).order_by(AuditEntry.id)
        entries = list(session.scalars(about))
    assert [entry.action for entry in entries] == [
        "webhook.created",
        "webhook.changed",
        "webhook.secret_rotated",
        "webhook.deleted",
    ]
    told = str([entry.details for entry in entries])
    assert webhook["secret"] not in told
    assert rotated["secret"] not in told
