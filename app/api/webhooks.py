"""/v1/webhooks: where to be notified of the ends of jobs, and what was sent."""

from datetime import timedelta

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.actor import actor
from app.auth.bearer import require_user
from app.http.db import db
from app.http.problems import invalid
from app.http.request_body import refuse_fields
from app.http.responses import json_response
from app.schemas.lists import PageQuery
from app.schemas.webhooks import (
    DeliveryBody,
    DeliveryPage,
    DeliveryPath,
    DeliveryQuery,
    NewWebhook,
    Rotation,
    SecretWebhookBody,
    WebhookBody,
    WebhookChange,
    WebhookPage,
    WebhookPath,
    delivery_body,
    secret_body,
    webhook_body,
)
from models import webhook_deletion, webhooks
from models import webhook_deliveries as outbox
from models.audit import record
from models.conflicts import WebhookDisabled, WebhookWithoutUrl
from models.errors import NotFound
from models.lifecycle.after_commit import after_commit
from models.webhook_deliveries import WebhookDelivery
from models.webhooks import Webhook

api = APIBlueprint(
    "webhooks",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/webhooks",
    abp_tags=[Tag(name="webhooks", description="Be notified of the ends of your jobs.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)


@api.post("", responses={201: SecretWebhookBody, **problems(409, 413, 415)})
def create_webhook(body: NewWebhook) -> Response:
    """Create a webhook.

    The response has its secret, which can't be read again: verify with it the signatures of what
    is sent (Standard Webhooks).
    """
    webhook = webhooks.create_webhook(db.session(), g.user_id, body.url, list(body.events))
    _record("webhook.created", webhook)
    db.session.commit()
    response = _with_secret(webhook, 201)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return response


@api.get("", responses={200: WebhookPage})
def read_webhooks(query: PageQuery) -> Response:
    """List webhooks.

    Returns your webhooks, newest first, without their secrets.
    """
    found = webhooks.list_webhooks(db.session(), g.user_id, **query.model_dump())
    return json_response(WebhookPage.of([webhook_body(each) for each in found], query.limit))


@api.get("/<id:webhook_id>", responses={200: WebhookBody, **problems(404)})
def read_webhook(path: WebhookPath) -> Response:
    """Retrieve a webhook.

    Returns it without its secret.
    """
    return json_response(webhook_body(_webhook(path)))


@api.patch("/<id:webhook_id>", responses={200: WebhookBody, **problems(404, 409, 413, 415)})
def change_webhook(path: WebhookPath, body: WebhookChange) -> Response:
    """Update a webhook.

    Changes its URL or its events, disables it, or enables it again.
    """
    webhook = _webhook(path, lock=True)
    changed = body.model_dump(exclude_unset=True)
    if "url" in changed:
        if webhook.url is None:
            raise WebhookWithoutUrl("A webhook without a URL can't be given one.")
        webhook.url = changed["url"]
    webhook.events = changed.get("events", webhook.events)
    if changed.get("enabled") is True:
        webhook.disabled_at = webhook.disabled_reason = None
    db.session.flush()
    if changed.get("enabled") is False:
        outbox.disable(db.session(), webhook.id, webhooks.DISABLED)
    _record("webhook.changed", webhook, fields=sorted(changed))
    db.session.commit()
    db.session.refresh(webhook)
    return json_response(webhook_body(webhook))


@api.delete("/<id:webhook_id>", responses={204: None, **problems(404)})
def delete_webhook(path: WebhookPath) -> Response:
    """Delete a webhook.

    Deletes its log, and what was not delivered yet.
    """
    webhook = _webhook(path)
    _record("webhook.deleted", webhook)
    webhook_deletion.delete_webhook(db.session(), g.user_id, webhook.id)
    db.session.commit()
    return Response(status=204)


@api.post(
    "/<id:webhook_id>/rotate-secret",
    responses={200: SecretWebhookBody, **problems(404, 413, 415)},
)
def rotate_secret(path: WebhookPath, body: Rotation) -> Response:
    """Rotate a webhook's secret.

    The response has the new secret, which can't be read again. Until `previous_secret_until`, what
    is sent has two signatures, so that it can be verified with either secret.
    """
    webhook = _webhook(path, lock=True)
    webhooks.rotate_secret(db.session(), webhook, timedelta(seconds=body.overlap_s))
    _record("webhook.secret_rotated", webhook, overlap_s=body.overlap_s)
    db.session.commit()
    return _with_secret(webhook)


@api.post("/<id:webhook_id>/test", responses={202: DeliveryBody, **problems(404, 409, 413, 415)})
def send_test(path: WebhookPath) -> Response:
    """Test a webhook.

    Sends it an event of the type `webhook.test`, whatever its `events`. Read its deliveries for
    what becomes of it.
    """
    refuse_fields()
    webhook = _enabled(path)
    if webhook.url is None:
        raise WebhookWithoutUrl("A webhook without a URL can't be tested.")
    return _dispatched(outbox.add_test_event(db.session(), webhook))


@api.get("/<id:webhook_id>/deliveries", responses={200: DeliveryPage, **problems(404)})
def read_deliveries(path: WebhookPath, query: DeliveryQuery) -> Response:
    """List a webhook's deliveries.

    Returns its events with their last attempts, newest first. An event that was delivered or has
    failed is kept for 7 days.
    """
    webhook = _webhook(path)
    found = outbox.list_deliveries(db.session(), webhook.id, **query.model_dump())
    return json_response(DeliveryPage.of([delivery_body(each) for each in found], query.limit))


@api.get(
    "/<id:webhook_id>/deliveries/<id:event_id>", responses={200: DeliveryBody, **problems(404)}
)
def read_delivery(path: DeliveryPath) -> Response:
    """Retrieve a delivery.

    Returns an event with its last attempts.
    """
    delivery = outbox.find_delivery(db.session(), _webhook(path).id, path.event_id)
    if delivery is None:
        raise NotFound("No such event.")
    return json_response(delivery_body(delivery))


@api.post(
    "/<id:webhook_id>/deliveries/<id:event_id>/redeliver",
    responses={202: DeliveryBody, **problems(404, 409, 413, 415)},
)
def redeliver(path: DeliveryPath) -> Response:
    """Redeliver an event.

    Sends it again with the same id, even if it was delivered before, and retries for 72 hours.
    """
    refuse_fields()
    webhook = _enabled(path)
    delivery = outbox.redeliver(db.session(), webhook.id, path.event_id)
    if delivery is None:
        raise NotFound("No such event.")
    return _dispatched(delivery)


def _webhook(path: WebhookPath, *, lock: bool = False) -> Webhook:
    webhook = webhooks.find_webhook(db.session(), g.user_id, path.webhook_id, lock=lock)
    if webhook is None:
        raise NotFound("No such webhook.")
    return webhook


def _enabled(path: WebhookPath) -> Webhook:
    webhook = _webhook(path)
    if webhook.disabled_at is not None:
        raise WebhookDisabled("The webhook is disabled.")
    return webhook


def _dispatched(delivery: WebhookDelivery) -> Response:
    """Commit a delivery, which is then sent, and show it."""
    location = f"/v1/webhooks/{delivery.webhook_id}/deliveries/{delivery.event_id}"
    shown = json_response(delivery_body(delivery), 202, Location=location)
    after_commit(db.session()).webhooks.append(delivery.webhook_id)
    db.session.commit()
    return shown


def _with_secret(webhook: Webhook, status: int = 200) -> Response:
    response = json_response(secret_body(webhook), status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _record(action: str, webhook: Webhook, **details: object) -> None:
    record(db.session(), action, webhook.id, by=actor(), user_id=g.user_id, **details)


def check_webhook_url(webhook_url: str | None) -> None:
    """Refuse the `webhook_url` of a job that no webhook of its user would sign."""
    if webhook_url is not None and not webhooks.signs_urls_of_jobs(db.session(), g.user_id):
        raise invalid(
            "webhook_url",
            "invalid",
            "needs a webhook without a `url`, whose secret signs: create it by POST /v1/webhooks",
        )
