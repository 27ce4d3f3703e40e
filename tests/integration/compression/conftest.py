"""Small models with the real architectures and tokenizers, generated here without a download.

Their weights are random, so which words they keep means nothing. These tests check everything else,
including llmlingua's own code. Only the process that runs them imports PyTorch, in the fixtures: it
takes 6 s of CPU.
"""

from pathlib import Path

import pytest

PROSE = """\
The release manager collects all of the merged changes, builds a single artifact, and pushes it to \
the production cluster through a rather old shell script that nobody fully understands anymore. \
When something goes wrong, the person on call has to roll back by hand, and the migrations are not \
reversible in most of the cases, which makes it quite painful (don't ask: it's "state-of-the-art")!

Some people in the team suggested that we should move to continuous delivery with feature flags, \
while others believe that we should first invest in better tests and in staging environments that \
really look like production. Customers usually notice before we do; monitoring only alerts us when \
error rates exceed a limit over a period of minutes, and nobody reads the messages anyway."""

CHINESE = (
    "人工智能正在改变我们的生活方式，许多公司开始使用机器学习来分析客户的数据。"
    "然而，这项技术也带来了不少问题，例如隐私的保护、就业的变化以及算法的偏见。"
    "专家认为，政府应该制定新的法律，企业应该提高透明度。教育系统需要改革，学校应该教授编程。"
)


@pytest.fixture(scope="session")
def prose() -> str:
    return PROSE


@pytest.fixture(scope="session")
def chinese() -> str:
    return CHINESE


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small multilingual BERT."""
    from .small_models import make_bert

    folder = tmp_path_factory.mktemp("bert") / "llmlingua-2-bert-base-multilingual-cased-tiny"
    make_bert(folder, [PROSE, CHINESE])
    return folder


@pytest.fixture(scope="session")
def xlm_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small XLM-RoBERTa."""
    from .small_models import make_xlm_roberta

    folder = tmp_path_factory.mktemp("xlm") / "llmlingua-2-xlm-roberta-large-tiny"
    make_xlm_roberta(folder, [PROSE, CHINESE])
    return folder
