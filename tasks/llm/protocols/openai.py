"""OpenAI's chat completions, streamed or not, and those of compatible servers."""

from typing import Any, Final

from tasks.llm.pieces import DECLINED, Piece, check, fields, items, number, reason, text_of

# What a chunk has that is a piece of text and nothing else, as nearly every chunk is.
_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_DELTA: Final = frozenset({"role", "content"})


def read(said: dict[str, Any]) -> Piece:
    """Parse a chunk or a whole completion. Raises ErrorEvent."""
    text = _plain(said)
    return _read(said) if text is None else Piece(text)


def _plain(said: dict[str, Any]) -> str | None:
    """Return the text of a chunk that is only that, which takes a fraction of the time."""
    choices = said.get("choices")
    if said.get("object") != "chat.completion.chunk" or type(choices) is not list:
        return None
    if len(choices) != 1 or said.get("usage") or said.get("error") or "x_groq" in said:
        return None
    choice = choices[0]
    if type(choice) is not dict or not choice.keys() <= _CHOICE or "type" in said:
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or not delta.keys() <= _DELTA:
        return None
    text = delta.get("content")
    return text if type(text) is str and choice.get("finish_reason") is None else None


def _read(said: dict[str, Any]) -> Piece:
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
