"""Which answers of a classifier are accepted."""

import pytest
from pydantic import ValidationError

from tasks.nlu.classification import Classification


def test_more_than_was_asked_for_is_ignored() -> None:
    found = Classification.model_validate_json('{"intent": "math", "confidence": 1, "why": "2+2"}')

    assert (found.intent, found.confidence) == ("math", 1.0)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "math",
        "{}",
        '{"intent": "math"}',
        '{"intent": "math", "confidence": 95}',
        '{"intent": "math", "confidence": -0.1}',
        '{"intent": "math", "confidence": NaN}',
        '{"intent": null, "confidence": 1}',
        '["math", 1]',
    ],
)
def test_anything_else_is_no_classification(answer: str) -> None:
    with pytest.raises(ValidationError):
        Classification.model_validate_json(answer)
