"""Assemble the pieces of an answer, and reject what is not a usable one."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from models.errors import ProviderUnavailable, UnusableAnswer
from models.spent import Spent
from tasks.compression.tokens import count
from tasks.execution.output_buffer import OutputBuffer
from tasks.llm.cost import cost_usd
from tasks.llm.models import Target
from tasks.llm.pieces import DECLINED, FAILED, LENGTH, STOP, Piece
from tasks.llm.protocols import READ
from tasks.llm.sse import OVER
from tasks.storable_text import Joiner

Messages = list[dict[str, str]]
T = TypeVar("T")

# The approximate characters per token, for reasoning that the provider does not count.
TOKEN_CHARS: Final = 4
# The tokens that OpenAI's format adds to each message, and to a prompt.
_AROUND_MESSAGE: Final = 4
_AROUND_ANSWER: Final = 3


@dataclass(frozen=True)
class Completion:
    """An answer and its usage.

    Attributes:
        finish_reason: `stop`, `length` (cut off by the token limit or our size limit) or
            `content_filter` (declined). Only with `stop` is there always text.
        first_token_ms: the time until the first text.
    """

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    first_token_ms: int

    @property
    def spent(self) -> Spent:
        """The cost."""
        return Spent(self.input_tokens, self.output_tokens, self.cost_usd)


class Reading:
    """An answer received so far. Its text goes to the draft as it arrives."""

    def __init__(self, target: Target, messages: Messages, draft: OutputBuffer) -> None:
        self._target = target
        self._messages = messages
        self._draft = draft
        self._left = target.max_chars
        self._read = READ[target.protocol]
        self._joiner = Joiner()
        self._began = time.monotonic()
        self._thoughts = 0
        self._input_tokens: int | None = None
        self._output_tokens: int | None = None
        self.finish: str | None = None
        self.first_token_ms = 0
        self.has_grown = False

    @property
    def ended(self) -> bool:
        """Whether the provider has sent a finish reason. `stop` before any text does not count:
        some gateways send it with every piece of reasoning."""
        return self.finish is not None and (self.finish != STOP or self.first_token_ms > 0)

    @property
    def text_s(self) -> float:
        """Seconds since the first text of the answer."""
        return (self._ms() - self.first_token_ms) / 1000

    def take(self, value: Any) -> bool:
        """Take a value from the provider. Return whether to read on. Raises ErrorEvent."""
        if value is OVER:
            self.finish = self.finish or STOP
            return False
        if not isinstance(value, dict):
            return True
        piece = self._read(value)
        self.has_grown = bool(piece.text)
        self._count(piece)
        if self.finish != DECLINED:
            self.finish = piece.finish or self.finish
        if piece.text:
            self._say(self._joiner.add(piece.text))
        if piece.whole or piece.closing:
            self.finish = self.finish or STOP
        return self._left > 0 and not piece.whole

    def _count(self, piece: Piece) -> None:
        self._thoughts += len(piece.thought)
        self._input_tokens = piece.input_tokens or self._input_tokens
        self._output_tokens = piece.output_tokens or self._output_tokens

    def _say(self, text: str) -> None:
        if not text:
            return
        self.first_token_ms = self.first_token_ms or max(1, self._ms())
        if len(text) >= self._left:
            text, self.finish = text[: self._left], LENGTH
        self._left -= len(text)
        self._draft.add(text)

    def completion(self) -> Completion:
        """Return the complete answer.

        Raises:
            ProviderUnavailable: if it broke off.
            UnusableAnswer: if it is empty.
        """
        self._say(self._joiner.end())
        text = self._draft.text
        name = self._target.name
        if self.finish is None or self.finish == FAILED:
            raise ProviderUnavailable(f"{name} broke off.")
        if self.finish == STOP and not text.strip():
            raise UnusableAnswer(f"{name} returned an empty answer.")
        spent = self.spent()
        return Completion(
            text=text,
            finish_reason=self.finish,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost_usd=spent.cost_usd,
            first_token_ms=self.first_token_ms,
        )

    @property
    def is_billed(self) -> bool:
        """Whether anything was received that a provider bills."""
        counted = self._thoughts or self._input_tokens or self._output_tokens
        return bool(self._draft.text or counted or self.ended)

    def spent(self) -> Spent:
        """Return the call's cost, by the provider's token counts or else by our own."""
        made = self._output_tokens
        if made is None:
            text = self._draft.text
            made = self._thoughts // TOKEN_CHARS
            made += count(text)
        return priced(self._target, self._messages, self._input_tokens, made)

    def _ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


def _input(messages: Messages) -> int:
    """Count a prompt's tokens as OpenAI does: with a role and two marks for each message."""
    return _AROUND_ANSWER + sum(count(each["content"]) + _AROUND_MESSAGE for each in messages)


def priced(
    target: Target, messages: Messages, input_tokens: int | None, output_tokens: int
) -> Spent:
    """Return the cost of these tokens. Input tokens that are unknown are counted here."""
    given = input_tokens or _input(messages)
    return Spent(given, output_tokens, cost_usd(target, given, output_tokens))


@dataclass(frozen=True)
class WholeAnswer:
    """An answer that was not streamed: its text, finish reason and, if reported, token counts."""

    text: str
    finish: str | None
    input_tokens: int | None
    output_tokens: int | None

    def spent(self, target: Target, messages: Messages) -> Spent:
        """Return its cost."""
        made = self.output_tokens
        if made is None:
            made = count(self.text)
        return priced(target, messages, self.input_tokens, made)


EMPTY: Final = WholeAnswer("", None, None, None)


def read_whole(target: Target, values: Iterable[Any]) -> WholeAnswer:
    """Read an answer that was not streamed. Raises ErrorEvent."""
    read = READ[target.protocol]
    pieces = [read(value) for value in values if isinstance(value, dict)]
    joiner = Joiner()
    return WholeAnswer(
        "".join(joiner.add(piece.text) for piece in pieces) + joiner.end(),
        _last(piece.finish for piece in pieces),
        _last(piece.input_tokens for piece in pieces),
        _last(piece.output_tokens for piece in pieces),
    )


def _last(said: Iterable[T | None]) -> T | None:
    found = [each for each in said if each]
    return found[-1] if found else None
