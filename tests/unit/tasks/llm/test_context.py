"""Fitting a conversation into a model's context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ContextTooLong
from models.history import Turn, spoken
from tasks.llm.context import Exchange, exchanges, fit, tokens, tokens_at_most
from tests.fresh_python import FreshPython


def turns(*said: tuple[str, str]) -> list[Exchange]:
    return exchanges(spoken([Turn(question, answer) for question, answer in said]))


TURNS = turns(*((f"question {n}", f"answer {n}") for n in range(5)))
TURN_TOKENS = tokens("question 0") + tokens("answer 0")


def test_all_of_a_short_history_goes_along_oldest_first() -> None:
    messages = fit("Be brief.", TURNS, "And now?", input_tokens=4000, history_tokens=4000)

    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 5, "user"]
    assert messages[1]["content"] == "question 0"
    assert messages[-1]["content"] == "And now?"


def test_the_newest_turns_are_kept_where_history_has_a_budget() -> None:
    messages = fit(
        "Be brief.", TURNS, "And now?", input_tokens=4000, history_tokens=2 * TURN_TOKENS
    )

    assert [m["content"] for m in messages[1:-1]] == [
        "question 3",
        "answer 3",
        "question 4",
        "answer 4",
    ]


def test_history_gives_way_to_the_message() -> None:
    prompt = "word " * 100
    room = tokens("Be brief.") + tokens(prompt) + TURN_TOKENS

    messages = fit("Be brief.", TURNS, prompt, input_tokens=room, history_tokens=4000)

    assert [m["content"] for m in messages[1:-1]] == ["question 4", "answer 4"]


def test_no_turn_is_skipped_to_keep_an_older_one() -> None:
    past = turns(("old", "old"), ("word " * 500, "long"), ("new", "new"))

    messages = fit("", past, "And now?", input_tokens=4000, history_tokens=100)

    assert [m["content"] for m in messages[1:-1]] == ["new", "new"]


def test_a_message_that_is_too_long_by_itself_is_refused_with_the_limit() -> None:
    limit = 100
    left = limit - tokens("Be brief.")

    with pytest.raises(ContextTooLong, match=f"the limit is {left}"):
        fit("Be brief.", TURNS, "word " * 200, input_tokens=limit, history_tokens=4000)


def test_a_message_may_fill_the_model_to_the_last_token() -> None:
    room = tokens("Be brief.") + tokens("Hello")

    assert len(fit("Be brief.", TURNS, "Hello", input_tokens=room, history_tokens=4000)) == 2
    with pytest.raises(ContextTooLong):
        fit("Be brief.", TURNS, "Hello", input_tokens=room - 1, history_tokens=4000)


WITHOUT_AND_WITH = """
from tasks.compression import tokens
from tasks.llm.context import fit

loaded = tokens._encoding.cache_info
fit("Be brief.", [], "And now?", input_tokens=100, history_tokens=0)
print(loaded().currsize)
fit("Be brief.", [], "word " * 20, input_tokens=100, history_tokens=0)
print(loaded().currsize)
"""


def test_the_vocabulary_is_loaded_where_the_number_of_bytes_does_not_decide(
    fresh_python: FreshPython,
) -> None:
    assert fresh_python(WITHOUT_AND_WITH, check=True).stdout.split() == ["0", "1"]


@given(st.text(st.characters(exclude_categories=[])))
def test_a_text_has_no_more_tokens_than_its_bytes_tell(text: str) -> None:
    assert tokens(text) <= tokens_at_most(text)


some_turns = st.lists(st.builds(Turn, st.text(max_size=80), st.text(max_size=80)), max_size=8)


@given(some_turns, st.text(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_what_is_sent_never_takes_more_than_there_is(
    turns: list[Turn], prompt: str, input_tokens: int, history_tokens: int
) -> None:
    try:
        messages = fit(
            "s",
            exchanges(spoken(turns)),
            prompt,
            input_tokens=input_tokens,
            history_tokens=history_tokens,
        )
    except ContextTooLong:
        assert tokens("s") + tokens(prompt) > input_tokens
        return
    assert sum(tokens(m["content"]) for m in messages) <= input_tokens
    assert sum(tokens(m["content"]) for m in messages[1:-1]) <= history_tokens
    kept = (len(messages) - 2) // 2
    turns = [turn for turn in turns if turn.answer.strip()]  # an empty answer is not sent
    newest = [text for turn in turns[len(turns) - kept :] for text in (turn.question, turn.answer)]
    assert [m["content"] for m in messages[1:-1]] == newest


def test_what_was_said_is_cut_before_each_message_of_the_user() -> None:
    said = [("assistant", "Hi."), ("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")]

    assert exchanges(said) == [
        (("assistant", "Hi."),),
        (("user", "a"),),
        (("user", "b"), ("assistant", "c")),
        (("user", "d"),),
    ]
    assert exchanges([]) == []


def test_a_question_that_got_an_empty_answer_is_left_out() -> None:
    said = [("user", "a"), ("assistant", ""), ("user", "b"), ("assistant", "c")]

    assert exchanges(said) == [(("user", "b"), ("assistant", "c"))]
