"""Every call as a value, for both clients: what is sent, and how its answer is read."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, Unpack, cast

from trimind.errors import TrimindClientError, UnexpectedAnswer
from trimind.objects import (
    Broadcast,
    Cancellation,
    Conversation,
    Job,
    Message,
    Mind,
    Page,
)
from trimind.options import (
    BroadcastFilters,
    BroadcastOptions,
    CancelFilters,
    ConversationChange,
    ConversationFilters,
    ConversationOptions,
    CreateOptions,
    JobFilters,
    MergeOptions,
    MessageFilters,
    SubmitOptions,
)
from trimind.replies import Reply

Result = TypeVar("Result")

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
JOBS: Final = "/v1/jobs"
BROADCASTS: Final = "/v1/broadcasts"
CONVERSATIONS: Final = "/v1/conversations"


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A request, and how its response is read.

    `wait_s`: how much longer than usual the response may take; `timeout_s` replaces what is usual.
    """

    method: str
    path: str
    read: Callable[[Reply], Result]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    timeout_s: float | None = None


def submit(message: str, **options: Unpack[SubmitOptions]) -> Call[Job]:
    """Submit a message."""
    return _create(JOBS, job_of, {"message": message, **options})


def read_job(job_id: str) -> Call[Job]:
    """Read a job."""
    return Call("GET", job_path(job_id), job_of)


def list_jobs(**filters: Unpack[JobFilters]) -> Call[Page[Job]]:
    """List jobs."""
    return _list(JOBS, filters)


def cancel(job_id: str) -> Call[Job]:
    """Cancel a job."""
    return Call("POST", f"{job_path(job_id)}/cancel", job_of)


def cancel_jobs(**filters: Unpack[CancelFilters]) -> Call[Cancellation]:
    """Cancel many jobs."""
    return Call("POST", f"{JOBS}/cancel", _cancellation, body={**filters})


def retry(job_id: str, **options: Unpack[CreateOptions]) -> Call[Job]:
    """Retry a job."""
    return _create(f"{job_path(job_id)}/retry", job_of, {**options})


def broadcast(message: str, **options: Unpack[BroadcastOptions]) -> Call[Broadcast]:
    """Send a message to several minds."""
    return _create(BROADCASTS, broadcast_of, {"message": message, **options})


def read_broadcast(broadcast_id: str) -> Call[Broadcast]:
    """Read a broadcast."""
    return Call("GET", broadcast_path(broadcast_id), broadcast_of)


def list_broadcasts(**filters: Unpack[BroadcastFilters]) -> Call[Page[Broadcast]]:
    """List broadcasts."""
    return _list(BROADCASTS, filters)


def cancel_broadcast(broadcast_id: str) -> Call[Broadcast]:
    """Cancel all jobs of a broadcast."""
    return Call("POST", f"{broadcast_path(broadcast_id)}/cancel", broadcast_of)


def merge(broadcast_id: str, **options: Unpack[MergeOptions]) -> Call[Job]:
    """Merge the answers of a broadcast."""
    return _create(f"{broadcast_path(broadcast_id)}/merge", job_of, {**options})


def choose(broadcast_id: str, job_id: str) -> Call[Broadcast]:
    """Keep one answer of a broadcast."""
    path, body = f"{broadcast_path(broadcast_id)}/choose", {"job_id": job_id}
    return Call("POST", path, broadcast_of, body=body)


def create_conversation(**options: Unpack[ConversationOptions]) -> Call[Conversation]:
    """Create a conversation."""
    return _create(CONVERSATIONS, _conversation, {**options})


def read_conversation(conversation_id: str) -> Call[Conversation]:
    """Read a conversation."""
    return Call("GET", conversation_path(conversation_id), _conversation)


def list_conversations(**filters: Unpack[ConversationFilters]) -> Call[Page[Conversation]]:
    """List or search conversations."""
    return _list(CONVERSATIONS, filters)


def change_conversation(
    conversation_id: str, **change: Unpack[ConversationChange]
) -> Call[Conversation]:
    """Change a conversation."""
    return Call("PATCH", conversation_path(conversation_id), _conversation, body={**change})


def delete_conversation(conversation_id: str) -> Call[None]:
    """Delete a conversation."""
    return Call("DELETE", conversation_path(conversation_id), lambda _: None)


def list_messages(conversation_id: str, **filters: Unpack[MessageFilters]) -> Call[Page[Message]]:
    """List the messages of a conversation."""
    return _list(f"{conversation_path(conversation_id)}/messages", filters)


def list_minds() -> Call[list[Mind]]:
    """List the minds."""
    return Call("GET", "/v1/minds", lambda reply: _page(reply.json()))


def job_path(job_id: str) -> str:
    """The path of a job."""
    return f"{JOBS}/{_checked(job_id)}"


def broadcast_path(broadcast_id: str) -> str:
    """The path of a broadcast."""
    return f"{BROADCASTS}/{_checked(broadcast_id)}"


def conversation_path(conversation_id: str) -> str:
    """The path of a conversation."""
    return f"{CONVERSATIONS}/{_checked(conversation_id)}"


def job_of(reply: Reply) -> Job:
    """The job in a response."""
    return cast(Job, _identified(reply))


def broadcast_of(reply: Reply) -> Broadcast:
    """The broadcast in a response."""
    return cast(Broadcast, _identified(reply))


def _cancellation(reply: Reply) -> Cancellation:
    return cast(Cancellation, reply.json())


def _conversation(reply: Reply) -> Conversation:
    return cast(Conversation, _identified(reply))


def _identified(reply: Reply) -> dict[str, Any]:
    found = reply.json()
    if not isinstance(found.get("id"), str):
        raise UnexpectedAnswer("The answer has no id: is this address Trimind's?")
    return found


def _page(found: Mapping[str, Any]) -> Page[Any]:
    if not isinstance(found.get("data"), list):
        raise UnexpectedAnswer("The answer is no list: is this address Trimind's?")
    has_more = bool(found.get("has_more"))
    return Page(found["data"], has_more=has_more, last_id=found.get("last_id"))


def _list(path: str, filters: Mapping[str, Any]) -> Call[Page[Any]]:
    query = {name: str(value) for name, value in filters.items() if value is not None}
    return Call("GET", path, lambda reply: _page(reply.json()), query=query)


def _create(path: str, read: Callable[[Reply], Result], options: Mapping[str, Any]) -> Call[Result]:
    """A call that creates something, once, however often it is sent."""
    body = {name: value for name, value in options.items() if value is not None}
    key = body.pop("idempotency_key", None) or uuid.uuid4().hex
    return Call("POST", path, read, body=body, headers={"Idempotency-Key": key})


def _checked(an_id: str) -> str:
    if not ID.fullmatch(an_id):
        raise TrimindClientError(f"{an_id[:80]!r} is no id.")
    return an_id
