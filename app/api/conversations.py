"""/v1/conversations: begin one, read it, list them and their messages."""

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.answers import answer
from app.auth import require_user
from app.db import db
from app.idempotency import Created, create_once
from app.openapi import USER_SECURITY, problems
from app.schemas.conversations import (
    ConversationBody,
    ConversationPage,
    MessagePage,
    NewConversation,
    conversation_body,
    message_body,
)
from app.schemas.headers import CreateHeaders
from app.schemas.lists import PageQuery
from app.schemas.paths import ConversationPath
from models.conversations import (
    Conversation,
    create_conversation,
    find_conversation,
    list_conversations,
    list_messages,
)
from models.errors import NotFound
from models.jobs import jobs_of_messages

api = APIBlueprint(
    "conversations",
    __name__,
    url_prefix="/v1/conversations",
    abp_tags=[Tag(name="conversations", description="One user's threads.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 503),
)
api.before_request(require_user)


@api.post("", responses={201: ConversationBody, **problems(409, 413, 415)})
def begin_conversation(header: CreateHeaders, body: NewConversation) -> Response:
    """Begin a conversation"""

    def create() -> Created:
        conversation = create_conversation(db.session(), g.user_id, title=body.title)
        location = f"/v1/conversations/{conversation.id}"
        return Created(answer(conversation_body(conversation), 201, Location=location))

    return create_once(header.idempotency_key, create)


@api.get("", responses={200: ConversationPage})
def read_conversations(query: PageQuery) -> Response:
    """List conversations, newest first"""
    found = list_conversations(db.session(), g.user_id, **query.model_dump())
    bodies = [conversation_body(conversation) for conversation in found]
    return answer(ConversationPage.of(bodies, query.limit))


@api.get("/<id:conversation_id>", responses={200: ConversationBody, **problems(404)})
def read_conversation(path: ConversationPath) -> Response:
    """Read a conversation"""
    return answer(conversation_body(_conversation(path)))


@api.get("/<id:conversation_id>/messages", responses={200: MessagePage, **problems(404)})
def read_messages(path: ConversationPath, query: PageQuery) -> Response:
    """List a conversation's messages, oldest first"""
    found = list_messages(db.session(), _conversation(path), **query.model_dump())
    began = jobs_of_messages(db.session(), [message.id for message in found])
    bodies = [message_body(message, message.job_id or began.get(message.id)) for message in found]
    return answer(MessagePage.of(bodies, query.limit))


def _conversation(path: ConversationPath) -> Conversation:
    conversation = find_conversation(db.session(), g.user_id, path.conversation_id)
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation
