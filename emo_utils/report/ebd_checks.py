"""What a summary of Empathy by Design asks whoever repeats it, three first experiments and three
next checks, as a table: done where, with which result, or not done and why (chapter 10.2).

Results are read from kept runs; nothing here is typed but what was asked and what is missing.
"""

import html
from typing import NamedTuple

import pandas as pd
from IPython.display import HTML

from emo_utils.project import REFERENCE
from emo_utils.report import kept_runs, result_tables

PAGES = {
    "10_empathy_by_design": "chapter 10",
    "10_ebd_scores": "chapter 10.1",
    "10_ebd_open": "chapter 10.2",
}


class Result(NamedTuple):
    """A record of a kept run (its name under book/reference), and what it is in words."""

    kept: str
    table: str
    system: str
    metric: str
    words: str
    group: str = "all"
    sign: str = ""


class Asked(NamedTuple):
    """A thing that the summary asks for; pages: chapters that have it; missing: what was not done,
    and why.
    """

    of: str
    what: str
    pages: tuple[str, ...]
    results: tuple[Result, ...]
    missing: str


FIRST, NEXT = "first experiment", "next check"
_DIFFERENCE = {"group": "minus ebd-base", "sign": "+"}
_ELSEWHERE = {"group": "EmoDoctor's questions", "sign": "+"}
ASKED = (
    Asked(
        FIRST,
        "Make the preference pairs again, and see that the two sides differ in meaning",
        ("10_empathy_by_design",),
        (
            Result("ebd_authors", "ebd.pairs", "", "cosine", "similarity of the authors' sides"),
            Result("ebd_authors", "ebd.pairs", "", "cosine with another pair's", "of other pairs'"),
            Result(
                "ebd_authors", "ebd.pairs", "", "preferred has fewer words", "shorter preferred"
            ),
        ),
        "A generator that writes pairs live was tried in tests only.",
    ),
    Asked(
        FIRST,
        "Train by DPO with LoRA and quantized weights, and watch the loss",
        ("10_empathy_by_design",),
        (
            Result("ebd_authors", "ebd.training", "ebd-dpo", "final_loss", "last loss"),
            Result("ebd_authors", "ebd.training", "ebd-dpo", "test_accuracy", "unseen pairs right"),
            Result(
                "ebd_authors",
                "ebd.training",
                "ebd-dpo",
                "gain_per_token",
                "preferred answers, nats",
            ),
            Result(
                "ebd_authors", "ebd.quantization", "ebd-base", "nats_more", "cost of 4 bits, nats"
            ),
        ),
        "Training in 4 bits was run in tests only: it wants a GPU. The model is far smaller.",
    ),
    Asked(
        FIRST,
        "Hold the tuned model against its start on semantic similarity and empathy",
        ("10_ebd_scores",),
        (
            Result(
                "ebd_scores",
                "ebd.semantic.differences",
                "ebd-dpo",
                "cosine",
                "similarity",
                **_DIFFERENCE,
            ),
            Result(
                "ebd_scores",
                "ebd.human.differences",
                "ebd-dpo",
                "empathy",
                "empathy by a judge",
                **_DIFFERENCE,
            ),
        ),
        "One model and one training of it; the judge is as small as chapter 10.1 says.",
    ),
    Asked(
        NEXT,
        "Train with all settings named, and say how much they matter",
        ("10_ebd_open", "10_empathy_by_design"),
        (),
        "Settings that the authors' code leaves open are marked in chapter 10's table; the paper's "
        "own model was not varied.",
    ),
    Asked(
        NEXT,
        "Let caregivers and clinicians judge blindly, and hold them against the automatic measures",
        ("10_ebd_open",),
        (),
        "Blinded forms and the comparison are there and tested; nobody has been asked yet.",
    ),
    Asked(
        NEXT,
        "Ask questions from outside of caregiving, and measure what is lost",
        ("10_ebd_open",),
        (
            Result("ebd_open", "ebd.transfer", "ebd-dpo", "warmth", "warmth", **_ELSEWHERE),
            Result("ebd_open", "ebd.transfer", "ebd-dpo", "cosine", "similarity", **_ELSEWHERE),
        ),
        "Questions of patients to doctors are the only other field that was tried.",
    ),
)
GRID = "ebd_grid"


def found(asked: Asked, records: dict[str, pd.DataFrame]) -> list[str]:
    """The results of a thing asked for, each with interval and n, in words; one without a record in
    a kept run says so. records: of kept runs, by name.
    """
    lines = []
    for result in asked.results:
        frame = records[result.kept]
        if not len(frame):
            lines.append(f"{result.words}: no kept run")
            continue
        part = frame[
            (frame.table == result.table)
            & (frame.metric == result.metric)
            & (frame.group == result.group)
            & (frame.system.eq(result.system) | (result.system == ""))
        ]
        lines += [f"{result.words} {_with_n(r, result.sign)}" for r in part.itertuples()] or [
            f"{result.words}: no record in {result.kept}"
        ]
    return lines


def _with_n(record, sign: str) -> str:
    text = result_tables.with_interval(record, sign=sign)
    return text if "n =" in text else f"{text}, n = {record.n}"


def of_grid(records: pd.DataFrame) -> list[str]:
    """How far the variants of beta, step size and rank lie apart, in words."""
    if not len(records):
        return ["no kept run"]
    return [
        f"{words} {part.value.min():.2f} to {part.value.max():.2f} over {len(part)} variants, "
        f"n = {part.n.max()} each"
        for metric, words in (
            ("test_accuracy", "unseen pairs right"),
            ("kl_per_token", "drift from the start, nats a token,"),
            ("repeated", "repeated sequences"),
        )
        for part in [records[records.metric == metric]]
    ]


def table() -> HTML:
    """The six things that were asked for, a row each, with links, results of kept runs and what is
    missing.
    """
    names = dict.fromkeys([GRID, *(r.kept for asked in ASKED for r in asked.results)])
    records = {name: kept_runs.kept(REFERENCE / f"{name}.json") for name in names}
    rows = []
    for asked in ASKED:
        results = found(asked, records)
        if asked.what.startswith("Train with all settings"):
            results = of_grid(records[GRID])
        links = ", ".join(f'<a href="{page}.html">{PAGES[page]}</a>' for page in asked.pages)
        cells = [html.escape(asked.of), html.escape(asked.what), links]
        cells += [html.escape("; ".join(results) or "no result"), html.escape(asked.missing)]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = ("asked as", "what", "done where", "result, from kept runs", "not done, and why")
    head = "".join(f"<th>{name}</th>" for name in heads)
    kept = [f"{name} ({_when(name)})" for name in names if len(records[name])]
    return HTML(
        f'<div class="{result_tables.BOX}"><strong>What a summary of the paper asks whoever '
        "repeats it.</strong> Three first experiments and three next checks, in our words."
        f'<table class="companion companion-claims"><thead><tr>{head}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table><p>Kept runs, with 95 % intervals over items and one "
        f"training seed: {html.escape(', '.join(kept) or 'none')}.</p></div>"
    )


def _when(name: str) -> str:
    source = kept_runs.kept_source(REFERENCE / f"{name}.json")
    changed = f", changed since: {', '.join(source.changed)}" if source.changed else ""
    return f"{source.profile} profile{changed}"
