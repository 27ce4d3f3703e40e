"""Weights are found by a folder's contents; incomplete ones are never used."""

import json
import os
import pickle
import struct
from pathlib import Path

import pytest

from tasks.compression import compressor, weights
from tasks.compression.errors import CompressionFailed, WeightsUnusable
from tasks.compression.model_folder import check, needed
from tasks.compression.weights import find_weights, pull
from tests.fresh_python import FreshPython

NAME = "my-bert-base-multilingual-cased"
CONFIG = {"model_type": "bert", "architectures": ["BertForTokenClassification"]}


def safetensors(size: int = 16) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def model(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "model.safetensors").write_bytes(safetensors())
    (folder / "vocab.txt").write_text("[PAD]\n")
    return folder


def silent(_: str) -> None:
    pass


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find_weights(tmp_path, None) is None
    (tmp_path / "models").mkdir()
    assert find_weights(tmp_path, None) is None


def test_the_first_good_folder_of_home_is_found(tmp_path: Path) -> None:
    (tmp_path / "models" / "a-bert-base-multilingual-cased").mkdir(parents=True)
    (tmp_path / "models" / "a-file").write_text("")
    model(tmp_path / "models" / ".pull-b-bert-base-multilingual-cased")
    good = model(tmp_path / "models" / NAME)
    assert find_weights(tmp_path, None) == good


def test_the_configured_folder_wins(tmp_path: Path) -> None:
    model(tmp_path / "models" / NAME)
    mine = model(tmp_path / "mine" / "xlm-roberta-large", model_type="xlm-roberta")
    assert find_weights(tmp_path, mine) == mine


def test_a_bad_configured_folder_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    model(tmp_path / "models" / NAME)
    with pytest.raises(WeightsUnusable, match=r"LLMLINGUA_MODEL: .*no such folder"):
        find_weights(tmp_path, tmp_path / "gone")


def test_a_folder_must_carry_the_name_of_its_family(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnusable, match="must contain 'bert-base-multilingual-cased'"):
        check(model(tmp_path / "weights"))
    with pytest.raises(WeightsUnusable, match="must contain 'xlm-roberta-large'"):
        check(model(tmp_path / NAME, model_type="xlm-roberta"))


def test_a_path_that_names_the_other_family_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bert-base-multilingual-cased" / "xlm-roberta-large"
    with pytest.raises(WeightsUnusable, match="no other family"):
        check(model(folder, model_type="xlm-roberta"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "not an object"),
        (lambda f: (f / "vocab.txt").unlink(), "no tokenizer"),
        (lambda f: (f / "vocab.txt").write_text(""), "no tokenizer"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "model.safetensors").write_bytes(safetensors()[:-1]), "truncated"),
        (lambda f: (f / "model.safetensors").write_bytes(b"PK\x03\x04"), "truncated"),
        (lambda f: (f / "loop").symlink_to("loop"), "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, spoil: object, message: str) -> None:
    folder = model(tmp_path / NAME)
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(WeightsUnusable, match=message):
        check(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "not a token classifier"),
        ({"architectures": None}, "not a token classifier"),
        ({"model_type": "llama"}, "model_type is 'llama'"),
    ],
)
def test_a_model_of_another_kind_is_refused(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    with pytest.raises(WeightsUnusable, match=message):
        check(model(tmp_path / NAME, **config))


def test_pull_copies_only_what_loading_takes(tmp_path: Path) -> None:
    source = model(tmp_path / "source" / NAME)
    (source / "pytorch_model.bin").write_bytes(b"x")
    (source / "README.md").write_text("x")
    (source / "modeling.py").write_text("x")
    said: list[str] = []
    target = pull(tmp_path / "home", source, said.append)
    assert target == tmp_path / "home" / "models" / NAME
    assert {f.name for f in target.iterdir()} == {"config.json", "model.safetensors", "vocab.txt"}
    assert find_weights(tmp_path / "home", None) == target
    assert any("model.safetensors" in line for line in said)


def test_pull_gives_a_folder_of_any_name_the_name_that_llmlingua_needs(tmp_path: Path) -> None:
    target = pull(tmp_path, model(tmp_path / "snapshot"), silent)
    assert target.name == "llmlingua-2-bert-base-multilingual-cased"


def test_pull_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    old = model(tmp_path / "models" / NAME)
    (old / "vocab.txt").write_text("old")
    assert pull(tmp_path, model(tmp_path / "new" / NAME), silent) == old
    assert (old / "vocab.txt").read_text() == "[PAD]\n"
    assert list((tmp_path / "models").iterdir()) == [old]


def test_pull_of_a_bad_source_changes_nothing(tmp_path: Path) -> None:
    source = model(tmp_path / "source" / NAME)
    (source / "vocab.txt").unlink()
    for wrong in (source, tmp_path / "gone", source / "config.json"):
        with pytest.raises(WeightsUnusable):
            pull(tmp_path / "home", wrong, silent)
    assert not (tmp_path / "home").exists()


def test_pull_refuses_a_link_out_of_the_folder(tmp_path: Path) -> None:
    source = model(tmp_path / "source" / NAME)
    (tmp_path / "secret").write_text("s")
    (source / "tokenizer.json").symlink_to(tmp_path / "secret")
    with pytest.raises(WeightsUnusable, match="links outside the folder"):
        pull(tmp_path, source, silent)


def test_a_pull_that_dies_half_way_leaves_nothing_that_is_found(tmp_path: Path) -> None:
    def die(line: str) -> None:
        if "vocab.txt" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(tmp_path, model(tmp_path / "source" / NAME), die)
    assert find_weights(tmp_path, None) is None
    assert list((tmp_path / "models").iterdir()) == []


def test_leftovers_of_killed_pulls_go_after_a_day(tmp_path: Path) -> None:
    old, fresh = tmp_path / "models" / ".pull-old", tmp_path / "models" / ".pull-fresh"
    old.mkdir(parents=True)
    fresh.mkdir()
    os.utime(old, (0, 0))
    pull(tmp_path, model(tmp_path / "source" / NAME), silent)
    assert not old.exists()
    assert fresh.exists()


def test_an_unreachable_hub_says_what_to_do(fresh_python: FreshPython, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from tasks.compression import weights\n"
        f"weights.pull(Path({str(tmp_path)!r}), None, print)\n"
    )
    done = fresh_python(code, env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "trimind models pull --from FOLDER" in done.stderr
    assert list((tmp_path / "models").iterdir()) == []


def test_safe_weights_are_preferred_to_pickled_ones() -> None:
    assert needed(["model.safetensors", "pytorch_model.bin"]) == ["model.safetensors"]
    assert needed(["pytorch_model.bin", "README.md"]) == ["pytorch_model.bin"]


def test_without_weights_the_extractive_compressor_serves_and_says_how_to_change_it(
    tmp_path: Path,
) -> None:
    assert compressor.choose(tmp_path, None).name == "extractive"
    assert "trimind models pull" in compressor.explain(tmp_path, None)
    compressor.warm(compressor.choose(tmp_path, None))


def test_choosing_imports_nothing_heavy(fresh_python: FreshPython, tmp_path: Path) -> None:
    model(tmp_path / "models" / NAME)
    code = (
        "import sys; from pathlib import Path\n"
        "from tasks.compression.compressor import choose, explain\n"
        f"home = Path({str(tmp_path)!r})\n"
        "print(choose(home, None).name, explain(home, None))\n"
        "heavy = {'torch', 'transformers', 'llmlingua', 'litellm', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = fresh_python(code, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("error", [CompressionFailed, WeightsUnusable])
def test_errors_keep_their_type_and_message_through_pickle(error: type[Exception]) -> None:
    back = pickle.loads(pickle.dumps(error("it broke")))
    assert type(back) is error
    assert str(back) == "it broke"
    assert weights.HOW_TO_GET
