"""Fit a conversation into a model: the system prompt and the message whole, history as it fits."""

from collections.abc import Sequence
from typing import Final

from models.errors import ContextTooLong
from models.tracks import Turn
from tasks.compression.tokens import count

# Tokens that a chat template adds to each message.
PER_MESSAGE: Final = 8
# We count with OpenAI's vocabulary; other vocabularies are smaller and need more tokens. Where even
# that was too few, the provider's refusal is understood (failures.py).
MARGIN: Final = 1.2


def fit(
    system: str, turns: Sequence[Turn], prompt: str, *, input_tokens: int, history_tokens: int
) -> list[dict[str, str]]:
    """The messages to send, within `input_tokens`, of which history takes `history_tokens` at most.

    The newest turns are kept. Raises ContextTooLong, naming the limit, if the message alone is too
    long.
    """
    left = input_tokens - tokens(system) - tokens(prompt)
    if left < 0:
        raise ContextTooLong(
            f"The message is too long for the model: about {tokens(prompt)} tokens, where "
            f"{max(0, input_tokens - tokens(system))} fit."
        )
    kept = _newest(turns, min(left, history_tokens))
    messages = [{"role": "system", "content": system}]
    for turn in kept:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.answer})
    return [*messages, {"role": "user", "content": prompt}]


def tokens(text: str) -> int:
    """About how many tokens a message of this text takes, rather too many than too few."""
    return PER_MESSAGE + int(count(text) * MARGIN)


def _newest(turns: Sequence[Turn], budget: int) -> list[Turn]:
    kept: list[Turn] = []
    for turn in reversed(turns):
        budget -= tokens(turn.question) + tokens(turn.answer)
        if budget < 0:
            break
        kept.append(turn)
    return kept[::-1]
