"""Ask a model: streamed for answers, whole for small decisions."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from models.errors import ProviderUnavailable, Superseded
from tasks.llm.cost import cost_usd
from tasks.llm.failures import LIBRARY_ERRORS, named
from tasks.llm.library import litellm
from tasks.llm.models import Target
from tasks.work import Work

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Completion:
    """An answer and what it took; `first_token_ms` is the wait for its first text."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    first_token_ms: int


def stream(
    target: Target, messages: Messages, work: Work, *, limit_s: float, **parameters: Any
) -> Completion:
    """Stream an answer to its end.

    It is over after `limit_s`, after the target's idle limit without a word, and as soon as the
    work is not wanted any more (Superseded). Raises ContextTooLong, RateLimited,
    ProviderUnavailable or ProviderRejected.
    """
    reading = _Reading(target.name, time.monotonic(), limit_s)
    try:
        chunks = litellm.completion(
            **target.call(),
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            timeout=min(target.idle_limit_s, limit_s),
            **parameters,
        )
        for chunk in chunks:
            if work.stop.is_set():
                chunks.close() if hasattr(chunks, "close") else None
                raise Superseded("The stage belongs to another run now.")
            reading.take(chunk)
    except LIBRARY_ERRORS as error:
        raise named(error, target.name) from error
    return reading.completion(target, messages)


def ask_json(target: Target, messages: Messages, *, limit_s: float, max_tokens: int) -> str:
    """Ask for one small JSON object; its text, unparsed. Raises what `stream` raises."""
    try:
        answer = litellm.completion(
            **target.call(),
            messages=messages,
            response_format={"type": "json_object"},
            temperature=0,
            max_tokens=max_tokens,
            timeout=limit_s,
        )
    except LIBRARY_ERRORS as error:
        raise named(error, target.name) from error
    return answer.choices[0].message.content or ""


class _Reading:
    """What has come of a stream so far."""

    def __init__(self, model: str, began: float, limit_s: float) -> None:
        self.model = model
        self.began = began
        self.limit_s = limit_s
        self.parts: list[str] = []
        self.finish_reason: str | None = None
        self.usage: Any = None
        self.first_token_ms = 0

    def take(self, chunk: Any) -> None:
        if time.monotonic() - self.began > self.limit_s:
            raise ProviderUnavailable(f"{self.model} took longer than {self.limit_s:.0f} s.")
        self.usage = getattr(chunk, "usage", None) or self.usage
        for choice in chunk.choices:
            if choice.delta.content:
                self.first_token_ms = self.first_token_ms or self._ms()
                self.parts.append(choice.delta.content)
            self.finish_reason = choice.finish_reason or self.finish_reason

    def completion(self, target: Target, messages: Messages) -> Completion:
        text = "".join(self.parts)
        if self.finish_reason is None or not text.strip():
            raise ProviderUnavailable(f"{self.model} broke off or answered nothing.")
        given = self.usage.prompt_tokens if self.usage else _count(target, messages)
        made = self.usage.completion_tokens if self.usage else _count(target, text)
        return Completion(
            text=text,
            finish_reason=self.finish_reason,
            input_tokens=given,
            output_tokens=made,
            cost_usd=cost_usd(target, given, made),
            first_token_ms=self.first_token_ms,
        )

    def _ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


def _count(target: Target, what: Messages | str) -> int:
    asked = {"text": what} if isinstance(what, str) else {"messages": what}
    return int(litellm.token_counter(model=target.litellm_model, **asked))
