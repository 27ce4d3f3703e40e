"""The client."""

from collections.abc import Iterator
from typing import Unpack

from trimind import calls, options
from trimind.account_client import AccountClient
from trimind.following import Following, Waiting, ends_broadcast, ends_conversation, ends_job
from trimind.objects import Broadcast, Cancellation, Conversation, Event, Job, Message, Mind, Page


class Client(AccountClient):
    """A client of one installation, for one user. Close it, or use it in a `with` statement.

    A call is made again after a lost connection, a 429 or a 503, as `Retry-After` says. What it
    creates is created once: such a call has an idempotency key, a new one unless you give yours.

    Args:
        url: the installation's address, such as http://127.0.0.1:8000.
        key: an API key, `tm_…`.
        timeout_s: seconds for each connection, and between two pieces of an answer.
        retries: how often a failed call is made again.

    Raises:
        ApiError: the API refused a call.
        Unreachable: the address, or a proxy variable of the environment, is invalid; or nothing
            answers.
        UnexpectedAnswer: what answers is not Trimind.
    """

    def submit(self, message: str, **more: Unpack[options.SubmitOptions]) -> Job:
        """Submit a message; returns its job, which `wait` and `follow` await."""
        return self._send(calls.submit(message, **more))

    def job(self, job_id: str) -> Job:
        """The job's current state."""
        return self._send(calls.read_job(job_id))

    def jobs(self, **filters: Unpack[options.JobFilters]) -> Page[Job]:
        """A page of the jobs, newest first."""
        return self._send(calls.list_jobs(**filters))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """Wait for the end of a job, whatever it is; returns the job.

        Raises:
            TimedOut: it has not ended within `timeout_s` seconds. It goes on.
        """
        return self._wait(Waiting(calls.job_path(job_id), timeout_s, self._retries))

    def follow(self, job_id: str) -> Iterator[Event]:
        """The events of a job, from its first to its last, `job.completed` or another end with the
        `job`.

        A lost connection is opened again, and continues after the last event. `job.delta` has the
        next piece of `text`; on `job.restarted`, discard what you have; `job.snapshot` has all of
        it.
        """
        path = f"{calls.job_path(job_id)}/events"
        return self._follow(Following(path, ends_job, self._retries))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; returns it as it ended."""
        return self._send(calls.cancel(job_id))

    def cancel_jobs(self, **filters: Unpack[options.CancelFilters]) -> Cancellation:
        """Cancel all unfinished jobs that match, up to 1,000; call it again if it `has_more`."""
        return self._send(calls.cancel_jobs(**filters))

    def retry(self, job_id: str, **more: Unpack[options.CreateOptions]) -> Job:
        """Retry a job that ended without an answer; returns the new job."""
        return self._send(calls.retry(job_id, **more))

    def broadcast(self, message: str, **more: Unpack[options.BroadcastOptions]) -> Broadcast:
        """Send a message to several minds."""
        return self._send(calls.broadcast(message, **more))

    def read_broadcast(self, broadcast_id: str) -> Broadcast:
        """A broadcast's current state, with its jobs."""
        return self._send(calls.read_broadcast(broadcast_id))

    def broadcasts(self, **filters: Unpack[options.BroadcastFilters]) -> Page[Broadcast]:
        """A page of the broadcasts, newest first."""
        return self._send(calls.list_broadcasts(**filters))

    def wait_for_broadcast(self, broadcast_id: str, *, timeout_s: float | None = None) -> Broadcast:
        """Wait until all minds have ended. Raises TimedOut."""
        return self._wait(Waiting(calls.broadcast_path(broadcast_id), timeout_s, self._retries))

    def follow_broadcast(self, broadcast_id: str) -> Iterator[Event]:
        """The events of all jobs of a broadcast, each with its `job_id` and `mind`. The last one
        has the `broadcast`.
        """
        path = f"{calls.broadcast_path(broadcast_id)}/events"
        return self._follow(Following(path, ends_broadcast, self._retries))

    def cancel_broadcast(self, broadcast_id: str) -> Broadcast:
        """Cancel all jobs of a broadcast."""
        return self._send(calls.cancel_broadcast(broadcast_id))

    def merge(self, broadcast_id: str, **more: Unpack[options.MergeOptions]) -> Job:
        """Merge the answers of a broadcast into one; returns the job that does it."""
        return self._send(calls.merge(broadcast_id, **more))

    def choose(self, broadcast_id: str, job_id: str) -> Broadcast:
        """Keep one answer of a broadcast: every mind continues from it."""
        return self._send(calls.choose(broadcast_id, job_id))

    def create_conversation(self, **more: Unpack[options.ConversationOptions]) -> Conversation:
        """Create a conversation. A message that names none begins one by itself."""
        return self._send(calls.create_conversation(**more))

    def conversation(self, conversation_id: str) -> Conversation:
        """A conversation."""
        return self._send(calls.read_conversation(conversation_id))

    def conversations(self, **filters: Unpack[options.ConversationFilters]) -> Page[Conversation]:
        """A page of the conversations, newest first; with `q`, of those that contain a text."""
        return self._send(calls.list_conversations(**filters))

    def change_conversation(
        self, conversation_id: str, **change: Unpack[options.ConversationChange]
    ) -> Conversation:
        """Change a conversation's title, or what a message for a busy mind does."""
        return self._send(calls.change_conversation(conversation_id, **change))

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation: its jobs are cancelled, its texts are erased.

        If the response to a first attempt was lost, the second one raises `not_found`.
        """
        return self._send(calls.delete_conversation(conversation_id))

    def messages(
        self, conversation_id: str, **filters: Unpack[options.MessageFilters]
    ) -> Page[Message]:
        """A page of a conversation's messages."""
        return self._send(calls.list_messages(conversation_id, **filters))

    def follow_conversation(self, conversation_id: str) -> Iterator[Event]:
        """The events of all unfinished jobs of a conversation, each with its `job_id` and `mind`,
        until all have ended.
        """
        path = f"{calls.conversation_path(conversation_id)}/events"
        return self._follow(Following(path, ends_conversation, self._retries))

    def minds(self) -> list[Mind]:
        """The minds that answer here."""
        return self._send(calls.list_minds())
