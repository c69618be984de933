"""Chapter 11: agreement with human labels, on small files made here, against sums by hand."""

import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from played import home_in, play
from sklearn.metrics import roc_auc_score

from emo_utils.models import loading
from emo_utils.project import NOTEBOOKS, EmoError, notebook_cells
from emo_utils.report import kept_runs
from emo_utils.scoring import facts
from emo_utils.stats import intervals

RESAMPLE = intervals.resample_units
SMALL = {"rows": 5, "read": 5, "pairs": 4}


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
    """Files in the shapes of the three public sets, with sentences of our own.

    Conversations of one and two lines; every other one is used.
    """
    folder = tmp_path_factory.mktemp("trial")
    (folder / "esconv_dev").mkdir(parents=True)
    marks, lines = ["Affirmation and Reassurance", "Reflection of feelings", "Question"], []
    for k in range(45):
        first = (
            f"1.0 0 0 I cannot sleep, {k}. EOS "
            f"0.0 1 1 [{marks[k % 3]}] Reply number {k} says "
            f"{'that you will manage ' * (k % 3)}and ends."
        )
        lines += [
            first,
            (
                f"{first} EOS 0.0 0 2 Is it so, {k}? EOS "
                f"0.0 1 3 [{marks[k % 3]}] Second reply, number {k}, "
                f"{'is kind and ' * (k % 2)}ends."
            ),
        ]
    (folder / "esconv_dev" / "devWithStrategy_short.tsv").write_text("\n".join(lines) + "\n")
    (folder / "goemotions_dev").mkdir()
    comments = [
        f"Comment {k} {'with care ' * (k % 4)}\t"
        f"{'5,27' if k % 4 == 1 else '15' if k % 4 == 3 else '27'}\tid{k}"
        for k in range(40)
    ]
    (folder / "goemotions_dev" / "dev.tsv").write_text("\n".join(comments) + "\n")
    (folder / "mts_dialog").mkdir()
    talks = [
        (
            f"Doctor: How long, {k}? Patient: Since {k + 20} days; it hurts at night.",
            f"Pain for {k + 20} days at night.",
        )
        for k in range(6)
    ]
    pd.DataFrame(
        [
            {"ID": i, "Dialogue": d, "Reference Summary": r, "Automatic Summary": text}
            for i, (d, r, text) in enumerate(
                (d, r, text)
                for d, r in talks
                for text in (
                    r,
                    "Pain for 99 days, penicillin given.",
                    f"Pain {'at night ' * len(r)}.",
                )
            )
        ]
    ).to_csv(
        folder / "mts_dialog" / "MTS-Dialog-Automatic-Summaries-ValidationSet.csv",
        index=False,
        encoding="utf-8-sig",
    )
    pd.DataFrame(
        [
            {"FactualPrecision": p, "FactualRecall": r}
            for _ in talks
            for p, r in ((1.0, 1.0), (0.25, 0.5), (0.9, 0.3))
        ]
    ).to_csv(
        folder / "mts_dialog" / "MTS-Dialog-Manual-Scores4CorrelationStudy.csv",
        index=False,
        encoding="utf-8-sig",
    )
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


@pytest.fixture(scope="module")
def played(home, trial):
    """The whole chapter on these files, once."""
    return play("11_judge_validity", trial_data=str(trial), **SMALL)


@pytest.fixture
def blank(played):
    """The same, with no record yet; they are put back afterwards."""
    before = list(played.run.records)
    played.run.records.clear()
    yield played
    played.run.records[:] = before


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
        "dirty": False,
        "data_sha256": {},
        "models": {},
        "device": "d",
        "seconds": 1.0,
        "profile": "embedded",
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
    forms = {
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
    found = (
        records[records.table == "validity.emotion"].groupby("group").system.apply(set).to_dict()
    )
    again = {f"{form}, texts read" for form in ("mean", "words (floor)", "kind words (floor)")}
    assert found == {
        group: forms
        | again
        | {f"{names.NEAREST[group]}, texts read"}
        | ({"yes or no, after what was said"} if group != "caring" else set())
        for group in names.NEAREST
    }
    assert (records.unscored >= 0).all()
    assert set(records[records.table == "validity.controls"].system) == set(names.CONTROLS)
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
    interval = names.with_interval(
        np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0, 0, 0, 1, 0, 1, 1, 1]), range(8)
    )
    assert interval[0] == 15 / 16 and interval[1] < interval[0] <= interval[2] <= 1


def test_the_labels_come_from_the_half_that_nothing_was_chosen_on(played):
    """Lines 2 and 3 of the file are conversation 1, and so on:
    the odd ones, and every second comment.
    """
    replies = pd.concat([played.labelled_sets["reassurance"], played.labelled_sets["feelings"]])
    numbers = replies.text.str.extract(r"number (\d+)")[0].astype(int)
    assert set(numbers % 2) == {1} and replies.label.sum() == 10
    assert all(
        before.endswith(f" {k}." if text.startswith("Reply") else f" {k}?")
        for before, text, k in zip(replies.before, replies.text, numbers)
    )
    comments = played.labelled_sets["caring"]
    numbers = comments.text.str.extract(r"Comment (\d+)")[0].astype(int)
    assert set(numbers % 2) == {1} and (comments.label == (numbers % 4 == 1)).all()


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
    assert (
        names.unseen("Penicillin given at night, nights", "it hurts at night") == 2
    )  # "at" is too short, "nights" begins as "night"
    assert names.covered("a b b c", "b c d") == 0.75
    # Fifths 0, 4, 4, 2 against 0, 4, 2, 2: by sklearn's formula with squared distances,
    # 1 - 4 / (sum of expected ones / 4) by hand.
    mine, theirs = [0.1, 0.95, 1.0, 0.5], [0.0, 0.9, 0.5, 0.45]
    fifths = ([0, 4, 4, 2], [0, 4, 2, 2])
    expected = sum((a - b) ** 2 for a in fifths[0] for b in fifths[1]) / 4
    assert names.HOW["weighted kappa"](mine, theirs) == pytest.approx(1 - 4 / expected)


def test_counts_of_equal_summaries_are_held_against_each_other(blank, monkeypatch):
    """Two talks with a pair of equal summaries each;
    the third says the same as the first, of another patient.
    """
    rows = [
        (1, "Pain, at night.", 1.0, 0.2),
        (1, "pain at  night", 0.5, 0.2),
        (1, "No pain.", 0.0, 0.9),
        (2, "Well.", 0.25, 0.6),
        (2, "Well", 0.75, 0.4),
        (3, "Pain at night", 0.1, 0.8),
    ]
    table = pd.DataFrame(rows, columns=["talk", "text", "precision", "recall"])
    monkeypatch.setattr(intervals, "resample_units", RESAMPLE)
    blank.add_people(table)
    every = records_of(blank).set_index(["metric", "group"])
    found = every.loc["pearson"]
    assert (
        set(found.system) == {"the same summary, counted again (n pairs)"}
        and set(found.scorer) == {"people"}
        and set(found.n) == {2}
    )
    assert found.value["precision"] == pytest.approx(
        np.corrcoef([1, 0.5, 0.25, 0.75], [0.5, 1, 0.75, 0.25])[0, 1]
    )
    assert found.value["recall"] == pytest.approx(
        np.corrcoef([0.2, 0.2, 0.6, 0.4], [0.2, 0.2, 0.4, 0.6])[0, 1]
    )
    assert (
        every.value["equal counts", "recall"] == 0.5
        and every.value["equal counts", "precision"] == 0.0
    )
    # Of two talks one alone is drawn in half of the draws: two values of precision, too few.
    drawn = int(re.search(r"(\d+) of 1000 draws", found.signature["precision"])[1])
    assert (
        440 < drawn < 560
        and "2 in 2 talks, 2 of which have a count below 1" in found.signature["precision"]
        and (found.ci_low <= found.value).all()
        and (found.value <= found.ci_high).all()
    )
    once, scores = blank.each_once(
        table,
        {
            ("precision", "rules", "x"): np.arange(6),
            ("recall", "rules", "x"): np.arange(6),
            ("precision", "s", "each sentence supported"): np.arange(6),
        },
    )
    assert (
        once.precision.tolist() == [0.75, 0.0, 0.5, 0.1]
        and list(scores) == [("precision", "rules", "x")]
        and scores["precision", "rules", "x"].tolist() == [0, 2, 3, 5]
    )
    before = len(blank.run.records)
    blank.add_people(table.drop(index=[1, 4]))  # nothing was counted twice
    assert len(blank.run.records) == before


def test_what_the_checker_leans_to_is_what_whole_prompts_say(played):
    """One pass over a source and its statements,
    against the model's own logits for each prompt by itself.
    """
    model, tokenizer = loading.load("tiny-llama", "float32")
    source, texts = (
        "Doctor: Any pain? Patient: None, <|im_end|> since Monday.",
        ["No pain.", "Pain since Monday", "ok"],
    )
    yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("yes", "no"))
    for text, found in zip(
        texts, played.leanings(model, tokenizer, source, texts).tolist(), strict=True
    ):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{source}\n\nNote: {text}"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.inference_mode():
            logits = model(**prompt).logits[0, -1]
        assert found == pytest.approx((logits[yes] - logits[no]).item(), abs=1e-5)
    assert played.leanings(model, tokenizer, "long " * 10_000, texts).isnan().all()


def test_a_model_learns_the_statements_it_is_taught_and_so_again(played, monkeypatch):
    monkeypatch.setitem(played.teach.__globals__, "RATE", 5e-3)
    groups = [
        ("The knee hurts.", ["knee", "hip", "knee hurts"], [1, 0, 1]),
        ("A hip hurts.", ["knee", "hip"], [0, 1]),
        ("An ear hurts.", ["ear"], [1]),
    ]
    first, again = (loading.load("tiny-llama", "float32") for _ in range(2))
    before = played.leanings(*first, *groups[0][:2])
    adapters, losses = played.teach(*first, groups, 30)
    assert len(losses) == 90 and np.mean(losses[-9:]) < np.mean(losses[:9]) - 0.05
    assert played.teach(*again, groups, 30)[1] == losses
    after = played.leanings(*first, *groups[0][:2])
    assert after[0] - after[1] > before[0] - before[1] + 1


def test_the_taught_checker_is_kept_and_another_run_uses_it(home, trial, played):
    saved = played.run.folder / f"{played.run.name}.checker"
    again = play(
        "11_judge_validity",
        trial_data=str(trial),
        checker_from=str(saved),
        until="scores_of_claims, asked",
        **SMALL,
    )
    taught = played.scores_of_claims["tiny-llama", "taught checker"]
    assert again.scores_of_claims[
        "tiny-llama", "taught checker"
    ].tolist() == taught.tolist() and not hasattr(again, "taught")
    bare, (source, texts, _) = (
        loading.load("tiny-llama", "float32"),
        played.by_source(played.held)[0],
    )
    with torch.inference_mode():
        assert not np.allclose(
            torch.sigmoid(played.leanings(*bare, source, texts)), taught[: len(texts)], atol=1e-4
        )


def test_statements_that_trained_nothing_are_scored_by_kind(played):
    every = records_of(played).query("table == 'validity.claims'")
    found, held = every[every.metric == "auc"].set_index(["system", "group"]), played.held
    assert (
        set(held.part) == {"test"}
        and held.name.nunique() == 5
        and not set(held.source) & set(played.claims_of("train").source)
    )
    assert {"all", "number"} <= set(found.loc["taught checker"].index) <= {"all", *held.change} - {
        ""
    } and (found.unscored == 0).sum() >= len(found) - len(found.loc["doubtful tokens"])
    score = -np.array([played.unseen(text, source) for text, source in zip(held.text, held.source)])
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
    some = held[played.asked]
    assert (
        some.name.nunique() == 2 == played.read // 2
        and found.n["supported, yes or no", "all"]
        == len(some)
        == found.n["taught checker, statements read", "all"]
    )
    taught = played.scores_of_claims["tiny-llama", "taught checker"]
    assert found.value["taught checker, statements read", "all"] == pytest.approx(
        roc_auc_score(some.supported, taught[played.asked])
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


def test_without_a_checker_the_statements_are_scored_all_the_same(home, trial):
    names = play(
        "11_judge_validity",
        trial_data=str(trial),
        checker_passes=0,
        until="scores_of_claims, asked",
        **SMALL,
    )
    found = records_of(names).query("table == 'validity.claims' and metric == 'auc'")
    assert (
        names.checker is None
        and {"details added", "words alone, fitted (floor)", "supported, yes or no"}
        <= set(found.system)
        and not found.system.str.contains("taught").any()
    )


def test_a_source_too_long_for_the_model_teaches_nothing(played, capsys):
    model, tokenizer = loading.load("tiny-llama", "float32")
    _, losses = played.teach(
        model, tokenizer, [("long " * 10_000, ["x"], [1]), ("Short.", ["x"], [1])], 2
    )
    assert len(losses) == 2 and "1 of 2 sources are too long" in capsys.readouterr().out


def test_planted_mistakes_are_planted(played):
    names, row = (
        played,
        {
            "answer": "Take ibuprofen 400 mg daily. Rest is important for the knee.",
            "soothing_response": (
                "You must be tired. Take ibuprofen 400 mg daily. Rest is important for your knee."
            ),
            "question": "?",
        },
    )
    changed = {name: change(row) for name, change in names.PLANTED.items()}
    assert changed["nothing"] == row["soothing_response"] and changed["a drug invented"].endswith(
        "ten days."
    )
    assert changed["a number ten times as large"] == row["soothing_response"].replace("400", "4000")
    assert " not " in changed["a sentence turned into its opposite"]
    assert (
        changed["the sentence with most facts dropped"].split()
        == "You must be tired. Rest is important for your knee.".split()
    )  # ibuprofen, daily and 400 against important
    assert (
        names.opposite("This is not serious.") == "This is serious."
        and names.opposite("You must be tired.") == "You must not be tired."
        and names.opposite("Rest well.") is None
        and names.another_dose("Rest.") is None
    )
    found = (
        records_of(names).query("table == 'validity.planted'").set_index(["system", "metric"]).value
    )
    assert found["a drug invented", "added"] == 1.0 and ("nothing", "kept") not in found.index


def test_two_files_that_do_not_belong_together_are_named(home, trial, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(trial, folder)
    path = folder / "mts_dialog" / "MTS-Dialog-Manual-Scores4CorrelationStudy.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    names = play(
        "11_judge_validity", trial_data=str(folder), until="need = folder or labelled", **SMALL
    )
    source = "\n".join(
        text
        for kind, text, _ in notebook_cells(NOTEBOOKS / "11_judge_validity.ipynb")
        if "def mts" in text
    )
    exec(source, vars(names))
    with pytest.raises(EmoError, match="18 rows and .* 17; they belong together row by row"):
        names.mts()


def test_the_deciding_model_reads_a_part(home, trial):
    names = play(
        "11_judge_validity",
        trial_data=str(trial),
        until="add_agreement(scores[group]",
        rows=7,
        read=5,
        pairs=4,
    )
    records = records_of(names).query("group == 'reassurance'").set_index("system")
    assert (records.n["yes or no"], records.n["words (floor)"], records.unscored["yes or no"]) == (
        10,
        14,
        0,
    )
    table, scores = (
        names.labelled_sets["reassurance"],
        names.scores["reassurance"]["tiny-llama", "yes or no"],
    )
    assert (
        table.groupby("label").read.sum().tolist() == [5, 5]
        and (~np.isnan(scores) == table.read).all()
    )


def test_controls_change_what_they_say(played):
    names = played
    row = {
        "answer": "Take ibuprofen 400 mg with breakfast and drink plenty of water.",
        "soothing_response": (
            "You must be worried. Take ibuprofen 400 mg. "
            "Drink plenty of water after breakfast. I am here."
        ),
    }
    assert names.without_facts(row) == "You must be worried. I am here."
    before = names.all_scores([r["soothing_response"] for r in names.test], names.doctor)
    twice = names.all_scores(
        [f"{r['soothing_response']} {r['soothing_response']}" for r in names.test], names.doctor
    )
    records = (
        records_of(names)
        .query("table == 'validity.controls' and system == 'said twice'")
        .set_index("metric")
        .value
    )
    assert (
        records["rougeL"] == pytest.approx((twice - before).rougeL.mean())
        and records["rougeL"] != 0
    )
    once, again = (
        names.all_scores([text], ["You are well."]).contrast[0]
        for text in ("You are well. Go home.", "You are well. Go home. You are well. Go home.")
    )
    assert once == pytest.approx(
        again, abs=1e-6
    )  # a mean over sentences does not pay for repetition
    empty = names.all_scores(["", "Go home"], ["Rest and drink.", "Go home and rest."])
    assert empty.iloc[0].isna().all() and empty.iloc[1].notna().all()


def test_calibration_by_hand(blank):
    """Scores .1, .3, .9 and .9 with labels 0, 1, 1 and 0:
    squared errors .01, .49, .01 and .81; of the last fifth half has the label.
    """
    names = blank
    names.add_calibration(
        "g", "who", "form", np.array([0.1, 0.3, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 0.0])
    )
    found = {(r.metric, r.group): (r.value, r.n) for r in names.run.records}
    assert found == {
        ("brier", "g"): (pytest.approx(1.32 / 4), 4),
        ("observed", "g, score 0.100"): (0.0, 1),
        ("observed", "g, score 0.300"): (1.0, 1),
        ("observed", "g, score 0.900"): (0.5, 2),
    }


def test_places_are_turned_back_into_outputs(blank):
    """A judge that gives whatever stands first .9:
    the first output gets .9 ahead and .1 behind, and the two orders never agree.
    """

    class First:
        name, signature = "first", "stub"

        def decide(self, states, questions, desc):
            assert all(
                names.RULE in q["better"]["instructions"]
                and "medical" not in q["better"]["instructions"]
                for q in questions
            )
            return pd.DataFrame(
                [
                    {
                        "state": s,
                        "question": "better",
                        "option": f"answer {p}",
                        "probability": (0.9, 0.1)[p - 1],
                    }
                    for s in range(len(states))
                    for p in (1, 2)
                ]
            )

    names = blank
    table = names.compared(
        First(), names.json.loads((names.folder / names.LLMBAR).read_text())[: names.pairs]
    )
    assert (
        table.ahead.tolist() == [0.9] * 4
        and table.behind.tolist() == pytest.approx([0.1] * 4)
        and table.human.tolist() == [False, True, False, True]
    )
    names.add_judge(table, "s", "own")
    assert {r.system: r.value for r in names.run.records if r.metric != "kappa"} == {
        "first output shown first": 0.5,
        "first output shown second": 0.5,
        "both orders averaged": 0.5,
        "same choice in both orders": 0.0,
    }


def test_orders_are_averaged_in_log_odds(blank):
    names = blank
    table = pd.DataFrame(
        {"ahead": [0.9, 0.6, 0.2], "behind": [0.2, 0.1, 0.4], "human": [True, True, False]}
    )
    # Log-odds: 2.197 - 1.386 > 0, right; 0.405 - 2.197 < 0, wrong; both below 0, right.
    assert math.log(9) + math.log(0.25) > 0 > math.log(1.5) + math.log(1 / 9)
    names.add_judge(table, "s", "own")
    found = {r.system: r.value for r in names.run.records if r.metric != "kappa"}
    assert found == pytest.approx(
        {
            "first output shown first": 1.0,
            "first output shown second": 1 / 3,
            "both orders averaged": 2 / 3,
            "same choice in both orders": 1 / 3,
        }
    )
    # Two of three are right; by chance 2/3 x 1/3 + 1/3 x 2/3 = 4/9 would be:
    # (2/3 - 4/9) / (1 - 4/9) = .4.
    assert next(r.value for r in names.run.records if r.metric == "kappa") == pytest.approx(0.4)


def test_a_file_of_ones_own_is_scored_by_rank_correlation(home, tmp_path):
    rows = pd.DataFrame(
        {"text": [f"Word {'and word ' * k}end." for k in range(6)], "label": [1, 2, 2.5, 3, 4, 7]}
    )
    rows.to_csv(tmp_path / "own.csv", index=False)
    records = records_of(play("11_judge_validity", labelled=str(tmp_path / "own.csv"), **SMALL))
    own = records[records.group == "own"].set_index("system")
    assert (
        set(own.metric) == {"spearman"}
        and own.value["words (floor)"] == pytest.approx(1.0)
        and own.n["words (floor)"] == 6
    )
    rows.rename(columns={"label": "score"}).to_json(
        tmp_path / "wrong.jsonl", orient="records", lines=True
    )
    with pytest.raises(EmoError, match="wrong.jsonl needs columns text and label"):
        play("11_judge_validity", labelled=str(tmp_path / "wrong.jsonl"), **SMALL)


def test_a_file_of_pairs_of_ones_own_is_judged_in_both_orders(home, tmp_path):
    rows = pd.DataFrame(
        {
            "input": ["Name a fruit.", "Name a tool.", "Say hello."],
            "output_1": ["Pear", "Cloud", "Hello"],
            "output_2": ["Stone", "Saw", "No"],
            "label": [1, 2, 1],
        }
    )
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    records = records_of(
        play("11_judge_validity", labelled_pairs=str(tmp_path / "pairs.csv"), **SMALL)
    )
    own = records[(records.table == "validity.judge") & (records.group == "own")].set_index(
        ["system", "metric"]
    )
    assert (
        set(own.n) == {3}
        and ("both orders averaged", "accuracy") in own.index
        and ("same choice in both orders", "consistency") in own.index
    )
    rows.assign(label=[1, 3, 1]).to_json(tmp_path / "bad.jsonl", orient="records", lines=True)
    with pytest.raises(
        EmoError, match="bad.jsonl: row 2 lacks a text, or its label is neither 1 nor 2"
    ):
        play("11_judge_validity", labelled_pairs=str(tmp_path / "bad.jsonl"), **SMALL)
    rows.drop(columns="output_2").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(EmoError, match="short.csv lacks the columns output_2"):
        play("11_judge_validity", labelled_pairs=str(tmp_path / "short.csv"), **SMALL)


def test_auc_by_hand(played):
    names = played
    score, label = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1, 0, 0, 1])
    assert names.auc(score, label) == pytest.approx(3.5 / 4)
    assert names.agreement(score, label) == names.auc(score, label)


def test_a_folder_that_is_not_there_is_named(home):
    with pytest.raises(EmoError, match="/nowhere .parameter 'trial_data'.* holds no esconv_dev/"):
        play("11_judge_validity", trial_data="/nowhere", **SMALL)


def test_what_cannot_be_kept_or_read_is_named(home, trial, tmp_path):
    with pytest.raises(EmoError, match="parameter 'keep' needs the public human labels"):
        play("11_judge_validity", keep=True, **SMALL)
    short = tmp_path / "short"
    shutil.copytree(trial, short)
    (short / "goemotions_dev" / "dev.tsv").write_text("One\t5\ta\nTwo\t27\tb\n")
    with pytest.raises(
        EmoError, match="goemotions_dev/dev.tsv has 0 texts of a label in the half that is used"
    ):
        play("11_judge_validity", trial_data=str(short), until="labelled_sets =", rows=5)
    with pytest.raises(EmoError, match="there is no such file"):
        play("11_judge_validity", labelled="/nowhere.csv", **SMALL)
    (tmp_path / "words.csv").write_text("text,label\nfine,1\nbad,no\n")
    with pytest.raises(EmoError, match="words.csv: row 2 lacks a text or a number"):
        play("11_judge_validity", labelled=str(tmp_path / "words.csv"), **SMALL)
