"""What the variants of a sweep are measured by, on answers whose measures are known by hand."""

import math

import pandas as pd
import pytest
import sacrebleu

from emo_utils.data import dialogues
from emo_utils.experiment import parameters, runs
from emo_utils.models import embeddings
from emo_utils.scoring import emotion, sweep_scores
from emo_utils.stats import intervals

ENCODER = "all-mpnet-base-v2"
FIRST, SECOND = "02_sft.er-sft@seed=42", "02_sft.er-sft@seed=43"
OTHER = "03_dpo.eqsr-dpo@beta=0.5,seed=42"
QUESTIONS = [row["id"] for row in dialogues.load("test", 2)]


@pytest.fixture
def run():
    values = parameters.resolve("12_sweeps", {"profile": "smoke"})
    return runs.Run("12_sweeps", values, {})


def answers(*rows):
    columns = ["run", "system", "id", "answer", "tokens", "complete"]
    return pd.DataFrame(rows, columns=columns)


def test_answers_are_measured_beside_the_doctors(monkeypatch):
    warm = pd.DataFrame({"mean": [0.25, 0.75]})
    monkeypatch.setattr(embeddings, "load", lambda name: name)
    monkeypatch.setattr(emotion, "scores_by_contrast", lambda encoder, texts: warm)
    doctor = {row["id"]: row["answer"] for row in dialogues.load("test", 2)}
    said = [doctor[QUESTIONS[0]], "rest now and rest now and rest now and"]
    table = sweep_scores.measured(
        answers(
            (FIRST, "er-sft", QUESTIONS[0], said[0], 9, True),
            (FIRST, "er-sft", QUESTIONS[1], said[1], 9, False),
        ),
        ENCODER,
    )
    assert table.warmth.tolist() == [0.25, 0.75] and table.complete.tolist() == [1.0, 0.0]
    # Nine words hold six sequences of four, three of them different.
    assert table.repeated.tolist() == [0.0, 0.5] and table.tokens.tolist() == [9, 9]
    metric = sacrebleu.BLEU(max_ngram_order=1)
    overlap = metric.corpus_score([said[1]], [[doctor[QUESTIONS[1]]]]).score
    assert table.bleu1.tolist() == pytest.approx([100, overlap])
    assert set(sweep_scores.measures(ENCODER)) <= set(table.columns)


def test_the_answers_of_variants_are_read_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_scores, "results_dir", lambda profile: tmp_path / profile)
    folder = tmp_path / "smoke" / "variants" / "answers"
    folder.mkdir(parents=True)
    for name in (FIRST, SECOND):
        pd.DataFrame({"id": ["q1"], "answer": [name]}).to_parquet(folder / f"{name}.parquet")
    table = sweep_scores.read_answers("smoke", [SECOND, FIRST])
    assert table.run.tolist() == table.answer.tolist() == [SECOND, FIRST]


def scored():
    rows = [
        (name, system, f"q{k}", "text", tokens, True)
        for name, system, tokens in ((FIRST, "er-sft", 8), (SECOND, "er-sft", 10), (OTHER, "x", 6))
        for k in range(3)
    ]
    table = answers(*rows).assign(repeated=0.5, complete=1.0, bleu1=10.0)
    return table.assign(warmth=[0.1, 0.2, 0.3, 0.3, 0.4, math.nan, 0.5, 0.5, 0.5])


def test_every_measure_of_a_variant_is_recorded(run):
    sweep_scores.add_answers(run, "sweep.mine", scored(), ENCODER)
    found = {(r.system, r.metric): r for r in run.records}
    assert len(found) == len(run.records) == 3 * 5
    warm = found[SECOND, "warmth"]
    assert (warm.value, warm.n, warm.unscored, warm.scorer) == (
        pytest.approx(0.35),
        2,
        1,
        ENCODER,
    )
    assert (warm.ci_low, warm.ci_high, warm.interval) == (warm.value, warm.value, "none")
    assert found[FIRST, "tokens"].value == 8 and found[FIRST, "tokens"].scorer == "counts"
    assert found[OTHER, "complete"].signature.startswith("share of answers that ended")
    assert all(r.table == "sweep.mine" and r.group == "all" for r in run.records)
    [items] = run.items
    assert len(items) == 9 * 5 and set(items.metric) == set(sweep_scores.measures(ENCODER))


def test_a_training_is_recorded_with_what_it_says_of_itself(run):
    variants = pd.DataFrame(
        [
            {"run": FIRST, "seed": 42, "last_loss": 1.5, "minutes": 3},
            {"run": OTHER, "seed": 42, "last_loss": 0.5, "last_margin": -0.25},
        ]
    )
    sweep_scores.add_trainings(run, "sweep.mine", variants)
    assert [(r.system, r.metric, r.value) for r in run.records] == [
        (FIRST, "last_loss", 1.5),
        (OTHER, "last_loss", 0.5),
        (OTHER, "last_margin", -0.25),
    ]
    assert all((r.interval, r.n, r.scorer) == ("none", 1, "trainer") for r in run.records)


def test_seeds_of_one_training_are_joined_over_the_questions_of_all(run):
    few = scored()
    many = pd.concat([few.assign(id=few.id + str(k), warmth=few.warmth + k / 90) for k in range(9)])
    sweep_scores.add_seeds(run, "sweep.mine", many, ENCODER)
    assert [(r.system, r.metric, r.group) for r in run.records] == [
        ("02_sft.er-sft@", "warmth", "all seeds"),
        ("02_sft.er-sft@", "bleu1", "all seeds"),
    ]
    warm = run.records[0]  # the third question has no score under the second seed
    both = many[many.run != OTHER].pivot(index="run", columns="id", values="warmth")
    table = both.dropna(axis="columns")
    assert warm.value == pytest.approx(0.25 + 4 / 90) and warm.n == 18 == table.shape[1]
    expected = intervals.mean_interval_over_seeds(table.to_numpy())
    assert (warm.value, warm.ci_low, warm.ci_high) == expected
    assert warm.signature.endswith("interval over 2 seeds and over items")
    assert (warm.kind, warm.interval) == ("mean", "seeds and items")


def test_emotion_scores_stand_by_system_metric_and_seed(monkeypatch):
    scores = {"first": 0.1, "second": 0.2, "plain": 0.0, "": float("nan")}
    monkeypatch.setattr(
        emotion,
        "scores_by_contrast",
        lambda encoder, texts: pd.DataFrame({m: map(scores.get, texts) for m in ("mean", "max")}),
    )
    rows = [
        (name, "er-sft", q, text, 9, True)
        for name, text in ((FIRST, "first"), (SECOND, "second"))
        for q in ("q1", "q2")
    ]
    untrained = pd.DataFrame({"id": ["q1", "q2"], "system": "base", "answer": ["plain", ""]})
    table = sweep_scores.emotion_by_seed(answers(*rows), untrained, None)
    assert table.index.tolist() == ["q1"]  # the base model's other answer has no score
    assert table["er-sft", "mean"].to_numpy().tolist() == [[0.1, 0.2]]
    assert table["base", "max"].to_numpy().ravel().tolist() == [0.0]
    # Without the book's answers the trainings stand alone; of one seed nothing can be said.
    alone = sweep_scores.emotion_by_seed(answers(*rows), pd.DataFrame(), None)
    assert alone.shape == (2, 4)
    assert sweep_scores.emotion_by_seed(answers(*rows[:2]), untrained, None).empty
    other = (FIRST.replace("@", "@beta=1,"), *rows[0][1:])
    assert sweep_scores.emotion_by_seed(answers(*rows, other), untrained, None).empty
