"""Gemini's `generateContent`, streamed or not."""

from typing import Any

from tasks.llm.pieces import DECLINED, Piece, check, fields, items, number, reason, text_of


def read(said: dict[str, Any]) -> Piece:
    """Parse a response or a part of a stream. Raises ErrorEvent."""
    declined = check(said)
    if declined is not None:
        return declined
    candidates = [each for each in items(said.get("candidates")) if isinstance(each, dict)]
    candidate = candidates[0] if candidates else {}
    parts = [fields(part) for part in items(fields(candidate.get("content")).get("parts"))]
    usage = fields(said.get("usageMetadata"))
    made = [number(usage.get(name)) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
    return Piece(
        text="".join(text_of(part.get("text")) for part in parts if not part.get("thought")),
        thought="".join(text_of(part.get("text")) for part in parts if part.get("thought")),
        finish=_finish(candidate, fields(said.get("promptFeedback"))),
        input_tokens=number(usage.get("promptTokenCount")),
        output_tokens=sum(each or 0 for each in made) or None,
    )


def _finish(candidate: dict[str, Any], feedback: dict[str, Any]) -> str | None:
    """Return the finish reason. A blocked prompt has no candidate, only feedback."""
    blocked = feedback.get("blockReason")
    if blocked and blocked != "BLOCK_REASON_UNSPECIFIED":
        return DECLINED
    return reason(candidate.get("finishReason"))
