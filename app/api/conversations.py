"""/v1/conversations: create, list, retrieve, update and delete them, and list their messages."""

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.searches import search_slot
from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.bearer import require_user
from app.http.db import db
from app.http.idempotency import Created, create_once
from app.http.responses import json_response
from app.schemas.conversations import (
    ConversationBody,
    ConversationChange,
    ConversationPage,
    ConversationQuery,
    MessagePage,
    MessageQuery,
    NewConversation,
    conversation_body,
    message_body,
)
from app.schemas.events import ConversationEventsHeaders, ConversationEventsQuery
from app.schemas.headers import CreateHeaders
from app.schemas.paths import ConversationPath
from app.streaming.conversation_stream import (
    CONVERSATION_STREAM,
    IS_IDLE,
    conversation_lines,
    position_in,
)
from app.streaming.sse import sse_response
from models.conversations import (
    Conversation,
    create_conversation,
    find_conversation,
    list_conversations,
    list_messages,
    lock_conversation,
)
from models.errors import NotFound
from models.jobs import jobs_of_messages
from models.searches import search_conversations
from tasks.jobs import commands

api = APIBlueprint(
    "conversations",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/conversations",
    abp_tags=[Tag(name="conversations", description="A user's threads of messages.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)


@api.post("", responses={201: ConversationBody, **problems(409, 413, 415)})
def begin_conversation(header: CreateHeaders, body: NewConversation) -> Response:
    """Create a conversation.

    Optional: a job that is submitted without a conversation starts a new one.
    """

    def create() -> Created:
        conversation = create_conversation(db.session(), g.user_id, **body.model_dump())
        location = f"/v1/conversations/{conversation.id}"
        shown = conversation_body(conversation)
        return Created.of(conversation.id, shown, 201, Location=location)

    return create_once(header.idempotency_key, create, Created.response)


@api.get("", responses={200: ConversationPage})
def read_conversations(query: ConversationQuery) -> Response:
    """List conversations.

    Returns your conversations, newest first, or those that contain a text.
    """
    page = query.model_dump(exclude={"q"})
    if query.q is None:
        found = list_conversations(db.session(), g.user_id, **page)
    else:
        with search_slot():
            found = search_conversations(db.session(), g.user_id, query.q, **page)
    bodies = [conversation_body(conversation) for conversation in found]
    return json_response(ConversationPage.of(bodies, query.limit))


@api.get("/<id:conversation_id>", responses={200: ConversationBody, **problems(404)})
def read_conversation(path: ConversationPath) -> Response:
    """Retrieve a conversation.

    Its messages are listed separately.
    """
    return json_response(conversation_body(_conversation(path)))


@api.patch("/<id:conversation_id>", responses={200: ConversationBody, **problems(404, 413, 415)})
def change_conversation(path: ConversationPath, body: ConversationChange) -> Response:
    """Update a conversation.

    Changes its title, or what to do with a message for a mind that is still answering.
    """
    conversation = _known(lock_conversation(db.session(), g.user_id, path.conversation_id))
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(conversation, name, value)
    db.session.commit()
    return json_response(conversation_body(conversation))


@api.delete("/<id:conversation_id>", responses={204: None, **problems(404)})
def delete_conversation(path: ConversationPath) -> Response:
    """Delete a conversation.

    Deletes its messages and cancels its unfinished jobs. The jobs can still be retrieved, without
    their texts.
    """
    commands.delete_conversation(db.session(), g.user_id, path.conversation_id)
    return Response(status=204)


@api.get(
    "/<id:conversation_id>/events",
    responses={200: CONVERSATION_STREAM, 204: IS_IDLE, **problems(404)},
)
def read_conversation_events(
    path: ConversationPath, header: ConversationEventsHeaders, query: ConversationEventsQuery
) -> Response:
    """Follow a conversation.

    Streams the events of all unfinished jobs as server-sent events until all have ended. After a
    lost connection, reconnect with the last `id` to resume without missing or repeating an event.
    """
    found = _conversation(path)
    position = position_in(db.session(), g.user_id, found.id, header, query)
    db.session.commit()  # a stream occupies no connection
    if not position.jobs:
        return Response(status=204)
    return sse_response(conversation_lines(g.user_id, found.id, position), position.jobs)


@api.get("/<id:conversation_id>/messages", responses={200: MessagePage, **problems(404)})
def read_messages(path: ConversationPath, query: MessageQuery) -> Response:
    """List a conversation's messages.

    Returns the user's messages and the answers of all minds, oldest first, or newest first.
    """
    found = list_messages(db.session(), _conversation(path), **query.model_dump())
    began = jobs_of_messages(db.session(), [message.id for message in found])
    bodies = [message_body(message, message.job_id or began.get(message.id)) for message in found]
    return json_response(MessagePage.of(bodies, query.limit))


def _conversation(path: ConversationPath) -> Conversation:
    return _known(find_conversation(db.session(), g.user_id, path.conversation_id))


def _known(conversation: Conversation | None) -> Conversation:
    if conversation is None:
        raise NotFound("No such conversation.")
    return conversation
