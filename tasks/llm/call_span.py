"""The span of a call to a model, in the terms of OpenTelemetry's conventions for generative AI."""

import json

from structlog.contextvars import get_contextvars

from config.settings import get_settings
from models.spent import Spent
from tasks.llm.models import Target
from tasks.llm.reading import Messages
from tasks.tracing.recorder import begin_span
from tasks.tracing.spans import UNRECORDED, Attribute, Span, current_span


def call_span(target: Target, messages: Messages) -> Span:
    """Begin the span of a call, in that of the stage that makes it. It has no text without
    TRACE_TEXT."""
    stage = current_span()
    if not stage.records:
        return UNRECORDED
    attributes: dict[str, Attribute] = {
        "trimind.job_id": get_contextvars().get("job_id", ""),
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": target.provider,
        "gen_ai.request.model": target.name,
    }
    if get_settings().trace_text:
        said = [_message(each["role"], each["content"]) for each in messages]
        attributes["gen_ai.input.messages"] = json.dumps(said, ensure_ascii=False)
    return begin_span(f"chat {target.name}", "client", stage.traceparent, attributes)


def note_answer(span: Span, text: str, spent: Spent) -> None:
    """Add what a call gave and cost."""
    if not span.records:
        return
    attributes: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": spent.input_tokens,
        "gen_ai.usage.output_tokens": spent.output_tokens,
        "trimind.cost_usd": float(spent.cost_usd),
    }
    if get_settings().trace_text:
        said = [_message("assistant", text)]
        attributes["gen_ai.output.messages"] = json.dumps(said, ensure_ascii=False)
    span.set(attributes)


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
