"""What weights must be before they are loaded: safetensors that are whole and finite, of this base
model, with nothing missing.

transformers and peft fill what a file lacks with random numbers or zeros and warn; here that is an
error. Only headers of the base are read.
"""

import contextlib
import json
import zipfile
from pathlib import Path

from emo_utils.project import EmoError


class WeightsError(EmoError):
    """Weights that cannot be had or used: no network, no space, a missing part, a wrong hash, a
    torn file, another model's checkpoint.
    """


def shapes(folder: Path, finite: bool = False, remedy: str = "") -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor in a folder's safetensors.

    Raises WeightsError for a file that is cut off or whose header lies, and,
    with `finite`, for NaN and infinity.
    """
    from safetensors import SafetensorError, safe_open

    found, files = {}, sorted(folder.glob("*.safetensors"))
    for path in files:
        try:
            with safe_open(path, "pt") as opened:
                found |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}
                broken = [
                    name
                    for name in opened.keys()
                    if finite and not opened.get_tensor(name).isfinite().all()
                ]
        except (OSError, SafetensorError) as error:
            raise WeightsError(
                f"{path} is no whole safetensors file ({str(error).splitlines()[0]}){remedy}"
            ) from None
        if broken:
            raise WeightsError(f"{path} holds numbers that are not finite, in {broken[0]}{remedy}")
    if not files:
        raise WeightsError(
            f"{folder} holds no safetensors; pickled weights (.bin, .pt) are not read, "
            f"because opening them can run code{remedy}"
        )
    index = folder / "model.safetensors.index.json"
    if index.is_file() and (lost := sorted(set(_json(index).get("weight_map", {})) - set(found))):
        raise WeightsError(
            f"{folder} lacks {lost[0]}{_more(lost)}, which {index.name} names: "
            f"a part is missing{remedy}"
        )
    return found


def check(folder: Path, base: str, base_folder: Path) -> None:
    """Raise WeightsError with the place and the remedy unless a checkpoint written by
    `model_cards.save` fits the base model.
    """
    adapter = folder / "adapter_config.json"
    try:
        about = (
            _json(folder / "companion.json").get("base_model", base)
            if (folder / "companion.json").is_file()
            else base
        )
        if about != base:
            raise WeightsError(f"{folder} was trained on {about}, not on {base}")
        expected, found = (
            {
                name: shape for name, shape in given.items() if name != "lm_head.weight"
            }  # tied to the embedding it is not always saved
            for given in (shapes(base_folder), shapes(folder, finite=True))
        )
        settings = _json(adapter if adapter.is_file() else folder / "config.json")
        expected = _adapters(settings, expected, adapter) if adapter.is_file() else expected
        for names, what in (
            (expected.keys() - found, f"lacks {{}}, which {base} needs"),
            (found.keys() - expected, f"holds {{}}, for which {base} has no place"),
        ):
            if names:
                raise WeightsError(f"{folder} {what.format(min(names) + _more(names))}")
        if other := [name for name in expected if found[name] != expected[name]]:
            raise WeightsError(
                f"{folder}: {other[0]} has the shape {found[other[0]]}; "
                f"{base} needs {expected[other[0]]}{_more(other)}"
            )
    except WeightsError as error:
        raise WeightsError(
            f"checkpoint not used: {error}. Train it again, or name another one"
        ) from None


def unbroken(folder: Path) -> bool:
    """Whether the files that a trainer left in a folder are as long as they say: a machine that
    lost its power may keep the names and not the contents.
    """
    try:
        whole = not any(folder.glob("*.safetensors")) or shapes(folder)
        return bool(whole and _json(folder / "trainer_state.json")) and all(
            map(zipfile.is_zipfile, [*folder.glob("*.pt"), *folder.glob("*.pth")])
        )
    except WeightsError:
        return False


def _adapters(settings: dict, base: dict, path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes that plain LoRA adapters of these settings have on a base model; another
    kind would be merged wrongly (`loading.each`).
    """
    other = [
        key
        for key in (
            "use_rslora",
            "use_dora",
            "modules_to_save",
            "rank_pattern",
            "alpha_pattern",
            "fan_in_fan_out",
            "lora_bias",
        )
        if settings.get(key)
    ]
    rank, modules = settings.get("r"), settings.get("target_modules")
    if (
        other
        or settings.get("peft_type") != "LORA"
        or not isinstance(rank, int)
        or not isinstance(modules, list)
        or not isinstance(settings.get("lora_alpha"), int | float)
    ):
        raise WeightsError(
            f"{path} is not of plain LoRA adapters with r, lora_alpha and a list of target_modules"
            f"{f' (it sets {other[0]})' if other else ''}"
        )
    ends = tuple(f".{module}.weight" for module in modules)
    layers = {
        name.removesuffix(".weight"): shape
        for name, shape in base.items()
        if len(shape) == 2 and f".{name}".endswith(ends)
    }
    return {
        f"base_model.model.{layer}.lora_{part}.weight": size
        for layer, (rows, columns) in layers.items()
        for part, size in (("A", (rank, columns)), ("B", (rows, rank)))
    }


def _json(path: Path) -> dict:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if isinstance(content := json.loads(path.read_text(encoding="utf-8")), dict):
            return content
    raise WeightsError(f"{path} is {'no JSON object' if path.is_file() else 'missing'}")


def _more(names) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
