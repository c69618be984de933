"""The dialogues that are shipped, their loader and the papers' numbers:
what the cards say of them is checked here.

Everything is read from files: no network, no model. The other sets: test_data_japanese.py,
test_data_caregiver.py.
"""

import csv
import itertools
import json
import re
from collections import Counter

import pytest
from text_measures import (
    card,
    distinct_2,
    load_dataset,
    near_duplicates,
    numbers,
    read,
    repeated,
    sentences,
    tokens,
)

from emo_utils import project
from emo_utils.data import dialogues, emplifai, files
from emo_utils.experiment import provenance

DIALOGUES = project.DATA / "dialogues"
PUBLISHED = project.DATA / "published"
FILES = {"er": "er_train.jsonl", "eqsr": "eqsr_train.jsonl", "test": "test.jsonl"}
FIELDS = {
    "er": ["id", "topic", "specialty", "question", "answer", "empathetic_response"],
    "eqsr": [
        "id",
        "topic",
        "specialty",
        "emotion",
        "question",
        "answer",
        "emotional_question",
        "soothing_response",
    ],
    "test": [
        "id",
        "topic",
        "specialty",
        "emotion",
        "question",
        "answer",
        "emotional_question",
        "soothing_response",
    ],
}
EMOTIONS = ["fear", "anxiety", "embarrassment", "frustration", "distrust"]
AT_LEAST = {"er": 80, "eqsr": 100, "test": 60}
AN_EMOTION = {"eqsr": 20, "test": 12}
WORDS = {
    "question": (30, 80),
    "answer": (18, 70),
    "empathetic_response": (45, 95),
    "emotional_question": (45, 110),
    "soothing_response": (55, 110),
}
# Words that say the emotion outright; a patient mostly shows it instead.
NAMED = {
    "fear": r"\b(afraid|scar(ed?|y|ing)|fear\w*|fright\w*|terrif\w*|terror|panic\w*)\b",
    "anxiety": r"\b(anxi\w+|worr(y|ied|ies|ying)|nervous\w*|uneasy)\b",
    "embarrassment": r"\b(embarrass\w*|asham\w*|shame\w*|humiliat\w*|mortif\w*)\b",
    "frustration": r"\b(frustrat\w*|fed up|annoy\w*|exasperat\w*|sick of|angry)\b",
    "distrust": r"\b((dis|mis)?trust\w*|suspicio\w*|s[ck]eptic\w*)\b",
}
# Every drug, vaccine and hormone that the rows name, found by reading them; a name also stands for
# longer forms (statins).
DRUGS = (
    "\n"
    "acetazolamide aciclovir adalimumab adapalene adrenaline alendronate alendronic "
    "alginate allopurinol aluminium amitriptyline amlodipine amoxicillin anti-d\n"
    "apixaban aspirin atazanavir atorvastatin atovaquone-proguanil atropine "
    "azathioprine azithromycin beclometasone benzoyl biotin bismuth bisoprolol botox\n"
    "botulinum brimonidine bumetanide buprenorphine capecitabine carbamazepine "
    "cetirizine chloramphenicol chlorhexidine chlorphenamine cinnarizine ciprofloxacin\n"
    "cisplatin citalopram clarithromycin clobetasol clomiphene clopidogrel "
    "clotrimazole co-codamol codeine cromoglicate cyclizine dapagliflozin dapoxetine\n"
    "denosumab desmopressin dexamethasone diazepam diclofenac difelikefalin "
    "dimeticone domperidone doxycycline duloxetine empagliflozin erythropoietin\n"
    "esomeprazole ferrous fexofenadine finasteride folic folinic formoterol furosemide "
    "gabapentin gadolinium glecaprevir gliclazide heparin hydrochlorothiazide\n"
    "hydrocortisone hydroxyurea ibuprofen immunoglobulin indapamide insulin "
    "interferon intralipid irinotecan isoniazid isotretinoin itraconazole ivermectin\n"
    "lactase lactulose lamotrigine lariam levetiracetam levofloxacin levothyroxine "
    "lidocaine lithium loperamide loratadine losartan lymecycline macrogol\n"
    "magnesium mebendazole mebeverine mefloquine melatonin menacwy menb metformin "
    "methenamine methotrexate metronidazole microgynon mupirocin naphazoline\n"
    "naproxen nifedipine nitrofurantoin norvasc oestradiol oestrogen omalizumab "
    "omeprazole ondansetron oxaliplatin paracetamol penicillin peppermint permethrin\n"
    "pibrentasvir prednisolone prilocaine progesterone progestogen propranolol "
    "ramipril rifampicin risperidone salbutamol salicylic scopolamine sertraline\n"
    "shingrix sildenafil simvastatin statin sumatriptan tamoxifen tamsulosin "
    "telmisartan terbinafine testosterone tetracycline thiamine tiotropium tramadol\n"
    "tranexamic trimethoprim triptan valproate xylometazoline zoledronate zopiclone\n"
).split()
# Endings of drugs' international names.
DRUG_ENDING = re.compile(
    r"[a-z-]*(?:pril|sartan|statin|olol|dipine|azole|cillin|mycin|micin|floxacin|cycline|vir"
    r"|oxetine|traline|azepam|gliptin|gliflozin"
    r"|glutide|thiazide|semide|triptan|setron|caine|profen|parin|xaban|sone|solone|moterol|meterol"
    r"|tropium|lukast|mab|tinib|dronate|zepine|lamide)"
)
SYSTEMS = [
    "base",
    "prompt",
    "er-sft",
    "eqsr-sft",
    "eqsr-dpo",
    "eqsr-kto",
    "er-eqsr-sft",
    "er-eqsr-dpo",
    "er-eqsr-kto",
]
EMOTION_METRICS = ["empathetic", "comforting", "reassuring", "mean", "max"]
WORD_METRICS = ["bleu", "bleu1", "rouge1", "rouge2", "rougeL"]
TABLES = {
    "emodoctor.table1": EMOTION_METRICS,
    "emodoctor.table2.doctor": WORD_METRICS,
    "emodoctor.table2.modified": WORD_METRICS,
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    return {name: read(DIALOGUES / file) for name, file in FILES.items()}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A function that points one set at a copy with one line replaced."""
    monkeypatch.setattr(provenance, "FILES_READ", {})

    def point(name: str, number: int, line: str) -> None:
        lines = (DIALOGUES / FILES[name]).read_text("utf-8").splitlines()
        lines[number - 1] = line
        path = tmp_path / "copy.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setattr(dialogues, "FILES", dialogues.FILES | {name: path})

    return point


def column(rows: dict[str, list[dict]], name: str) -> list[tuple[str, str]]:
    """(id, text) of one column over all files."""
    return [
        (row["id"], row[name]) for name_of_set in FILES for row in rows[name_of_set] if name in row
    ]


def rewrites(rows: dict[str, list[dict]]):
    """(row, name of the plain text, name of its rewrite)
    for every rewrite that keeps what the plain text says.
    """
    for row in itertools.chain.from_iterable(rows.values()):
        yield (
            row,
            "answer",
            "soothing_response" if "soothing_response" in row else "empathetic_response",
        )
        if "emotional_question" in row:
            yield row, "question", "emotional_question"


def drugs(text: str) -> set[str]:
    return {name for name in DRUGS if re.search(rf"\b{name}", text.lower())}


# The rows


@pytest.mark.parametrize("name", FILES)
def test_rows_have_the_fields_in_order_and_none_is_empty(rows, name):
    for row in rows[name]:
        assert list(row) == FIELDS[name], row.get("id")
        assert all(
            isinstance(value, str) and value.strip() == value != "" and "\n" not in value
            for value in row.values()
        ), row["id"]
    assert len(rows[name]) >= AT_LEAST[name]


@pytest.mark.parametrize("name", FILES)
def test_ids_count_the_rows(rows, name):
    assert [row["id"] for row in rows[name]] == [
        f"{name}-{number:03}" for number in range(1, len(rows[name]) + 1)
    ]


def test_complaints_and_specialties_are_many(rows):
    everything = list(itertools.chain.from_iterable(rows.values()))
    assert repeated(row["topic"] for row in everything) == [] and len(everything) >= 60
    assert len({row["specialty"] for row in everything}) >= 15
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", row["specialty"]) for row in everything)


@pytest.mark.parametrize("name", ["eqsr", "test"])
def test_emotions_are_balanced(rows, name):
    counts = Counter(row["emotion"] for row in rows[name])
    assert sorted(counts) == sorted(EMOTIONS)
    assert len(set(counts.values())) == 1 and min(counts.values()) >= AN_EMOTION[name], counts


def test_text_is_ascii(rows):
    assert [
        row["id"] for name in FILES for row in rows[name] if not "".join(row.values()).isascii()
    ] == []


@pytest.mark.parametrize("name", WORDS)
def test_lengths_are_in_their_band(rows, name):
    low, high = WORDS[name]
    assert {
        key: n for key, text in column(rows, name) if not low <= (n := len(text.split())) <= high
    } == {}


def test_no_sentence_is_used_twice(rows):
    found = sentences([text for name in WORDS for _, text in column(rows, name)])
    assert len(found) > 5000
    assert repeated(found) == []


@pytest.mark.parametrize("name", WORDS)
def test_no_two_texts_of_a_column_open_alike(rows, name):
    """Four words; 5 % of a column could share them and it would still read as real text does."""
    assert repeated(" ".join(tokens(text)[:4]) for _, text in column(rows, name)) == []


def test_the_rewrites_keep_every_number_and_every_drug(rows):
    lost = {}
    for row, plain, rewritten in rewrites(rows):
        if (
            gone := (numbers(row[plain]) | drugs(row[plain]))
            - numbers(row[rewritten])
            - drugs(row[rewritten])
        ):
            lost[row["id"], rewritten] = gone
    assert lost == {}


def test_the_list_of_drugs_is_that_of_the_rows(rows):
    text = " ".join(
        value for row in itertools.chain.from_iterable(rows.values()) for value in row.values()
    ).lower()
    assert DRUGS == sorted(set(DRUGS)) and [name for name in DRUGS if name not in text] == []
    assert {
        word
        for word in re.findall("[a-z-]{6,}", text)
        if DRUG_ENDING.fullmatch(word) and not drugs(word)
    } == set()


@pytest.mark.parametrize("name", WORDS)
def test_no_near_duplicates(rows, name):
    """For every pair of a column, train and test alike."""
    assert near_duplicates(column(rows, name)) == []


@pytest.mark.parametrize(
    "name, field", [(name, field) for name in FILES for field in WORDS if field in FIELDS[name]]
)
def test_wording_is_as_varied_as_real_text(rows, name, field):
    """Over the first 3,000 bigrams of each column:
    real patients' questions have .75 and real doctors' answers .79.
    """
    assert distinct_2([tokens(row[field]) for row in rows[name]]) >= 0.74


@pytest.mark.parametrize("field", ["topic", "question", "emotional_question"])
def test_train_and_test_share_nothing(rows, field):
    train = {
        " ".join(tokens(row[field]))
        for name in ("er", "eqsr")
        for row in rows[name]
        if field in row
    }
    test = {" ".join(tokens(row[field])) for row in rows["test"]}
    assert train and test and not train & test


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_emotion_is_mostly_shown_not_named(rows, emotion):
    questions = [
        row["emotional_question"]
        for name in ("eqsr", "test")
        for row in rows[name]
        if row["emotion"] == emotion
    ]
    named = [text for text in questions if re.search(NAMED[emotion], text.lower())]
    assert len(named) <= 0.4 * len(questions)


# The loader


@pytest.mark.parametrize("name", FILES)
def test_load_gives_the_rows_of_the_file_and_notes_it(rows, name, monkeypatch):
    monkeypatch.setattr(provenance, "FILES_READ", {})
    assert dialogues.load(name, arm="subtle") == rows[name]
    assert provenance.FILES_READ == {
        f"data/dialogues/{FILES[name]}": project.sha256_file(DIALOGUES / FILES[name])
    }


def test_the_loader_knows_the_same_fields_and_emotions():
    assert [list(dialogues.ER_FIELDS), list(dialogues.EQSR_FIELDS), list(dialogues.EMOTIONS)] == [
        FIELDS["er"],
        FIELDS["eqsr"],
        EMOTIONS,
    ]


def test_fewer_rows_stay_balanced_and_too_many_are_refused(rows):
    assert Counter(
        row["emotion"] for row in dialogues.load("test", 10, arm="subtle")
    ) == dict.fromkeys(EMOTIONS, 2)
    # The file alternates the emotions;
    # rows sorted by emotion show that it is the function which balances.
    in_blocks = sorted(rows["test"], key=lambda row: row["emotion"])
    assert Counter(row["emotion"] for row in files.balanced(in_blocks, 10)) == dict.fromkeys(
        EMOTIONS, 2
    )
    assert dialogues.load("er", 3, arm="subtle") == rows["er"][:3]
    with pytest.raises(
        files.DataError, match=f"9999 rows were asked for and there are {len(rows['test'])}"
    ):
        dialogues.load("test", 9999, arm="subtle")


def test_a_line_that_is_not_json_is_named(broken):
    broken("er", 3, '{"id": "er-003", "topic"')
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row 3: not JSON"):
        dialogues.load("er", arm="subtle")


@pytest.mark.parametrize("name, field", [(name, field) for name in FILES for field in FIELDS[name]])
@pytest.mark.parametrize("value", ["", "  ", None, 7])
def test_a_field_that_is_empty_or_no_text_is_named(rows, broken, name, field, value):
    broken(name, 2, json.dumps(rows[name][1] | {field: value}))
    with pytest.raises(
        files.DataError,
        match=rf"copy\.jsonl, row 2: field '{field}' is (missing or empty|no text but \w+)",
    ):
        dialogues.load(name, arm="subtle")


def test_a_field_that_is_left_out_is_named(rows, broken):
    broken(
        "test",
        4,
        json.dumps({key: value for key, value in rows["test"][3].items() if key != "answer"}),
    )
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row 4: field 'answer'"):
        dialogues.load("test", arm="subtle")


def test_an_unknown_emotion_is_named(rows, broken):
    broken("eqsr", 5, json.dumps(rows["eqsr"][4] | {"emotion": "joy"}))
    with pytest.raises(
        files.DataError, match=r"copy\.jsonl, row 5: emotion 'joy' is none of fear, anxiety"
    ):
        dialogues.load("eqsr", arm="subtle")


def test_an_id_used_twice_and_a_missing_file_are_named(rows, broken, tmp_path):
    broken("eqsr", 2, json.dumps(rows["eqsr"][0]))
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row \d+: field 'id' is that of row"):
        dialogues.load("eqsr", arm="subtle")
    (tmp_path / "copy.jsonl").unlink()
    with pytest.raises(files.DataError, match=r"copy\.jsonl is missing"):
        dialogues.load("eqsr", arm="subtle")


# The cards


@pytest.mark.parametrize("name", FILES)
def test_one_line_loads_each_file(rows, name, tmp_path):
    loaded = load_dataset(
        "json", data_files=str(DIALOGUES / FILES[name]), split="train", cache=tmp_path
    )
    assert loaded.column_names == FIELDS[name]
    assert loaded.to_list() == rows[name]


def test_the_card_loads_as_a_data_set_of_its_own(rows, tmp_path):
    both = load_dataset(str(DIALOGUES), "eqsr", cache=tmp_path)
    assert {split: both[split].num_rows for split in both} == {
        "train": len(rows["eqsr"]),
        "test": len(rows["test"]),
    }
    assert load_dataset(str(DIALOGUES), "er", cache=tmp_path)["train"].num_rows == len(rows["er"])


def test_the_card_says_what_the_files_hold(rows):
    meta, text = card(DIALOGUES)
    assert (
        meta["license"],
        meta["language"],
        meta["task_categories"],
        meta["size_categories"],
    ) == ("cc-by-4.0", ["en"], ["text-generation"], ["n<1K"])
    assert {part["path"] for config in meta["configs"] for part in config["data_files"]} == {
        folder + file for folder in ("", "overt/") for file in FILES.values()
    }
    stated = {
        file: (count, each)
        for file, count, each in re.findall(
            r"^\| `(\w+\.jsonl)` \| (\d+) \| (\d+|-) \|", text, re.MULTILINE
        )
    }
    held = {
        FILES[name]: (
            str(len(rows[name])),
            "-" if name == "er" else str(len(rows[name]) // len(EMOTIONS)),
        )
        for name in FILES
    }
    assert stated == held
    total = re.search(
        r"changed (\d+) of the (\d+) rows: (\d+) of `er_train.jsonl`, "
        r"(\d+) of `eqsr_train.jsonl` and (\d+) of `test.jsonl`",
        text,
    )
    changed, of, *parts = map(int, total.groups())
    assert changed == sum(parts) and of == sum(map(len, rows.values()))
    assert all(f"| `{field}` |" in text for field in {*FIELDS["er"], *FIELDS["test"]})
    stated = re.search(r"(\d+) complaints, no two alike, from (\d+) specialties: ([^.]+)\.", text)
    specialties = sorted({row["specialty"] for name in FILES for row in rows[name]})
    assert stated.groups() == (str(of), str(len(specialties)), ", ".join(specialties))
    seen = {row["specialty"] for name in ("er", "eqsr") for row in rows[name]}
    unseen = [row["specialty"] for row in rows["test"] if row["specialty"] not in seen]
    assert (
        f"{len(unseen)} of the {len(rows['test'])} test rows come from "
        f"{len(set(unseen))} specialties that no training row has"
    ) in text
    pairs = [
        (len(row["soothing_response"].split()), len(row["answer"].split()))
        for name in ("eqsr", "test")
        for row in rows[name]
    ]
    assert all(chosen > rejected for chosen, rejected in pairs)
    chosen, rejected = (sum(side) / len(pairs) for side in zip(*pairs))
    assert (
        f"always the longer one: a soothing response has {chosen:.0f} words "
        f"against {rejected:.0f} of the doctor's answer"
    ) in text


def test_the_licence_is_named():
    assert "CC BY 4.0" in (text := (project.DATA / "LICENSE").read_text("utf-8"))
    assert "https://creativecommons.org/licenses/by/4.0/" in text


# The papers' numbers


@pytest.fixture(scope="module")
def published() -> list[dict]:
    with open(PUBLISHED / "emodoctor.csv", newline="", encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row["table"] != "emodoctor.text"]


@pytest.fixture(scope="module")
def values(published) -> dict[tuple[str, str, str], float]:
    return {(row["table"], row["system"], row["metric"]): float(row["value"]) for row in published}


def test_the_published_tables_are_complete(published):
    keys = [(row["table"], row["system"], row["metric"]) for row in published]
    assert keys == [
        (table, system, metric)
        for table, metrics in TABLES.items()
        for system in SYSTEMS
        for metric in metrics
    ]
    for row in published:
        assert row["place"] == ("Table 1" if row["table"] == "emodoctor.table1" else "Table 2")
        # As printed: one decimal for BLEU-1, two for the rest.
        assert re.fullmatch(
            r"\d{1,2}\.\d" if row["metric"] == "bleu1" else r"\d{1,2}\.\d\d", row["value"]
        ), row


def test_the_published_numbers_fit_together(values):
    """Relations that hold for correct numbers, whatever they are:
    a mistyped digit mostly breaks one.
    """
    for system in SYSTEMS:
        *parts, mean, highest = (
            values["emodoctor.table1", system, metric] for metric in EMOTION_METRICS
        )
        assert abs(sum(parts) / 3 - mean) < 0.0101, system
        assert max(parts) <= highest <= 1, system
        for table in ("emodoctor.table2.doctor", "emodoctor.table2.modified"):
            bleu, bleu1, rouge1, rouge2, rouge_l = (
                values[table, system, metric] for metric in WORD_METRICS
            )
            assert bleu < bleu1 <= 100 and rouge2 < rouge_l < rouge1 < 1, (table, system)
        for metric in WORD_METRICS:
            assert (
                values["emodoctor.table2.modified", system, metric]
                > values["emodoctor.table2.doctor", system, metric]
            ), (system, metric)


@pytest.mark.parametrize(
    "key, printed",
    [
        (("emodoctor.table1", "eqsr-dpo", "mean"), "0.67"),
        (("emodoctor.table1", "eqsr-dpo", "max"), "0.70"),
        (("emodoctor.table1", "er-eqsr-kto", "comforting"), "0.60"),
        (("emodoctor.table2.doctor", "base", "bleu"), "0.91"),
        (("emodoctor.table2.doctor", "er-eqsr-kto", "bleu1"), "27.5"),
        (("emodoctor.table2.modified", "er-eqsr-sft", "bleu1"), "44.6"),
        (("emodoctor.table2.modified", "er-eqsr-dpo", "rougeL"), "0.27"),
    ],
)
def test_some_published_numbers_as_printed(published, key, printed):
    assert [
        row["value"] for row in published if (row["table"], row["system"], row["metric"]) == key
    ] == [printed]


@pytest.mark.parametrize("file", ["emodoctor.csv", "emplifai.csv"])
def test_published_numbers_are_tidy(file):
    with open(PUBLISHED / file, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["table", "system", "metric", "value", "unit", "direction", "place"]
    assert len({(row["table"], row["system"], row["metric"]) for row in rows}) == len(rows)
    for row in rows:
        assert (
            None not in row
            and all(row.values())
            and row["direction"] in ("higher", "lower", "none")
        ), row
        assert row["table"].startswith(file.removesuffix("csv")) and re.fullmatch(
            r"<?-?\d+(\.\d+)?", row["value"]
        ), row


def test_the_published_numbers_of_emplifai_fit_together():
    """Rubrics lie in 1 to 5; the judge's rows of Table 5 are those of Table 4;
    every table is complete.
    """
    with open(PUBLISHED / "emplifai.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    found = {(row["table"], row["system"], row["metric"]): row["value"] for row in rows}
    tables = Counter(row["table"] for row in rows)
    assert {
        t: tables[f"emplifai.{t}"]
        for t in (
            "table2",
            "table4",
            "table5",
            "table6.pearson",
            "table6.p",
            "table6.mad",
            "table7",
        )
    } == {
        "table2": 20,
        "table4": 56,
        "table5": 56,
        "table6.pearson": 25,
        "table6.p": 25,
        "table6.mad": 3,
        "table7": 12,
    }
    for (table, system, metric), value in found.items():
        if table in ("emplifai.table4", "emplifai.table5"):
            assert 1 <= float(value) <= 5
        if table == "emplifai.table5" and system.endswith(".judge"):
            first = {
                "gpt": "gpt",
                "deepseek": "deepseek",
                "llm-jp": "sft-llm-jp",
                "swallow": "sft-swallow",
            }[system.removesuffix(".judge")]
            assert float(found["emplifai.table4", first, metric]) == float(value)
        if table == "emplifai.table6.pearson":
            assert -1 <= float(value) <= 1
    sums = {
        table: round(
            sum(float(value.lstrip("<")) for (t, _, _), value in found.items() if t == table), 2
        )
        for table in tables
    }
    # Added up by hand from the printed rows.
    assert {
        t: sums[t]
        for t in (
            "emplifai.table2",
            "emplifai.table6.pearson",
            "emplifai.table6.mad",
            "emplifai.table7",
        )
    } == {
        "emplifai.table2": 15.27,
        "emplifai.table6.pearson": 12.35,
        "emplifai.table6.mad": 2.34,
        "emplifai.table7": 1801.9,
    }


def test_the_card_of_the_published_numbers_counts_them():
    text = (PUBLISHED / "README.md").read_text("utf-8")
    counts = {"emplifai_emotions.csv": len(emplifai.EMOTIONS)}
    for file in ("claims.yaml", "experiments.yaml"):
        counts[file] = (PUBLISHED / file).read_text("utf-8").count("\n- id: ")
    for file in ("emodoctor.csv", "emplifai.csv", "emodoctor_table3.csv"):
        counts[file] = len((PUBLISHED / file).read_text("utf-8").splitlines()) - 1
    assert {
        file: int(count)
        for file, count in re.findall(r"^\| `(\w+\.(?:csv|yaml))` \| (\d+) \|", text, re.MULTILINE)
    } == counts
