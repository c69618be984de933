"""Tables of EmplifAI's chapters: rubrics, raters, and the kept full runs of the fine-tuning with
what their models wrote.
"""

import json
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from emo_utils.data import emplifai
from emo_utils.experiment import provenance
from emo_utils.people import rating_kit
from emo_utils.project import sha256_bytes
from emo_utils.report import kept_runs, result_tables

GLOSSES = kept_runs.REFERENCE / "emplifai_glosses.json"


def rubrics() -> pd.DataFrame:
    """The seven rubrics with question and five levels, in Japanese with the English behind it."""
    rows = []
    for rubric in rating_kit.RUBRICS.values():
        levels = zip(rating_kit.LEVELS, rubric["levels"], rubric["gloss"], strict=True)
        rows.append(
            {
                "rubric": f"{rubric['japanese']} ({rubric['english']})",
                "question": f"{rubric['asks']} ({rubric['means']})",
            }
            | {number: f"{level} ({gloss})" for number, level, gloss in levels}
        )
    return pd.DataFrame(rows)


def raters(agreed: pd.DataFrame) -> pd.DataFrame:
    """How far raters agree, as readers see it; agreed: what `agreement.agreement` returns."""
    return pd.DataFrame(
        {
            "rubric": agreed.metric,
            "alpha": [f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in agreed.itertuples()],
            "dialogues": agreed.n,
            "people": agreed.raters,
        }
    )


def full_run(name: str, path: Path) -> HTML:
    """The kept records of a system's full fine-tuning, with the settings that made them."""
    kept = kept_runs.kept(path).sort_values(["system", "metric"])
    settings = json.loads(path.read_text(encoding="utf-8"))["provenance"]["parameters"]
    return result_tables.show(
        result_tables.grid(kept, digits=3),
        kept_runs.kept_source(path),
        f"{name}, full run: {settings['train_rows']} rows, {settings['epochs']:g} passes, "
        f"{settings['base_model']}, n = {kept.n.max()} pairs. {result_tables.CHECKPOINT}.",
    )


def kept_dialogues(paths: list[Path]) -> list[dict[str, str]]:
    """The dialogues that kept runs hold, pair by pair: emotion, situation, `data` (the data's own)
    and each system's text of all runs together.
    """
    runs = [json.loads(path.read_text(encoding="utf-8"))["dialogues"] for path in paths]
    merged = []
    for of_pair in zip(*runs, strict=False):
        merged.append({name: text for part in of_pair for name, text in part.items()})
    return merged


def glosses() -> dict[str, str]:
    """English of Japanese dialogues, by hash of their lines: the summaries of the project's own,
    and those of the kept runs' dialogues, by a language model and checked by nobody.
    """
    of_data = {_key(emplifai.as_lines(row["turns"])): row["gloss"] for row in emplifai.load()}
    if not GLOSSES.is_file():
        return of_data
    return of_data | json.loads(provenance.noted(GLOSSES).read_text(encoding="utf-8"))


def with_gloss(text: str, english: dict[str, str]) -> str:
    """A dialogue with its English of `glosses` under it, if it has one."""
    gloss = english.get(_key(text))
    return f"{text}\n\n[{gloss}]" if gloss else text


def _key(text: str) -> str:
    return sha256_bytes(text.encode())[:12]
