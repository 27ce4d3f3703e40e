"""Fit a conversation into a model's context: the system prompt and message, then history."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from models.errors import ContextTooLong
from models.history import Spoken
from tasks.compression.tokens import count

# Tokens that a chat template adds to each message.
PER_MESSAGE: Final = 8
# We count with OpenAI's vocabulary; others are smaller and need more tokens. If the margin is still
# too small, the provider's refusal is recognized (failures.py).
MARGIN: Final = 1.2

# Messages that belong together, such as a question and its answer: kept entirely or not at all.
Exchange = tuple[Spoken, ...]


def exchanges(said: Sequence[Spoken]) -> list[Exchange]:
    """Split a history, oldest first, before each of the user's messages.

    A question with an empty answer is omitted: providers refuse empty messages.
    """
    found: list[list[Spoken]] = []
    for role, text in said:
        if role == "user" or not found:
            found.append([])
        found[-1].append((role, text))
    return [tuple(each) for each in found if all(t.strip() for role, t in each if role != "user")]


def fit(
    system: str, past: Sequence[Exchange], prompt: str, *, input_tokens: int, history_tokens: int
) -> list[dict[str, str]]:
    """Build the messages to send, keeping the newest exchanges.

    Args:
        system: the system prompt.
        past: the history, oldest first.
        prompt: the message.
        input_tokens: the limit for everything.
        history_tokens: the limit for history.

    Raises:
        ContextTooLong: if the message alone is too long; it names the limit.
    """
    history = sum(tokens_at_most(text) for _, text in chain.from_iterable(past))
    everything = history + tokens_at_most(system) + tokens_at_most(prompt)
    if history <= history_tokens and everything <= input_tokens:
        kept = list(past)
    else:
        left = input_tokens - tokens(system) - tokens(prompt)
        if left < 0:
            raise ContextTooLong(
                f"The message is too long for the model: it has about {tokens(prompt)} tokens, and "
                f"the limit is {max(0, input_tokens - tokens(system))}."
            )
        kept = _newest(past, min(left, history_tokens))
    said = [("system", system), *chain.from_iterable(kept), ("user", prompt)]
    return [{"role": role, "content": text} for role, text in said]


def tokens(text: str) -> int:
    """Estimate how many tokens a message with this text takes, rather too many than too few."""
    return _estimated(count(text))


def tokens_at_most(text: str) -> int:
    """Limit what `tokens` can return, without the vocabulary, which takes 42 MB: a token has at
    least one byte."""
    return _estimated(len(text.encode("utf-8", "surrogatepass")))


def _estimated(counted: int) -> int:
    return PER_MESSAGE + int(counted * MARGIN)


def _newest(past: Sequence[Exchange], budget: int) -> list[Exchange]:
    kept: list[Exchange] = []
    for exchange in reversed(past):
        budget -= sum(tokens(text) for _, text in exchange)
        if budget < 0:
            break
        kept.append(exchange)
    return kept[::-1]
