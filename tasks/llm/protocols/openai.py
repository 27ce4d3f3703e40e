"""OpenAI's chat completions, streamed or not, and those of compatible servers."""

from typing import Any

from tasks.llm.pieces import DECLINED, Piece, check, fields, items, number, reason, text_of


def read(said: dict[str, Any]) -> Piece:
    """Parse a chunk or a whole completion. Raises ErrorEvent."""
    choice = _choice(said)
    declined = check(said) or check(choice)
    if declined is not None:
        return declined
    message = fields(choice.get("delta")) or fields(choice.get("message"))
    refusal = text_of(message.get("refusal"))
    content = message.get("content")
    text = text_of(content if content is not None else choice.get("text"))
    usage = fields(said.get("usage")) or fields(fields(said.get("x_groq")).get("usage"))
    finish = reason(choice.get("finish_reason"))
    return Piece(
        text=(text or _called(choice)) + refusal,
        thought=text_of(message.get("reasoning_content") or message.get("reasoning")),
        finish=DECLINED if refusal else finish,
        input_tokens=number(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=number(usage.get("completion_tokens", usage.get("output_tokens"))),
        # The token count comes in its own, last chunk; some gateways send no other end.
        closing=said.get("choices") == [] and number(usage.get("completion_tokens")) is not None,
        whole=said.get("object") == "chat.completion" and "message" in choice,
    )


def _choice(said: dict[str, Any]) -> dict[str, Any]:
    """Return the first choice. Some servers send only its message, or `choices` not as a list."""
    found = [choice for choice in items(said.get("choices")) if isinstance(choice, dict)]
    found = [choice for choice in found if choice.get("index") in (None, 0, "0")] or found
    return found[0] if found else {}


def _called(choice: dict[str, Any]) -> str:
    """Return the arguments of a whole message's function call: a form in which it returns JSON."""
    calls = items(fields(choice.get("message")).get("tool_calls"))
    return text_of(fields(fields(calls[0]).get("function")).get("arguments")) if calls else ""
