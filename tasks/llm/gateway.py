"""Ask a model: streamed for answers, whole for small decisions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from models.errors import ProviderRejected, ProviderUnavailable, Superseded
from tasks.draft import Draft
from tasks.llm.cost import cost_usd
from tasks.llm.failures import LIBRARY_ERRORS, named
from tasks.llm.library import litellm
from tasks.llm.models import Target
from tasks.llm.wire import Watch
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
    reading = _Reading(target.name, work.draft)
    with _watched(target, Watch(limit_s, work.stop), limit_s):
        chunks = _call(
            target,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            timeout=min(target.idle_limit_s, limit_s),
            **parameters,
        )
        for chunk in chunks:
            reading.take(chunk)
    # Where the provider named no reason LiteLLM makes one up, though the stream just broke off.
    reading.ended = bool(chunks.received_finish_reason or chunks.intermittent_finish_reason)
    return reading.completion(target, messages)


def ask_json(
    target: Target, messages: Messages, schema: dict[str, Any], *, limit_s: float, max_tokens: int
) -> str:
    """Ask for one small JSON object of this schema; its text, unparsed. Raises what `stream` does.

    Whether the provider keeps to the schema is not checked here.
    """
    with _watched(target, Watch(limit_s), limit_s):
        answer = _call(
            target,
            messages=messages,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
            temperature=0,
            max_tokens=max_tokens,
            timeout=limit_s,
        )
    return answer.choices[0].message.content or ""


def _call(target: Target, **arguments: Any) -> Any:
    answer = litellm.completion(**target.call(), **arguments)
    if answer is None:  # what LiteLLM makes of a 422 that it could not mend
        raise ProviderRejected(f"{target.name} refuses the request (UnprocessableEntityError).")
    return answer


@contextmanager
def _watched(target: Target, watch: Watch, limit_s: float) -> Iterator[None]:
    """Make a call under a watch; name what goes wrong."""
    if watch.stopped:
        raise Superseded("The stage belongs to another run now.")
    with watch:
        try:
            yield
        except LIBRARY_ERRORS as error:
            if watch.stopped:
                raise Superseded("The stage belongs to another run now.") from error
            if watch.over:
                raise ProviderUnavailable(
                    f"{target.name} took longer than {limit_s:.0f} s."
                ) from error
            raise named(error, target.name) from error


class _Reading:
    """What has come of a stream so far."""

    def __init__(self, model: str, draft: Draft) -> None:
        self.model = model
        self.began = time.monotonic()
        self.draft = draft
        draft.restart()
        self.finish_reason: str | None = None
        self.ended = False
        self.usage: Any = None
        self.first_token_ms = 0

    def take(self, chunk: Any) -> None:
        self.usage = getattr(chunk, "usage", None) or self.usage
        for choice in chunk.choices:
            if choice.delta.content:
                self.first_token_ms = self.first_token_ms or self._ms()
                self.draft.add(choice.delta.content)
            self.finish_reason = choice.finish_reason or self.finish_reason

    def completion(self, target: Target, messages: Messages) -> Completion:
        text = self.draft.text
        if not self.ended or self.finish_reason is None:
            raise ProviderUnavailable(f"{self.model} broke off.")
        if not text.strip():
            raise self._nothing()
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

    def _nothing(self) -> ProviderRejected | ProviderUnavailable:
        if self.finish_reason == "content_filter":
            return ProviderRejected(f"{self.model} refuses the request (content_filter).")
        return ProviderUnavailable(f"{self.model} answered nothing ({self.finish_reason}).")

    def _ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


def _count(target: Target, what: Messages | str) -> int:
    asked = {"text": what} if isinstance(what, str) else {"messages": what}
    return int(litellm.token_counter(model=target.litellm_model, **asked))
