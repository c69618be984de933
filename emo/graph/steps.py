"""The steps of the book: each a run of a notebook, with what it reads and needs.

A variant of a run has its name with other parameters behind it,
`03_dpo.eqsr-dpo@beta=0.05,seed=43`; it is a step like any other, whose results lie apart from the
book's. What makes a step due is in `fingerprints` and `due`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from emo_utils.data import arms, caregiver, dialogues, emplifai, marked_sentences
from emo_utils.experiment import bill, parameters, results, sweeps
from emo_utils.models import registry
from emo_utils.project import DATA, PROFILES, REFERENCE, EmoError

DIALOGUES = DATA / "dialogues"
# A page that shows a kept run is made again when that changes; no training reads any but its own.
KEPT = {path.stem: path for path in sorted(REFERENCE.glob("*.json"))}


def kept(*starts: str) -> tuple[Path, ...]:
    """The kept runs whose names start so."""
    return tuple(path for stem, path in KEPT.items() if stem.startswith(starts))


PUBLISHED = tuple(
    DATA / "published" / name for name in ("emodoctor.csv", "emplifai.csv", "claims.yaml")
)


@dataclass(frozen=True)
class Step:
    """One run of the book: its notebook, what it does in a few words, fixed parameters, files read,
    upstream runs, answers written; cores, memory and seconds, which order the runs. of_records:
    whether it reads the records of the runs before it, and not only what else they wrote. asks:
    whether it asks the systems of its parameter `systems`, and needs what makes them (`needs`).
    """

    run: str
    notebook: str
    about: str
    fixed: tuple[tuple[str, str], ...] = ()
    files: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    threads: int = 1
    memory_mb: int = 3000
    seconds: int = 15
    of_records: bool = False
    asks: bool = False

    @property
    def trains(self) -> bool:
        return self.notebook in TRAINING


# Memory that a training of the embedded profile adds to the machine (its share of resident memory
# at its peak), and how long it takes on a core.
TRAINING = {
    "02_sft": (3250, 115),
    "03_dpo": (3600, 105),
    "04_kto": (4150, 140),
    "10_empathy_by_design": (5400, 200),
}
METHODS = {"02_sft": "SFT", "03_dpo": "DPO", "04_kto": "KTO"}


def _training(
    notebook: str,
    system: str,
    files: tuple[Path, ...],
    needs: tuple[str, ...] = (),
    answers: tuple[str, ...] = (),
) -> Step:
    memory_mb, seconds = TRAINING[notebook]
    return Step(
        f"{notebook}.{system}",
        notebook,
        f"{METHODS[notebook]} on {'er-sft' if needs else 'the base model'}, then answers",
        (("system", system),),
        (*files, DIALOGUES / "test.jsonl"),
        needs,
        (*answers, system),
        memory_mb=memory_mb,
        seconds=seconds,
    )


ER, EQSR = (DIALOGUES / "er_train.jsonl",), (DIALOGUES / "eqsr_train.jsonl",)
FROM_ER = ("02_sft.er-sft",)
TRAININGS = (
    _training("02_sft", "er-sft", ER, answers=("base", "prompt")),
    _training("03_dpo", "eqsr-dpo", EQSR),
    _training("04_kto", "eqsr-kto", EQSR),
    _training("03_dpo", "er-eqsr-dpo", EQSR, FROM_ER),
    _training("04_kto", "er-eqsr-kto", EQSR, FROM_ER),
    _training("02_sft", "eqsr-sft", EQSR),
    _training("02_sft", "er-eqsr-sft", EQSR, FROM_ER),
)
SENTENCES = tuple(
    path
    for name, path in marked_sentences.FILES.items()
    if "claim" not in name and name != "chat"  # which taught the coefficients that ship
)
_ALL = tuple(step.run for step in TRAININGS)
# The runs with instruments: chapter 11 shows the gates of all.
GATED = (
    "05_emotion_scoring",
    "05_plain_questions",
    "06_knowledge_scoring",
    "07_preference_ablation",
    "08_qualitative_cases",
    "09_emplifai_judge",
    "10_ebd_scores",
)
_TEST = (DIALOGUES / "test.jsonl",)
_SCORED = (*_TEST, *PUBLISHED)
_JAPANESE = (emplifai.FILE, DATA / "published" / "emplifai_emotions.csv", *PUBLISHED)
_CAREGIVER = tuple(caregiver.FILES.values())
_ARMS = (
    *(
        path.parent / folder / path.name
        for path in dialogues.FILES.values()
        for folder in arms.ARMS.values()
    ),
    dialogues.COMFORT_PHRASES,
)
STEPS = (
    *TRAININGS,
    Step(
        "01_data_rewriting",
        "01_data_rewriting",
        "a model rewrites questions and answers",
        files=(*ER, *EQSR, DIALOGUES / "test.jsonl"),
        memory_mb=4100,
        seconds=210,
    ),
    Step(
        "01_two_arms",
        "01_two_arms",
        "the two arms of the data, compared",
        files=_ARMS,
        memory_mb=4300,
        seconds=300,
    ),
    Step(
        "05_emotion_scoring",
        "05_emotion_scoring",
        "emotion scores of all answers",
        files=(*_SCORED, *kept("validity")),
        needs=_ALL,
        memory_mb=3800,
        seconds=580,
    ),
    Step(
        "05_plain_questions",
        "05_plain_questions",
        "the questions without their feeling, answered and scored",
        files=_SCORED,
        needs=FROM_ER,
        answers=("plain-questions",),
        memory_mb=3800,
        seconds=90,
        asks=True,
    ),
    Step(
        "06_knowledge_scoring",
        "06_knowledge_scoring",
        "what of the doctor's knowledge the answers keep",
        files=(*_SCORED, *kept("validity")),
        needs=_ALL,
        memory_mb=2300,
        seconds=140,
    ),
    Step(
        "07_preference_ablation",
        "07_preference_ablation",
        "a judge chooses between the systems' answers",
        files=(*_SCORED, *SENTENCES, *kept("validity"), *kept("preference")),
        needs=_ALL,
        memory_mb=4100,
        seconds=1800,
    ),
    Step(
        "08_qualitative_cases",
        "08_qualitative_cases",
        "single answers, and their safety flags",
        files=(*_SCORED, *SENTENCES),
        needs=("05_emotion_scoring", "06_knowledge_scoring"),
        memory_mb=1500,
        seconds=240,
    ),
    Step(
        "08_printed_answers",
        "08_printed_answers",
        "the printed answers of the paper's Table 3 under our scores",
        files=(*kept("emodoctor_table3"), DATA / "published" / "emodoctor_table3.csv"),
        memory_mb=1500,
    ),
    Step(
        "09_emplifai",
        "09_emplifai",
        "the Japanese paper's data and tables",
        files=_JAPANESE,
        memory_mb=700,
    ),
    Step(
        "09_emplifai_prediction",
        "09_emplifai_prediction",
        "28 emotions predicted from dialogues",
        files=(*_JAPANESE, *kept("emplifai_prediction")),
        threads=2,
        memory_mb=4300,
        seconds=150,
    ),
    Step(
        "09_emplifai_finetuning.emplifai-sft",
        "09_emplifai_finetuning",
        "SFT on Japanese dialogues, then answers",
        (("system", "emplifai-sft"),),
        (*_JAPANESE[:2], *kept("emplifai_sft", "emplifai_glosses")),
        answers=("emplifai-base", "emplifai-sft"),
        threads=2,
        memory_mb=6500,
        seconds=200,
    ),
    Step(
        "09_emplifai_finetuning.emplifai-sft-seen",
        "09_emplifai_finetuning",
        "SFT on the test dialogues as well, then answers",
        (("system", "emplifai-sft-seen"),),
        (*_JAPANESE[:2], *kept("emplifai_sft", "emplifai_glosses")),
        answers=("emplifai-sft-seen",),
        threads=2,
        memory_mb=6500,
        seconds=150,
    ),
    Step(
        "09_emplifai_judge",
        "09_emplifai_judge",
        "a judge rates Japanese answers by seven rubrics",
        files=(*_JAPANESE, emplifai.SCREENING_FILE, *kept("emplifai_judge")),
        needs=("09_emplifai_finetuning.emplifai-sft", "09_emplifai_finetuning.emplifai-sft-seen"),
        threads=2,
        memory_mb=5000,
        seconds=300,
    ),
    Step(
        "09_emplifai_moves",
        "09_emplifai_moves",
        "what in a dialogue moves the judge",
        files=(
            *(emplifai.FILE.parent / folder / emplifai.FILE.name for folder in arms.ARMS.values()),
            _JAPANESE[1],
            *kept("emplifai_moves"),
        ),
        memory_mb=3500,
        seconds=120,
    ),
    Step(
        "10_empathy_by_design.ebd-dpo",
        "10_empathy_by_design",
        "DPO with adapters on answers to caregivers",
        (("system", "ebd-dpo"),),
        _CAREGIVER,
        answers=("ebd-base", "ebd-dpo"),
        memory_mb=TRAINING["10_empathy_by_design"][0],
        seconds=TRAINING["10_empathy_by_design"][1],
    ),
    Step(
        "10_ebd_scores",
        "10_ebd_scores",
        "meaning, facts and tone of the answers to caregivers",
        files=(*_CAREGIVER[1:], *PUBLISHED, *kept("validity"), *kept("ebd_scores")),
        needs=("10_empathy_by_design.ebd-dpo",),
        threads=2,
        memory_mb=5000,
        seconds=250,
    ),
    Step(
        "10_ebd_open",
        "10_ebd_open",
        "what Empathy by Design leaves open",
        files=(
            *_CAREGIVER,
            DATA / "caregiver" / "voices.jsonl",
            *_TEST,
            *kept("ebd_open", "ebd_authors", "ebd_scores", "ebd_grid", "ebd_shortcuts"),
        ),
        needs=("10_empathy_by_design.ebd-dpo", "03_dpo.eqsr-dpo", "02_sft.er-sft"),
        memory_mb=3500,
        seconds=200,
    ),
    Step(
        "11_judge_validity",
        "11_judge_validity",
        "how far to trust the scores",
        files=kept("validity", "emotion_ways"),
        needs=GATED,
        of_records=True,
        memory_mb=1500,
    ),
    Step(
        "12_sweeps",
        "12_sweeps",
        "the kept sweeps, compared",
        files=kept("sweep_"),
        memory_mb=1500,
    ),
    Step(
        "13_bill",
        "13_bill",
        "what the papers' scale costs",
        files=(
            *(KEPT[name] for name in ("speed", "book_embedded", *bill.KEPT_TRAININGS)),
            *PUBLISHED,
            *(PROFILES / name for name in ("machines.yaml", "prices.yaml", "paper.yaml")),
        ),
        memory_mb=700,
    ),
)


def steps(profile: str) -> tuple[Step, ...]:
    """The steps of a profile with what each needs there (`needs`): profiles share the runs and
    differ in parameters.
    """
    parameters.load_profile(profile)
    return tuple(replace(s, needs=needs(s, profile)) if s.asks else s for s in STEPS)


def step(run: str) -> Step:
    """The step of a run of the book, or of a variant of one."""
    found = {s.run: s for s in STEPS}
    name = run.partition("@")[0]
    if name not in found:
        raise EmoError(
            f"the book has no run '{name}'{parameters.nearest(name, found)}; "
            f"runs: {', '.join(found)}"
        )
    s = found[name]
    if run == name:
        return s
    # Of two values for one parameter the one behind the @ is the variant's.
    pairs = [pair for pair in sweeps.changed(run).items() if pair not in s.fixed]
    # The untuned answers come from the book's own run; a start that is another system needs its
    # checkpoint.
    s = replace(
        s,
        run=run,
        fixed=(*s.fixed, *pairs),
        answers=(dict(s.fixed)["system"],) if s.trains else s.answers,
    )
    if (init := dict(pairs).get("init")) is None:
        return s
    return replace(s, needs=tuple(t.run for t in TRAININGS if dict(t.fixed)["system"] == init))


def making(name: str) -> Step:
    """The step of a run, or the one that writes a system's answers (`eqsr-dpo`)."""
    return next((s for s in STEPS if name in s.answers), None) or step(name)


def values(s: Step, profile: str) -> dict:
    """All parameters of a step under a profile."""
    return parameters.resolve(
        s.notebook, dict(s.fixed) | {"profile": profile}, s.run.partition("@")[0]
    )


def needs(s: Step, profile: str) -> tuple[str, ...]:
    """The runs before a step under a profile: those that it always reads, and where it asks systems
    those that make them.
    """
    if not s.asks:
        return s.needs
    makers = (making(name).run for name in results.systems_named(values(s, profile)["systems"]))
    return tuple(dict.fromkeys((*s.needs, *makers)))


def files(s: Step, profile: str) -> tuple[Path, ...]:
    """The files that a step reads under a profile: of a set with both arms, those of its arm."""
    arm = values(s, profile).get("arm")
    with_arms = {*dialogues.FILES.values(), *caregiver.FILES.values(), emplifai.FILE}
    return tuple(arms.in_arm(path, arm) if arm and path in with_arms else path for path in s.files)


def step_models(s: Step, profile: str) -> tuple[str, ...]:
    """Registered weights that a step uses: the values of its parameters whose names end in
    `_model`.
    """
    return tuple(
        dict.fromkeys(
            v
            for k, v in values(s, profile).items()
            if k.endswith("_model") and v in registry.REGISTRY
        )
    )
