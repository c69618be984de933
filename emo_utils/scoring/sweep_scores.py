"""What the variants of a sweep are measured by, and the records of that (chapter 12)."""

import pandas as pd

from emo_utils.data import dialogues
from emo_utils.experiment import results, sweeps
from emo_utils.models import embeddings, registry
from emo_utils.project import results_dir
from emo_utils.scoring import emotion, overlap_scores
from emo_utils.scoring.repetition import repeated
from emo_utils.stats import intervals

UNTRAINED = results.SYSTEMS[:2]
# What a training says of itself, where it has it (without held-out rows there is no validation),
# and what kind of number that is.
OF_TRAINING = {
    "steps": "count",
    "last_loss": "mean",
    "last_margin": "mean",
    "kl_per_token": "mean",
    "gain_per_token": "difference",
    "test_accuracy": "share",
    "validation_loss": "mean",
    "validation_margin": "mean",
    "validation_accuracy": "share",
}


def measures(embedding_model: str) -> dict[str, str]:
    """The measures of an answer, each with how it is computed."""
    return {
        "warmth": (
            f"contrast of sentence embeddings, {embedding_model} "
            f"({registry.identity(embedding_model)[:12]}), mean of three emotions"
        ),
        "bleu1": "sacrebleu BLEU-1 of each answer with the doctor's, mean over items",
        "complete": "share of answers that ended by themselves",
        "repeated": "share of an answer's 4-word sequences that it had before",
        "tokens": "tokens of an answer",
    }


def read_answers(profile: str, variants: list[str]) -> pd.DataFrame:
    """The kept answers of variants, one row a variant (column `run`) and question."""
    folder = results_dir(profile) / "variants" / "answers"
    tables = [pd.read_parquet(folder / f"{name}.parquet").assign(run=name) for name in variants]
    return pd.concat(tables, ignore_index=True)


def read_untrained(profile: str) -> pd.DataFrame:
    """The book's answers of the systems that are not trained, where they were made: what every
    training is compared with.
    """
    paths = [results_dir(profile) / "answers" / f"{system}.parquet" for system in UNTRAINED]
    tables = [pd.read_parquet(path) for path in paths if path.is_file()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def emotion_by_seed(answers: pd.DataFrame, untrained: pd.DataFrame, encoder) -> pd.DataFrame:
    """Emotion scores of chapter 5 of each system and training seed: rows questions that all
    answered, columns (system, metric, seed); empty where the variants differ in more than the seed,
    or have one only.

    answers: of `read_answers`; untrained: of `read_untrained`; encoder: of `embeddings.load`.
    """
    trainings = answers.run.map(sweeps.without_seed)
    seeds = answers.groupby("system").run.nunique()
    if trainings.nunique() > answers.system.nunique() or seeds.min() < 2:
        return pd.DataFrame()
    both = pd.concat([answers.assign(training=answers.run), untrained.assign(training="")])
    scores = emotion.scores_by_contrast(encoder, both.answer.tolist())
    both = pd.concat([both.reset_index(drop=True), scores.reset_index(drop=True)], axis=1)
    wide = both.pivot(index="id", columns=["system", "training"], values=list(scores)).dropna()
    return wide.reorder_levels(["system", None, "training"], axis=1).sort_index(axis=1)


def measured(answers: pd.DataFrame, embedding_model: str) -> pd.DataFrame:
    """The answers of variants (`read_answers`) with a column for each of the
    `measures`: BLEU-1 in 0-100, tokens counted, the others in [0, 1].
    """
    doctors = {
        row["id"]: row["answer"] for name in ("test", "eqsr", "er") for row in dialogues.load(name)
    }
    encoder = embeddings.load(embedding_model)
    return answers.assign(
        warmth=emotion.scores_by_contrast(encoder, answers.answer.tolist())["mean"].to_numpy(),
        complete=answers.complete.astype(float),
        repeated=answers.answer.map(repeated),
        bleu1=overlap_scores.bleu1_items(answers.answer.tolist(), [doctors[i] for i in answers.id]),
    )


def add_answers(run, table: str, answers: pd.DataFrame, embedding_model: str) -> None:
    """Record every measure of every variant with its interval over items, and keep the items.

    answers: of `measured`.
    """
    how = measures(embedding_model)
    for variant, part in answers.groupby("run", sort=False):
        for metric, signature in how.items():
            run.add_mean(
                part[metric],
                table=table,
                system=variant,
                metric=metric,
                kind="share" if metric == "complete" else "mean",
                scorer=_scorer(metric, embedding_model),
                signature=signature,
                unit="",
            )
    items = answers.melt(["id", "run", "system"], list(how), var_name="metric")
    run.add_items(items.assign(table=table))


def add_trainings(run, table: str, variants: pd.DataFrame) -> None:
    """Record what the trainings say of themselves; variants: of `results.read_variants`."""
    for row in variants.to_dict("records"):
        for metric, kind in OF_TRAINING.items():
            if pd.notna(row.get(metric)):
                run.add(
                    table=table,
                    system=row["run"],
                    metric=metric,
                    value=row[metric],
                    n=1,
                    kind=kind,
                    scorer="trainer",
                    signature="as the training recorded it",
                    interval="none",
                )


def add_seeds(run, table: str, answers: pd.DataFrame, embedding_model: str) -> None:
    """Where variants differ in their seed alone, record warmth and overlap of all their seeds
    (group `all seeds`), with an interval over seeds and items together.

    answers: of `measured`.
    """
    trainings = answers.run.map(sweeps.without_seed)
    for training, part in answers.groupby(trainings, sort=False):
        for metric in ("warmth", "bleu1") if part.run.nunique() > 1 else ():
            scores = part.pivot(index="run", columns="id", values=metric)
            values = scores.dropna(axis="columns")  # questions that every seed has a score for
            value, low, high = intervals.mean_interval_over_seeds(values.to_numpy())
            run.add(
                table=table,
                system=training,
                metric=metric,
                value=value,
                ci_low=low,
                ci_high=high,
                n=values.shape[1],
                unscored=scores.shape[1] - values.shape[1],
                group="all seeds",
                interval="seeds and items",
                scorer=_scorer(metric, embedding_model),
                signature=f"{measures(embedding_model)[metric]}; "
                f"interval over {len(values)} seeds and over items",
            )


def _scorer(metric: str, embedding_model: str) -> str:
    return embedding_model if metric == "warmth" else "counts"
