"""Checks of a rewrite against its source: language, length, refusal, echo, facts kept, emotion.

Each check returns an empty text, or the reason as a sentence that can be given back to the
rewriter. They are coarse on purpose: they catch what a program can see for certain, and leave tone
to readers and to the scores.
"""

import re
import threading
from functools import lru_cache
from pathlib import Path

# Stems of international drug names, and common names without such a stem.
_STEMS = (
    r"\w{2,}(?:pril|sartan|statin|olol|dipine|prazole|tidine|cillin|mycin|micin|floxacin|cycline"
    r"|azole|vir|oxetine|triptyline|traline|azepam|azolam|gliptin|gliflozin|glutide|glitazone"
    r"|thiazide|semide|triptan|setron|caine|profen|coxib|parin|xaban|grel|sone|solone|terol|tropium"
    r"|lukast|mab|tinib|dronate|barbital|platin|tecan|citabine|quine|quone|izine|fenadine|nafine"
    r"|peridone|pressin|clopramide|steride|[ulz]osin|thiouracil|fibrate|phylline|zolamide|metanide"
    r"|pamide|piclone|pidem|orphine|azoline)|gli\w{2,}ide"
)
_NAMES = " ".join(
    line
    for line in Path(__file__).with_name("gates.txt").read_text(encoding="utf-8").splitlines()
    if line[:1] != "#"
).split()
_DRUG = re.compile(rf"(?:{_STEMS}|{'|'.join(_NAMES)})(?=s?\b)")
_NO_DRUGS = {"cholesterol", "mongrel"}
_NUMBER = re.compile(r"\d+(?:[.,/:]\d+)*")
_MEASURE = re.compile(
    r"(\d+(?:[.,]\d+)*)\s*"
    r"(mg/dl|mg|mcg|ug|g|kg|ml|l|mmol/l|cm|mm|iu|units?|%|mmhg|bpm|c|f)(?!\w|-[a-z])",
    re.IGNORECASE,
)
_WORDS = dict(
    zip(
        "1 2 3 4 5 6 7 8 9 10 11 12".split(),
        "one two three four five six seven eight nine ten eleven twelve".split(),
        strict=True,
    )
)
_CANNOT = r"\bi(?: can(?:no|')t| can not| won't be able to|(?:'m| am) (?:not able|unable) to) "
# Patients write "I can't help worrying" and "I can't provide for them":
# only what an assistant declines counts.
_REFUSAL = re.compile(
    rf"{_CANNOT}(?:help(?: you\b| with\b|\W*$|[.!;])|assist|comply|rewrite|fulfil"
    r"|provide (?!for)|generate|(?:write|do) (?:this|that))"
    rf"|\bsorry,? (?:but )?{_CANNOT}(?:share|discuss|engage|continue|produce|create|answer)\b"
    r"|\bas an ai\b|\bi must (?:decline|refuse)\b",
    re.IGNORECASE,
)
# Common words of English that its neighbours do not share
# ("a", "no", "me", "so", "in" and "is" are words of theirs, too).
_ENGLISH = frozenset(
    "the and of to for with from by but not if than then there about after before "
    "what when how which who just only more any some this that these those it its "
    "you your my our they their have been be were would will should could "
    "can don't i'm it's".split()
)
REWRITES = {
    "empathetic_response": "answer",
    "soothing_response": "answer",
    "emotional_question": "question",
}
SHORTEST, LONGEST = 0.6, 4.0  # words of a rewrite over words of its source
# words that any rewrite may have, however terse its source: the instructions ask for up to 180
ROOM = 220


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))


def numbers(text: str) -> set[str]:
    """Numbers as they are written, thousands separators removed."""
    return {plain(n) for n in _NUMBER.findall(text)}


def plain(number: str) -> str:
    """A number as it is written, without the commas between thousands."""
    return re.sub(r",(?=\d{3}\b)", "", number)


def drugs(text: str) -> set[str]:
    """Drug names of a text, by stem or by list, in lower case."""
    return {name for word in re.findall(r"\w+", text.lower()) if (name := _drug(word))}


@lru_cache(maxsize=100_000)
def _drug(word: str) -> str:
    found = _DRUG.match(word)
    return found.group() if found and found.group() not in _NO_DRUGS else ""


def measures(text: str) -> set[tuple[str, str]]:
    """Numbers with their unit."""
    found = {
        (plain(number), unit.lower().rstrip("s"))
        for number, unit in _MEASURE.findall(
            re.sub(r" ?per ?cent\b", "%", text, flags=re.IGNORECASE)
        )
    }
    # "25 F" is a woman of 25.
    return {(n, unit) for n, unit in found if unit != "f" or int(re.split("[.,]", n)[0]) >= 90}


def facts_lost(source: str, rewrite: str) -> list[str]:
    """Numbers, measures and drug names of the source that the rewrite lacks.

    Small numbers may be spelt out.
    """
    spelt, kept = set(words(rewrite)), numbers(rewrite)
    lost = {n for n in numbers(source) - kept if _WORDS.get(n) not in spelt}
    units = {
        f"{n} {unit}" for n, unit in measures(source) - measures(rewrite) if n in kept
    }  # where a number is spelt out, so may be its unit
    return sorted(lost) + sorted(units) + sorted(drugs(source) - drugs(rewrite))


def refusal(text: str) -> bool:
    """Whether a text declines the task in its first sentences."""
    return bool(_REFUSAL.search(text[:250].replace("’", "'")))


def check(field: str, source: str, rewrite: str, instruction: str = "") -> str:
    """The first thing that is wrong with one rewritten text, or an empty text."""
    if refusal(rewrite):
        return f"{field} declines instead of rewriting"
    if _overlap(source, rewrite) >= 0.8:
        return f"{field} only repeats the original"
    letters = "" if rewrite.isascii() else [c for c in rewrite if c.isalpha()]
    told = words(rewrite)
    if (
        sum(c.isascii() for c in letters) < 0.9 * len(letters)
        or len(told) >= 8
        and sum(w in _ENGLISH for w in told) < 0.08 * len(told)
    ):
        return f"{field} is not English"
    given = len(words(source))
    if len(told) < SHORTEST * given or len(told) > max(LONGEST * given, ROOM):
        return (
            f"{field} has {len(told)} words where the original has {given}; "
            f"write {'more' if len(told) < SHORTEST * given else 'less'}"
        )
    if instruction and _shingles(instruction, 7) & _shingles(rewrite, 7):
        return f"{field} repeats the instruction"
    if lost := facts_lost(source, rewrite):
        return f"{field} lacks {', '.join(lost[:6])}"
    return ""


def _shingles(text: str, size: int) -> set[tuple[str, ...]]:
    told = words(text)
    return set(zip(*(told[i:] for i in range(size)), strict=False))


def _overlap(first: str, second: str) -> float:
    """Jaccard overlap of 3-word shingles; 1 for equal texts of any length."""
    if words(first) == words(second):
        return 1.0
    a, b = _shingles(first, 3), _shingles(second, 3)
    return len(a & b) / len(a | b) if a | b else 0.0


def emotion_gate(judge):
    """A check that the rewritten question expresses the asked-for emotion more than the plain one,
    by the typed score of chapter 5.

    judge: a `decisions.Reader`. Returns a function of (plain question, emotional question, emotion)
    that gives a reason or an empty text. With Qwen2.5-Coder-1.5B it passes 78 % of 40 rows of our
    own, and an unchanged question never: a row that it sets aside is to be read, not thrown away.
    Asked to name one of the six, the same model is right in 40 % and reads plain questions much as
    emotional ones, which is why it is asked for a degree and compared.
    """
    one_at_a_time = threading.Lock()

    def degree(text: str, emotion: str) -> float:
        question = {
            "emotion": {
                "type": "score",
                "instructions": f"How strongly does this patient's message express {emotion}?",
                "criteria": [
                    "Not at all; it is matter-of-fact.",
                    "A little; it can be read between the lines.",
                    f"Strongly; the {emotion} is plain in how it is told.",
                ],
            }
        }
        found = judge.decide([text], question)
        return (
            float("nan")
            if found.probability.isna().any()
            else float((found.probability * found.option.astype(int)).sum()) / 2
        )

    def gate(plain: str, rewritten: str, emotion: str) -> str:
        with one_at_a_time:
            before, after = degree(plain, emotion), degree(rewritten, emotion)
        if before != before or after != after:
            return "unscored: a question is too long for the model that reads its emotion"
        return (
            ""
            if after > before
            else (
                f"emotional_question does not express {emotion} more than the plain question "
                f"(degree {after:.2f} against {before:.2f})"
            )
        )

    return gate
