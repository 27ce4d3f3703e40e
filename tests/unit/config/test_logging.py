"""What reaches a log has no secret in it."""

import pytest

from config.logging import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://u:secret@db:5432/app", "postgresql://u:***@db:5432/app"),
        ("redis://:secret@127.0.0.1:6379/0 is away", "redis://:***@127.0.0.1:6379/0 is away"),
        ("key sk-abcdefghijklmnop refused", "key sk-*** refused"),
        ("Authorization: Bearer tm_abcdefghijkl", "Authorization: Bearer ***"),
        ("tm_abcdefghijkl", "tm_***"),
        ("http://127.0.0.1:8000/v1/jobs", "http://127.0.0.1:8000/v1/jobs"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_passwords_and_keys_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked
