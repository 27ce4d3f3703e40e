"""llmlingua's own code on a small model: nothing is lost, altered or leaked."""

import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.compression import protect
from tasks.compression.errors import CompressionFailed, WeightsUnusable
from tasks.compression.llmlingua2 import LLMLingua2, warm

ROOT = Path(__file__).parents[3]
ASK = "\n\nWhat should we do first?\n\nWrite a short plan."
CODE = "```python\ndef roll_back(version):\n    return not version  # the old one\n```"


@pytest.fixture(params=["bert", "xlm_roberta"])
def compressor(request: pytest.FixtureRequest) -> LLMLingua2:
    folder: Path = request.getfixturevalue(request.param)
    return LLMLingua2(folder)


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def test_prose_is_shortened_to_about_the_rate_in_its_own_words(
    compressor: LLMLingua2, prose: str
) -> None:
    done = compressor.compress(prose * 3 + ASK, 0.5)
    assert done.compressor == "llmlingua2"
    assert 0.35 < done.tokens_after / done.tokens_before < 0.75
    assert is_subsequence(done.text.split(), (prose * 3 + ASK).split())


def test_a_lower_rate_leaves_less(compressor: LLMLingua2, prose: str) -> None:
    little, much = (compressor.compress(prose + ASK, rate).tokens_after for rate in (0.2, 0.8))
    assert little < much


def test_what_is_protected_survives_byte_for_byte(compressor: LLMLingua2, prose: str) -> None:
    text = (
        f"{prose}\n\n{CODE}\n\n{prose} Call `run all` for user_id 4711, or retryLimit,  see "
        f"https://example.com/a_b?c=d and /etc/hosts.conf at 3.14. {prose}{ASK}"
    )
    done = compressor.compress(text, 0.3)
    assert done.shortened
    at = 0
    for span in protect.read(text).protected:
        at = done.text.index(text[span.start : span.end], at) + (span.end - span.start)
    assert done.text.endswith(ASK)


def test_twenty_thousand_characters_are_read_to_their_end(
    compressor: LLMLingua2, prose: str
) -> None:
    paragraphs = [f"chapter_{n:02} begins.\n{prose}" for n in range(28)]
    text = "\n\n".join(paragraphs) + ASK
    assert len(text) > 20_000
    done = compressor.compress(text, 0.5)
    assert is_subsequence(done.text.split(), text.split())
    starts = [done.text.index(f"chapter_{n:02}") for n in range(28)]
    lengths = [b - a for a, b in pairwise(starts)]
    for length in lengths:  # every chapter is shortened, and none is gone
        assert 0.25 * len(prose) < length < 0.9 * len(prose)


def test_chinese_loses_single_words_but_no_negation(bert: Path, chinese: str) -> None:
    text = chinese * 2 + "请总结以上内容。"
    done = LLMLingua2(bert).compress(text, 0.5)
    assert done.shortened
    assert is_subsequence(list(done.text), list(text))
    assert done.text.count("不") == text.count("不")
    assert done.text.endswith("请总结以上内容。")


def test_a_word_that_the_tokenizer_does_not_know_stays(bert: Path, prose: str) -> None:
    text = f"{prose} Здравствуйте 😀🎉 {prose}{ASK}"
    done = LLMLingua2(bert).compress(text, 0.3).text
    assert "Здравствуйте" in done
    assert "😀🎉" in done


@pytest.mark.parametrize(
    "intruder",
    [
        "[SEP] [PAD] [NEW0]",
        "<s> </s>",
        "<mask>x",
        "\ue000 1\ue001 0",
        "\t\t|\t\t",
        "a 1\t\t|\t\tb 0",
        "\u2581\u2581",
        "##a ##",
        "\x1e\x1f\x00",
        "\ufeff\u200b\u200d",
        "e\u0301\u0302",
        "\ufb01ne \ufdfa",
    ],
)
def test_text_that_looks_like_llmlinguas_own_marks_changes_nothing(
    compressor: LLMLingua2, prose: str, intruder: str
) -> None:
    text = f"{intruder} {prose} {intruder} {prose} {intruder}{ASK}"
    done = compressor.compress(text, 0.5)
    assert done.shortened
    assert is_subsequence(done.text.split(), text.split())


@pytest.mark.parametrize(
    "text", ["", " \n ", "word", "😀", "😀 " * 40, "[SEP] " * 40, "x" * 6_000, "漢" * 3_000]
)
def test_a_text_with_no_choice_comes_back_unchanged(compressor: LLMLingua2, text: str) -> None:
    done = compressor.compress(text, 0.5)
    assert is_subsequence(list(done.text), list(text))
    assert done.text.strip() or not text.strip()


def test_whitespace_stays_sane(compressor: LLMLingua2, prose: str) -> None:
    text = prose.replace(" ", "   ").replace("\n\n", "\r\n\r\n\r\n") + ASK
    done = compressor.compress(text, 0.5).text
    assert done.count("\n") <= text.count("\n")
    assert is_subsequence(done.split(), text.split())


@given(data=st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_gives_a_subsequence_or_a_clean_failure(
    compressor: LLMLingua2, prose: str, data: st.DataObject
) -> None:
    noise = data.draw(st.text(max_size=300))
    text = f"{noise} {prose} {noise}{ASK}"
    try:
        done = compressor.compress(text, 0.5)
    except CompressionFailed:
        return
    assert done.tokens_after <= done.tokens_before
    assert is_subsequence(list("".join(done.text.split())), list("".join(text.split())))


def test_a_rate_of_one_returns_the_original_and_zero_is_refused(bert: Path, prose: str) -> None:
    assert LLMLingua2(bert).compress(prose, 1.0).text == prose
    with pytest.raises(ValueError, match="rate"):
        LLMLingua2(bert).compress(prose, 0.0)


def test_weights_that_cannot_be_loaded_fail_by_name(tmp_path: Path, bert: Path) -> None:
    with pytest.raises(WeightsUnusable, match="no such folder"):
        warm(tmp_path / "bert-base-multilingual-cased")
    broken = tmp_path / bert.name
    broken.mkdir()
    for file in bert.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(CompressionFailed, match="llmlingua failed"):
        warm(broken)


def test_loading_reseeds_stays_offline_and_leaves_no_hash_seed(bert: Path) -> None:
    """Afterwards two processes draw different random numbers; neither opens a socket."""
    code = (
        "import os, random, sys\n"
        "def watch(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'): print('NETWORK', event, args)\n"
        "sys.addaudithook(watch)\n"
        "from pathlib import Path\n"
        "from tasks.compression.llmlingua2 import LLMLingua2, warm\n"
        f"warm(Path({str(bert)!r}))\n"
        "import numpy, torch\n"
        "print(random.random(), numpy.random.random(), torch.rand(1).item(),"
        " os.environ.get('PYTHONHASHSEED'))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONHASHSEED", "HF_HUB_OFFLINE")}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=clean | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    (one, two) = (run.communicate()[0].split() for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert len(one) == len(two) == 4
    assert not set(one[:3]) & set(two[:3])
    assert one[3] == two[3] == "None"


def test_loading_in_this_process_does_not_leave_the_seed_42(bert: Path) -> None:
    warm(bert)
    assert random.random() != random.Random(42).random()
