import pytest

from tasks.events.envelope import Envelope


def test_an_envelope_comes_back_as_it_was_sent() -> None:
    envelope = Envelope("text", 4, 9, {"text": "Hello"})

    assert Envelope.decode(envelope.encode()) == envelope


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "end",
        "{}",
        "null",
        "7",
        "[]",
        '["text", 1, 2]',
        '["text", 1, 2, {}]',
        '["text", 1, 2, {"text": null}]',
        '["text", "1", 2, {"text": "a"}]',
        '["text", 1, null, {"text": "a"}]',
        '["other", 1, 2, {}]',
        '["stage", 1, 2, []]',
        "[{}, 1, 2, {}]",
        "\ufffd\ufffd",
        "[" * 100_000,
    ],
)
def test_anything_else_is_refused_with_one_error(sent: str) -> None:
    with pytest.raises(ValueError, match="not an envelope"):
        Envelope.decode(sent)
