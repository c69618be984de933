"""The gates: hand-made texts on both sides of each, the shipped rewrites (which pass),
and faults planted into them (which do not).
"""

import json
import re
import threading
import time

import pandas as pd
import pytest

from emo_utils.data import dialogues
from emo_utils.rewriting import gates

SOURCE = (
    "Probably a strain. Rest for 3 days, ibuprofen 400 mg with food up to 1,200 mg a day; "
    "see someone if it swells."
)
GOOD = (
    "A knee that gives way would worry anybody, and you did well to ask. "
    "From what you tell me it is probably a strain. "
    "Rest it for three days, and take ibuprofen 400 mg "
    "with food, up to 1200 mg a day. If it swells, see someone."
)
SPANISH = (
    (
        "Lamento mucho lo que está pasando y comprendo que la espera es dura. "
        "No se preocupe, porque a su edad es muy frecuente; descanse y no me deje de escribir."
    ),
    (
        "No me diga que no es nada, doctor. "
        "He estado así varios días, no me puedo mover y no como. "
        "A mí me duele al subir, me la he mirado y no veo nada. ¿Me lo he roto?"
    ),
    (
        "Es normal que tenga miedo a lo que pueda ser. "
        "Vaya a urgencias si la fiebre sube, si no puede beber o si ve sangre, "
        "y pida cita con su médico esta semana."
    ),
    (
        "Gracias por contarlo con tanto detalle. "
        "Lo que describe suele curarse solo en unas semanas, "
        "aunque conviene que un médico lo vea si no mejora."
    ),
)
OTHERS = {
    "Portuguese": (
        "Sinto muito que esteja a passar por isso. "
        "Não se preocupe, a dor no joelho é comum e as coisas melhoram com o repouso. "
        "Faça os exercícios durante semanas, e me escreva."
    ),
    "French": (
        "Je comprends que cela vous inquiète et on va en parler. "
        "Il est possible que la douleur vienne de la rotule; "
        "on me dit que vous avez pris un comprimé. A priori les exercices aident."
    ),
    "German": (
        "Es tut mir leid, dass Sie so lange warten. "
        "Das klingt nach einem Schmerz an der Kniescheibe, der so oft vorkommt. "
        "Ruhen Sie sich aus, und kommen Sie wieder, so es nicht besser wird."
    ),
    "Italian": (
        "Mi dispiace molto per quello che sta passando. "
        "Ho letto il suo messaggio e so che fa male a salire le scale. "
        "Il dolore è comune. No, non è in pericolo, a me sembra una cosa lieve."
    ),
    "Dutch": (
        "Wat vervelend dat u zo lang last had van de knie. "
        "Het is in de meeste gevallen niet ernstig, "
        "en we zien dat het over een paar weken beter is. Kom weer als het op slot is."
    ),
    "Indonesian": (
        "Saya mengerti rasa cemas Anda. Nyeri lutut ini biasanya karena tempurung lutut. "
        "Istirahat, minum obat setelah makan, dan latihan. "
        "Jika lutut terkunci, datang lagi ke dokter."
    ),
    "Chinese": "很抱歉您这样痛苦。请好好休息,饭后服药。几周后会好转的。",
    "Russian": (
        "Мне очень жаль, что вам так тяжело. Отдыхайте и приходите снова, если не станет лучше."
    ),
}
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with medical advice.",
    "I cannot provide medical advice. Please see a doctor.",
    "I am unable to comply with this request.",
    "As an AI language model, I have no feelings to express here.",
    "Sorry, but I cannot rewrite this text.",
    "I'm not able to help you with this.",
    "I won't be able to help with medical questions.",
    "I'm sorry, but I can't discuss this topic.",
    "I must decline to write this.",
    "Unfortunately I can't help.",
)
NO_REFUSALS = (
    "I can't help worrying about it, doctor. It has been a week now.",
    "I just can't help but think the worst.",
    "I'm sorry but I need to know whether this is serious.",
    "I am unable to help my son sleep and it is wearing me down.",
    "I cannot provide for my family while my back is like this.",
    "I can't do stairs any more, I'm sorry to say.",
    "I'm sorry you have waited so long; I can't see the scan from here, so do ask your surgeon.",
    "Nobody can assist me at night and I lie awake.",
)


# Facts


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1,200 mg and 1,234,567 cells", {"1200", "1234567"}),
        ("for 3-4 days, 12.5 mg", {"3", "4", "12.5"}),
        ("120/80, at 8:30.", {"120/80", "8:30"}),
        ("none", set()),
        ("in 2019, 5.", {"2019", "5"}),
    ],
)
def test_numbers_are_read_with_their_separators(text, expected):
    assert gates.numbers(text) == expected


@pytest.mark.parametrize(
    "source, rewrite",
    [
        ("up to 1,200 mg", "up to 1200 mg"),
        ("up to 1200 mg", "1,200 mg at most"),
        ("for 3 days", "for three days"),
        ("12 weeks", "twelve weeks"),
        ("400mg", "400 mg"),
        ("400 MG", "400 mg"),
        ("1 g", "one gram"),
        ("50% of them", "50 per cent of them"),
        ("50 percent", "50%"),
        ("5 units", "5 unit"),
        ("Ibuprofen", "ibuprofen"),
        ("10 mg-20 mg", "10 mg to 20 mg"),
        ("2 c-sections", "2 caesareans"),
        ("an antihistamine", "antihistamines"),
        ("no facts", "none"),
        ("rest", "rest for 5 days"),
        ("1,200 mg", "1,200 mg"),
        ("7.2 mmol/l", "7.2 mmol/L"),
        ("13 weeks", "thirteen weeks"),
        ("25 years", "twenty-five years"),
        (".5 mg", "0.5 mg"),
        ("0.50 mg", "½ mg"),
        ("5.0 mg", "5 mg"),
        ("0,5 mg", "0.5 mg"),
        ("140/90", "140 over 90"),
        ("140 / 90", "140 by 90"),
        ("140 over 90", "140/90"),
        ("1/2 tablet", "half a tablet"),
        ("0.5 tablet", "half a tablet"),
        ("1/2 tablet", "0.5 tablet"),
        ("1 1/2 tablets", "one and a half tablets"),
        ("3/4 of them", "three quarters of them"),
        ("the 1st week", "the first week"),
        ("on the 21st", "on the twenty-first"),
        ("2 times a day", "twice a day"),
        ("I&#39;m 25&nbsp;years old", "I'm 25 years old"),
        ("it&amp;#39;s 3 days", "it's 3 days"),
        (r"it\xe2\x80\x99s 3 days", "it’s 3 days"),
        ("3 days <br/>see https://www.example.org/a/91234", "3 days"),
        ("400 mg", "400 milligrams"),
        ("15 µg", "15 mcg"),
        ("38.5°C", "38.5 degrees Celsius"),
    ],
)
def test_a_fact_may_be_written_in_another_way(source, rewrite):
    assert gates.facts_lost(source, rewrite) == []


@pytest.mark.parametrize(
    "source, rewrite, lost",
    [
        ("for 30 days", "for a month", ["30"]),
        ("for 3 days", "for a few days", ["3"]),
        ("1,200 mg", "1,000 mg", ["1200"]),
        ("13 weeks", "fourteen weeks", ["13"]),
        ("3 days", "30 days", ["3"]),
        ("400 mg", "400 mcg", ["400 mg"]),
        ("400 mg", "400", ["400 mg"]),
        ("5 mg/dl", "5 mg", ["5 mg/dl"]),
        ("lost 10% of it", "lost 10 of it", ["10 %"]),
        ("12.5 mg", "125 mg", ["12.5"]),
        ("38.5 C", "38.5 F", ["38.5 c"]),
        ("take aspirin", "take something", ["aspirin"]),
        ("ramipril or losartan", "losartan", ["ramipril"]),
        ("120/80", "120 and 80", ["120/80"]),
        ("140/90", "140 over 80", ["140/90"]),
        ("140 over 90", "140/80", ["90"]),
        (".5 mg", "5 mg", ["0.5"]),
        ("5 mg", ".5 mg", ["5"]),
        ("1/2 tablet", "a quarter of a tablet", ["1/2"]),
        ("1 tablet", "the first tablet", ["1"]),
        ("the 2nd week", "the third week", ["2"]),
        ("5 years", "twenty-five years", ["5"]),
        ("20 years", "twenty-five years", ["20"]),
        ("4 mg", "four hundred mg", ["4"]),
        ("2 tablets", "tablets twice a day", ["2"]),
        ("I&#39;m 39", "I'm old", ["39"]),
        ("see page 91234 of https://example.org/7", "see that page", ["91234"]),
        ("omeprazole 20 mg for 14 days", "a tablet", ["14", "20", "omeprazole"]),
    ],
)
def test_a_lost_fact_is_named(source, rewrite, lost):
    assert gates.facts_lost(source, rewrite) == lost


@pytest.mark.parametrize(
    "name",
    (
        "lisinopril losartan atorvastatin bisoprolol amlodipine omeprazole cimetidine "
        "amoxicillin azithromycin gentamicin ciprofloxacin doxycycline fluconazole\n    "
        "aciclovir fluoxetine amitriptyline sertraline diazepam alprazolam sitagliptin "
        "dapagliflozin semaglutide pioglitazone hydrochlorothiazide furosemide "
        "sumatriptan ondansetron lidocaine\n    "
        "ibuprofen etoricoxib heparin apixaban clopidogrel dexamethasone prednisolone "
        "salbutamol formoterol tiotropium montelukast adalimumab imatinib alendronate "
        "phenobarbital gliclazide glimepiride\n    "
        "cisplatin mefloquine terbinafine fexofenadine tamsulosin finasteride zopiclone "
        "zolpidem buprenorphine desmopressin domperidone\n    "
        "aspirin paracetamol acetaminophen metformin insulin warfarin levothyroxine "
        "methotrexate lithium nitrofurantoin testosterone iron folic"
    ).split(),
)
def test_a_drug_is_known_by_its_stem_or_name(name):
    assert gates.drugs(f"Take {name}, twice.") == {name}
    assert gates.drugs(f"{name.upper()} twice") == {name}


def test_ordinary_words_are_no_drugs():
    assert (
        gates.drugs(
            "One person has a reason, a season and a lesson in comparison; April's "
            "poison, a virus, my cholesterol, the mongrel, gasoline, machine, routine, "
            "medicine, vaccine, urine,\n        "
            "a pill, the hospital, a control, alcohol, protein, vitamins, migraine, "
            "toxin, skin, begin, certain, profile, spartan life, elixir, magazine, "
            "adrenal, ironing, folding, arrival, oxygen"
        )
        == set()
    )


# Refusal, language, length, echo, instruction


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_seen(text):
    assert gates.refusal(text)
    assert "declines" in gates.check("emotional_question", SOURCE, text + " " + GOOD)


@pytest.mark.parametrize("text", NO_REFUSALS)
def test_what_patients_and_doctors_cannot_do_is_no_refusal(text):
    assert not gates.refusal(text)
    assert gates.check("emotional_question", SOURCE, text + " " + GOOD) == ""


def test_a_good_rewrite_passes():
    assert (
        gates.check(
            "empathetic_response",
            SOURCE,
            GOOD,
            "Write the reply again so that it shows empathy and compassion for this patient.",
        )
        == ""
    )


@pytest.mark.parametrize(
    "text",
    [*SPANISH, *OTHERS.values()],
    ids=[*(f"Spanish {i}" for i in range(len(SPANISH))), *OTHERS],
)
def test_another_language_is_seen(text):
    source = "word " * (len(gates.words(text)) or 10)
    assert gates.check("soothing_response", source, text) == "soothing_response is not English"


@pytest.mark.parametrize(
    "text",
    [
        "Viral throat. Rest, fluids, paracetamol. Review if fever beyond the weekend. Stay strong!",
        "It's scary, I know. But the scan is clean, so breathe. Call if anything changes.",
        "naïve façade café, déjà vu: this is still English, and it has to be, for the patient",
        "Rest, ice, compression, elevation, ibuprofen, fluids, sleep, review Monday.",
        (
            "Señor García, your knee will mend; "
            "give it the rest it needs, and walk a little more each day."
        ),
    ],
)
def test_terse_or_accented_english_is_english(text):
    assert "English" not in gates.check("soothing_response", "word " * len(gates.words(text)), text)


@pytest.mark.parametrize(
    "ratio, hint",
    [
        (0.4, "write more"),
        (0.55, "write more"),
        (0.65, ""),
        (1.0, ""),
        (3.9, ""),
        (4.2, "write less"),
        (20, "write less"),
    ],
)
def test_the_length_lies_within_a_band_of_the_sources(ratio, hint):
    source = " ".join(f"plain{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10]}" for i in range(100))
    text = " ".join(
        ["the knee and what to do for it".split()[i % 8] for i in range(round(100 * ratio))]
    )
    reason = gates.check("soothing_response", source, text)
    assert (
        (f"{round(100 * ratio)} words where the original has 100" in reason and hint in reason)
        if hint
        else reason == ""
    )


def test_an_empty_rewrite_is_too_short():
    assert "0 words" in gates.check("soothing_response", SOURCE, "")


@pytest.mark.parametrize(
    "text",
    [
        SOURCE,
        SOURCE.upper(),
        SOURCE.replace(";", ",").replace(".", "!"),
        SOURCE + " Take care.",
        "Hello. " + SOURCE,
    ],
)
def test_an_echo_is_seen(text):
    assert (
        gates.check("empathetic_response", SOURCE, text)
        == "empathetic_response only repeats the original"
    )


def test_an_echo_of_two_words_is_seen_and_a_framed_text_is_none():
    assert "repeats the original" in gates.check("soothing_response", "Just wait.", "just wait")
    assert (
        gates.check(
            "soothing_response",
            SOURCE,
            (
                "You have carried this worry for days, "
                "and nobody should have to do that alone at night. "
            )
            + SOURCE
            + " Write again whenever you like.",
        )
        == ""
    )


def test_a_rewrite_that_recites_its_instruction_is_seen():
    told = "Keep every medical fact, number, unit and drug name of the reply."
    assert (
        gates.check(
            "empathetic_response",
            SOURCE,
            GOOD + " I keep every medical fact, number, unit and drug name.",
            told,
        )
        == "empathetic_response repeats the instruction"
    )
    assert gates.check("empathetic_response", SOURCE, GOOD + " I keep every fact.", told) == ""


def test_the_reason_names_field_and_facts_for_the_rewriter():
    assert (
        gates.check(
            "soothing_response", SOURCE, GOOD.replace("400 mg", "some").replace("ibuprofen", "it")
        )
        == "soothing_response lacks 400, ibuprofen"
    )


def test_what_no_training_could_read_is_no_rewrite():
    for odd in ("\x1b[31m", "<|im_end|>", "</s>"):
        assert gates.check("soothing_response", SOURCE, f"{GOOD}{odd}").startswith(
            "soothing_response holds"
        )


# The asked-for emotion


class Reader:
    """A judge that gives fixed probabilities for the three levels of a text,
    or none for texts that are too long.
    """

    def __init__(self, levels):
        self.levels, self.together, self.most = levels, 0, 0

    def decide(self, states, questions):
        self.together += 1
        self.most = max(self.most, self.together)
        time.sleep(0.01)
        self.together -= 1
        levels = [float("nan")] * 3 if len(states[0]) > 50 else self.levels[states[0]]
        return pd.DataFrame(
            [
                {"state": 0, "question": "emotion", "option": str(level), "probability": p}
                for level, p in enumerate(levels)
            ]
        )


def test_a_rewritten_question_must_express_the_emotion_more_than_the_plain_one():
    # Degrees: (0 x .5 + 1 x .5 + 2 x 0) / 2 = .25 for the plain question,
    # .85 and .25 for the rewritten ones.
    gate = gates.emotion_gate(
        Reader(
            {
                "plain": (0.5, 0.5, 0.0),
                "told with fear": (0.0, 0.3, 0.7),
                "told again": (0.75, 0.0, 0.25),
            }
        )
    )
    assert gate("plain", "told with fear", "fear") == ""
    assert gate("plain", "told again", "fear") == (
        "emotional_question does not express fear more than the plain question "
        "(degree 0.25 against 0.25)"
    )
    assert gate("plain", "plain " * 9, "fear").startswith("unscored") and gate(
        "plain " * 9, "plain", "fear"
    ).startswith("unscored")


def test_the_judge_reads_one_text_at_a_time():
    reader = Reader({"a question": (0.0, 0.0, 1.0)})
    gate = gates.emotion_gate(reader)
    threads = [
        threading.Thread(target=gate, args=("a question", "a question", "fear")) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reader.most == 1


# The shipped rewrites, and faults planted into them

# Drugs of the shipped rows, by reading.
DRUGS = (
    "acetazolamide aciclovir adalimumab adapalene adrenaline alendronate allopurinol "
    "amitriptyline amlodipine amoxicillin antihistamine apixaban aspirin atazanavir "
    "atorvastatin atovaquone\n    "
    "azathioprine azithromycin beclometasone biotin bisoprolol botulinum brimonidine "
    "bumetanide buprenorphine capecitabine carbamazepine cetirizine chloramphenicol "
    "chlorhexidine chlorphenamine\n    "
    "cinnarizine ciprofloxacin cisplatin citalopram clarithromycin clobetasol "
    "clopidogrel clotrimazole codeine cromoglicate cyclizine dapagliflozin dapoxetine "
    "denosumab desmopressin dexamethasone\n    "
    "diazepam diclofenac difelikefalin dimeticone domperidone doxycycline duloxetine "
    "empagliflozin erythropoietin esomeprazole fexofenadine finasteride formoterol "
    "furosemide gabapentin glecaprevir\n    "
    "gliclazide heparin hydrochlorothiazide hydrocortisone ibuprofen indapamide insulin "
    "irinotecan isotretinoin itraconazole ivermectin lactulose lamotrigine levetiracetam "
    "levofloxacin levothyroxine\n    "
    "lidocaine lithium loperamide loratadine losartan lymecycline macrogol mebendazole "
    "mebeverine mefloquine melatonin metformin methenamine methotrexate metronidazole "
    "mupirocin naproxen nifedipine\n    "
    "nitrofurantoin oestradiol oestrogen omalizumab omeprazole ondansetron oxaliplatin "
    "paracetamol penicillin permethrin prednisolone prilocaine progesterone progestogen "
    "proguanil propranolol\n    "
    "ramipril rifampicin risperidone salbutamol scopolamine sertraline sildenafil "
    "simvastatin sumatriptan tamoxifen tamsulosin telmisartan terbinafine testosterone "
    "tetracycline tiotropium tramadol\n    "
    "trimethoprim valproate xylometazoline zoledronate zopiclone"
).split()
UNITS = {
    "mg": "ml",
    "mcg": "mg",
    "g": "mg",
    "kg": "g",
    "ml": "mg",
    "cm": "mm",
    "mm": "cm",
    "%": "cm",
    "units": "ml",
}


@pytest.fixture(scope="module")
def shipped() -> list[tuple[str, str, str, str]]:
    """(row id, field, source, rewrite) of each rewritten text in data/dialogues."""
    rows = [
        json.loads(line)
        for path in dialogues.FILES.values()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [
        (row["id"], field, row[source], row[field])
        for row in rows
        for field, source in gates.REWRITES.items()
        if field in row
    ]


def test_the_shipped_rewrites_pass(shipped):
    assert len(shipped) > 400
    caught = {
        f"{name} {field}": reason
        for name, field, source, rewrite in shipped
        if (reason := gates.check(field, source, rewrite))
    }
    assert len(caught) <= 0.03 * len(shipped), caught


def without(word: str, text: str, instead: str) -> str:
    """A text without this number or word wherever it stands alone."""
    return re.sub(
        rf"(?<![\w.,/:]){re.escape(word)}(?![\w]|[.,/:]\d)", instead, text, flags=re.IGNORECASE
    )


def number_dropped(source, rewrite):
    for number in sorted(set(re.findall(r"(?<![\w.,/:])\d+(?:[.,/:]\d+)*(?!\w)", source))):
        yield without(number, rewrite, "some")


def number_changed(source, rewrite):
    for number in sorted(set(re.findall(r"(?<![\w.,/:])\d+(?![\w]|[.,/:]\d)", source))):
        yield without(number, rewrite, f"{number}7")


def unit_changed(source, rewrite):
    for number, unit in sorted(
        set(re.findall(rf"(?<![\w.,/:])(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})(?![\w/])", source))
    ):
        yield re.sub(
            rf"(?<![\w.,/:]){re.escape(number)} ?{unit}(?!\w)", f"{number} {UNITS[unit]}", rewrite
        )


def drug_dropped(source, rewrite):
    for name in DRUGS:
        if re.search(rf"\b{name}\b", source, re.IGNORECASE):
            yield re.sub(rf"\b{name}s?\b", "the medicine", rewrite, flags=re.IGNORECASE)


def echo(source, rewrite):
    yield source
    yield source.rstrip(".?!") + "!"


def refusal(source, rewrite):
    yield from REFUSALS[:4]
    yield f"{REFUSALS[len(source) % len(REFUSALS)]} {rewrite}"


def spanish(source, rewrite):
    long = " ".join(SPANISH)
    yield long[: max(len(source), 60)]
    yield SPANISH[len(source) % len(SPANISH)]


def too_short(source, rewrite):
    yield " ".join(rewrite.split()[: len(source.split()) // 2])
    yield "I am so sorry to hear that."


@pytest.mark.parametrize(
    "plant, word",
    [
        (number_dropped, "lacks"),
        (number_changed, "lacks"),
        (unit_changed, "lacks"),
        (drug_dropped, "lacks"),
        (echo, "repeats the original"),
        (refusal, "declines"),
        (spanish, "not English"),
        (too_short, "words where"),
    ],
)
def test_planted_faults_are_caught(shipped, plant, word):
    planted = [
        (field, source, text)
        for _, field, source, rewrite in shipped
        for text in plant(source, rewrite)
        if text != rewrite
    ]
    missed = [
        (source, text)
        for field, source, text in planted
        if word not in gates.check(field, source, text)
    ]
    assert len(planted) >= 25
    assert len(missed) <= 0.05 * len(planted), (len(missed), len(planted), missed[:3])


@pytest.mark.parametrize(
    "text, units",
    [
        ("I am 25 F, with 38.9 C", {("38.9", "c")}),
        ("a fever of 101.4 F", {("101.4", "f")}),
        ("born 01.02.1990 F, days 1,2,3 f", set()),
        ("1,000 mg and 90 F", {("1000", "mg"), ("90", "f")}),
    ],
)
def test_a_woman_of_25_is_no_temperature(text, units):
    assert gates.measures(text) == units


def test_a_terse_answer_leaves_its_rewrite_the_room_that_the_instructions_ask_for():
    source = "Rest it and take 400 mg ibuprofen."
    long = "You did well to ask about this, and I am with you in it. " * 12
    kept = f"{long}Take 400 mg ibuprofen and rest."
    assert 150 < len(gates.words(kept)) < gates.ROOM
    assert gates.check("soothing_response", source, kept) == ""
    assert "write less" in gates.check("soothing_response", source, long + kept)
