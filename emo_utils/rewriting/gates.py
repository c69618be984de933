"""Checks of a rewrite against its source: language, length, refusal, echo, facts kept, emotion.

Each check returns an empty text, or the reason as a sentence that can be given back to the
rewriter. They are coarse on purpose: they catch what a program can see for certain, and leave tone
to readers and to the scores.
"""

import re
import threading
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from emo_utils.data import files
from emo_utils.rewriting import plain_text
from emo_utils.rewriting.english import is_english

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
# A blood pressure, as it is said and as it is written.
_PRESSURE = re.compile(r"(?<![\d.,/:])(\d{2,3})(?: over | by |/)(\d{2,3})(?!\d|[.,/:]\d)")
_DIGITS = "one two three four five six seven eight nine".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_FIRST = "first second third fourth fifth sixth seventh eighth ninth".split()
_FIRST_TEENS = (
    "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth "
    "nineteenth"
).split()
_NO_UNIT = rf"(?![- ](?:{'|'.join(_DIGITS)})\b)"  # twenty, but not of twenty-five


def _counted(units: list[str], teens: list[str], tens: list[str]) -> dict[int, str]:
    """Patterns of the numbers from 1 to 99 in words; tens: those that end in 0."""
    names = [*units, *teens]
    for ten, alone in zip(_TENS, tens, strict=True):
        names += [alone, *(f"{ten}[- ]{unit}" for unit in units)]
    return dict(enumerate(names, start=1))


_CARDINALS = _counted(_DIGITS, _TEENS, [f"{ten}{_NO_UNIT}" for ten in _TENS]) | {
    100: "(?:a|one) hundred"
}
_ORDINALS = _counted(_FIRST, _FIRST_TEENS, [f"{ten[:-1]}ieth" for ten in _TENS])
_PARTS = {
    Fraction(1, 2): "half",
    Fraction(1, 3): "(?:a|one)[- ]third",
    Fraction(2, 3): "two[- ]thirds",
    Fraction(1, 4): "quarter",
    Fraction(3, 4): "three[- ]quarters",
}
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

    Each may be written in another way: small numbers, ordinals and fractions in words, a blood
    pressure as 140/90 or 140 over 90 (`plain_text.comparable`).
    """
    source, rewrite = plain_text.comparable(source), plain_text.comparable(rewrite)
    kept = numbers(rewrite)
    for pair in _PRESSURE.findall(rewrite):
        kept |= {*pair, "/".join(pair)}
    lost = {n for n in numbers(source) - kept if not _in_other_words(n, source, rewrite, kept)}
    units = {
        f"{n} {unit}" for n, unit in measures(source) - measures(rewrite) if n in kept
    }  # where a number is spelt out, so may be its unit
    return sorted(lost) + sorted(units) + sorted(drugs(source) - drugs(rewrite))


def _in_other_words(number: str, source: str, rewrite: str, kept: set[str]) -> bool:
    """Whether a rewrite has a number of its source in words, or as the same part of a whole."""
    part = _part(number)
    if part is not None and part in map(_part, kept):
        return True
    phrases = []
    if number.isdecimal() and len(number) < 4 and int(number) in _CARDINALS:
        phrases.append(_CARDINALS[int(number)] + "(?! (?:hundred|thousand))")
        if re.search(rf"(?<![\d.,/:]){number}(?:st|nd|rd|th)\b", source):
            phrases.append(_ORDINALS.get(int(number), "hundredth"))
        if number == "2" and re.search(r"\b2 ?(?:x|times)\b", source):
            phrases.append("twice")
    elif part in _PARTS:
        phrases.append(_PARTS[part])
    elif part is not None and part % 1 == Fraction(1, 2):
        whole = int(part)
        phrases.append(rf"(?:{whole}|{_CARDINALS.get(whole, whole)}) and a half")
    return any(
        re.search(rf"(?<!\w)(?<!ty[- ]){phrase}(?!\w)", rewrite, re.IGNORECASE)
        for phrase in phrases
    )


def _part(number: str) -> Fraction | None:
    """The value of a decimal, or of a fraction of a whole such as 1/2; dates have none."""
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?|[1-7]/[2-8]", number):
        value = Fraction(number)
        return value if "/" not in number or value < 1 else None
    return None


def refusal(text: str) -> bool:
    """Whether a text declines the task in its first sentences."""
    return bool(_REFUSAL.search(text[:250].replace("’", "'")))


def check(field: str, source: str, rewrite: str, instruction: str = "") -> str:
    """The first thing that is wrong with one rewritten text, or an empty text."""
    if odd := files.unfit(rewrite):
        return f"{field} {odd}"
    source, rewrite = plain_text.comparable(source), plain_text.comparable(rewrite)
    if refusal(rewrite):
        return f"{field} declines instead of rewriting"
    if _overlap(source, rewrite) >= 0.8:
        return f"{field} only repeats the original"
    if not is_english(rewrite):
        return f"{field} is not English"
    told, given = words(rewrite), len(words(source))
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
