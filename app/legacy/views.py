"""The calls of the system that Trimind replaces, kept so that its clients continue to work."""

from flask import Response, g, jsonify
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import SERVICE_SECURITY, USER_SECURITY, listed, operation_id, problems
from app.auth.bearer import provision_user, require_service, require_user
from app.http.db import db
from app.http.idempotency import Created, create_once
from app.legacy.schemas import (
    Chat,
    ChatAccepted,
    ProcessJob,
    SessionMessage,
    SessionQuery,
    session_id_of,
    session_message,
)
from app.legacy.submission import accept_in_session, accept_once
from app.limits.requests import count_request
from app.schemas.headers import CreateHeaders
from models.conversations import find_session, latest_messages
from models.users import external_id_of

SHOWN_MESSAGES = 1000

tag = Tag(name="legacy", description="The calls of the system that Trimind replaces.")

api = APIBlueprint(
    "legacy",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/api",
    abp_tags=[tag],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)

service_api = APIBlueprint(
    "legacy_service",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/api/v1/jobs",
    abp_tags=[tag],
    abp_security=SERVICE_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
service_api.before_request(require_service)


@api.post("/chat", responses={202: ChatAccepted, **problems(402, 404, 409, 413, 415)})
def chat(header: CreateHeaders, body: Chat) -> Response:
    """Send a message to a session.

    The default mind answers. Retrieve the job, or the session's messages.
    """

    def create() -> Created:
        job = accept_in_session(db.session(), g.user_id, body.message, body.sessionId)
        session_id = body.sessionId or job.conversation_id
        accepted = ChatAccepted(jobId=job.id, messageId=job.message_id, sessionId=session_id)
        return Created.of(job.id, accepted, 202, Location=f"/v1/jobs/{job.id}")

    return create_once(header.idempotency_key, create, Created.response)


@api.get("/messages", responses={200: listed(SessionMessage)})
def session_messages(query: SessionQuery) -> Response:
    """List a session's messages.

    Returns the latest thousand messages, oldest first; none if the session is unknown.
    """
    conversation = find_session(db.session(), g.user_id, query.sessionId)
    if conversation is None:
        return jsonify([])
    user = external_id_of(db.session(), g.user_id)
    messages = latest_messages(db.session(), conversation, SHOWN_MESSAGES)
    shown = [session_message(message, session_id_of(conversation), user) for message in messages]
    return jsonify([message.model_dump() for message in shown])


@service_api.post(
    "/process-ai-job", responses={202: ChatAccepted, **problems(402, 404, 409, 413, 415)}
)
def process_ai_job(header: CreateHeaders, body: ProcessJob) -> Response:
    """Submit a message for a service's user.

    Repeating a user's `messageId` returns the job that it started.
    """
    g.user_id = provision_user(body.userId)
    count_request()

    def create() -> Created:
        job = accept_once(
            db.session(), g.user_id, body.message, body.sessionId, given_id=body.messageId
        )
        accepted = ChatAccepted(jobId=job.id, messageId=body.messageId, sessionId=body.sessionId)
        return Created.of(job.id, accepted, 202, Location=f"/v1/jobs/{job.id}")

    return create_once(header.idempotency_key, create, Created.response)
