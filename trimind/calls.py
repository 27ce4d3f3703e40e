"""The calls for jobs, broadcasts and conversations."""

from typing import Final, Unpack, cast

from trimind import options
from trimind.call import Call, creating, deleting, listing, page_of, path_to, reader
from trimind.objects import (
    Broadcast,
    Cancellation,
    Conversation,
    Job,
    Message,
    Mind,
    Page,
)
from trimind.replies import Reply

JOBS: Final = "/v1/jobs"
BROADCASTS: Final = "/v1/broadcasts"
CONVERSATIONS: Final = "/v1/conversations"


def submit(message: str, **more: Unpack[options.SubmitOptions]) -> Call[Job]:
    """Submit a message."""
    return creating(JOBS, Job, {"message": message, **more})


def read_job(job_id: str) -> Call[Job]:
    """Read a job."""
    return Call("GET", job_path(job_id), reader(Job))


def list_jobs(**filters: Unpack[options.JobFilters]) -> Call[Page[Job]]:
    """List jobs."""
    return listing(JOBS, filters)


def cancel(job_id: str) -> Call[Job]:
    """Cancel a job."""
    return Call("POST", f"{job_path(job_id)}/cancel", reader(Job))


def cancel_jobs(**filters: Unpack[options.CancelFilters]) -> Call[Cancellation]:
    """Cancel many jobs."""
    return Call("POST", f"{JOBS}/cancel", _cancellation, body={**filters})


def retry(job_id: str, **more: Unpack[options.CreateOptions]) -> Call[Job]:
    """Retry a job."""
    return creating(f"{job_path(job_id)}/retry", Job, more)


def broadcast(message: str, **more: Unpack[options.BroadcastOptions]) -> Call[Broadcast]:
    """Send a message to several minds."""
    return creating(BROADCASTS, Broadcast, {"message": message, **more})


def read_broadcast(broadcast_id: str) -> Call[Broadcast]:
    """Read a broadcast."""
    return Call("GET", broadcast_path(broadcast_id), reader(Broadcast))


def list_broadcasts(**filters: Unpack[options.BroadcastFilters]) -> Call[Page[Broadcast]]:
    """List broadcasts."""
    return listing(BROADCASTS, filters)


def cancel_broadcast(broadcast_id: str) -> Call[Broadcast]:
    """Cancel all jobs of a broadcast."""
    return Call("POST", f"{broadcast_path(broadcast_id)}/cancel", reader(Broadcast))


def merge(broadcast_id: str, **more: Unpack[options.MergeOptions]) -> Call[Job]:
    """Merge the answers of a broadcast."""
    return creating(f"{broadcast_path(broadcast_id)}/merge", Job, more)


def choose(broadcast_id: str, job_id: str) -> Call[Broadcast]:
    """Keep one answer of a broadcast."""
    path, body = f"{broadcast_path(broadcast_id)}/choose", {"job_id": job_id}
    return Call("POST", path, reader(Broadcast), body=body)


def create_conversation(**more: Unpack[options.ConversationOptions]) -> Call[Conversation]:
    """Create a conversation."""
    return creating(CONVERSATIONS, Conversation, more)


def read_conversation(conversation_id: str) -> Call[Conversation]:
    """Read a conversation."""
    return Call("GET", conversation_path(conversation_id), reader(Conversation))


def list_conversations(**filters: Unpack[options.ConversationFilters]) -> Call[Page[Conversation]]:
    """List or search conversations."""
    return listing(CONVERSATIONS, filters)


def change_conversation(
    conversation_id: str, **change: Unpack[options.ConversationChange]
) -> Call[Conversation]:
    """Change a conversation."""
    path = conversation_path(conversation_id)
    return Call("PATCH", path, reader(Conversation), body={**change})


def delete_conversation(conversation_id: str) -> Call[None]:
    """Delete a conversation."""
    return deleting(conversation_path(conversation_id))


def list_messages(
    conversation_id: str, **filters: Unpack[options.MessageFilters]
) -> Call[Page[Message]]:
    """List the messages of a conversation."""
    return listing(f"{conversation_path(conversation_id)}/messages", filters)


def list_minds() -> Call[list[Mind]]:
    """List the minds."""
    return Call("GET", "/v1/minds", page_of)


def job_path(job_id: str) -> str:
    """The path of a job."""
    return path_to(JOBS, job_id)


def broadcast_path(broadcast_id: str) -> str:
    """The path of a broadcast."""
    return path_to(BROADCASTS, broadcast_id)


def conversation_path(conversation_id: str) -> str:
    """The path of a conversation."""
    return path_to(CONVERSATIONS, conversation_id)


def _cancellation(reply: Reply) -> Cancellation:
    return cast(Cancellation, reply.json())
