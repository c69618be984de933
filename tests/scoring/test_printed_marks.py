"""Marks of printed answers against colours: counted by hand."""

import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import printed_marks

ANSWER = "You are not alone in this. Drink water, and take salt. See a doctor tomorrow."


def test_a_sentence_has_the_colour_of_most_of_its_letters():
    half = printed_marks.coloured(ANSWER, ["in this. Drink water, and take"])
    assert half == [False, True, False]
    assert printed_marks.coloured(ANSWER, []) == [False] * 3
    assert printed_marks.coloured(ANSWER, None) is None


@pytest.fixture
def rows() -> list[dict]:
    return [
        {"id": "1", "case": "a", "system": "sft", "answer": ANSWER, "red": None, "blue": None},
        {
            "id": "2",
            "case": "a",
            "system": "dpo",
            "answer": ANSWER,
            "red": None,
            "blue": ["See a doctor tomorrow."],
        },
    ]


@pytest.fixture
def sentences(rows) -> pd.DataFrame:
    """Each answer's first sentence is marked as comfort, its second as knowledge."""
    texts = ["You are not alone in this.", "Drink water, and take salt.", "See a doctor tomorrow."]
    marks = pd.DataFrame(
        {
            "comfort": [True, False, False],
            "knowledge": [False, True, False],
            "prescribes": [False, True, False],
            "discourages": False,
            "claims": False,
        }
    )
    return pd.concat(
        [marks.assign(id=row["id"], system=row["system"], text=texts) for row in rows],
        ignore_index=True,
    )


def records_of(run) -> pd.DataFrame:
    return pd.DataFrame([r.model_dump() for r in run.records]).set_index(
        ["system", "metric", "group"]
    )


@pytest.fixture
def run():
    return runs.Run("08_printed_answers", {"profile": "smoke", "seed": 42}, {})


def test_every_answer_has_its_own_numbers_and_no_interval(run, rows, sentences):
    scores = pd.DataFrame({"mean": [0.2, 0.6]})
    found = printed_marks.of_answers(rows, sentences, scores)
    printed_marks.add_answers(run, found, "scorer")
    records = records_of(run)
    of_dpo = records.loc["printed.dpo"].xs("printed, case a", level="group")
    assert of_dpo.value.to_dict() == pytest.approx(
        {
            "mean": 0.6,
            "comfort_share": 1 / 3,
            "knowledge_share": 1 / 3,
            "opens_with_comfort": 1,
            "words": 15,
            "explicit_comfort": 1,
            "prescribes": 1,
            "discourages": 0,
            "claims": 0,
        }
    )
    assert set(of_dpo.n) == {1} and set(of_dpo.interval) == {"none"}
    assert set(records.table) == {"emodoctor.table3"}


def test_agreement_is_over_sentences_whose_colours_are_at_hand(run, rows, sentences, capsys):
    coloured = printed_marks.with_colours(rows, sentences)
    assert coloured.blue.isna().tolist() == [True] * 3 + [False] * 3 and coloured.red.isna().all()
    printed_marks.add_agreement(run, coloured, "scorer")
    records = records_of(run)
    found = records.loc["knowledge and blue"].droplevel("group")
    # marked: the second of three; blue: the third
    assert found.value.to_dict() == pytest.approx({"kappa": -0.5, "recall": 0, "precision": 0})
    assert found.n.to_dict() == {"kappa": 3, "recall": 1, "precision": 1}
    assert "comfort and red" not in records.index
    assert "red: the file has no passages in this colour" in capsys.readouterr().out
