"""The rating kit with simulated raters: what is handed out, what comes back broken,
and agreement against other implementations.
"""

import itertools
import json
import random
import re
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from nltk.metrics.agreement import AnnotationTask

from emo import cli
from emo_utils.data import emplifai
from emo_utils.people import agreement, forms, rating_kit
from emo_utils.project import DATA, EmoError
from emo_utils.stats import correlations, reliability

SYSTEMS = ("a", "b", "c")


def dialogues(count: int = 12, systems=SYSTEMS) -> list[dict]:
    emotions = itertools.cycle(english for english, _, _ in emplifai.EMOTIONS)
    rows = [(f"s{n}", emotion) for n, emotion in zip(range(count), emotions)]
    return [
        {
            "id": name,
            "system": system,
            "emotion": emotion,
            "situation": f"場面{name}",
            "turns": [f"{system}の{name}の{k}" for k in range(4)],
        }
        for name, emotion in rows
        for system in systems
    ]


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """Sheets on twelve dialogues of three systems, and on two systems' answers, as they were made;
    tests work on copies.
    """
    folder = tmp_path_factory.mktemp("kits")
    forms.make_sheets(dialogues(), folder / "kit", group_size=6, raters=2)
    forms.make_comparisons(answers("old"), answers("new"), folder / "pairs", group_size=6, raters=2)
    return folder


@pytest.fixture
def folder(handed_out, tmp_path):
    return shutil.copytree(handed_out / "kit", tmp_path / "kit")


def key(folder) -> dict:
    return json.loads((folder / "key.json").read_text())


def content(folder, sheet: str) -> dict:
    page = (folder / "sheets" / f"{sheet}.html").read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="sheet">(.*?)</script>', page, re.DOTALL)[1]
    )


def give_back(folder, sheet: str, rater: str, rate=lambda item, metric: 3, **changes) -> None:
    """What a form saves, for a rater who follows a rule."""
    items = key(folder)["items"]
    given = {
        code: {metric: rate(items[code], metric) for metric in rating_kit.RUBRICS}
        for code in key(folder)["sheets"][sheet]
    }
    file = {
        "kit": key(folder)["kit"],
        "sheet": sheet,
        "rater": rater,
        "started": "",
        "saved": "2026-01-01T00:00:00Z",
        "ratings": given,
        "comments": {},
    } | changes
    (folder / "returned" / f"ratings-{sheet}-{rater}.json").write_text(
        json.dumps(file), encoding="utf-8"
    )


def all_back(folder, rate) -> None:
    for sheet in key(folder)["sheets"]:
        give_back(
            folder,
            sheet,
            f"person of {sheet}",
            lambda item, metric, sheet=sheet: rate(item, metric, sheet),
        )


def test_rubrics_are_whole_and_our_levels_differ():
    assert len(rating_kit.RUBRICS) == 7
    for rubric in rating_kit.RUBRICS.values():
        assert set(rubric) == {"japanese", "english", "asks", "means", "levels", "gloss"}
        assert len(set(rubric["levels"])) == len(set(rubric["gloss"])) == 5
        assert all(re.search("[ぁ-ん]", text) for text in [rubric["asks"], *rubric["levels"]])
    published = set(
        pd.read_csv(DATA / "published" / "emplifai.csv").query("table == 'emplifai.table4'").metric
    )
    assert set(rating_kit.RUBRICS) == published


def test_groups_balance_systems_and_show_each_scene_once(folder):
    handed, items = key(folder)["sheets"], key(folder)["items"]
    assert len(items) == 36 and len(set(items)) == 36 and len(handed) == 12
    rated = Counter()
    for name, codes in handed.items():
        shown = [items[code] for code in codes]
        assert len({row["id"] for row in shown}) == len(shown) == 6
        assert Counter(row["system"] for row in shown) == dict.fromkeys(SYSTEMS, 2)
        assert [item["code"] for item in content(folder, name)["items"]] == codes
        rated.update((row["id"], row["system"]) for row in shown)
    assert set(rated.values()) == {2} and len(rated) == 36


def test_forms_hide_systems_and_vary_orders(folder):
    one, other = content(folder, "g001r1"), content(folder, "g001r2")
    assert {i["code"] for i in one["items"]} == {i["code"] for i in other["items"]} and one[
        "items"
    ] != other["items"]
    assert [r["name"] for r in one["rubrics"]] != [r["name"] for r in other["rubrics"]]
    for item in one["items"]:
        assert set(item) == {"code", "emotion", "emotion_english", "situation", "turns"}
    assert (
        "system"
        not in (folder / "sheets" / "g001r1.html")
        .read_text()
        .partition('id="sheet"')[2]
        .partition("</script>")[0]
    )


def test_the_same_seed_gives_the_same_sheets(tmp_path, folder):
    forms.make_sheets(dialogues(), tmp_path / "again", group_size=6, raters=2)
    assert key(tmp_path / "again") == key(folder)
    forms.make_sheets(dialogues(), tmp_path / "other", group_size=6, raters=2, seed=1)
    assert key(tmp_path / "other")["sheets"] != key(folder)["sheets"]


def test_untrusted_text_cannot_leave_its_place(tmp_path):
    rows = dialogues(2, ("a",))
    rows[0]["turns"][1] = rows[0]["situation"] = (
        '</script><script>alert(1)</script><!-- & "quotes" \\u003c {{sheet}} '
    )
    forms.make_sheets(rows, tmp_path, group_size=2, raters=1)
    page = (tmp_path / "sheets" / "g001r1.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2 and page.count("<!--") == 1 and page.count("alert(1)") == 2
    assert any(
        item["turns"][1] == rows[0]["turns"][1] for item in content(tmp_path, "g001r1")["items"]
    )


def test_the_papers_size(tmp_path):
    made = forms.make_sheets(dialogues(100, ("gpt", "deepseek", "llm-jp", "swallow")), tmp_path)
    assert len(made) == 120 and made.group.nunique() == 40 and set(made["items"]) == {10}


@pytest.mark.parametrize(
    "change, what",
    [
        ({"turns": "abcd"}, "'turns' is no list"),
        ({"emotion": "joyful"}, "none of EmplifAI's 28 labels"),
        ({"situation": " "}, "'situation' is missing or empty"),
        ({"system": "b"}, "each system needs each id once"),
        ({"id": "new"}, "each system needs each id once"),
    ],
)
def test_dialogues_that_do_not_fit_are_named(tmp_path, change, what):
    rows = dialogues(3)
    rows[0] |= change
    with pytest.raises(EmoError, match=what):
        forms.make_sheets(rows, tmp_path)
    assert not (tmp_path / "key.json").exists()


def test_nothing_to_rate_and_places_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(EmoError, match="0 dialogues"):
        forms.make_sheets([], tmp_path / "kit")
    (tmp_path / "file").write_text("")
    with pytest.raises(EmoError, match="cannot be written"):
        forms.make_sheets(dialogues(3), tmp_path / "file")


def test_dialogues_without_four_turns_are_on_no_form_and_counted(tmp_path):
    rows = dialogues(6)
    rows[0]["turns"], rows[3]["turns"] = ["a", "b", "c"], ["a", "b", " ", "d"]
    made = forms.make_sheets(rows, tmp_path, group_size=6, raters=1)
    assert made["items"].sum() == 16 and len(key(tmp_path)["broken"]) == 2
    assert any(
        "2 of a" in remark and "lowest rating" in remark
        for remark in rating_kit.read_back(tmp_path)[2]
    )


def test_more_than_a_thousand_groups_keep_their_names(tmp_path):
    made = forms.make_sheets(dialogues(1001, ("a",)), tmp_path, group_size=1, raters=1)
    assert made.group.nunique() == 1001
    for sheet in ("g100r1", "g1000r1", "g1001r1"):
        give_back(tmp_path, sheet, "one person", lambda item, metric: 1 + len(metric) % 5)
    found, left_out, _ = rating_kit.read_back(tmp_path)
    assert not left_out and found.sheet.nunique() == 3


def test_ratings_of_another_kit_are_refused(folder, tmp_path):
    rows = dialogues()
    rows[5]["turns"][1] = "書きかえた返事"  # same ids, same codes, another text
    forms.make_sheets(rows, tmp_path / "mended", group_size=6, raters=2)
    assert key(tmp_path / "mended")["sheets"] == key(folder)["sheets"]
    give_back(folder, "g001r1", "x")
    (tmp_path / "mended" / "returned" / "x.json").write_bytes(
        (folder / "returned" / "ratings-g001r1-x.json").read_bytes()
    )
    found, left_out, _ = rating_kit.read_back(tmp_path / "mended")
    assert found.empty and "not of this kit" in left_out[0]


def test_a_folder_with_a_key_is_not_written_over(folder):
    before = (folder / "key.json").read_bytes()
    with pytest.raises(EmoError, match="already holds sheets"):
        forms.make_sheets(dialogues(), folder)
    assert (folder / "key.json").read_bytes() == before


def test_ratings_come_back_to_their_dialogues(folder):
    all_back(
        folder, lambda item, metric, _: 1 + SYSTEMS.index(item["system"]) + (metric == "fluency")
    )
    found, left_out, remarks = rating_kit.read_back(folder)
    assert not left_out and not remarks and len(found) == 72 * 7
    means = found.groupby(["system", "metric"]).value.mean()
    assert [means[s, "security"] for s in SYSTEMS] == [1, 2, 3] and means["c", "fluency"] == 4


@pytest.mark.parametrize(
    "content, what",
    [
        ("not json", "not a file that a form saves"),
        ("[]", "not a file that a form saves"),
        ('{"sheet": "g001r1", "rater": "x"}', "not a file that a form saves"),
        ('{"kit": "KIT", "sheet": "g999r1", "rater": "x", "ratings": {}}', "not of this kit"),
        ('{"kit": "KIT", "sheet": ["g001r1"], "rater": "x", "ratings": {}}', "not of this kit"),
        ('{"kit": "other", "sheet": "g001r1", "rater": "x", "ratings": {}}', "not of this kit"),
        ('{"kit": "KIT", "sheet": "g001r1", "rater": " ", "ratings": {}}', "code is missing"),
        (
            '{"kit": "KIT", "sheet": "g001r1", "rater": "x", "ratings": {}}',
            "42 ratings are missing",
        ),
        ('{"kit": "KIT", "sheet": "g001r1", "rater": "x", "ratings": []}', "no ratings"),
        ("[" * 100_000, "not a file that a form saves"),
    ],
)
def test_a_broken_file_is_left_out_with_its_reason(folder, content, what):
    (folder / "returned" / "x.json").write_text(content.replace("KIT", key(folder)["kit"]))
    give_back(folder, "g002r1", "good", lambda item, metric: 1 + len(metric) % 5)
    found, left_out, _ = rating_kit.read_back(folder)
    assert len(left_out) == 1 and left_out[0].startswith("x.json: ") and what in left_out[0]
    assert set(found.rater) == {"good"} and len(found) == 42


@pytest.mark.parametrize("value", [0, 6, 2.5, "3", None, True])
def test_values_outside_the_scale_are_refused(folder, value):
    give_back(folder, "g001r1", "x", lambda item, metric: value if metric == "fluency" else 3)
    found, left_out, _ = rating_kit.read_back(folder)
    assert found.empty and "whole number from 1 to 5" in left_out[0]


def test_ratings_of_what_was_not_on_the_sheet_are_refused(folder):
    give_back(folder, "g001r1", "x")
    path = folder / "returned" / "ratings-g001r1-x.json"
    file = json.loads(path.read_text())
    file["ratings"]["fffff"] = next(iter(file["ratings"].values()))
    path.write_text(json.dumps(file))
    assert "not on its sheet" in rating_kit.read_back(folder)[1][0]


def test_a_sheet_or_a_person_counts_once(folder):
    for hour, (sheet, rater) in enumerate(
        (("g001r1", "x"), ("g001r1", "y"), ("g001r2", "x"), ("g002r1", "x"))
    ):
        give_back(
            folder,
            sheet,
            rater,
            lambda item, metric: 1 + len(metric) % 5,
            saved=f"2026-01-01T0{9 - hour}:00:00Z",
        )
    found, left_out, remarks = rating_kit.read_back(folder)
    assert set(map(tuple, found[["sheet", "rater"]].drop_duplicates().to_numpy())) == {
        ("g001r1", "x"),
        ("g002r1", "x"),
    }
    assert (
        len(left_out) == 2
        and "saved again later, in ratings-g001r1-x.json" in left_out[0]
        and "x rated the same dialogues on another sheet" in left_out[1]
    )
    assert remarks == ["10 of 12 sheets have not come back"]


def test_of_two_saves_the_later_counts_with_its_comments(folder):
    (folder / "returned").mkdir(exist_ok=True)
    give_back(
        folder,
        "g001r1",
        "x",
        lambda item, metric: 2 + len(metric) % 2,
        saved="2026-01-01T08:00:00Z",
    )
    (folder / "returned" / "ratings-g001r1-x.json").rename(folder / "returned" / "a.json")
    code = key(folder)["sheets"]["g001r1"][0]
    give_back(
        folder,
        "g001r1",
        "x",
        lambda item, metric: 4 + len(metric) % 2,
        saved="2026-01-01T09:00:00Z",
        comments={code: "half a pair \ud83d", "zzzzz": 5},
    )
    found, left_out, _ = rating_kit.read_back(folder)
    assert found.value.min() == 4 and left_out[0].startswith(
        "a.json: sheet g001r1 was saved again later"
    )
    assert list(found[found.comment != ""].comment) == ["half a pair ?"] * 7


def test_one_value_throughout_is_pointed_out_and_kept(folder):
    give_back(folder, "g001r1", "bored")
    found, left_out, remarks = rating_kit.read_back(folder)
    assert len(found) == 42 and not left_out and "every rating is the same" in remarks[0]


def test_changed_rubrics_and_missing_keys_stop(folder, tmp_path, monkeypatch):
    with pytest.raises(EmoError, match="no key.json"):
        rating_kit.read_back(tmp_path)
    monkeypatch.setitem(rating_kit.RUBRICS, "fluency", {})
    with pytest.raises(EmoError, match="rubrics have changed"):
        rating_kit.read_back(folder)


# Agreement


def counts_of(columns) -> np.ndarray:
    """Ratings (raters by items, NaN where there is none) as counts."""
    table = np.array(columns, dtype=float)
    return np.array([[np.sum(item == v) for v in range(1, 6)] for item in table.T])


def test_alpha_equals_the_published_example():
    nan = np.nan  # Krippendorff's example of four observers and twelve units: ordinal .815
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    assert reliability.krippendorff_alpha(counts_of(table)) == pytest.approx(0.815, abs=5e-4)


def test_alpha_equals_nltks_with_the_same_distance():
    dice = random.Random(3)
    rows = [
        (rater, item, min(5, max(1, item % 5 + 1 + dice.choice([-1, 0, 0, 1]))))
        for item in range(40)
        for rater in range(3)
    ]
    table = np.array([[v for r, _, v in rows if r == rater] for rater in range(3)])
    totals = np.array([(table == v).sum() for v in range(1, 6)])

    def ordinal(a, b):
        low, high = sorted((a, b))
        return float((totals[low - 1 : high].sum() - (totals[low - 1] + totals[high - 1]) / 2) ** 2)

    assert reliability.krippendorff_alpha(counts_of(table)) == pytest.approx(
        AnnotationTask([(str(r), str(i), v) for r, i, v in rows], distance=ordinal).alpha(),
        abs=1e-9,
    )


def test_alpha_of_full_and_of_no_agreement():
    assert reliability.krippendorff_alpha(counts_of([[1, 2, 3, 4, 5]] * 3)) == 1.0
    assert np.isnan(reliability.krippendorff_alpha(counts_of([[3, 3, 3]] * 3)))
    noise = np.random.default_rng(0).integers(1, 6, size=(3, 3000))
    assert abs(reliability.krippendorff_alpha(counts_of(noise))) < 0.03


def test_raters_who_agree_and_raters_who_do_not(folder):
    dice = random.Random(0)
    all_back(
        folder,
        lambda item, metric, sheet: (
            1 + int(item["id"][1:]) % 5
            if metric == "security"
            else 3
            if metric == "fluency"
            else dice.randint(1, 5)
        ),
    )
    found = agreement.agreement(rating_kit.read_back(folder)[0]).set_index("metric")
    assert found.loc["security", ["value", "low", "high"]].tolist() == [1, 1, 1] and set(
        found.n
    ) == {36}
    assert np.isnan(found.loc["fluency", "value"]) and abs(found.loc["consistency", "value"]) < 0.4
    with_one = rating_kit.read_back(folder)[0].query("sheet != 'g001r2'")
    assert (
        agreement.agreement(with_one).n.tolist() == [30] * 7
    )  # six dialogues were rated once and say nothing
    assert agreement.agreement(with_one.iloc[:0]).columns.tolist() == [
        "metric",
        "value",
        "low",
        "high",
        "n",
        "raters",
    ]
    assert (
        found.loc["consistency", "low"]
        < found.loc["consistency", "value"]
        < found.loc["consistency", "high"]
    )


def test_a_judge_against_people_by_hand(folder):
    all_back(
        folder, lambda item, metric, sheet: 1 + int(item["id"][1:]) % 4 + (sheet.endswith("r1"))
    )
    people = rating_kit.read_back(folder)[0]
    judged = pd.DataFrame(
        [
            {
                "id": row["id"],
                "system": row["system"],
                "metric": metric,
                "value": 5.0 if metric == "fluency" else 1 + int(row["id"][1:]) % 4,
            }
            for row in dialogues()
            for metric in ("fluency", "security")
        ]
    )
    found = agreement.against_judge(people, judged).set_index(["system", "metric", "measure"])
    assert found.loc[("a", "security", "pearson"), "value"] == pytest.approx(1.0)
    assert found.loc[("a", "security", "difference"), ["value", "n"]].tolist() == [
        0.5,
        12,
    ]  # the raters' mean lies half a step above
    constant = found.loc[("b", "fluency", "pearson")]
    assert np.isnan(constant.value) and constant.note == "constant: judge"
    assert found.loc[("b", "fluency", "people"), "value"] == pytest.approx(3.0) and found.loc[
        ("b", "fluency", "difference"), "value"
    ] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "change, what",
    [
        ({"value": 7}, "the scale is 1 to 5"),
        ({"value": 0}, "the scale is 1 to 5"),
        ({}, "twice on security"),
    ],
)
def test_a_judges_scores_that_cannot_be_are_refused(folder, change, what):
    give_back(folder, "g001r1", "x")
    row = {"id": "s1", "system": "a", "metric": "security", "value": 3}
    with pytest.raises(EmoError, match=what):
        agreement.against_judge(rating_kit.read_back(folder)[0], pd.DataFrame([row, row | change]))


def test_dialogues_without_a_score_are_counted_and_few_give_no_correlation(folder):
    all_back(folder, lambda item, metric, sheet: 1 + int(item["id"][1:]) % 5)
    people = rating_kit.read_back(folder)[0]
    judged = pd.DataFrame(
        [
            {
                "id": f"s{n}",
                "system": system,
                "metric": "security",
                "value": 1 + n % 5 if n < upto else None,
            }
            for system, upto in (("a", 11), ("b", 9), ("c", 0))
            for n in range(12)
        ]
    )
    found = agreement.against_judge(people, judged).set_index(["system", "measure"])
    assert found.loc[("a", "pearson"), ["value", "n", "unscored", "note"]].tolist() == [
        pytest.approx(1.0),
        11,
        1,
        "",
    ]
    assert np.isnan(found.loc[("b", "pearson"), "value"]) and found.loc[
        ("b", "pearson"), ["n", "unscored", "note"]
    ].tolist() == [9, 3, "fewer than 10 dialogues"]
    assert (
        found.loc[("c", "pearson"), ["n", "unscored"]].tolist() == [0, 12]
        and ("c", "people") not in found.index
    )


def test_pearsons_interval_covers_and_constants_have_none():
    dice = np.random.default_rng(1)
    a = dice.normal(size=200)
    b = a + dice.normal(size=200)
    value, low, high = correlations.pearson_interval(a, b, seed=1)
    assert (
        low < value < high
        and value == pytest.approx(scipy.stats.pearsonr(a, b).statistic)
        and high - low < 0.25
    )
    assert np.isnan(correlations.pearson_interval([1, 1, 1], [1, 2, 3], seed=1)).all()


# The two commands


def test_the_commands_from_dialogues_to_agreement(tmp_path, capsys):
    source, kit = tmp_path / "dialogues.jsonl", tmp_path / "kit"
    source.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in dialogues()), encoding="utf-8"
    )
    assert (
        cli.main(
            ["rating-sheets", str(source), "--to", str(kit), "--group-size", "6", "--raters", "2"]
        )
        == 0
    )
    assert "12 forms" in capsys.readouterr().out
    assert cli.main(["ratings", str(kit)]) == 2 and "no ratings yet" in capsys.readouterr().err
    assert (
        cli.main(["rating-sheets", str(source), "--to", str(kit)]) == 2
        and "already holds sheets" in capsys.readouterr().err
    )
    all_back(kit, lambda item, metric, sheet: 1 + int(item["id"][1:]) % 5)
    judge = tmp_path / "judge.csv"
    pd.DataFrame(
        [
            {"id": f"s{n}", "system": "a", "metric": "security", "value": 1 + n % 5}
            for n in range(12)
        ]
    ).to_csv(judge, index=False)
    assert cli.main(["ratings", str(kit), "--judge", str(judge)]) == 0
    said = capsys.readouterr().out
    assert "504 ratings by 12 people on 36 dialogues" in said and "pearson" in said
    assert len(pd.read_csv(kit / "ratings.csv")) == 504
    (kit / "returned" / "z.json").write_text("{")
    assert cli.main(["ratings", str(kit)]) == 1 and "left out: z.json" in capsys.readouterr().out


def test_returned_files_of_another_name_are_taken_or_named(folder):
    give_back(folder, "g001r1", "x")
    [saved] = (folder / "returned").glob("*.json")
    saved.rename(saved.with_suffix(".JSON"))
    (folder / "returned" / "scores.csv").write_text("id;value\n")
    (folder / "returned" / ".DS_Store").write_text("")
    rows, left_out, _ = rating_kit.read_back(folder)
    assert len(rows) and left_out == ["scores.csv: not a .json file, which is what a form saves"]


def test_what_a_rater_wrote_is_no_formula_in_the_table(folder, capsys):
    give_back(folder, "g001r1", "=1+1")
    assert cli.main(["ratings", str(folder)]) == 0
    table = pd.read_csv(folder / "ratings.csv")
    assert set(table.rater) == {"'=1+1"}


def test_a_decimal_comma_of_a_judge_is_read_and_what_is_no_number_named(folder, capsys):
    give_back(folder, "g001r1", "x")
    rated, _, _ = rating_kit.read_back(folder)
    cells = rated[["id", "system", "metric"]].drop_duplicates()
    table = cells.assign(value="3,5")
    table.iloc[0, 3] = "2.5"
    table.iloc[1, 3] = ""
    [first] = agreement.scores_of(table)[:1]
    assert first == 2.5 and np.isnan(agreement.scores_of(table).iloc[1])
    assert set(agreement.scores_of(table)[2:]) == {3.5}
    judge = folder / "judge.csv"
    table.to_csv(judge, index=False, sep=";", encoding="utf-8-sig")
    assert cli.main(["ratings", str(folder), "--judge", str(judge)]) == 0
    table.iloc[2, 3] = "good"
    table.to_csv(judge, index=False)
    assert cli.main(["ratings", str(folder), "--judge", str(judge)]) == 2
    assert "is 'good', which is no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, content, what",
    [
        ("x.txt", "", "a table is a"),
        ("x.jsonl", "{", "cannot be read"),
        ("none.csv", None, "cannot be read"),
        ("y.csv", "id,system\n1,2\n", "lacks the column 'metric'"),
        ("z.csv", "id,system,metric,value\n1,2,3,4\n", "scores none of the rated dialogues"),
    ],
)
def test_tables_that_cannot_be_used_are_named(folder, tmp_path, capsys, name, content, what):
    give_back(folder, "g001r1", "x")
    if content is not None:
        (tmp_path / name).write_text(content)
    assert cli.main(["ratings", str(folder), "--judge", str(tmp_path / name)]) == 2
    assert what in capsys.readouterr().err


# Two answers side by side


def answers(system: str, count: int = 12, **changes) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "id": f"q{n}",
                "question": f"question {n}",
                "answer": f"what {system} says to {n}",
                "system": system,
            }
            | changes
            for n in range(count)
        ]
    )


@pytest.fixture
def pairs(handed_out, tmp_path):
    return shutil.copytree(handed_out / "pairs", tmp_path / "pairs")


def choose(folder, rule, left_out=()) -> None:
    """Everybody fills in a form by a rule on what they see: (question's number, left answer,
    right answer, metric) -> 1 to 5.
    """
    for sheet in set(key(folder)["sheets"]) - set(left_out):
        shown = content(folder, sheet)
        given = {
            item["code"]: {
                r["name"]: rule(int(item["question"].split()[1]), *item["answers"], r["name"])
                for r in shown["rubrics"]
            }
            for item in shown["items"]
        }
        file = {
            "kit": shown["kit"],
            "sheet": sheet,
            "rater": f"person of {sheet}",
            "saved": "2026-01-01T00:00:00Z",
            "ratings": given,
            "comments": {},
        }
        (folder / "returned" / f"{sheet}.json").write_text(json.dumps(file), encoding="utf-8")


def likes(system: str):
    """A rule: the answer of `system` clearly, wherever it stands."""
    return lambda number, left, right, metric: 1 if f"what {system} " in left else 5


def test_two_answers_are_blinded_and_change_places(pairs):
    assert set(key(pairs)["sheets"]) == {"g001r1", "g001r2", "g002r1", "g002r2"}
    for sheet in key(pairs)["sheets"]:
        shown = content(pairs, sheet)
        assert [set(item) for item in shown["items"]] == [
            {"code", "question", "answers"}
        ] * 6 and shown["kind"] == "comparisons"
        assert (
            sum("what new" in item["answers"][0] for item in shown["items"]) == 3
        )  # half of a form's questions
    for group in ("g001", "g002"):
        places = [
            {item["code"]: item["answers"][0] for item in content(pairs, f"{group}r{r}")["items"]}
            for r in (1, 2)
        ]
        assert set(places[0]) == set(places[1]) and all(
            places[0][code] != places[1][code] for code in places[0]
        )


def test_choices_come_back_to_their_systems_wherever_they_stood(pairs):
    choose(pairs, likes("new"))
    found, left_out, remarks = rating_kit.read_back(pairs)
    assert not left_out and not remarks and len(found) == 2 * 12 * 4
    assert (
        set(found.value) == {5}
        and set(found.system) == {"new"}
        and set(found.against) == {"old"}
        and Counter(found.left) == {"new": 48, "old": 48}
    )
    told = agreement.choices(found).set_index("metric")
    assert set(told.index) == set(rating_kit.KINDS["comparisons"]) and (
        told[
            [
                "chosen",
                "against",
                "no_difference",
                "value",
                "low",
                "high",
                "n",
                "raters",
                "left",
                "n_left",
            ]
        ]
        == [12, 0, 0, 1, told.low.iloc[0], 1, 12, 4, 0.5, 24]
    ).all(axis=None)
    # All twelve: Wilson's interval still has a width, 12 / (12 + 1.96 squared).
    assert told.low.iloc[0] == pytest.approx(12 / (12 + 1.959964**2))


def test_a_folder_of_comparisons_holds_no_ratings_of_dialogues(pairs):
    assert rating_kit.dialogue_ratings(pairs)[0].empty  # nothing came back yet
    choose(pairs, likes("new"))
    with pytest.raises(EmoError, match="10_ebd_open takes the other"):
        rating_kit.dialogue_ratings(pairs)


def test_ratings_of_dialogues_are_what_came_back(tmp_path):
    nobody, left_out, remarks = rating_kit.dialogue_ratings(None)
    assert nobody.empty and not left_out and not remarks
    assert agreement.agreement(nobody).empty
    forms.make_sheets(dialogues(), tmp_path / "kit", group_size=6, raters=2)
    all_back(tmp_path / "kit", lambda item, metric, sheet: 3)
    found, *notes = rating_kit.dialogue_ratings(tmp_path / "kit")
    plain, *plain_notes = rating_kit.read_back(tmp_path / "kit")
    assert found.equals(plain) and notes == plain_notes and list(nobody) == list(found)


def test_who_always_takes_the_left_answer_is_seen(pairs):
    choose(pairs, lambda number, left, right, metric: 1)
    found, _, remarks = rating_kit.read_back(pairs)
    assert len(remarks) == 4 and "every rating is the same" in remarks[0]
    told = agreement.choices(found)
    assert set(told.left) == {1.0} and set(told.no_difference) == {12} and set(told.value) == {0.5}


def test_choices_by_hand(pairs):
    # Questions 0 to 2: the new answer, a little; 3 and 4: the old one, clearly;
    # the others: no difference.
    choose(
        pairs,
        lambda number, left, right, metric: (
            3 if number > 4 else abs((6 if "what new" in right else 0) - (2 if number < 3 else 5))
        ),
    )
    found = rating_kit.read_back(pairs)[0]
    assert found[found.id == "q1"].value.unique().tolist() == [4] and found[
        found.id == "q3"
    ].value.unique().tolist() == [1]
    told = agreement.choices(found).iloc[0]
    assert (
        told[["chosen", "against", "no_difference", "n"]].tolist() == [3, 2, 7, 12]
        and told.value == pytest.approx((3 + 7 / 2) / 12)
        and told.n_left == 10
    )
    few = agreement.choices(found[found.id.isin([f"q{n}" for n in range(9)])]).iloc[0]
    assert np.isnan(few.low) and few.n == 9


def test_scores_beside_choices_by_hand(pairs):
    choose(
        pairs,
        lambda number, left, right, metric: (
            3
            if number == 11
            else likes("new" if number < 8 else "old")(number, left, right, metric)
        ),
    )
    scores = pd.DataFrame(
        [
            {"id": f"q{n}", "system": system, "metric": metric, "value": value}
            for n in range(12)
            for system, metric, value in (
                ("new", "always", 1.0),
                ("old", "always", 0.0),
                ("new", "lower", 2.0 if n else np.nan),
                ("old", "lower", 3.0),
                ("new", "same", 1),
                ("old", "same", 1),
            )
        ]
    )
    found = agreement.against_scores(rating_kit.read_back(pairs)[0], scores).set_index(
        ["metric", "score"]
    )
    one = found.loc["plain"]
    assert (
        one.loc["always", ["n", "undecided", "unscored"]].tolist() == [11, 1, 0]
        and one.loc["always", "value"] == pytest.approx(8 / 11)
        and one.loc["always", "low"] < 8 / 11 < one.loc["always", "high"]
    )
    assert one.loc["lower", ["n", "undecided", "unscored"]].tolist() == [10, 1, 1] and one.loc[
        "lower", "value"
    ] == pytest.approx(3 / 10)
    assert one.loc["same", ["n", "undecided"]].tolist() == [0, 12] and np.isnan(
        one.loc["same", "value"]
    )
    with pytest.raises(EmoError, match="always is given twice"):
        agreement.against_scores(
            rating_kit.read_back(pairs)[0], pd.concat([scores, scores.head(1)])
        )


@pytest.mark.parametrize(
    "first, second, what",
    [
        (answers("a"), answers("a"), "both tables are of a"),
        (answers("a").drop(columns="answer"), answers("b"), "lack the column 'answer'"),
        (answers("a"), answers("b", question="another"), "different questions under the id 'q0'"),
        (answers("a", answer=" "), answers("b"), "answers to 'q0' is empty"),
        (pd.concat([answers("a"), answers("b")]), answers("b"), "the answers of one system"),
        (answers("a"), answers("b").assign(id="none"), "ids come twice"),
        (answers("a").head(0), answers("b"), "here are 0 systems"),
        (
            answers("a").assign(id=lambda f: "x" + f.id),
            answers("b"),
            "0 questions that both answered",
        ),
    ],
)
def test_answers_that_do_not_fit_each_other_are_named(tmp_path, first, second, what):
    with pytest.raises(EmoError, match=what):
        forms.make_comparisons(first, second, tmp_path)
    assert not (tmp_path / "key.json").exists()


def test_the_commands_from_answers_to_choices(tmp_path, capsys):
    answers("old").to_parquet(tmp_path / "old.parquet")
    answers("new", 13).drop(columns="system").to_csv(
        tmp_path / "new.csv", index=False
    )  # the file's name says which system
    kit = tmp_path / "kit"
    assert (
        cli.main(
            [
                "comparison-sheets",
                str(tmp_path / "old.parquet"),
                str(tmp_path / "new.csv"),
                "--to",
                str(kit),
                "--group-size",
                "6",
                "--raters",
                "2",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "4 forms" in said and "up to 6 questions" in said and "1 questions that only one" in said
    choose(kit, likes("new"), left_out=["g001r2"])
    pd.DataFrame(
        [
            {"id": f"q{n}", "system": s, "metric": "words", "value": len(s) + n * (s == "new")}
            for n in range(12)
            for s in ("old", "new")
        ]
    ).to_csv(tmp_path / "scores.csv", index=False)
    assert cli.main(["ratings", str(kit), "--judge", str(tmp_path / "scores.csv")]) == 0
    said = capsys.readouterr().out
    assert (
        "72 ratings by 3 people on 12 questions" in said
        and "Chosen: new, against old" in said
        and "0.5 is chance" in said
    )
    pd.DataFrame([{"id": "q1", "system": "third", "metric": "words", "value": 1}]).to_csv(
        tmp_path / "other.csv", index=False
    )
    assert (
        cli.main(["ratings", str(kit), "--judge", str(tmp_path / "other.csv")]) == 2
        and "scores none of the rated questions" in capsys.readouterr().err
    )


@pytest.mark.parametrize(("size", "raters"), [(1, 1), (1, 3), (5, 3), (10, 3)])
def test_who_takes_the_left_side_favours_no_system(tmp_path, size, raters):
    forms.make_comparisons(
        answers("old", 11), answers("new", 11), tmp_path, group_size=size, raters=raters
    )
    choose(tmp_path, lambda number, left, right, metric: 1)
    found = rating_kit.read_back(tmp_path)[0]
    assert abs((found[found.metric == "plain"].left == "new").sum() - 11 * raters / 2) <= raters / 2


def test_a_rating_says_which_texts_it_is_of(pairs):
    choose(pairs, lambda number, left, right, metric: 1)
    found = rating_kit.read_back(pairs)[0].drop_duplicates("id").set_index("id").texts
    assert (
        found["q3"]
        == rating_kit.fingerprint("what old says to 3", "what new says to 3")
        != rating_kit.fingerprint("what new says to 3", "what old says to 3")
    )
    assert found.nunique() == 12


def test_numbers_as_ids_and_missing_answers(tmp_path):
    old, new = (answers(name, 4).assign(id=range(4)) for name in ("old", "new"))
    assert forms.make_comparisons(old, new.astype({"id": str}), tmp_path / "a")["items"].sum() == 12
    new.loc[2, "answer"] = None
    with pytest.raises(EmoError, match="row 3 of new lacks"):
        forms.make_comparisons(old, new, tmp_path / "b")
