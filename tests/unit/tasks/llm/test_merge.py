"""The manager's prompt names every answer and fits into the model's context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.minds import BUILT_IN, read_minds
from models.broadcasts import Answer
from models.errors import ContextTooLong
from tasks.compression.tokens import count, first
from tasks.llm.context import tokens
from tasks.llm.merge import CUT, merge

MINDS = read_minds(BUILT_IN)
QUESTION = "What is the capital of France?"
ANSWERS = [Answer("sage", "Paris, since 987."), Answer("muse", "Paris, a city of light.")]
EMBEDDED_ROOM = 4096 - 1000
FRAME = 100  # the task and the titles


def test_the_message_and_each_answer_under_its_minds_title_go_along_whole() -> None:
    made = merge(MINDS, QUESTION, ANSWERS, EMBEDDED_ROOM)

    assert made.cut == []
    assert made.prompt.startswith(QUESTION)
    assert "## The Sage\n\nParis, since 987." in made.prompt
    assert made.prompt.endswith("## The Muse\n\nParis, a city of light.")


def test_a_mind_that_the_file_no_longer_has_goes_by_its_name() -> None:
    made = merge(MINDS, QUESTION, [Answer("oracle", "Perhaps.")], EMBEDDED_ROOM)

    assert made.prompt.endswith("## oracle\n\nPerhaps.")


def test_long_answers_are_cut_to_one_length_and_short_ones_are_not() -> None:
    long, longer = "river " * 3000, "water " * 6000
    answers = [Answer("sage", long), Answer("maker", "Paris."), Answer("muse", longer)]

    made = merge(MINDS, QUESTION, answers, EMBEDDED_ROOM)

    assert made.cut == ["sage", "muse"]
    assert "## The Maker\n\nParis.\n" in made.prompt
    assert made.prompt.count(CUT) == 2
    shares = [made.prompt.count(word) for word in ("river", "water")]
    assert shares[0] == shares[1]
    assert EMBEDDED_ROOM - 20 < tokens(made.prompt) <= EMBEDDED_ROOM


def test_eight_full_answers_fit_the_embedded_model() -> None:
    answers = [Answer("sage", f"word{n} " * 500) for n in range(8)]

    made = merge(MINDS, QUESTION, answers, EMBEDDED_ROOM)

    assert tokens(made.prompt) <= EMBEDDED_ROOM
    assert all(made.prompt.count(f"word{n} ") > 50 for n in range(8))


def test_a_message_that_leaves_no_room_for_answers_is_refused_with_the_limit() -> None:
    answers = [Answer("sage", "river " * 500), Answer("muse", "meadow " * 500)]

    with pytest.raises(
        ContextTooLong, match=f"no room .* for the 2 answers .* limit for all is {EMBEDDED_ROOM}"
    ):
        merge(MINDS, "word " * 2500, answers, EMBEDDED_ROOM)


def test_short_answers_may_fill_the_room_that_is_left() -> None:
    room = tokens(merge(MINDS, QUESTION, ANSWERS, EMBEDDED_ROOM).prompt)

    assert merge(MINDS, QUESTION, ANSWERS, room).cut == []
    with pytest.raises(ContextTooLong):
        merge(MINDS, QUESTION, ANSWERS, room - 1)


answers = st.lists(
    st.builds(Answer, st.sampled_from(["sage", "muse"]), st.text(min_size=1, max_size=400)),
    min_size=1,
    max_size=4,
)


@given(answers, st.text(max_size=100), st.integers(0, 1200))
def test_a_prompt_is_never_longer_than_its_room(
    said: list[Answer], message: str, room: int
) -> None:
    try:
        made = merge(MINDS, message, said, room)
    except ContextTooLong:
        assert tokens(message) + sum(tokens(answer.text) for answer in said) + FRAME > room
        return
    assert tokens(made.prompt) <= room
    assert set(made.cut) <= {answer.mind for answer in said}


@given(st.text(max_size=300), st.integers(0, 100))
def test_the_beginning_of_a_text_is_cut_between_two_characters(text: str, limit: int) -> None:
    beginning = first(text, limit)

    assert text.startswith(beginning)
    assert (beginning == text) or count(text) > limit
