"""The local classifier: scores a message's words, without a model or the network."""

import re
from typing import Final

from tasks.nlu.classification import Classification

# In a long message only the beginning and the end say what is wanted; the middle is material.
HEAD_CHARS: Final = 1500
TAIL_CHARS: Final = 500

_PATTERNS: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "greeting": (
        (3.0, r"^\W*(hi|hello|hey|howdy|greetings|good (morning|afternoon|evening))\b.{0,40}$"),
        (3.0, r"^\W*(thanks?|thank you|bye|goodbye|see you)\b.{0,40}$"),
        (2.0, r"\bhow are you\b"),
    ),
    "coding": (
        (3.0, r"```"),
        (2.0, r"\b(def|class|import|return|const|function|select)\b.*[({;:=]"),
        (2.0, r"\b(python|javascript|typescript|java|rust|golang|sql|bash|html|css|regex|c\+\+)\b"),
        (1.5, r"\b(code|bugs?|debug|refactor|compile|stack ?trace|exception|unit tests?|api)\b"),
        (1.0, r"\b(function|script|program|class|method|endpoint|query|variable)\b"),
    ),
    "math": (
        (3.0, r"\d\s*[-+*/^=]\s*\d"),
        (2.0, r"\b(integral|derivative|equation|theorem|prove|matrix|polynomial|logarithm)\b"),
        (2.0, r"\b(calculate|compute|solve for|how much is|square root|percent(age)? of)\b"),
        (1.0, r"\b(sum|average|probability|geometry|algebra|fraction)\b"),
    ),
    "reasoning": (
        (2.0, r"\b(step by step|pros and cons|trade-?offs?|puzzle|riddle|logic(al(ly)?)?)\b"),
        (1.5, r"\b(compare|weigh|decide|should (i|we)|which is better|plan|strategy|analy[sz]e)\b"),
        (1.0, r"\b(why|because|therefore|if .* then)\b"),
    ),
    "writing": (
        (2.5, r"\b(write|draft|compose)\b.{0,40}\b(letter|e-?mail|story|poem|essay|post|speech)\b"),
        (2.0, r"\b(summari[sz]e|translate|rephrase|rewrite|proofread|paraphrase)\b"),
        (1.5, r"\b(poem|story|essay|blog|slogan|headline|haiku)\b"),
    ),
    "extraction": (
        (2.5, r"\b(extract|pull out|parse)\b"),
        (2.0, r"\b(list|find|give)\b.{0,30}\b(all|every|each)\b.{0,60}\b(in|from|of) (the|this)\b"),
        (1.0, r"\b(as (json|csv|a table)|fields?|names and)\b"),
    ),
    "question": (
        (1.0, r"\?\s*$"),
        (1.0, r"^\W*(what|who|when|where|which|how|is|are|does|do|can|could|tell me|explain)\b"),
    ),
}
PATTERNS: Final = {
    intent: tuple((weight, re.compile(pattern, re.IGNORECASE)) for weight, pattern in patterns)
    for intent, patterns in _PATTERNS.items()
}


def classify(message: str) -> Classification:
    """Return the intent with the highest score, or `other` with low confidence if none matches."""
    text = message.strip()
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    weights = {
        intent: sum(weight for weight, pattern in patterns if pattern.search(text))
        for intent, patterns in PATTERNS.items()
    }
    best = max(weights, key=lambda intent: weights[intent])
    if not weights[best]:
        return Classification(intent="other", confidence=0.3)
    share = weights[best] / sum(weights.values())
    return Classification(intent=best, confidence=round(min(0.95, 0.4 + 0.55 * share), 2))
