import pytest

from tasks.events.message import Message


def test_a_message_comes_back_as_it_was_sent() -> None:
    message = Message("text", 4, 9, {"text": "Hello"})

    assert Message.decode(message.encode()) == message


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
def test_what_is_no_message_is_refused_by_one_error(sent: str) -> None:
    with pytest.raises(ValueError, match="no message"):
        Message.decode(sent)
