"""What is measured of written dialogues, against counts by hand."""

import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.experiment import runs
from emo_utils.scoring import written_dialogues


def test_likeness_is_the_longest_common_subsequence_over_the_longer_text():
    assert written_dialogues.likeness("abcd", ["abcd", "x"]) == 1.0
    assert written_dialogues.likeness("abcd", ["xbyd", "zzzz"]) == 0.5  # b and d of four
    assert written_dialogues.likeness("ab", ["aabb-", "cc"]) == pytest.approx(2 / 5)


def test_every_system_has_its_measures_over_the_pairs():
    run = runs.Run("09_emplifai_finetuning", {"profile": "smoke", "seed": 42}, {})
    tuned = {"answer": ["abcd", "ab"], "complete": [True, False], "turns": [["a", "b"], []]}
    base = {"answer": ["x", "y"], "complete": [False, False], "turns": [[], []]}
    written = {name: pd.DataFrame(rows) for name, rows in (("tuned", tuned), ("base", base))}
    losses = {"tuned": [1.0, 2.0], "base": [4.0, 5.0]}
    of_pairs = [["abcd", "dcba"], ["cd"]]
    written_dialogues.add_measures(run, written, losses, of_pairs)
    values = {(r.system, r.metric): r.value for r in run.records}
    assert values == {
        ("tuned", "nats_per_token"): 1.5,
        ("tuned", "likeness"): 0.5,
        ("tuned", "ends_by_itself"): 0.5,
        ("tuned", "keeps_form"): 0.5,
        ("base", "nats_per_token"): 4.5,
        ("base", "likeness"): 0.0,
        ("base", "ends_by_itself"): 0.0,
        ("base", "keeps_form"): 0.0,
    }
    assert {r.table for r in run.records} == {"emplifai.finetuning"}
    scorers = {(r.system, r.metric): r.scorer for r in run.records}
    assert scorers["tuned", "nats_per_token"] == "tuned"
    assert scorers["tuned", "likeness"] == "counts"


def test_each_dialogue_needs_the_pair_that_it_was_written_for():
    run = runs.Run("09_emplifai_finetuning", {"profile": "smoke", "seed": 42}, {})
    written = {"tuned": pd.DataFrame({"answer": ["a", "b"], "complete": True, "turns": [[], []]})}
    with pytest.raises(ValueError, match="shorter"):
        written_dialogues.add_measures(run, written, {"tuned": [1.0, 1.0]}, [["a"]])


def test_what_was_written_stands_between_situation_and_data():
    rows = [{"situation": "s", "emotion": "joy", "turns": list("abcd")}]
    written = {"tuned": pd.DataFrame({"answer": ["mine", "of another row"]})}
    [dialogue] = written_dialogues.beside_the_data(rows, written)
    assert list(dialogue) == ["situation", "emotion", "tuned", "data"]
    assert dialogue["tuned"] == "mine" and dialogue["data"] == emplifai.as_lines(list("abcd"))
