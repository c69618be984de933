"""A second judge of another kind for pairs of answers (chapter 7): of two answers it takes the one
with the higher score. It sees no order and reads no instruction.
"""

import numpy as np
import pandas as pd

from emo_utils.judging import preference
from emo_utils.project import EmoError
from emo_utils.scoring import emotion, facts

SCORED = ("knowledge", "emotion")  # of `preference.QUESTIONS`


def choices(
    duels: pd.DataFrame, answers: pd.DataFrame, doctor: pd.Series, encoder, language_model
) -> pd.Series:
    """Which answer of each pair it prefers: 1 the first, 0 the second, 0.5 neither, missing where
    a score is.

    For reassurance the score is that of chapter 5 (nearer to comforting sentences), for knowledge
    what chapter 6 finds kept of the doctor's answer.

    duels: of `preference.duels`. answers: texts, one row an id, one column a system. doctor: his
    answers by id. encoder: of `embeddings.load`. language_model: of `loading.load`. Raises EmoError
    where a question is asked for which there is no score.
    """
    if unknown := [question for question in preference.QUESTIONS if question not in SCORED]:
        raise EmoError(
            f"the second judge has no score for {', '.join(unknown)}, only for "
            f"{' and '.join(SCORED)}; give it one in emo_utils/scoring/second_judge.py"
        )
    texts = answers.stack().rename("text").rename_axis(["id", "system"]).reset_index()
    told = doctor.loc[texts.id].tolist()
    texts["emotion"] = emotion.scores_by_contrast(encoder, texts.text.tolist())["mean"].to_numpy()
    texts["knowledge"] = facts.kept(*language_model, told, texts.text.tolist())
    found = pd.Series(np.nan, duels.index)
    for question in preference.QUESTIONS:
        of_question = duels.question == question
        scores = texts.pivot(index="id", columns="system", values=question)
        found[of_question] = preference.higher(duels[of_question], scores)
    return found
