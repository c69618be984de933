"""The first page: what it takes from the ledger, the records and the answers."""

import pandas as pd
from bs4 import BeautifulSoup

from emo import edition
from emo.site import claims_page, front
from emo_utils.claims import deciding
from emo_utils.claims import ledger as claims_ledger
from emo_utils.project import ROOT, settings


def verdicts(printed: list[str], ours: list[str]) -> pd.DataFrame:
    names = [f"claim <{number}>" for number in range(len(ours))]
    return pd.DataFrame({"claim": names, "printed": printed, "ours": ours}).assign(
        edition="not measured", longer="not measured"
    )


LEDGER = verdicts(
    ["borne out", "borne out", "not borne out", "contradicted in words", "no number"],
    ["supported", "contradicted", "undecided", deciding.HELD_BACK, "not measured"],
)


def records(*rows: tuple[str, str, float]) -> pd.DataFrame:
    plain = {"metric": "mean", "group": "all", "n": 20, "interval": "items", "unscored": 0}
    return pd.DataFrame(
        plain
        | {"table": table, "system": system, "value": value}
        | {"ci_low": value - 0.1, "ci_high": value + 0.1}
        for table, system, value in rows
    )


def test_what_was_found_is_counted_in_the_ledger():
    text = front.found(LEDGER, records(("emodoctor.table1", "base", 0.3)))
    assert "tables bear out 2 of the 3 claims that they can check" in text
    assert "do not bear out 1, and 1 more are contradicted in words" in text
    assert (
        "Of the papers' 5 claims this run supports 1 and contradicts 1.** It leaves 1 open; the "
        in text
    )
    assert (
        "others cannot be judged, because a score or judge did not pass its tests (1) or nothing "
        "was measured (1). Each" in text
    )
    assert "was not measured here" in text and "Longer runs" not in text
    more = front.found(
        LEDGER.assign(longer="supported", edition="undecided"), records(("t", "s", 1))
    )
    assert "Longer runs" in more and "it supports 1, contradicts 1 and leaves 1 open" in more
    assert "[edition](book/edition) supports none and contradicts none.** It leaves 5 open." in more


def test_what_a_warm_score_pays_for_comes_from_the_records():
    controls = "emodoctor.table1.controls"
    said = front.paid(
        records(
            ("emodoctor.table1", "reference", 0.4),
            (controls, "padding alone", 0.3),
            (controls, "a polite refusal", 0.5),
            (controls, "said twice", 0.6),  # no text that helps nobody
        )
    )
    assert said == (
        "Our warmth score gives the warm answers of the data 0.40 [0.30, 0.50]; it gives polite "
        "padding without an answer "
        "0.30 [0.20, 0.40], a polite refusal 0.50 [0.40, 0.60]."
    )


def test_every_claim_has_a_tile_in_both_rows_with_its_verdict():
    page = BeautifulSoup(front.tiles_html(LEDGER), "html.parser")
    rows = [row.select("span") for row in page.select(".companion-tiles")]
    assert [[tile.get_text() for tile in row] for row in rows] == [
        ["✓", "✓", "✗", "✗", "–"],
        ["✓", "✗", "?", "–", "–"],
    ]
    assert rows[1][2]["title"] == "claim <2>: undecided"
    assert page.select_one(".companion-tiles")["aria-label"].startswith("5 claims by the papers'")
    styles = (ROOT / "book/_static/companion.css").read_text(encoding="utf-8")
    shown = {tile["class"][1] for row in rows for tile in row}
    assert len(shown) == 4 and all(f".{name} {{" in styles for name in shown)


def test_every_verdict_has_a_tile():
    for verdict in (*claims_ledger.PRINTED, *claims_ledger.OURS):
        assert (
            front.outcome(verdict) in claims_page.OUTCOMES and front.MARKS[front.outcome(verdict)]
        )


def answers(warmth: dict[str, float]) -> pd.DataFrame:
    rows = [
        {"id": number, "system": system, "question": "Is <b> it?", "answer": "word " * 100}
        | {"warmth": value, "words kept": 0.5, "flags": "prescribes"}
        for number, value in warmth.items()
        for system in front.SHOWN
    ]
    return pd.DataFrame(rows)


def test_the_question_that_is_shown_is_the_one_nearest_to_the_means():
    assert front.typical(answers({"a": 0.1, "b": 0.5, "c": 0.8})) == "b"


def test_the_question_is_shown_with_its_answers_scores_and_flags():
    page = BeautifulSoup(front.story_html(answers({"a": 0.1, "b": 0.5}), "smoke"), "html.parser")
    rows = [[cell.get_text() for cell in row.select("td")] for row in page.select("tbody tr")]
    assert [row[0] for row in rows][:2] == ["the doctor's answer", "the warm answer (reference)"]
    assert len(rows) == len(front.SHOWN) and rows[0][2:] == ["0.10", "0.50", "prescribes"]
    assert len(rows[0][1]) <= front.LONGEST + 2 and rows[0][1].endswith(" …")
    assert page.blockquote.get_text() == "Is <b> it?"


def test_the_papers_are_those_of_the_citation_file():
    text = front.papers()
    cited = settings(ROOT / "CITATION.cff")["references"]
    assert len(cited) == 3 and all(f"*{paper['title']}*" in text for paper in cited)
    assert text.count("(https://arxiv.org/abs/") == 3 and "Tsai and Chen" in text


def test_the_box_says_whose_numbers_these_are():
    training = {"base_model": "a small one", "train_rows": 0}
    text = front.made_of({"03_dpo.eqsr-dpo": {"parameters": training}}, 20)
    assert "The model is a small one; EmoDoctor trained Llama-3.2-1B-Instruct" in text
    assert "Llama-3.2-1B-Instruct (about 1 billion weights)." in text
    assert "on all rows, and asked 20 questions" in text and "never medical advice" in text
    for model in ("Qwen2.5-Coder-1.5B-Instruct", "SmolLM2-135M-Instruct"):
        runs = {"x": {"fingerprint": {"parameters": {"base_model": model}}}}
        unit = edition.Unit("overnight", runs, records(("emodoctor.table1", "base", 0.3)))
        of_small = training | {"base_model": "SmolLM2-135M-Instruct"}
        text = front.made_of({"03_dpo.eqsr-dpo": {"parameters": of_small}}, 20, unit)
        assert "SmolLM2-135M-Instruct (about 135 million weights); EmoDoctor" in text
        named = "Qwen2.5-Coder-1.5B-Instruct (about 1.5 billion weights)"
        what = named if "1.5B" in model else "the same model"
        assert f"The edition trained {what} on all rows and asked 20 questions." in text
