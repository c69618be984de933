"""Small files in the shapes of the public sets of human labels, with sentences of our own."""

import json
from pathlib import Path

import pandas as pd

STRATEGIES = ("Affirmation and Reassurance", "Reflection of feelings", "Question")
# Pairs of two answers, as a user gives them to chapter 10.
PAIRS = [
    {
        "prompt": "Can he go out?",
        "chosen": "Oh dear. Take 5 walks.",
        "rejected": "Ambulation is recommended: five walks, 5 a week, daily.",
    },
    {"prompt": "What now?", "chosen": "Rest, and call me at 9 if you like.", "rejected": "Rest."},
    {
        "prompt": "May she eat?",
        "chosen": "Yes. Two small meals.",
        "rejected": "No. Two large meals.",
    },
]
# Forms of the emotion score that chapter 11 holds against labels.
FORMS = {
    "empathetic",
    "comforting",
    "reassuring",
    "mean",
    "max",
    "mean, one wording",
    "bare 1 to 5",
    "yes or no",
    "all wordings",
    "all wordings and contrast",
    "words (floor)",
    "kind words (floor)",
}


def write(folder: Path) -> Path:
    """All four sets in the folder, which is returned."""
    _conversations(folder / "esconv_dev")
    _comments(folder / "goemotions_dev")
    _summaries(folder / "mts_dialog")
    (folder / "llmbar_natural").mkdir()
    pairs = [
        {
            "input": f"Name {k} fruits.",
            "output_1": "Apple. " * k,
            "output_2": "I like trains." * (k + 1),
            "label": 1 + k % 2,
        }
        for k in range(1, 5)
    ]
    (folder / "llmbar_natural" / "dataset.json").write_text(json.dumps(pairs))
    return folder


def _conversations(folder: Path) -> None:
    """45 conversations of one and two lines; every other one is used."""
    folder.mkdir(parents=True)
    lines = []
    for k in range(45):
        first = (
            f"1.0 0 0 I cannot sleep, {k}. EOS "
            f"0.0 1 1 [{STRATEGIES[k % 3]}] Reply number {k} says "
            f"{'that you will manage ' * (k % 3)}and ends."
        )
        second = (
            f"{first} EOS 0.0 0 2 Is it so, {k}? EOS "
            f"0.0 1 3 [{STRATEGIES[k % 3]}] Second reply, number {k}, "
            f"{'is kind and ' * (k % 2)}ends."
        )
        lines += [first, second]
    (folder / "devWithStrategy_short.tsv").write_text("\n".join(lines) + "\n")


def _comments(folder: Path) -> None:
    """40 comments, every fourth marked as caring (5), all of them among every second one."""
    folder.mkdir()
    comments = [
        f"Comment {k} {'with care ' * (k % 4)}\t"
        f"{'5,27' if k % 4 == 1 else '15' if k % 4 == 3 else '27'}\tid{k}"
        for k in range(40)
    ]
    (folder / "dev.tsv").write_text("\n".join(comments) + "\n")


def _summaries(folder: Path) -> None:
    """Three summaries of each of six talks: the reference itself, one that invents 99 days and a
    drug, and one that goes round in circles.
    """
    folder.mkdir()
    rows = []
    for k in range(6):
        talk = f"Doctor: How long, {k}? Patient: Since {k + 20} days; it hurts at night."
        reference = f"Pain for {k + 20} days at night."
        circles = f"Pain {'at night ' * len(reference)}."
        for text in (reference, "Pain for 99 days, penicillin given.", circles):
            row = {"ID": len(rows), "Dialogue": talk, "Reference Summary": reference}
            rows.append(row | {"Automatic Summary": text})
    counts = [(1.0, 1.0), (0.25, 0.5), (0.9, 0.3)] * 6
    for name, table in {
        "Automatic-Summaries-ValidationSet": pd.DataFrame(rows),
        "Manual-Scores4CorrelationStudy": pd.DataFrame(
            counts, columns=["FactualPrecision", "FactualRecall"]
        ),
    }.items():
        table.to_csv(folder / f"MTS-Dialog-{name}.csv", index=False, encoding="utf-8-sig")
