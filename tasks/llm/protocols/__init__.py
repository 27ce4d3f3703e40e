"""The providers' protocols: each module parses a value into a Piece."""

from collections.abc import Callable
from typing import Any, Final

from tasks.llm.pieces import Piece
from tasks.llm.protocols import anthropic, gemini, openai

READ: Final[dict[str, Callable[[dict[str, Any]], Piece]]] = {
    "anthropic": anthropic.read,
    "gemini": gemini.read,
    "openai": openai.read,
}
