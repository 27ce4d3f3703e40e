from tasks.events.envelope import Envelope
from tasks.events.pieces import Pieces


def test_pieces_of_a_text_are_taken_as_one() -> None:
    pieces = Pieces()
    pieces.add("Gr", 4, 6)
    pieces.add("üße", 6, 9)

    assert pieces.take() == Envelope("text", 4, 9, {"text": "Grüße"})
    assert pieces.take() is None

    pieces.add("!", 9, 10)
    assert pieces.take() == Envelope("text", 9, 10, {"text": "!"})


def test_they_are_due_once_until_they_are_seen() -> None:
    pieces = Pieces()
    assert pieces.add("a", 0, 1)
    assert not pieces.add("b", 1, 2)

    pieces.seen()  # and not taken: nobody follows
    assert pieces.add("c", 2, 3)
    assert pieces.take() == Envelope("text", 0, 3, {"text": "abc"})
