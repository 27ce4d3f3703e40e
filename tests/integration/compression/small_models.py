"""Makes small models of the real architectures, with random weights."""

from collections.abc import Sequence
from pathlib import Path

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

_ASCII = [chr(code) for code in range(33, 127)]


def make_bert(folder: Path, texts: Sequence[str]) -> None:
    """Make a multilingual BERT of 2 layers and 32 dimensions; its vocabulary is of these texts."""
    folder.mkdir()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(_word_pieces(texts)), encoding="utf-8")
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


def make_xlm_roberta(folder: Path, texts: Sequence[str]) -> None:
    """Make an XLM-RoBERTa of 2 layers and 32 dimensions; its vocabulary is of these texts."""
    tokenizer = XLMRobertaTokenizerFast(vocab=_unigrams(texts))
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


def _word_pieces(texts: Sequence[str]) -> list[str]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=900, special_tokens=special, show_progress=False, initial_alphabet=_ASCII
    )
    tokenizer.train_from_iterator([*texts, " ".join(_ASCII)], trainer)
    vocabulary = tokenizer.get_vocab()
    missing = [f"##{letter}" for letter in _ASCII if f"##{letter}" not in vocabulary]
    return [*sorted(vocabulary, key=vocabulary.__getitem__), *missing]


def _unigrams(texts: Sequence[str]) -> list[tuple[str, float]]:
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
    tokenizer.train_from_iterator([*texts, " ".join(_ASCII)], trainer)
    vocabulary = tokenizer.get_vocab()
    learned = sorted(set(vocabulary) - set(special), key=vocabulary.__getitem__)
    scored = [(piece, -2.0 - index / 100) for index, piece in enumerate(learned)]
    return [*((token, 0.0) for token in special), *scored, ("<mask>", 0.0)]
