"""What a judge is asked about answers to caregivers (chapter 10.1): how correct an answer is, what
the reference says of it, how warm and how polite it is.

Each is a typed decision. Facts are judged with the reference at hand; empathy and politeness see
question and answer alone.
"""

from dataclasses import dataclass

import pandas as pd

from emo_utils.judging import table_decisions
from emo_utils.judging.decisions import Reader

# Question and five levels, lowest first, of what is rated from 1 to 5.
LEVELS = {
    "correctness": (
        "How much of the reference's advice does the answer give, and does anything go against it?",
        [
            "It advises the opposite of the reference, or something that could do harm.",
            "Most of what it says is not in the reference, or goes against it.",
            "It shares some of the reference's advice; important points are missing or wrong.",
            "It gives most of the reference's advice, and nothing against it.",
            (
                "It gives all of the reference's advice, its warnings included, "
                "and nothing against it."
            ),
        ],
    ),
    "empathy": (
        "How far does the answer respond to what this person feels and carries?",
        [
            "It takes no notice of the person who asks, or is unkind.",
            "It answers the matter only; a polite word is all that the person gets.",
            "It names a feeling or a burden once, in general.",
            "It takes up what this person feels or carries, and speaks to it.",
            "It takes up what this person feels and carries, and lets that shape the advice.",
        ],
    ),
    "politeness": (
        "How polite is the answer?",
        [
            "It scolds, orders or belittles.",
            "It is curt: commands without a softening word.",
            "It is neither rude nor friendly.",
            "It is friendly and respectful.",
            (
                "It is respectful throughout, offers where it could order, "
                "and leaves decisions to the person."
            ),
        ],
    ),
}
NLI = {
    "entailment": "whoever believes the premise must believe the hypothesis",
    "neutral": "the premise does not settle it",
    "contradiction": "both cannot be true",
}
RELATION = (
    "The reference is the premise, the answer the hypothesis. "
    "What does the premise say of the hypothesis?"
)
RELATIONS = {  # the options in both orders
    "nli": table_decisions.choice(RELATION, NLI),
    "nli, turned": table_decisions.choice(RELATION, dict(reversed(NLI.items()))),
}
ABOUT_FACTS = {"correctness": table_decisions.score(*LEVELS["correctness"])} | RELATIONS
ABOUT_PEOPLE = {name: table_decisions.score(*LEVELS[name]) for name in ("empathy", "politeness")}
BARE = "BARE NUMBERS, the service gives no probabilities; "
SEEN = ("question", "reference", "answer")


@dataclass(frozen=True)
class Judged:
    """Scores of each row: correctness, empathy and politeness (expected levels from 1 to 5),
    entailment and contradiction (probabilities); the three relations' probabilities; and whether
    the judge gave bare numbers in place of probabilities.
    """

    scores: pd.DataFrame
    relations: pd.DataFrame
    bare: bool


def judged(judge: Reader, rows: pd.DataFrame) -> Judged:
    """The judge's answers to all four questions about each row (columns question, reference,
    answer), missing where it gave none.
    """
    facts = table_decisions.decide(judge, rows, ABOUT_FACTS, SEEN, "facts")
    seen = ("question", "answer")
    people = table_decisions.decide(judge, rows, ABOUT_PEOPLE, seen, "empathy and politeness")
    relations = table_decisions.mean_over_orders(*(facts[name] for name in RELATIONS))
    levels = {name: table_decisions.expected_level(part) for name, part in people.items()}
    scores = pd.DataFrame(
        {"correctness": table_decisions.expected_level(facts["correctness"])}
        | {name: relations[name] for name in ("entailment", "contradiction")}
        | {name: levels[name] for name in ABOUT_PEOPLE}
    )
    return Judged(scores, relations, table_decisions.bare(facts | people))


def flag(of_answers: Judged, endpoint: str) -> str:
    """What to say where a service gave bare numbers; empty where it did not."""
    return BARE if endpoint and of_answers.bare else ""


def relations_of(judge: Reader, rows: pd.DataFrame, desc: str) -> pd.DataFrame:
    """Probabilities of entailment, neutral and contradiction, averaged over both orders."""
    return table_decisions.mean_over_orders(
        *table_decisions.decide(judge, rows, RELATIONS, SEEN, desc).values()
    )
