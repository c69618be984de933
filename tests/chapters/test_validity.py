"""Chapter 11: agreement with human labels, on small files made here, against sums by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import trial_sets
from played import home_in, play
from sklearn.metrics import roc_auc_score

from emo_utils.data import marked_sentences
from emo_utils.judging import taught_checker
from emo_utils.models import loading
from emo_utils.people import scorers_against_people
from emo_utils.project import EmoError
from emo_utils.report import kept_runs
from emo_utils.scoring import controls, facts, planted_mistakes, statements, word_counts
from emo_utils.stats import intervals

RESAMPLE = intervals.resample_units
# The first five questions of the arm subtle have room for every planted mistake.
SMALL = {"rows": 5, "read": 5, "pairs": 4, "arm": "subtle"}


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EMO_TRIAL_DATA", raising=False)
        patch.setattr(
            intervals, "resample_units", lambda units, seed, resamples: RESAMPLE(units, seed, 100)
        )  # a thousand draws take a minute
        yield home_in(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_sets.write(tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def played(home, trial):
    """The whole chapter on these files, once."""
    return play("11_judge_validity", trial_data=str(trial), **SMALL)


def records_of(names) -> pd.DataFrame:
    return pd.DataFrame([r.model_dump() for r in names.run.records])


def test_without_labels_the_kept_records_are_shown(home, monkeypatch):
    kept = pd.DataFrame(
        [
            {
                "table": "validity.emotion",
                "system": "mean",
                "metric": "auc",
                "value": 0.7,
                "ci_low": 0.6,
                "ci_high": 0.8,
                "n": 9,
                "unscored": 0,
                "group": "reassurance",
                "scorer": "s",
                "seed": 1,
                "signature": "x",
                "interval": "items",
            }
        ]
    )
    path = home / "validity.json"
    about = {
        "run": "11",
        "git_commit": "c" * 40,
        "notebook": "notebooks/11_judge_validity.ipynb",
        "code_sha256": "0",
        "dirty": False,
        "data_sha256": {},
        "models": {},
        "device": "d",
        "seconds": 1.0,
        "profile": "embedded",
        "started": "2030-01-02T03:04:05+00:00",
    }
    path.write_text(json.dumps({"records": kept.to_dict("records"), "provenance": about}))
    monkeypatch.setattr(kept_runs, "VALIDITY", path)
    monkeypatch.setattr(kept_runs.provenance, "noted", lambda p: p)
    names = play("11_judge_validity", **SMALL)
    assert not names.run.records and names.records.value.tolist() == [0.7]
    assert kept_runs.agreement("validity.emotion", "mean", "s") == (
        "Agreement with people (chapter 11): "
        "this scorer tells replies that people marked as reassuring from others "
        "with AUC 0.70 [0.60, 0.80], n = 9, where .5 is chance"
    )
    assert "was not measured" in kept_runs.agreement("validity.emotion", "mean", "another")


def test_the_caption_of_the_facts_says_what_was_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_runs, "VALIDITY", tmp_path / "validity.json")
    monkeypatch.setattr(kept_runs.provenance, "noted", lambda p: p)
    assert "was not measured" in kept_runs.facts_agreement("reader")
    common = {
        "table": "validity.factual",
        "metric": "pearson",
        "n": 200,
        "ci_low": 0.1,
        "ci_high": 0.9,
        "group": "all",
    }
    records = [
        common | {"system": "facts kept", "scorer": "reader", "value": 0.5},
        common | {"system": "details added", "scorer": "rules", "value": 0.25},
    ]
    kept_runs.VALIDITY.write_text(
        json.dumps({"records": records, "provenance": {"profile": "embedded"}})
    )
    assert kept_runs.facts_agreement("reader") == (
        "Agreement with people (chapter 11), Pearson's r on 200 summaries: "
        "kept with their factual recall 0.50 [0.10, 0.90], "
        "details added with their factual precision 0.25 [0.10, 0.90]"
    )
    assert "was not measured" in kept_runs.facts_agreement("another reader")
    records += [
        common
        | {
            "table": "validity.claims",
            "metric": "auc",
            "system": "details added",
            "scorer": "rules",
            "value": 0.5,
            "n": 400,
        }
    ]
    kept_runs.VALIDITY.write_text(
        json.dumps({"records": records, "provenance": {"profile": "embedded"}})
    )
    assert kept_runs.facts_agreement("reader").endswith(
        "; of right against wrong statements about such texts "
        "its AUC is 0.50 [0.10, 0.90] (400 statements; .5 is chance)"
    )


def test_every_form_floor_control_and_order_has_a_record(played):
    names, records = played, records_of(played)
    found = (
        records[records.table == "validity.emotion"].groupby("group").system.apply(set).to_dict()
    )
    again = {f"{form}, texts read" for form in ("mean", "words (floor)", "kind words (floor)")}
    assert found == {
        group: trial_sets.FORMS
        | again
        | {f"{names.NEAREST[group]}, texts read"}
        | ({"yes or no, after what was said"} if group != "caring" else set())
        for group in names.NEAREST
    }
    assert (records.unscored >= 0).all()
    assert set(records[records.table == "validity.controls"].system) == set(controls.CHANGES)
    assert set(records[records.table == "validity.controls"].metric) == {
        "contrast",
        "decision",
        "rougeL",
        "bleu1",
        "similarity",
        "kept",
    }
    assert set(records[records.table == "validity.judge"].system) == {
        "first output shown first",
        "first output shown second",
        "both orders averaged",
        "same choice in both orders",
    }
    # The floor is countable: words of a reply against its mark, pair by pair.
    replies = names.labelled_sets["reassurance"]
    words = [len(text.split()) for text in replies.text]
    wins = [
        (a > b) + (a == b) / 2
        for a, m in zip(words, replies.label)
        if m
        for b, o in zip(words, replies.label)
        if not o
    ]
    floor = records[(records.system == "words (floor)") & (records.group == "reassurance")].iloc[0]
    assert floor.value == pytest.approx(sum(wins) / 25) and floor.n == 10 and floor.metric == "auc"


def test_factual_scores_against_counts(played):
    """Three summaries of each of the three odd talks:
    the reference itself, one that invents 99 days and a drug, and one that goes round in circles.
    """
    names, found = played, records_of(played).query("table == 'validity.factual'")
    assert names.talks.talk.tolist() == [1] * 3 + [3] * 3 + [5] * 3 and set(
        names.talks.precision
    ) == {1.0, 0.25, 0.9}
    once = found[
        found.system.str.endswith(", equal summaries once")
    ]  # no two are equal here: the same numbers
    found = found.drop(once.index)
    assert (
        set(found.group) == {"precision", "recall"}
        and (found.n == 9).all()
        and (found.unscored == 0).all()
    )
    both = once.assign(system=once.system.str.removesuffix(", equal summaries once")).merge(
        found[found.group == "precision"], on=["system", "metric"]
    )
    assert (
        len(both) == len(once) == 17
        and (both.value_x == both.value_y).all()
        and "each sentence supported" not in set(once.system)
    )
    value = found[found.metric == "pearson"].set_index("system").value
    details, precision = [0, -2, 0] * 3, [1, 0.25, 0.9] * 3
    assert value["details added"] == pytest.approx(np.corrcoef(details, precision)[0, 1])
    length = [len(text.split()) for text in names.talks.text]
    assert value["fewer words (floor)"] == pytest.approx(-np.corrcoef(length, precision)[0, 1])


def test_the_taught_checker_is_kept_and_another_run_uses_it(home, trial, played, monkeypatch):
    saved = played.run.folder / f"{played.run.name}.checker"
    monkeypatch.setattr(scorers_against_people, "add_emotion", lambda *_: None)
    monkeypatch.setattr(scorers_against_people, "add_facts", lambda *_: played.talks)
    monkeypatch.setattr(taught_checker, "teach", lambda *_: pytest.fail("it is taught already"))
    again = play(
        "11_judge_validity",
        trial_data=str(trial),
        checker_from=str(saved),
        until="add_doubts",
        **SMALL,
    )
    taught = played.scores_of_claims["tiny-llama", "taught checker"]
    assert again.scores_of_claims["tiny-llama", "taught checker"].tolist() == taught.tolist()
    bare, (source, texts, _) = (
        loading.load("tiny-llama", "float32"),
        statements.by_source(held_by(played))[0],
    )
    [untaught] = taught_checker.answers(*bare, [(source, texts)])
    assert not np.allclose(untaught, taught[: len(texts)], atol=1e-4)


def held_by(names) -> pd.DataFrame:
    return scorers_against_people.claims(names.run, "test")


def test_statements_that_trained_nothing_are_scored_by_kind(played):
    every = records_of(played).query("table == 'validity.claims'")
    found, held = every[every.metric == "auc"].set_index(["system", "group"]), held_by(played)
    assert (
        set(held.part) == {"test"}
        and held.name.nunique() == 5
        and not set(held.source) & set(marked_sentences.claims("train").source)
    )
    assert {"all", "number"} <= set(found.loc["taught checker"].index) <= {"all", *held.change} - {
        ""
    } and (found.unscored == 0).sum() >= len(found) - len(found.loc["doubtful tokens"])
    score = word_counts.minus_unseen(held.source, held.text)
    here = (held.supported == 1) | (held.change == "number")
    assert (
        found.value["unseen words", "number"]
        == pytest.approx(roc_auc_score(held.supported[here], score[here]))
        and found.n["unseen words", "number"] == here.sum()
    )
    assert found.signature["unseen words", "number"].startswith(
        f"{(held.change == 'number').sum()} wrong statements "
        f"against {held.supported.sum()} right ones"
    )
    some = statements.of_drawn_sources(held, played.read // 2, played.seed)
    assert (
        some.name.nunique() == 2 == played.read // 2
        and found.n["supported, yes or no", "all"]
        == len(some)
        == found.n["taught checker, statements read", "all"]
    )
    taught = played.scores_of_claims["tiny-llama", "taught checker"]
    assert found.value["taught checker, statements read", "all"] == pytest.approx(
        roc_auc_score(some.supported, taught[some.index])
    )
    assert not np.allclose(
        taught, played.scores_of_claims["tiny-llama", "taught checker, another source"]
    )
    alarms = every[every.metric == "alarm"].set_index("group")
    assert alarms.value["wrong"] == pytest.approx(
        np.mean(
            [
                bool(facts.added(row.source, row.text))
                for row in held[held.supported == 0].itertuples()
            ]
        )
    ) and alarms.n.sum() == len(held)


def test_without_a_checker_the_statements_are_scored_all_the_same(home, trial, played, monkeypatch):
    monkeypatch.setattr(scorers_against_people, "add_emotion", lambda *_: None)
    monkeypatch.setattr(scorers_against_people, "add_facts", lambda *_: played.talks)
    names = play(
        "11_judge_validity",
        trial_data=str(trial),
        checker_passes=0,
        until="add_doubts",
        **SMALL,
    )
    found = records_of(names).query("table == 'validity.claims' and metric == 'auc'")
    assert (
        names.checker is None
        and {"details added", "words alone, fitted (floor)", "supported, yes or no"}
        <= set(found.system)
        and not found.system.str.contains("taught").any()
    )


def test_planted_mistakes_have_records(played):
    found = records_of(played).query("table == 'validity.planted'").set_index(["system", "metric"])
    assert set(found.index.unique("system")) == {"nothing", *planted_mistakes.planted(None)}
    assert found.value["a drug invented", "added"] == 1.0
    assert ("nothing", "kept") not in found.index
    opposites = found.loc["a sentence turned into its opposite"]
    assert set(opposites.index) == {"added", "opposed", "kept", "rougeL", "decision"}


@pytest.fixture(scope="module")
def of_ones_own(home):
    """The whole chapter on two files of one's own: labelled texts, and pairs of answers."""
    texts = [f"Word {'and word ' * k}end." for k in range(6)]
    pd.DataFrame({"text": texts, "label": [1, 2, 2.5, 3, 4, 7]}).to_csv(
        home / "own.csv", index=False
    )
    pairs = pd.DataFrame(
        {
            "input": ["Name a fruit.", "Name a tool.", "Say hello."],
            "output_1": ["Pear", "Cloud", "Hello"],
            "output_2": ["Stone", "Saw", "No"],
            "label": [1, 2, 1],
        }
    )
    pairs.to_csv(home / "pairs.csv", index=False)
    given = {"labelled": str(home / "own.csv"), "labelled_pairs": str(home / "pairs.csv")}
    for name, path in given.items():  # each alone is enough to measure
        assert play("11_judge_validity", until="measured :=", **{name: path}, **SMALL).measured
    return records_of(play("11_judge_validity", **given, **SMALL))


def test_a_file_of_ones_own_is_scored_by_rank_correlation(of_ones_own):
    of_texts = of_ones_own[of_ones_own.table != "validity.judge"]
    own = of_texts[of_texts.group == "own"].set_index("system")
    assert (
        set(own.metric) == {"spearman"}
        and own.value["words (floor)"] == pytest.approx(1.0)
        and own.n["words (floor)"] == 6
    )


def test_a_file_of_pairs_of_ones_own_is_judged_in_both_orders(of_ones_own):
    records = of_ones_own
    own = records[(records.table == "validity.judge") & (records.group == "own")].set_index(
        ["system", "metric"]
    )
    assert (
        set(own.n) == {3}
        and ("both orders averaged", "accuracy") in own.index
        and ("same choice in both orders", "consistency") in own.index
    )


def test_a_folder_that_is_not_there_is_named(home):
    with pytest.raises(EmoError, match="/nowhere .parameter 'trial_data'.* holds no esconv_dev/"):
        play("11_judge_validity", trial_data="/nowhere", **SMALL)


def test_what_cannot_be_kept_or_read_is_named(home, tmp_path):
    with pytest.raises(EmoError, match="parameter 'keep' needs the public human labels"):
        play("11_judge_validity", keep=True, **SMALL)
    (tmp_path / "words.csv").write_text("text,label\nfine,1\nbad,no\n")
    with pytest.raises(EmoError, match="words.csv: row 2 lacks a text or a number"):
        play("11_judge_validity", labelled=str(tmp_path / "words.csv"), **SMALL)
    (tmp_path / "short.csv").write_text("input,output_1,label\na,b,1\n")
    with pytest.raises(EmoError, match="short.csv lacks the columns output_2"):
        play("11_judge_validity", labelled_pairs=str(tmp_path / "short.csv"), **SMALL)
