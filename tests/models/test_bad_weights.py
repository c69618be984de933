"""Weights, endpoints and machines that are not as they should be: each ends in one line that says
what, where and what to do, and nothing is used or lost.

The page on hostile text shows what each case says, as in test_bad_input.py. What must also go well
(resuming, two processes, a server that comes back) is tested with its module.
"""

import errno
import json
import os
import pickle
import shutil
import socket
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from complaints import complaint, shown_on_the_page
from local_server import Local
from safetensors.numpy import load_file, save_file

from emo import cli
from emo_utils.models import checkpoints, fetching, loading, registry
from emo_utils.models.checkpoints import WeightsError
from emo_utils.models.registry import Member, Weights

ADAPTER, WHOLE = "adapter_model.safetensors", "model.safetensors"
LAYER = "base_model.model.model.layers.0.mlp.up_proj"


class Trap:
    """Code in a pickle: it would leave a file behind if anything opened it."""

    def __reduce__(self):
        return Path.touch, (Path("trap-was-sprung"),)


# Checkpoints


@pytest.fixture(scope="module")
def good(tiny, tmp_path_factory):
    """An adapter and a whole model, as chapter 2 saves them."""
    from peft import get_peft_model

    from emo_utils.training import recipe

    folder = tmp_path_factory.mktemp("good")
    for kind, rank in (("adapter", 4), ("whole", 0)):
        model, _ = loading.load("tiny-llama")
        (get_peft_model(model, recipe.lora(rank)) if rank else model).save_pretrained(folder / kind)
        (folder / kind / "companion.json").write_text(
            json.dumps({"base_model": "tiny-llama", "starts_from": []})
        )
    return folder


def header(folder: Path, change) -> None:
    """Replace what the head of a safetensors file says, and its length, and leave the numbers."""
    path = next(folder.glob("*.safetensors"))
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    said = json.loads(content[8 : 8 + length])
    change(said)
    new = json.dumps(said).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])


def tensors(folder: Path, change) -> None:
    path = next(folder.glob("*.safetensors"))
    found = load_file(path)
    change(found)
    save_file(found, path, {"format": "pt"})


def content(change):
    def write(folder: Path) -> None:
        path = next(folder.glob("*.safetensors"))
        path.write_bytes(change(path.read_bytes()))

    return write


def settings(name: str, **changes):
    def write(folder: Path) -> None:
        said = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(
            json.dumps({key: value for key, value in said.items() if value is not ...})
        )

    return write


def written(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


def pickled(name: str):
    def write(folder: Path) -> None:
        next(folder.glob("*.safetensors")).unlink()
        (folder / name).write_bytes(pickle.dumps(Trap()))

    return write


def sharded(folder: Path) -> None:
    """The index of a model in two parts, of which one is there."""
    found = load_file(folder / WHOLE)
    half = dict(list(found.items())[:5])
    (folder / WHOLE).unlink()
    save_file(half, folder / "model-00001-of-00002.safetensors", {"format": "pt"})
    places = {name: f"model-0000{1 + (name not in half)}-of-00002.safetensors" for name in found}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def beyond(said: dict) -> None:
    name = max(said.keys() - {"__metadata__"}, key=lambda name: said[name]["data_offsets"][1])
    said[name] |= {
        "shape": [1 << 40],
        "data_offsets": [said[name]["data_offsets"][0], said[name]["data_offsets"][0] + (1 << 42)],
    }


def not_a_number(found: dict) -> None:
    found[min(found)][0, 0] = np.nan


def infinite(found: dict) -> None:
    found[min(found)][0, 0] = np.inf


TORN = "is no whole safetensors file"
CHECKPOINTS = {
    "an adapter cut off": (
        "adapter",
        content(lambda b: b[:-100]),
        f"adapter_model.safetensors {TORN}",
    ),
    "a whole model cut off": (
        "whole",
        content(lambda b: b[: len(b) // 2]),
        f"model.safetensors {TORN}",
    ),
    "a header cut off": ("adapter", content(lambda b: b[:40]), TORN),
    "nothing in the file": ("adapter", content(lambda b: b""), TORN),
    "zeros": ("adapter", content(lambda b: bytes(len(b))), TORN),
    "bytes behind the end": ("adapter", content(lambda b: b + b"more"), TORN),
    "a header that says it is huge": (
        "adapter",
        content(lambda b: struct.pack("<Q", 1 << 62) + b[8:]),
        TORN,
    ),
    "a header that says it is longer": (
        "adapter",
        content(lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] + 64) + b[8:]),
        TORN,
    ),
    "a header that is no JSON": ("adapter", content(lambda b: b[:8] + b"x" * 40 + b[48:]), TORN),
    "a tensor beyond the end": ("whole", lambda folder: header(folder, beyond), TORN),
    "a shape that does not fit its bytes": (
        "adapter",
        lambda folder: header(
            folder, lambda said: said[f"{LAYER}.lora_A.weight"].update(shape=[4, 63])
        ),
        TORN,
    ),
    "a type that there is not": (
        "adapter",
        lambda folder: header(
            folder, lambda said: said[f"{LAYER}.lora_A.weight"].update(dtype="F31")
        ),
        TORN,
    ),
    "a pickle under the name": ("adapter", content(lambda b: pickle.dumps(Trap())), TORN),
    "a GGUF under the name": (
        "whole",
        content(lambda b: b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)),
        TORN,
    ),
    "an error page under the name": (
        "adapter",
        content(lambda b: b"<!doctype html><html><body>502 Bad Gateway</body></html>" * 9),
        TORN,
    ),
    "a pointer of git-lfs": (
        "whole",
        content(lambda b: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        TORN,
    ),
    "a pickled adapter": (
        "adapter",
        pickled("adapter_model.bin"),
        "holds no safetensors; pickled weights .* can run code",
    ),
    "a pickled model": (
        "whole",
        pickled("pytorch_model.bin"),
        "holds no safetensors; pickled weights .* can run code",
    ),
    "an empty folder": (
        "adapter",
        lambda folder: [path.unlink() for path in folder.iterdir()],
        "holds no safetensors",
    ),
    "a part missing": (
        "whole",
        sharded,
        "lacks model.layers.*, which model.safetensors.index.json names: a part is missing",
    ),
    "NaN": (
        "adapter",
        lambda folder: tensors(folder, not_a_number),
        "holds numbers that are not finite, in base_model",
    ),
    "infinity": (
        "whole",
        lambda folder: tensors(folder, infinite),
        "holds numbers that are not finite, in model",
    ),
    "a matrix missing": (
        "adapter",
        lambda folder: tensors(folder, lambda found: found.pop(f"{LAYER}.lora_B.weight")),
        f"lacks {LAYER}.lora_B.weight, which tiny-llama needs",
    ),
    "a layer missing": (
        "whole",
        lambda folder: tensors(
            folder, lambda found: [found.pop(name) for name in list(found) if "layers.1" in name]
        ),
        "lacks model.layers.1.input_layernorm.weight .and 8 more., which",
    ),
    "a matrix too many": (
        "adapter",
        lambda folder: tensors(
            folder,
            lambda found: found.update(
                {"base_model.model.model.embed_tokens.lora_A.weight": np.zeros((4, 64), "float32")}
            ),
        ),
        (
            "holds base_model.model.model.embed_tokens.lora_A.weight, "
            "for which tiny-llama has no place"
        ),
    ),
    "a layer too many": (
        "whole",
        lambda folder: tensors(
            folder,
            lambda found: found.update(
                {"model.layers.2.mlp.up_proj.weight": np.zeros((4, 64), "float32")}
            ),
        ),
        "holds model.layers.2.mlp.up_proj.weight, for which",
    ),
    "an adapter of a wider model": (
        "adapter",
        lambda folder: tensors(
            folder,
            lambda found: found.update({f"{LAYER}.lora_A.weight": np.zeros((4, 576), "float32")}),
        ),
        r"lora_A.weight has the shape \(4, 576\); tiny-llama needs \(4, 64\)",
    ),
    "a smaller vocabulary": (
        "whole",
        lambda folder: tensors(
            folder,
            lambda found: found.update(
                {"model.embed_tokens.weight": np.zeros((100, 64), "float32")}
            ),
        ),
        r"embed_tokens.weight has the shape \(100, 64\); tiny-llama needs \(4259, 64\)",
    ),
    "another rank than is said": (
        "adapter",
        settings("adapter_config.json", r=8),
        r"has the shape .* needs",
    ),
    "a rank that is none": (
        "adapter",
        settings("adapter_config.json", r="4"),
        "is not of plain LoRA adapters",
    ),
    "no rank": ("adapter", settings("adapter_config.json", r=...), "is not of plain LoRA adapters"),
    "no scale": (
        "adapter",
        settings("adapter_config.json", lora_alpha=None),
        "is not of plain LoRA adapters",
    ),
    "another kind of adapter": (
        "adapter",
        settings("adapter_config.json", peft_type="IA3"),
        "is not of plain LoRA adapters",
    ),
    "DoRA": ("adapter", settings("adapter_config.json", use_dora=True), "it sets use_dora"),
    "another scale by rank": (
        "adapter",
        settings("adapter_config.json", use_rslora=True),
        "it sets use_rslora",
    ),
    "other layers than are said": (
        "adapter",
        settings("adapter_config.json", target_modules=["q_proj"]),
        "holds base_model.model.model.layers.0.mlp.down_proj",
    ),
    "layers by a pattern": (
        "adapter",
        settings("adapter_config.json", target_modules=".*proj"),
        "is not of plain LoRA adapters",
    ),
    "an adapter for another base": (
        "adapter",
        settings("companion.json", base_model="SmolLM2-135M-Instruct"),
        "was trained on SmolLM2-135M-Instruct, not on tiny-llama",
    ),
    "a model of another base": (
        "whole",
        settings("companion.json", base_model="Llama-3.2-1B-Instruct"),
        "was trained on Llama-3.2-1B-Instruct, not on tiny-llama",
    ),
    "torn settings": (
        "adapter",
        written("adapter_config.json", '{"r": 4, "lora'),
        "adapter_config.json is no JSON object",
    ),
    "a list of settings": (
        "adapter",
        written("adapter_config.json", "[]"),
        "adapter_config.json is no JSON object",
    ),
    "settings without end": (
        "adapter",
        written("adapter_config.json", "[" * 100_000),
        "adapter_config.json is no JSON object",
    ),
    "a model without settings": (
        "whole",
        lambda folder: (folder / "config.json").unlink(),
        "config.json is missing",
    ),
    "torn settings of a model": (
        "whole",
        written("config.json", "{"),
        "config.json is no JSON object",
    ),
    "torn origin": (
        "adapter",
        written("companion.json", '{"base_'),
        "companion.json is no JSON object",
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoints_that_cannot_be_used(good, tiny, tmp_path, monkeypatch, case):
    kind, spoil, says = CHECKPOINTS[case]
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(good / kind, tmp_path / "mine")
    spoil(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for use in (
        lambda: loading.load("tiny-llama", checkpoints=[folder]),
        lambda: list(loading.each("tiny-llama", "float32", {"mine": [folder]})),
    ):
        with pytest.raises(
            WeightsError,
            match=f"^checkpoint not used: .*{says}.*Train it again, or name another one",
        ) as error:
            use()
    shown_on_the_page([f"emo: {error.value}"])
    assert "\n" not in str(error.value) and str(folder) in str(error.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before and not (
        tmp_path / "trap-was-sprung"
    ).exists()


def test_the_trap_would_spring(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "trap-was-sprung").exists()


@pytest.mark.parametrize("kind", ["adapter", "whole"])
def test_what_was_spoiled_was_good_before(good, tiny, kind):
    assert checkpoints.check(good / kind, "tiny-llama", tiny) is None
    loading.load("tiny-llama", checkpoints=[good / kind])


@pytest.mark.night
def test_a_chapter_that_starts_from_a_torn_checkpoint_says_so_in_its_last_line(
    good, tiny, tmp_path, capsys
):
    folder = shutil.copytree(good / "adapter", tmp_path / "mine")
    content(lambda b: b[:-100])(folder)
    said = complaint(
        capsys, "run", "03_dpo", "-p", "profile", "smoke", "-p", "init", folder, shown=False
    )
    assert (
        pd.Series(said)
        .str.contains(
            "checkpoint not used: .*adapter_model.safetensors is no whole safetensors file"
        )
        .any()
    ), said


def files_of_a_trainer(folder: Path) -> Path:
    """What a trainer leaves to go on from, with small files in the place of an optimizer's."""
    import torch

    folder.mkdir()
    save_file({"w": np.zeros(9, "float32")}, folder / ADAPTER)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({"a": torch.zeros(9)}, folder / name)
    (folder / "trainer_state.json").write_text('{"global_step": 2}')
    return folder


@pytest.mark.parametrize(
    "torn", ["", ADAPTER, "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
)
def test_a_place_to_go_on_from_is_whole_or_is_not_one(tmp_path, torn):
    """A machine that loses its power may keep a file's name and length of nothing;
    the state is written last, and that alone says nothing.
    """
    folder = files_of_a_trainer(tmp_path / "checkpoint-2")
    assert checkpoints.unbroken(folder)
    if torn:
        (folder / torn).write_bytes((folder / torn).read_bytes()[:-30])
        assert not checkpoints.unbroken(folder)


def test_training_goes_on_from_the_last_place_that_is_whole(tmp_path):
    from emo_utils.training import fitting

    for step in (2, 4, 10):
        files_of_a_trainer(tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-10" / "optimizer.pt").write_bytes(b"half")
    assert fitting._last_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
    assert not (tmp_path / "checkpoint-10").exists()


# Weights of the registry


@pytest.fixture
def entries_of_each_kind(tmp_path, monkeypatch):
    """An empty cache, a folder of files that the user brought, one entry of each kind,
    and no package index.
    """
    sha256 = "0" * 64
    entries = {
        "by-file": Weights(
            "by-file",
            "a test",
            "none",
            size_mb=1,
            sha256=sha256,
            file="by-file.gguf",
            members=(Member("toy-weights", "1.0.0", "toy/part.bin"),),
        ),
        "by-zip": Weights(
            "by-zip",
            "a test",
            "none",
            size_mb=1,
            sha256=sha256,
            file="by-zip.zip",
            members=(Member("toy-weights", "1.0.0", "toy/part.bin"),),
        ),
        "by-folder": Weights("by-folder", "a test", "none", size_mb=1, hub="nobody/nothing"),
        "large": Weights(
            "large",
            "a test",
            "none",
            size_mb=10**9,
            sha256=sha256,
            file="large.gguf",
            members=(Member("toy-weights", "1.0.0", "toy/part.bin"),),
        ),
    }
    monkeypatch.setattr(
        registry, "REGISTRY", entries | {"tiny-llama": registry.REGISTRY["tiny-llama"]}
    )
    for name, value in {
        "EMO_CACHE": tmp_path / "cache",
        "EMO_MODELS": tmp_path / "mine",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": tmp_path,
        "PIP_CONFIG_FILE": "/dev/null",
        "HF_HUB_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "mine" / "by-folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gguf(tensor_count: int, pairs: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensor_count, pairs) + rest


HASH = (
    "has sha256 [0-9a-f]{64}, the registry pins 0{64}.*it was not used. Copy it again, or remove it"
)
BROUGHT = {
    "a GGUF that counts wrongly": ("by-file", "by-file.gguf", gguf(1 << 60, 1 << 60), HASH),
    "a GGUF with a text without end": (
        "by-file",
        "by-file.gguf",
        gguf(0, 1, struct.pack("<Q", 1 << 62)),
        HASH,
    ),
    "a GGUF of another version": ("by-file", "by-file.gguf", b"GGUF" + struct.pack("<I", 99), HASH),
    "an error page": ("by-file", "by-file.gguf", b"<html>404</html>", HASH),
    "an empty file": ("by-file", "by-file.gguf", b"", HASH),
    "a pickle": ("by-file", "by-file.gguf", pickle.dumps(Trap()), HASH),
    "a zip with ../ in it": ("by-zip", "by-zip.zip", None, HASH),
    "a folder of pickles": (
        "by-folder",
        "by-folder/pytorch_model.bin",
        pickle.dumps(Trap()),
        "by-folder holds no safetensors; pickled weights",
    ),
    "a folder with a torn file": (
        "by-folder",
        "by-folder/model.safetensors",
        b"\x08\0\0\0\0\0\0\0{}",
        (
            "model.safetensors is no whole safetensors file .*Copy it again, "
            "or remove .*by-folder: then the hub is asked"
        ),
    ),
    "an empty folder": ("by-folder", "by-folder/.keep", b"", "by-folder holds no safetensors"),
}


@pytest.mark.parametrize("case", BROUGHT)
def test_weights_that_were_brought_along(entries_of_each_kind, capsys, case):
    name, place, what, says = BROUGHT[case]
    if what is None:
        with zipfile.ZipFile(entries_of_each_kind / "mine" / place, "w") as archive:
            archive.writestr("model/../../outside.json", "{}")
    else:
        (entries_of_each_kind / "mine" / place).write_bytes(what)
    said = complaint(capsys, "fetch", name)
    assert pd.Series(said).str.contains(says).any(), said
    assert not registry.is_cached(name) and (entries_of_each_kind / "mine" / place).exists()
    assert not [
        path
        for path in entries_of_each_kind.rglob("*")
        if path.name in ("trap-was-sprung", "outside.json")
    ]


MACHINE = {
    "no network": (
        ("fetch", "by-file"),
        {},
        "pip cannot download toy-weights==1.0.0.*Check the network",
    ),
    "no hub": (
        ("fetch", "by-folder"),
        {"EMO_MODELS": ""},
        "the hub does not give nobody/nothing.*put the folder at",
    ),
    "no space": (
        ("fetch", "large"),
        {},
        (
            r"large needs 6000000.0 GB for a moment and .* has .* GB free; "
            r"free some space, or set EMO_CACHE"
        ),
    ),
    "a cache that may not be written": (
        ("fetch", "by-file"),
        {"EMO_CACHE": "/proc/nowhere"},
        "/proc/nowhere",
    ),
    "a cache that is a file": (("fetch", "by-file"), {"EMO_CACHE": "FILE"}, "file"),
    "a cache below a file": (("fetch", "by-file"), {"EMO_CACHE": "FILE/below"}, "file"),
    "a name that is none": (("fetch", "by-fil"), {}, "did you mean 'by-file'"),
}


@pytest.mark.parametrize("case", MACHINE)
def test_a_machine_that_cannot(entries_of_each_kind, capsys, monkeypatch, case):
    arguments, changes, says = MACHINE[case]
    (entries_of_each_kind / "file").write_text("mine")
    for name, value in changes.items():
        monkeypatch.setenv(name, value.replace("FILE", str(entries_of_each_kind / "file")))
    said = complaint(capsys, *arguments)
    assert (
        len(said) == 1 and said[0].startswith("emo: ") and pd.Series(said).str.contains(says).all()
    ), said
    assert (entries_of_each_kind / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "number, says",
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EIO, "Input/output error"),
    ],
    ids=lambda v: errno.errorcode.get(v, ""),
)
def test_a_disk_that_fails_in_the_middle(entries_of_each_kind, capsys, monkeypatch, number, says):
    """While a reply's store, a sheet or weights are written: what was there stays,
    and no half-written file has a name that is read.
    """

    def fail(path, content):
        Path(path).with_name(f".{Path(path).name}.partial").write_bytes(b"half")
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(fetching, "write_atomic", fail)
    said = complaint(capsys, "fetch", "tiny-llama")
    assert said[-1].startswith(f"emo: {says}") and "what was finished is kept" in said[-1]
    assert not registry.is_cached("tiny-llama")
    monkeypatch.undo()


# Endpoints


HTML = "<!doctype html><html><body><h1>Sign in to the hotel's network</h1></body></html>"
ODD = (
    r"3 failed; run the same command again .*last: its answer is no chat completion "
    r"\(a sign-in page\? an address without /v1\?\), "
)
ENDPOINTS = {
    "a sign-in page": (200, HTML, ODD + "JSONDecodeError"),
    "nothing": (200, "", ODD + "JSONDecodeError"),
    "a list": (200, [], ODD),
    "no choices": (200, {"choices": []}, ODD),
    "another API": (200, {"result": "ok"}, ODD),
    "a wrong key": (
        401,
        {"error": {"message": "Incorrect API key provided: sk-planted-1"}},
        (
            r"^emo: the endpoint does not accept the key in OPENAI_API_KEY "
            r".*401.*provided: \(the key\)"
        ),
    ),
    "no right to it": (
        403,
        {"error": {"message": "not your project"}},
        "^emo: the endpoint does not accept the key .*403.*not your project",
    ),
    "another path": (
        404,
        {"detail": "Not Found"},
        "^emo: the endpoint does not know the model 'm' or the address is wrong .*404",
    ),
    "an unknown model": (
        404,
        {"error": {"message": "The model 'm' does not exist", "code": "model_not_found"}},
        "^emo: the endpoint does not know the model 'm' .*does not exist",
    ),
    "too many requests": (
        429,
        {"error": {"message": "Rate limit reached"}},
        "3 failed; .*last: RateLimitError: .*429 - Rate limit reached",
    ),
    "a fault of its own": (500, HTML, "3 failed; .*last: InternalServerError: .*500"),
    "a gateway": (502, HTML, "3 failed; .*last: InternalServerError: .*502"),
}


@pytest.fixture
def server():
    started = []

    def start(reply):
        started.append(Local(reply))
        return started[-1]

    yield start
    for local in started:
        local.server.shutdown()


def ask(capsys, tmp_path, address: str) -> list[str]:
    rows = [
        {
            "id": f"a{n}",
            "question": f"What should I do about knee {n}, which has hurt for a week?",
            "answer": "Rest it for two days and cool it, then see a doctor if it hurts.",
        }
        for n in range(3)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return complaint(
        capsys,
        "rewrite",
        tmp_path / "rows.jsonl",
        "--er",
        3,
        "--endpoint",
        address,
        "--model",
        "m",
        "--out",
        tmp_path / "out",
        "--attempts",
        1,
        "--timeout",
        2,
    )


@pytest.fixture
def impatient(monkeypatch):
    from emo_utils.rewriting import live

    client = live.client
    monkeypatch.setattr(live, "client", lambda address: client(address, retries=0))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1")


@pytest.mark.parametrize("case", ENDPOINTS)
def test_endpoints_that_do_not_answer_as_they_should(server, impatient, tmp_path, capsys, case):
    status, answer, says = ENDPOINTS[case]
    said = ask(capsys, tmp_path, server(lambda path, body: (status, answer)).address)
    assert pd.Series(said).str.contains(says).any(), said
    assert "sk-planted-1" not in repr(said) and not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and b"sk-planted-1" in path.read_bytes()
    ]


@pytest.mark.parametrize("case", ["nobody listens", "hangs up", "says nothing"])
def test_endpoints_that_do_not_answer(impatient, tmp_path, capsys, case):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if case != "nobody listens":
            listener.listen(8)
        if case == "hangs up":
            threading.Thread(
                target=lambda: [listener.accept()[0].close() for _ in range(9)], daemon=True
            ).start()
        said = ask(capsys, tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    assert pd.Series(said).str.contains("3 failed; run the same command again").any(), said


def test_what_failed_is_asked_again_and_nothing_else(server, impatient, tmp_path, capsys):
    """A service that was down for a while: the store keeps what it had,
    and the same command asks for the rest.
    """
    good, down = (
        {
            "choices": [
                {
                    "message": {
                        "content": json.dumps(
                            {
                                "empathetic_answer": (
                                    "I am sorry that it hurts. Rest it for two days "
                                    "and cool it, then see a doctor if it still hurts."
                                )
                            }
                        )
                    }
                }
            ]
        },
        [],
    )
    local = server(
        lambda path, body: (502, HTML) if down and "knee 0" not in str(body) else (200, good)
    )
    down.append(True)
    ask(capsys, tmp_path, local.address)
    asked = len(local.asked)
    down.clear()
    cli.main(
        [
            "rewrite",
            str(tmp_path / "rows.jsonl"),
            "--er",
            "3",
            "--endpoint",
            local.address,
            "--model",
            "m",
            "--out",
            str(tmp_path / "out"),
            "--attempts",
            "1",
        ]
    )
    assert "1 of them in the store" in capsys.readouterr().out and not [
        body for body in local.asked[asked:] if "knee 0" in str(body)
    ]
