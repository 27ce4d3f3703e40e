"""Calls that the present state of a resource forbids (409); `models/errors.py` says how errors are
written."""

from models.errors import Conflict


class JobCompleted(Conflict):
    """The job can't be cancelled or retried: it, or another job for its message, is completed."""

    code = "job_completed"
    advice = "Read the completed job."


class JobInProgress(Conflict):
    """The job can't be retried: it, or another job for its message, has not ended."""

    code = "job_in_progress"
    advice = "Wait for it to end, or cancel it first."


class JobFailed(Conflict):
    """The job has failed, so it can't be cancelled.

    A worker raises it last, so that Flower shows the task as failed as well.
    """

    code = "job_failed"
    advice = "Read the job's `error`."


class JobExpired(Conflict):
    """The job can't be cancelled: it was not started by its deadline."""

    code = "job_expired"
    advice = "Submit the message again."


class NotDispatchable(Conflict):
    """The job is neither queued nor waiting."""

    code = "not_dispatchable"
    advice = "Nothing to do: it runs, waits for an earlier job, or has ended."


class ConversationGone(Conflict):
    """The job can't be retried: its conversation was deleted, and its message with it."""

    code = "conversation_gone"
    advice = "Submit the message again."


class ConversationBusy(Conflict):
    """The conversation's `on_busy` is `reject`, and a job for the same mind has not ended."""

    code = "conversation_busy"
    advice = "Wait for the job to end, or cancel it first."


class BroadcastEnded(Conflict):
    """The broadcast can't be cancelled: all of its jobs have ended."""

    code = "broadcast_ended"
    advice = "Read its `jobs`."


class BroadcastInProgress(Conflict):
    """The broadcast's answers can't be merged yet: a mind is still working."""

    code = "broadcast_in_progress"
    advice = "Merge once `status` is `completed` or `partial`."


class NothingToMerge(Conflict):
    """The broadcast ended without an answer."""

    code = "nothing_to_merge"
    advice = "Send the message again."


class MergeInProgress(Conflict):
    """The broadcast's answers are already being merged."""

    code = "merge_in_progress"
    advice = "Wait for its `merge` to end, or cancel it."


class KeyInactive(Conflict):
    """The API key can't be rotated: it is revoked or expired, or was rotated before."""

    code = "key_inactive"
    advice = "Create a key."


class TooManyKeys(Conflict):
    """The user has as many API keys as one may have."""

    code = "too_many_keys"
    advice = "Revoke one that is no longer used."


class TooManyWebhooks(Conflict):
    """The user already has 20 webhooks, which is the most."""

    code = "too_many_webhooks"
    advice = "Delete a webhook first, or change its `url`."


class WebhookExists(Conflict):
    """The user already has a webhook without a URL, of which there can be one."""

    code = "webhook_exists"
    advice = "Use it: rotate its secret if it is lost."


class WebhookDisabled(Conflict):
    """Nothing can be sent: the webhook is disabled."""

    code = "webhook_disabled"
    advice = "Enable it first: `PATCH` it with `enabled: true`."


class WebhookWithoutUrl(Conflict):
    """The webhook has no URL, neither to send a test to nor to change: it signs what is sent to the
    `webhook_url` of jobs."""

    code = "webhook_without_url"
    advice = "Submit a job with a `webhook_url`, or create a webhook with a URL."
