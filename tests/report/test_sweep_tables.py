"""Tables and figure of a sweep, from records written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import sweeps
from emo_utils.report import figures, kept_runs, sweep_figures, sweep_tables

LAST = "margin, last tenth of the steps"
DPO, KTO = "03_dpo.eqsr-dpo@beta=", "04_kto.eqsr-kto@beta="


def record(system, metric, value, group="all", half=0.125):
    return {
        "system": system,
        "metric": metric,
        "value": value,
        "ci_low": value - half,
        "ci_high": value + half,
        "n": 20,
        "unscored": 0,
        "interval": "items",
        "seed": 42,
        "group": group,
    }


@pytest.fixture
def records():
    """Two betas of DPO, one of them with two seeds, and one of KTO."""
    rows = []
    for variant, warmth, margin in (
        (f"{DPO}0.1,seed=42", 0.5, 1.0),
        (f"{DPO}0.1,seed=43", 0.75, 2.0),
        (f"{DPO}0.05,seed=42", 0.25, -1.0),
        (f"{KTO}0.1,seed=42", 0.375, 3.0),
    ):
        rows += [record(variant, "warmth", warmth), record(variant, "last_margin", margin, half=0)]
    return pd.DataFrame(rows)


def test_a_variants_name_without_its_seed():
    assert sweeps.without_seed("02_sft.er-sft@seed=43") == "02_sft.er-sft@"
    assert sweeps.without_seed(f"{DPO}0.1,seed=43") == f"{DPO}0.1"
    assert sweeps.without_seed("04_kto.eqsr-kto@seed=7,beta=0.1") == "04_kto.eqsr-kto@,beta=0.1"


def test_names_say_the_parameters(records):
    merged = sweep_tables.with_parameters(records)
    assert sweep_tables.parameters(merged) == ["base", "beta", "seed_of"]
    assert merged.base.tolist() == ["eqsr-dpo"] * 6 + ["eqsr-kto"] * 2
    assert merged.beta.tolist() == ["0.1"] * 4 + ["0.05"] * 2 + ["0.1"] * 2
    assert merged.seed_of[2] == "43" and merged.value.tolist() == records.value.tolist()


def test_a_row_a_variant_with_what_differs(records):
    table = sweep_tables.variants_table(records)
    assert list(table.columns) == ["system", "beta", "seed", "warmth", LAST]
    second = table.loc[f"{DPO}0.1,seed=43"]
    assert second.tolist() == ["eqsr-dpo", "0.1", "43", "0.750 [0.625, 0.875]", 2.0]
    # Nothing differs but the system where each has one variant of the same parameters.
    same = records[records.system.isin([f"{DPO}0.1,seed=42", f"{KTO}0.1,seed=42"])]
    assert list(sweep_tables.variants_table(same).columns) == ["system", "warmth", LAST]


def test_failed_trainings_are_those_that_fail_on_rows_they_did_not_see(records):
    """A margin of the training's own batches below 0 is no failure by itself."""
    first, second, low, kto = records.system.unique()
    said = sweep_tables.failed_in_words(records)
    assert said == "4 of 4 trainings have no number on unseen rows"
    unseen = [
        record(first, "validation_margin", -0.5),
        record(first, "test_accuracy", 1.0),
        record(second, "validation_margin", 0.5),
        record(low, "test_accuracy", 0.25),
    ]
    assert sweep_tables.failed_in_words(pd.concat([records, pd.DataFrame(unseen)])) == (
        f"{first} failed (margin -0.50 on held-out rows), and is number 2 of 4 by warmth; "
        f"{low} failed (the wanted answer gained more on 25% of unseen questions), "
        "and is number 4 of 4 by warmth; 1 of 4 trainings have no number on unseen rows"
    )
    well = pd.DataFrame([record(name, "test_accuracy", 1.0) for name in records.system.unique()])
    assert sweep_tables.failed_in_words(pd.concat([records, well])) == (
        "no training failed by this sign"
    )


def test_what_older_runs_averaged_is_headed_as_that(records):
    older = records.assign(metric=records.metric.replace("last_margin", "final_margin"))
    assert sweep_tables.variants_table(older).columns[-1] == "margin, last five steps"


def test_seeds_stand_beside_questions(records):
    joined = pd.DataFrame([record(f"{DPO}0.1", "warmth", 0.625, "all seeds", 0.25)])
    both = pd.concat([records[records.system.str.startswith(f"{DPO}0.1")], joined])
    [row] = sweep_tables.seeds_table(both).to_dict("records")
    assert row == {
        "training": f"{DPO}0.1",
        "metric": "warmth",
        "seeds": 2,
        "over_seeds": pytest.approx(1.96 * np.std([0.5, 0.75], ddof=1), abs=5e-4),
        "over_questions": 0.125,
        "mean": "0.625 [0.375, 0.875]",
    }


def test_a_margin_over_beta_is_in_nats(records):
    merged = sweep_figures.with_nats(sweep_tables.with_parameters(records))
    moved = merged[merged.metric == "moved, nats"]
    assert moved.value.tolist() == pytest.approx([10, 20, -20, 30]) and len(merged) == 12


def test_a_line_joins_what_differs_in_one_thing_alone(records):
    merged = sweep_tables.with_parameters(records[records.metric == "warmth"])
    joined = [(s, note, len(part)) for s, note, part in sweep_figures.lines(merged, "beta")]
    assert joined == [("eqsr-dpo", "", 3), ("eqsr-kto", "", 1)]
    # A parameter that only some variants name sets them apart.
    more = pd.DataFrame([record(f"{DPO}0.1,init=er-sft", "warmth", 0.5)])
    merged = sweep_tables.with_parameters(pd.concat([records[records.metric == "warmth"], more]))
    joined = [(s, note, len(part)) for s, note, part in sweep_figures.lines(merged, "beta")]
    assert joined == [("eqsr-dpo", "", 3), ("eqsr-dpo", "init er-sft", 1), ("eqsr-kto", "", 1)]


def test_the_figure_has_a_panel_a_measure(records):
    figure = sweep_figures.measures_figure(records, "beta")
    said = figure.get_label()
    assert "over beta (0.05, 0.1), in 3 panels" in said
    assert (
        "Warmth (chapter 5's scorer): highest EQ+SR (dpo) at beta 0.1 0.75 [0.62, 0.88]; " in said
    )
    titles = [axis.get_title().replace("\n", " ") for axis in figure.axes]
    assert titles == [
        "reward margin, last tenth of the steps",
        "margin / beta, nats",
        titles[2],
        "",
    ]
    warm = figure.axes[2]
    assert [label.get_text() for label in warm.get_xticklabels()] == ["0.05", "0.1"]
    dpo, kto = warm.containers
    assert dpo.lines[0].get_xdata().tolist() == [1, 1, 0]
    assert dpo.lines[0].get_ydata().tolist() == [0.5, 0.75, 0.25]
    assert kto.lines[0].get_xdata().tolist() == [1.06]
    means = [line for line in warm.lines if line.get_linestyle() == "-"]
    assert [line.get_ydata().tolist() for line in means] == [[0.25, 0.625], [0.375]]
    assert kto.lines[0].get_color() == figures.colour("eqsr-kto")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "EQ+SR (dpo)",
        "EQ+SR (kto)",
    ]
    by_system = sweep_figures.measures_figure(records, "base")
    assert [axis.get_title().replace("\n", " ") for axis in by_system.axes] == [
        titles[0],
        titles[2],
    ]
    assert not by_system.legends
    plt.close("all")


# What chapters 2 to 5 say of the sweeps that are kept, whose numbers chapter 12 shows.


def kept(name: str) -> pd.DataFrame:
    """The measures of a kept sweep, a row a variant."""
    records = kept_runs.kept(kept_runs.REFERENCE / f"sweep_{name}.json")
    measures = records[records.group == "all"].pivot(index="system", columns="metric")["value"]
    return measures.rename(index=lambda variant: variant.partition(".")[2])


def test_where_a_training_starts_changes_what_chapters_3_and_4_say():
    readings = kept("readings")
    for system in ("eqsr-dpo", "eqsr-kto"):
        base, tuned = (readings.loc[f"{system}@init={init}"] for init in ("base", "eqsr-sft"))
        assert base.test_accuracy == tuned.test_accuracy == 1
        assert tuned.repeated < base.repeated / 2 and base.gain_per_token > 0.1
        if system == "eqsr-dpo":
            assert tuned.complete < base.complete and tuned.gain_per_token < -0.05
        else:
            assert abs(tuned.gain_per_token) < 0.05


def test_step_sizes_and_ranks_are_those_that_chapters_2_to_4_name():
    step_sizes = kept("tuning").filter(like="eqsr-dpo", axis=0)
    largest = "eqsr-dpo@learning_rate=0.001,"
    assert step_sizes.validation_loss.idxmin().startswith(largest)
    assert step_sizes.repeated.idxmin().startswith(largest) and step_sizes.complete.max() < 0.5
    ranks = kept("adapters")
    ranks = ranks[~ranks.index.str.contains("epochs")]
    for system in ("eqsr-sft", "eqsr-dpo"):
        best = ranks.filter(like=system, axis=0).validation_loss.idxmin()
        assert best.startswith(f"{system}@lora_rank=64")
    assert ranks.filter(like="eqsr-kto@lora_rank=64", axis=0).validation_margin.item() < 0
    assert kept("beta").loc["eqsr-kto@beta=0.5,seed=42"].final_margin < 0


def test_seeds_of_dpo_spread_as_far_as_chapter_5_says():
    records = kept_runs.kept(kept_runs.REFERENCE / "sweep_seeds.json")
    spread = sweep_tables.seeds_table(records).set_index(["training", "metric"])
    dpo = spread.loc["03_dpo.eqsr-dpo@", "warmth"]
    assert dpo.seeds == 3 and dpo.over_seeds > 0.75 * dpo.over_questions
    over_both = records[(records.group == "all seeds") & (records.metric == "warmth")]
    assert len(over_both) == 3 and over_both.ci_low.max() < over_both.ci_high.min()
