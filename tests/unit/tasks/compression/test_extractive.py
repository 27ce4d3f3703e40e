"""The extractive compressor keeps what matters, in order, and fails on no text."""

import pytest

from tasks.compression import words
from tasks.compression.extractive import Extractive

PROSE = """\
I have been thinking a lot about how our team handles deployments, and I would really like to \
get your opinion. At the moment we basically deploy every Friday afternoon, which is obviously \
not a great idea because nobody is around during the weekend to fix whatever breaks. The release \
manager collects all of the merged changes, builds a single artifact, and pushes it to the \
production cluster through a rather old shell script that nobody fully understands anymore.

When something goes wrong, the person on call has to roll back by hand, and the database \
migrations are not reversible in most of the cases, which makes the rollback quite painful. We \
have 14 services, and `deploy all` takes about 45 minutes. See \
https://example.com/runbook?page=2 for the details of the function roll_back and of the setting \
deploy.retryLimit.

Should we start with the tests or with the flags? Some people in the team suggested that we \
should move to continuous delivery with feature flags, while others believe that we should first \
invest in better integration tests and in staging environments that really look like production.

Write a short plan for the next quarter."""

CODE = """\
def roll_back(version: str) -> None:
    for service in services:
        service.deploy(version)  # the old one
"""

CHINESE = (
    "人工智能正在改变我们的生活方式，许多公司开始使用机器学习来分析客户的数据。然而，这项技术也带来了"
    "不少问题，例如隐私的保护、就业的变化以及算法的偏见。专家认为，政府应该制定新的法律，企业应该提高"
    "透明度，公众也应该了解这些技术的基本原理。教育系统需要改革，学校应该教授编程和批判性思维。"
    "请总结以上内容。"
)

compress = Extractive().compress


def test_prose_loses_about_half_of_its_tokens() -> None:
    done = compress(PROSE, 0.5)
    assert done.compressor == "extractive"
    assert 0.4 < done.tokens_after / done.tokens_before < 0.75


def test_stop_words_go_and_telling_words_stay() -> None:
    done = compress(PROSE, 0.5).text
    assert "continuous delivery" in done
    assert "migrations not reversible" in done
    assert " basically " not in done
    assert done.count("really") < PROSE.count("really")


def test_the_question_the_instruction_and_exact_spellings_survive() -> None:
    done = compress(PROSE, 0.3).text
    for kept in (
        "Should we start with the tests or with the flags?",
        "Write a short plan for the next quarter.",
        "`deploy all`",
        "https://example.com/runbook?page=2",
        "roll_back",
        "deploy.retryLimit.",
        "14",
        "45",
    ):
        assert kept in done


def test_code_between_prose_survives_with_its_indentation() -> None:
    block = f"```python\n{CODE}```"
    done = compress(f"{PROSE}\n\n{block}\n\n{PROSE}", 0.5).text
    assert block in done
    assert CODE in compress(f"{PROSE}\n\n{CODE}\n\n{PROSE}", 0.5).text


def test_paragraphs_stay_apart_and_no_run_of_spaces_is_left() -> None:
    done = compress(PROSE, 0.5).text
    assert done.count("\n\n") == PROSE.count("\n\n")
    assert "  " not in done
    assert "\n\n\n" not in done


def test_windows_line_ends_stay_windows_line_ends() -> None:
    done = compress(PROSE.replace("\n", "\r\n"), 0.5).text
    assert done.count("\r\n") == done.count("\n") > 0


def test_chinese_keeps_whole_clauses() -> None:
    done = compress(CHINESE, 0.5)
    assert done.tokens_after < done.tokens_before
    clauses = [CHINESE[a:b] for a, b in words.units(CHINESE)]
    kept = [done.text[a:b] for a, b in words.units(done.text)]
    assert kept == [clause for clause in clauses if clause in kept]


def test_a_script_without_spaces_or_marks_comes_back_as_it_is() -> None:
    for text in ("漢字" * 2_000, "ภาษาไทย" * 500):
        assert compress(text, 0.5).text == text


def test_a_repeated_paragraph_is_what_goes_first() -> None:
    story = "Elephants crossed deserts towards distant mountains carrying precious cargo."
    other = "Merchants bargained loudly beneath crimson awnings until evening prayers."
    done = compress(f"{story} {story} {story} {other} Tell me more.", 0.5).text
    assert "Merchants bargained" in done
    assert done.count("deserts") == 1


def test_the_same_text_gives_the_same_result() -> None:
    assert compress(PROSE, 0.5) == compress(PROSE, 0.5)


def test_a_text_with_nothing_to_drop_is_returned_unchanged() -> None:
    for text in ("", " ", "\n\n", "Hello there.", "1 2 3 4 5 6 7 8 9 10 11", f"```\n{CODE}```"):
        done = compress(text, 0.5)
        assert done.text == text
        assert done.tokens_saved == 0
        assert not done.shortened


def test_a_rate_of_one_returns_the_original() -> None:
    assert compress(PROSE, 1.0).text == PROSE


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_that_is_not_above_zero_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        compress(PROSE, rate)


def test_lone_surrogates_do_not_stop_it() -> None:
    assert compress(f"\ud800 {PROSE} \udfff", 0.5).shortened
