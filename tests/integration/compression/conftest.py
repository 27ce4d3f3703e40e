"""Small models with the real architectures and tokenizers, generated here without a download.

Their weights are random, so which words they keep means nothing. These tests check everything else,
including llmlingua's own code.
"""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForTokenClassification,
    BertTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
    XLMRobertaTokenizerFast,
)

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
    """A folder with a multilingual BERT of 2 layers and 32 dimensions."""
    folder = tmp_path_factory.mktemp("bert") / "llmlingua-2-bert-base-multilingual-cased-tiny"
    folder.mkdir()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(_word_pieces()), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(vocabulary), do_lower_case=False)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.5,
    )
    BertForTokenClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def xlm_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an XLM-RoBERTa of 2 layers and 32 dimensions."""
    folder = tmp_path_factory.mktemp("xlm") / "llmlingua-2-xlm-roberta-large-tiny"
    tokenizer = XLMRobertaTokenizerFast(vocab=_unigrams())
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        initializer_range=0.5,
    )
    XLMRobertaForTokenClassification(config).save_pretrained(folder)
    return folder


def _word_pieces() -> list[str]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=900, special_tokens=special, show_progress=False, initial_alphabet=_ASCII
    )
    tokenizer.train_from_iterator([PROSE, CHINESE, " ".join(_ASCII)], trainer)
    vocabulary = tokenizer.get_vocab()
    missing = [f"##{letter}" for letter in _ASCII if f"##{letter}" not in vocabulary]
    return [*sorted(vocabulary, key=vocabulary.__getitem__), *missing]


def _unigrams() -> list[tuple[str, float]]:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=900,
        special_tokens=special,
        unk_token="<unk>",
        show_progress=False,
        initial_alphabet=_ASCII,
    )
    tokenizer.train_from_iterator([PROSE, CHINESE, " ".join(_ASCII)], trainer)
    vocabulary = tokenizer.get_vocab()
    learned = sorted(set(vocabulary) - set(special), key=vocabulary.__getitem__)
    scored = [(piece, -2.0 - index / 100) for index, piece in enumerate(learned)]
    return [*((token, 0.0) for token in special), *scored, ("<mask>", 0.0)]


_ASCII = [chr(code) for code in range(33, 127)]
