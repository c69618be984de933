"""What there is to do at the papers' scale (chapter 13): a line for each task, with its rows and
the tokens of a row. What a line costs is in `bill`.

Rows and systems are read from the papers' printed numbers; passes, adapters and orders are those of
the profile `paper`. Where a paper gives no number the line carries ours, in round figures.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from emo_utils.claims import ledger
from emo_utils.experiment import bill, parameters, results
from emo_utils.judging import preference
from emo_utils.scoring import emotion

# Models of the billing for the systems of EmplifAI's tables; MedLlama3-JP and Swallow are of 8 B.
EMPLIFAI = {
    "gpt": "o3-pro",
    "deepseek": "R1-Qwen-32B",
    "llm-jp": "llm-jp-13B",
    "swallow": "Llama-3.1-8B",
    "medllama": "Llama-3.1-8B",
}
THINKING = {"gpt": 500, "deepseek": 500}  # tokens that a reasoning model writes before it answers
JAPANESE = 320  # tokens of a Japanese dialogue with what is asked about it
CAREGIVER_PAIR = 2 * 40 + 360  # tokens of a pair: the question twice, and two answers
PAIRS, QUESTIONS = 999, 523  # of Empathy by Design, in the files of its code
OWN_ANSWER = 200  # tokens of an answer of a kept run that does not say how long they were
NOTEBOOKS = {"sft": "02_sft", "dpo": "03_dpo", "kto": "04_kto"}  # by objective
# Where EmplifAI's appendix says how long a fine-tuning took: its place among the printed numbers,
# and which trainings we read it to be of.
STATED = {
    "A100-40": ("finetuning-a100", ("EmplifAI: sft-llm-jp",)),
    "RTX-6000-Ada": (
        "finetuning-rtx-6000-ada",
        ("EmplifAI: sft-swallow", "EmplifAI: sft-medllama"),
    ),
}


class Asked(NamedTuple):
    """A task in which a model reads and writes so many tokens a row."""

    item: str
    model: str
    rows: int
    read: float
    written: float


class Trained(NamedTuple):
    """A training on rows of so many tokens; weights: `all`, or `adapters`."""

    item: str
    model: str
    objective: str
    rows: int
    tokens: float
    epochs: float
    weights: str


@dataclass(frozen=True)
class Sizes:
    """Tokens of a question and of the doctor's answer to it, and how many times as long their
    rewrites are.
    """

    question: float
    answer: float
    growth: float

    @property
    def emotional(self) -> float:
        """Tokens of a question with its feeling."""
        return self.growth * self.question

    @property
    def soothing(self) -> float:
        """Tokens of a soothing (or empathetic) answer."""
        return self.growth * self.answer

    def row(self, objective: str) -> float:
        """Tokens of a row of EQ+SR as a training reads it; DPO and KTO read both answers, each
        behind the question.
        """
        if objective == "sft":
            return self.emotional + self.soothing
        return 2 * self.emotional + self.soothing + self.answer

    def trained_row(self, system: str, objective: str) -> float:
        """Tokens of a row of one of this project's own trainings."""
        if system == "er-sft":
            return self.question + self.soothing
        if system == "ebd-dpo":
            return CAREGIVER_PAIR
        return JAPANESE if system.startswith("emplifai") else self.row(objective)


def asked(sizes: Sizes) -> list[Asked]:
    """The tasks in which models read and write, paper by paper."""
    return [*_asked_of_emodoctor(sizes), *_asked_of_others(), *_asked_of_emplifai()]


def trained(sizes: Sizes) -> list[Trained]:
    """The trainings, paper by paper."""
    return [*_trained_of_emodoctor(sizes), *_trained_of_others()]


def stated_by_emplifai(
    tasks: list[Trained], rates: bill.GpuRates, cpu: dict[str, float]
) -> pd.DataFrame:
    """The hours of fine-tuning that EmplifAI's appendix states beside those of the formula: columns
    machine, `computed, GPU hours`, stated (GPU hours) and times, the quotient.

    rates: the shares hold on each machine; its peak, bandwidth and memory are its own.
    """
    counts, machines, rows = _counts(), bill.machines(), []
    for machine, (place, items) in STATED.items():
        gpus, clock = (float(counts["emplifai.text", place, what]) for what in ("gpus", "hours"))
        on = replace(rates, **machines[machine])
        lines = [bill.trained_line(*t, bill.MODELS, on, cpu) for t in tasks if t.item in items]
        computed = sum(line["GPU hours"] for line in lines)
        rows.append({"machine": machine, "computed, GPU hours": computed, "stated": gpus * clock})
    table = pd.DataFrame(rows)
    return table.assign(times=table["stated"] / table["computed, GPU hours"])


def computed_trainings(sizes: Sizes, cpu: dict[str, float]) -> list[dict]:
    """The kept trainings (`bill.kept_trainings`), each with `computed`, what the formula says of it
    on two cores, in seconds.
    """
    trainings = []
    for kept in bill.kept_trainings():
        tokens = sizes.trained_row(kept["system"], kept["objective"])
        trainings.append(kept | {"computed": bill.seconds_on_cores(kept, tokens, OWN_ANSWER, cpu)})
    return trainings


def questions() -> dict[str, int]:
    """How many items each paper measures its systems on: test questions, or dialogues that are
    rated.
    """
    return {
        "emodoctor": _rows_of_emodoctor()["test-set"],
        "emplifai": _of_paper("09_emplifai_judge", "judged_pairs"),
        "empathy-by-design": QUESTIONS,
    }


def _counts() -> pd.Series:
    """Every printed number, as text, by table, system and metric."""
    return ledger.published().set_index(["table", "system", "metric"]).value


def _rows_of_emodoctor() -> dict[str, int]:
    counts = _counts()
    return {
        rows: 1_000 * int(counts["emodoctor.text", rows, "rows"])
        for rows in ("er", "eqsr", "test-set")
    }


def _dialogues_of_emplifai() -> int:
    return int(_counts()["emplifai.text", "dialogues", "count"])


def _systems_of(table: str) -> list[str]:
    printed = ledger.published()
    return list(printed[printed.table == table].system.unique())


def _of_paper(notebook: str, parameter: str):
    """What the profile `paper` sets for a chapter."""
    return parameters.profile_values("paper", notebook)[parameter]


def _weights(notebook: str) -> str:
    return "adapters" if _of_paper(notebook, "lora_rank") else "all"


def _asked_of_emodoctor(sizes: Sizes) -> list[Asked]:
    plain = sizes.question + sizes.answer
    emotional, soothing = sizes.emotional, sizes.soothing
    rows, candidates = _rows_of_emodoctor(), len(preference.SYSTEMS)
    test, rewritten = rows["test-set"], rows["eqsr"] + rows["test-set"]
    answers = len(results.SYSTEMS) * test
    scored = answers * len(emotion.EMOTIONS)
    judged, judged_tokens = (
        test * _of_paper("07_preference_ablation", "orders"),
        emotional + candidates * soothing + 120,
    )
    return [
        Asked("EmoDoctor: rewrite ER", "Llama-3.1-8B", rows["er"], plain + 75, soothing),
        Asked(
            "EmoDoctor: rewrite EQ+SR and test",
            "gpt-4o-mini",
            rewritten,
            plain + 115,
            emotional + soothing,
        ),
        Asked("EmoDoctor: all systems answer", "Llama-3.2-1B", answers, emotional + 25, soothing),
        Asked("EmoDoctor: emotion", "Emollama-7B", scored, soothing + 110, 5),
        Asked("EmoDoctor: preference", "Qwen2.5-7B", judged, judged_tokens, 0),
    ]


def _asked_of_others() -> list[Asked]:
    printed = ledger.published()
    cells = (printed.table == "emplifai.table4").sum()  # systems times rubrics
    ratings = int(cells) * _of_paper("09_emplifai_judge", "judged_pairs")
    answers = 2 * QUESTIONS  # before and after DPO
    return [
        Asked("EmplifAI: judge", "gemini-2.5-flash", ratings, 900, 200),
        Asked("Empathy by Design: pairs", "gpt-4o-mini", PAIRS, 200, 350),
        Asked("Empathy by Design: answers", "Llama-3.1-8B", answers, 60, 150),
        Asked("Empathy by Design: judge, three scores", "gpt-4o-mini", 3 * answers, 500, 50),
    ]


def _asked_of_emplifai() -> list[Asked]:
    dialogues, pairs = _dialogues_of_emplifai(), _of_paper("09_emplifai_judge", "judged_pairs")
    predicted = [
        Asked(
            f"EmplifAI: emotion, {name}",
            EMPLIFAI[name],
            dialogues,
            JAPANESE,
            12 + THINKING.get(name, 0),
        )
        for name in _systems_of("emplifai.table2")
    ]
    written = [
        Asked(
            f"EmplifAI: dialogues, {name}",
            EMPLIFAI[name.removeprefix("sft-")],
            pairs,
            150,
            200 + THINKING.get(name, 0),
        )
        for name in _systems_of("emplifai.table4")
    ]
    return predicted + written


def _trained_of_emodoctor(sizes: Sizes) -> list[Trained]:
    rows, trainings = _rows_of_emodoctor(), []
    for system in results.SYSTEMS[2:]:
        objective = system.rpartition("-")[2]
        notebook = NOTEBOOKS[objective]
        trainings.append(
            Trained(
                f"EmoDoctor: {system}",
                "Llama-3.2-1B",
                objective,
                rows["er" if system == "er-sft" else "eqsr"],
                sizes.trained_row(system, objective),
                _of_paper(notebook, "epochs"),
                _weights(notebook),
            )
        )
    return trainings


def _trained_of_others() -> list[Trained]:
    """EmplifAI's three fine-tunings and the DPO of Empathy by Design."""
    notebook, dialogues = "09_emplifai_finetuning", _dialogues_of_emplifai()
    how = _of_paper(notebook, "epochs"), _weights(notebook)
    tuned = [
        Trained(
            f"EmplifAI: {name}",
            EMPLIFAI[name.removeprefix("sft-")],
            "sft",
            dialogues,
            JAPANESE,
            *how,
        )
        for name in _systems_of("emplifai.table4")
        if name.startswith("sft-")
    ]
    notebook = "10_empathy_by_design"
    how = _of_paper(notebook, "epochs"), _weights(notebook)
    dpo = "Empathy by Design: DPO", "Llama-3.1-8B", "dpo"
    return [*tuned, Trained(*dpo, PAIRS, CAREGIVER_PAIR, *how)]
