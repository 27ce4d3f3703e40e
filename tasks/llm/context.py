"""Fit a conversation into a model: the system prompt and the message whole, history as it fits."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from models.errors import ContextTooLong
from models.history import Spoken
from tasks.compression.tokens import count

# Tokens that a chat template adds to each message.
PER_MESSAGE: Final = 8
# We count with OpenAI's vocabulary; other vocabularies are smaller and need more tokens. Where even
# that was too few, the provider's refusal is understood (failures.py).
MARGIN: Final = 1.2

# What belongs together, as a question and its answer do: kept whole or not at all.
Exchange = tuple[Spoken, ...]


def exchanges(said: Sequence[Spoken]) -> list[Exchange]:
    """What was said, oldest first, cut before each of the user's messages.

    A question whose answer is empty is left out: providers refuse an empty message.
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
    """The messages to send, within `input_tokens`, of which history takes `history_tokens` at most.

    The newest exchanges are kept. Raises ContextTooLong, naming the limit, if the message alone is
    too long.
    """
    left = input_tokens - tokens(system) - tokens(prompt)
    if left < 0:
        raise ContextTooLong(
            f"The message is too long for the model: about {tokens(prompt)} tokens, where "
            f"{max(0, input_tokens - tokens(system))} fit."
        )
    kept = _newest(past, min(left, history_tokens))
    said = [("system", system), *chain.from_iterable(kept), ("user", prompt)]
    return [{"role": role, "content": text} for role, text in said]


def tokens(text: str) -> int:
    """About how many tokens a message of this text takes, rather too many than too few."""
    return PER_MESSAGE + int(count(text) * MARGIN)


def _newest(past: Sequence[Exchange], budget: int) -> list[Exchange]:
    kept: list[Exchange] = []
    for exchange in reversed(past):
        budget -= sum(tokens(text) for _, text in exchange)
        if budget < 0:
            break
        kept.append(exchange)
    return kept[::-1]
