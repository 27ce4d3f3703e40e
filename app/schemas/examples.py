"""Example bodies: one job and everything derived from it, consistent across calls."""

from typing import Any, Final

ULID: Final = "01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
QUESTION: Final = "What is the capital of France?"
BEGAN: Final = "2026-01-31T09:30:00.125Z"
ENDED: Final = "2026-01-31T09:30:02.375Z"
MODEL: Final = "openai/gpt-5.4-mini"
USAGE: Final[dict[str, Any]] = {
    "input_tokens": 61,
    "output_tokens": 7,
    "tokens_saved": 0,
    "cost_usd": "0.000123",
    "paid_duplicates": 0,
}
JOB: Final[dict[str, Any]] = {
    "id": f"job_{ULID}",
    "object": "job",
    "status": "completed",
    "mind": "sage",
    "conversation_id": f"conv_{ULID}",
    "message_id": f"msg_{ULID}",
    "broadcast_id": None,
    "priority": "interactive",
    "created_at": BEGAN,
    "started_at": "2026-01-31T09:30:00.250Z",
    "completed_at": ENDED,
    "expires_at": "2026-01-31T10:30:00.125Z",
    "stages": [
        {"name": "intent", "status": "completed", "ms": 3, "intent": "question"},
        {"name": "compress", "status": "skipped", "ms": 0, "reason": "short"},
        {"name": "generate", "status": "completed", "ms": 2093},
        {"name": "persist", "status": "completed", "ms": 5},
    ],
    "route": {"model": MODEL, "reason": "intent:question", "fallbacks": []},
    "output": "The capital of France is Paris.",
    "finish_reason": "stop",
    "error": None,
    "usage": USAGE,
    "metadata": {},
}
BROADCAST: Final[dict[str, Any]] = {
    "id": f"bcast_{ULID}",
    "object": "broadcast",
    "status": "completed",
    "message_id": f"msg_{ULID}",
    "conversation_id": f"conv_{ULID}",
    "created_at": BEGAN,
    "jobs": [JOB | {"broadcast_id": f"bcast_{ULID}"}],
    "merge": None,
    "kept_job_id": None,
    "usage": USAGE,
    "metadata": {},
}
CONVERSATION: Final[dict[str, Any]] = {
    "id": f"conv_{ULID}",
    "object": "conversation",
    "title": "Capitals",
    "on_busy": "enqueue",
    "created_at": BEGAN,
    "updated_at": ENDED,
}
MESSAGE: Final[dict[str, Any]] = {
    "id": f"msg_{ULID}",
    "object": "message",
    "conversation_id": f"conv_{ULID}",
    "job_id": f"job_{ULID}",
    "role": "user",
    "mind": None,
    "content": QUESTION,
    "created_at": BEGAN,
}
RESPONSE: Final[dict[str, Any]] = {
    "id": f"resp_{ULID}",
    "object": "response",
    "created_at": 1769851800,
    "completed_at": 1769851802,
    "status": "completed",
    "background": False,
    "model": MODEL,
    "conversation": {"id": f"conv_{ULID}"},
    "previous_response_id": None,
    "instructions": None,
    "output": [
        {
            "id": f"msg_{ULID}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": JOB["output"], "annotations": []}],
        }
    ],
    "error": None,
    "incomplete_details": None,
    "output_text": JOB["output"],
    "usage": {"input_tokens": 61, "output_tokens": 7, "total_tokens": 68},
    "metadata": {},
    "temperature": 0.7,
    "max_output_tokens": None,
}
EVENT: Final = f"""\
event: response.output_text.delta
data: {{"type":"response.output_text.delta","sequence_number":12,"item_id":"msg_{ULID}",\
"output_index":0,"content_index":0,"delta":"Paris","logprobs":[]}}

"""
SESSION_MESSAGE: Final[dict[str, Any]] = {
    "id": f"msg_{ULID}",
    "sessionId": "s-7",
    "userId": "user_2abc",
    "role": "user",
    "content": QUESTION,
    "createdAt": BEGAN,
}


def page_of(item: dict[str, Any]) -> dict[str, Any]:
    """Return a page with one item."""
    ends = {"first_id": item["id"], "last_id": item["id"]}
    return {"object": "list", "data": [item], **ends, "has_more": False}


OPERATOR_JOB: Final[dict[str, Any]] = {
    **JOB,
    "output": None,
    "user": "ada",
    "slot": None,
    "stage": "persist",
    "epoch": 1,
    "attempts": 0,
    "starts": 3,
    "crash_count": 0,
    "lease_until": None,
    "next_attempt_at": None,
    "request_id": f"req_{ULID}",
    "task_ids": {"intent": f"job_{ULID}.1.intent"},
    "history": [{"number": 1, "type": "job.queued"}],
}
BOARD: Final[dict[str, Any]] = {
    "object": "board",
    "at": ENDED,
    "hour": [
        {"at": "2026-01-31T09:30:00.000Z", "completed": 12, "failed": 0, "cost_usd": "0.0015"}
    ],
    "day": [{"at": "2026-01-31T09:30:00.000Z", "completed": 12, "failed": 0, "cost_usd": "0.0015"}],
    "queues": [{"queue": "llm", "slot": "queued", "stage": "intent", "jobs": 3, "oldest_s": 0.4}],
    "lanes": [{"queue": "llm", "lane": "first", "jobs": 3, "oldest_s": 0.4}],
    "stages": [{"stage": "generate", "jobs": 500, "p50_ms": 2093, "p95_ms": 5120}],
    "failures": {"provider_unavailable": 1},
    "breakers": [
        {
            "name": "openai",
            "state": "closed",
            "failures": 1,
            "probe_at": None,
            "blocked_users": 0,
        }
    ],
    "workers": [{"name": "llm@host", "seen_s": 1.2}],
    "redis": True,
    "today": {
        "jobs": 12,
        "cost_usd": "0.001500",
        "input_tokens": 732,
        "output_tokens": 84,
        "tokens_saved": 0,
    },
    "flower_url": "http://127.0.0.1:5555",
}
