"""The chapters on Empathy by Design with judges and services that follow rules,
against counts by hand.
"""

import contextlib
import io
import json
import math
import re
import shutil
from types import SimpleNamespace

import numpy as np
import openai
import pandas as pd
import pytest
from local_server import Local
from played import RECORDED, home_in, play, records_of
from test_ratings import content
from trial_sets import PAIRS

from emo.graph import steps
from emo_utils.data import caregiver, dialogues
from emo_utils.experiment import sweeps
from emo_utils.experiment.store import Store
from emo_utils.judging import decisions, remote
from emo_utils.models import loading
from emo_utils.people import choices, forms
from emo_utils.project import EmoError
from emo_utils.scoring import sentence_marks


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    return home_in(tmp_path, monkeypatch)


# 10: pairs and training


@pytest.fixture
def pairs_file(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS), encoding="utf-8")
    return str(path)


def test_pairs_are_measured_as_by_hand(home, pairs_file):
    played = play("10_empathy_by_design", until="pair_contrasts.add_records", pairs_file=pairs_file)
    found = {r.metric: r for r in played.run.records}
    assert found["preferred has fewer words"].value == pytest.approx(
        (1 + 0 + 0.5) / 3
    )  # 5 of 9, 9 of 1, 4 and 4
    assert found["same numbers"].value == pytest.approx(2 / 3)  # a 9 that the other lacks
    # Letters a word: 22 - 4 spaces over 5 against 55 - 8 over 9; 35 - 8 over 9 against 5;
    # 21 - 3 over 4 against 20 - 3 over 4.
    assert found["preferred has shorter words"].value == pytest.approx((1 + 1 + 0) / 3)
    assert found["words, chosen"].value == 6.0 and found["grade, rejected"].n == 3
    assert played.run.records[0].n == 3 and played.run.records[0].system == "the file pairs.jsonl"


def test_pairs_are_trained_on_in_the_form_that_was_asked_for(home, pairs_file):
    played = play(
        "10_empathy_by_design", until="examples = ", pairs_file=pairs_file, pairs_as="cut"
    )
    expected = [
        ("Take 5 walks.", PAIRS[0]["rejected"]),
        (PAIRS[1]["chosen"], "Rest."),
        ("Two small meals.", "Two large meals."),
    ]
    assert [(row["soothing_response"], row["answer"]) for row in played.rows] == expected
    assert [row["chosen"][0]["content"] for row in played.examples] == [
        chosen for chosen, _ in expected
    ]


def test_no_pair_within_a_tenth_says_so(home, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIRS[0]) + "\n", encoding="utf-8")
    with pytest.raises(EmoError, match="no pair is left"):
        play("10_empathy_by_design", pairs_file=str(tmp_path / "pairs.jsonl"), pairs_as="matched")


def test_a_run_on_shipped_pairs_or_in_smoke_is_not_kept(home, pairs_file):
    for given in ({"profile": "embedded"}, {"pairs_file": pairs_file}):
        with pytest.raises(EmoError, match="parameter 'keep'"):
            play("10_empathy_by_design", keep=True, until="run.require", **given)
    with pytest.raises(EmoError, match="'make_rows' needs 'make_with'"):
        play("10_empathy_by_design", make_rows=1)


WARM = "I am so sorry, you are not alone with this. Take 5 mg at night, and call us."
COLD = (
    "Administration of 5 mg nocturnally is indicated; "
    "in the event of deterioration, consultation with a professional is recommended without delay."
)


def test_pairs_by_a_service_become_a_file_to_train_on(home, monkeypatch, pairs_file):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    local = Local(
        lambda path, body: (
            200,
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "big",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {
                            "role": "assistant",
                            "content": json.dumps({"plain": WARM, "technical": COLD})
                            if "What now?" in body["messages"][0]["content"]
                            else "no",
                        },
                    }
                ],
            },
        )
    )
    monkeypatch.setattr(
        "emo_utils.scoring.emotion.scores_by_contrast",
        lambda encoder, texts: pd.DataFrame({"mean": [float("sorry" in t) for t in texts]}),
    )
    try:
        played = play(
            "10_empathy_by_design",
            until="preference_pairs.made",
            pairs_file=pairs_file,
            make_rows=2,
            make_with="big",
            make_endpoint=local.address,
        )
    finally:
        local.server.shutdown()
        local.server.server_close()
    [kept] = played.run.folder.glob("*.pairs.jsonl")
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        {"id": "row-2", "prompt": "What now?", "chosen": WARM, "rejected": COLD}
    ]
    [aside] = played.run.folder.glob("*.pairs.set_aside.jsonl")
    assert json.loads(aside.read_text())["reason"] == "not the asked-for JSON object"
    again = play("10_empathy_by_design", until="examples = ", pairs_file=str(kept))
    assert again.rows[0]["soothing_response"] == WARM


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, tiny):
    """A whole run of the training with three pairs, and four bits measured on two answers."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("ebd")
        home_in(folder, patch)
        path = folder / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS), encoding="utf-8")
        small = {"batch_size": 2, "cost_rows": 2, "movement_rows": 2}
        played = play("10_empathy_by_design", pairs_file=str(path), lora_dropout=0.05, **small)
        return played, records_of(played)


def test_the_first_margin_is_zero_in_spite_of_dropout(tuned):
    played, _ = tuned
    assert played.adapters.lora_dropout == 0.05 and set(played.adapters.target_modules) == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
    }
    assert played.log["rewards/margins"].iloc[0] == pytest.approx(
        0.0, abs=1e-6
    ) and played.log.loss.iloc[0] == pytest.approx(math.log(2), abs=1e-6)


def test_a_training_leaves_records_and_both_systems_answers(tuned):
    played, found = tuned
    assert {
        "last_loss",
        "last_margin",
        "kl_per_token",
        "gain_per_token",
        "test_accuracy",
        "answer_tokens",
    } <= set(found.loc["ebd.training"].index.get_level_values("metric"))
    assert list(played.untuned.id) == list(played.answers.id) == ["care-test-01", "care-test-02"]
    assert {
        pd.read_parquet(path).system[0]
        for path in (played.run.folder / "answers").glob("*.parquet")
    } == {"ebd-base", "ebd-dpo"}


def test_what_four_bits_cost_is_recorded(tuned):
    """Each number of an answer is held to the model's own loss in tests/models."""
    played, found = tuned
    row = found.loc["ebd.quantization", "ebd-base", "nats_more", "all"]
    assert row.value == pytest.approx(played.costs.nats_more.mean()) and row.n == 2
    assert row.signature.endswith("per token") and row.interval == "none"
    assert (played.costs.kl >= 0).all() and played.costs.kl.max() > 0
    question, answer = played.preferred[0]
    assert (question[-1]["content"], answer) == (TESTS[0]["prompt"], TESTS[0]["chosen"])


# 10.1: scores

TESTS = caregiver.load("test")


class RuleJudge(decisions.Reader):
    """Puts all weight on a level that is written in the answer, such as `correctness=4`;
    level 3 where nothing is.

    NLI: `contradicts` in the hypothesis decides. `blind` texts get nothing.
    """

    identity, signature = ["rule"], "rule"

    def __init__(self):
        decisions.Reader.__init__(self, "rule")
        self.states = []

    def _forward(self, text, questions):
        self.states.append(text)
        answer = text.rpartition(" answer\n")[2]
        return {name: self._answer(name, answer, asked) for name, asked in questions.items()}

    def _answer(self, name, answer, asked):
        options = (
            [str(k) for k in range(5)] if asked["type"] == "score" else list(asked["criteria"])
        )
        if "blind" in answer:
            return dict.fromkeys(options)
        if name.startswith("nli"):
            chances = (
                {"entailment": 0.1, "neutral": 0.2, "contradiction": 0.7}
                if "contradicts" in answer
                else {"entailment": 0.8, "neutral": 0.15, "contradiction": 0.05}
            )
            return {option: chances[option] for option in options}
        level = int(answer.partition(f"{name}=")[2][:1] or 3)
        return {option: float(k + 1 == level) for k, option in enumerate(options)}


def answer(text: str, row: dict, system: str) -> dict:
    return {
        "id": row["id"],
        "emotion": "",
        "system": system,
        "question": row["prompt"],
        "answer": text,
        "tokens": 5,
        "complete": True,
    }


def put_answers(folder, **texts):
    """Answers of the untuned and the tuned model, as the chapter before leaves them."""
    place = folder / "results" / "smoke" / "answers"
    place.mkdir(parents=True, exist_ok=True)
    for system, several in texts.items():
        name = system.replace("_", "-")
        pd.DataFrame(
            [answer(text, row, name) for text, row in zip(several, TESTS, strict=False)]
        ).to_parquet(place / f"{name}.parquet", index=False)


@pytest.fixture
def scored(home, monkeypatch):
    """The chapter up to its records; with until="" all of it."""

    def one(base, dpo, reader=lambda *_: RuleJudge(), until=RECORDED, **given):
        monkeypatch.setattr(remote, "reader", reader)
        put_answers(home, ebd_base=base, ebd_dpo=dpo)
        return play(
            "10_ebd_scores",
            until=until,
            **{
                "second_model": "",
                "third_model": "",
                "slip_rows": 0,
                "test_rows": len(base),
                "endpoint": "http://nowhere/v1",
            }
            | given,
        )

    return one


def test_scores_are_expected_levels_and_what_is_unread_is_counted(scored):
    found = records_of(
        scored(
            ["The correctness=2 cat.", "blind", "The correctness=5 empathy=1 contradicts."],
            ["The correctness=4 cat."] * 3,
        )
    )
    row = found.loc["ebd.factual", "ebd-base", "correctness", "all"]
    assert (row.value, row.n, row.unscored) == (3.5, 2, 1)
    assert found.loc["ebd.factual", "ebd-base", "contradiction", "all"].value == pytest.approx(
        (0.05 + 0.7) / 2
    )
    assert found.loc["ebd.human", "ebd-base", "empathy", "all"].value == 2.0
    assert found.loc["ebd.factual", "the rejected answer", "correctness", "all"].value == 3.0
    assert found.loc["ebd.human", "ebd-dpo", "words", "all"].value == 3.0


def test_the_yardsticks_are_the_rejected_answer_and_that_of_the_next_question(scored):
    table = scored(["a b"] * 3, ["c d"] * 3, until="systems = list(").table
    assert table[table.system == "the rejected answer"].answer.tolist() == [
        row["rejected"] for row in TESTS[:3]
    ]
    assert table[table.system == "the preferred answer to another question"].answer.tolist() == [
        TESTS[k]["chosen"] for k in (1, 2, 0)
    ]
    assert table.reference.tolist() == [row["chosen"] for row in TESTS[:3]] * 5
    preferred = table[table.system == caregiver.PREFERRED]
    assert preferred.answer.tolist() == preferred.reference.tolist()


def test_differences_are_paired_and_verdicts_want_enough_questions(scored):
    few = records_of(scored(["correctness=2 The cat."] * 4, ["correctness=4 The cat."] * 4))
    assert (few.loc["ebd.factual.differences", "ebd-dpo", "correctness"].value == 2.0).all()
    assert "combination" not in few.index.get_level_values("metric")
    many = records_of(scored(["correctness=2 The cat."] * 12, ["correctness=4 The cat."] * 12))
    told = many.loc["emodoctor.claims"].value
    assert told["ebd.factual/ebd-dpo/correctness - ebd.factual/ebd-base/correctness"].iloc[0] == 2.0
    difference = many.loc["ebd.factual.differences", "ebd-dpo", "correctness", "minus ebd-base"]
    assert difference.p == 2 / 4096  # of the signs of 12 questions
    assert difference.p <= difference.p_adjusted <= 1 and difference.kind == "difference"
    of_gates = many.loc["gates"]  # this judge rates every text of the data 3
    assert set(of_gates.n) == {12} and len(of_gates) == 7
    correctness = of_gates.loc["reference above another's", "correctness", "ebd.factual"]
    assert (correctness.value, correctness.interval) == (0.0, "items")
    assert set(few.loc["gates"].interval) == {"none"}


def test_a_score_is_held_to_texts_of_which_the_order_is_known(scored, monkeypatch):
    rows = [
        row | {"rejected": f"correctness={level} empathy=1", "chosen": "correctness=2 empathy=4"}
        for row, level in zip(TESTS, (5, 2, 1), strict=False)
    ]
    rows[2]["rejected"] = "correctness=1 empathy=4 contradicts"
    monkeypatch.setattr(caregiver, "load", lambda *_: rows)
    found = records_of(scored(["a"] * 3, ["b"] * 3)).loc["ebd.check"].droplevel("group")
    assert found.loc[("the rejected answer", "correctness"), "value"] == pytest.approx(
        (1 + 0.5 + 0) / 3
    )
    assert found.loc[
        ("the preferred answer to another question", "empathy"), "value"
    ] == pytest.approx((1 + 1 + 0.5) / 3) and set(found.n) == {3}
    rows[0]["rejected"] = "blind"
    row = (
        records_of(scored(["a"] * 3, ["b"] * 3))
        .loc["ebd.check", "the rejected answer", "correctness"]
        .iloc[0]
    )
    assert (row.value, row.n, row.unscored) == (0.25, 2, 1)


def test_a_text_that_is_not_english_has_no_grade(scored):
    answers = ["悲しみと怒りと喜びと安心。", "The cat sat on the mat."], ["", "Rest."]
    table = scored(*answers, until="readability.grade_by_textstat").table
    base = table[table.system == "ebd-base"].grade.tolist()
    assert (
        np.isnan(base[0])
        and base[1] < 2
        and np.isnan(table[table.system == "ebd-dpo"].grade.tolist()[0])
    )


class ChatJudge(RuleJudge, remote.Chat):
    """The same with a chat for G-Eval: number 2, or 4 where the reference comes last;
    with log-probabilities, or without.
    """

    _map = decisions.Reader._map

    def __init__(self, store, logprobs):
        RuleJudge.__init__(self)
        self.store, self.with_logprobs, self.completed = store, logprobs, []

    def reply(self, text):
        self.completed.append(text)
        number = (
            "4"
            if TESTS[0]["chosen"] in text.rpartition(" answer\n")[2]
            or TESTS[1]["chosen"] in text.rpartition(" answer\n")[2]
            else "2"
        )
        likeliest = {"x": 0.2, "5": 0.2, number: 0.6} if self.with_logprobs else {}
        return remote.Reply(number, likeliest)


@pytest.mark.parametrize("logprobs", [True, False])
def test_the_slips_are_repeated_on_the_same_answers(scored, home, monkeypatch, logprobs):
    judges = []

    def reader(*_):
        judges.append(ChatJudge(Store(home / "chat.sqlite"), logprobs))
        return judges[-1]

    answers = (["contradicts politeness=5 correctness=2", "blind"], ["fine", "fine"])
    for until in (RECORDED, RECORDED if logprobs else ""):  # bare and unread numbers are shown
        played = scored(*answers, slip_rows=2, reader=reader, until=until)
    found = records_of(played).loc["ebd.slips"]
    slips = found.loc["ebd-base"]
    entailed = slips.loc["entailed", "as meant"]
    assert (entailed.value, entailed.n, entailed.unscored) == (0.0, 1, 1), (
        "what the judge cannot read is counted, not called entailed"
    )
    assert (
        slips.loc["entailed", "ENTAILMENT sought in the label"].value == 1.0
        and slips.loc["entailed", "exchanged"].value == 1.0
    )
    assert (
        slips.loc["politeness", "as meant"].value == 5.0
        and slips.loc["politeness", "by the correctness metric"].value == 2.0
    )
    right, exchanged = (
        slips.loc["correctness by G-Eval", how] for how in ("as meant", "exchanged")
    )
    assert (
        (right.value, exchanged.value)
        == (pytest.approx((2 * 0.6 + 5 * 0.2) / 0.8), pytest.approx((4 * 0.6 + 5 * 0.2) / 0.8))
        if logprobs
        else (2.0, 4.0)
    )
    assert slips.loc["correctness by G-Eval", "the likeliest number alone"].value == 2.0
    assert right.signature.startswith("BARE NUMBER") != logprobs
    assert len(judges[0].completed) == 8 and not judges[1].completed, (
        "the store keeps what a service answered, and how"
    )


def test_without_a_chat_the_slips_are_not_measured(scored, capsys):
    found = records_of(scored(["a"], ["b"], slip_rows=1, until=""))
    assert (
        "ebd.slips" not in found.index.get_level_values("table")
        and "the slips are not measured" in capsys.readouterr().out
    )


def test_bare_numbers_are_said_to_be_bare(scored, monkeypatch):
    monkeypatch.setattr(
        RuleJudge,
        "_answer",
        lambda self, name, answer, asked: {
            option: float(k == 0)
            for k, option in enumerate(
                [str(k) for k in range(5)] if asked["type"] == "score" else list(asked["criteria"])
            )
        },
    )
    assert (
        records_of(scored(["a"], ["b"]))
        .loc["ebd.factual", "ebd-dpo", "correctness", "all"]
        .signature.startswith("BARE NUMBERS")
    )


@pytest.fixture
def service(monkeypatch):
    """A service that answers chats and embeds texts; what it was asked is kept."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    whole = openai.OpenAI
    monkeypatch.setattr(
        remote.openai, "OpenAI", lambda **given: whole(**given | {"max_retries": 0, "timeout": 5})
    )

    def reply(path, body):
        if path.endswith("/embeddings"):
            return 200, {
                "object": "list",
                "model": body["model"],
                "data": [
                    {
                        "object": "embedding",
                        "index": k,
                        "embedding": [3.0, 4.0 if "cat" in text else 0.0],
                    }
                    for k, text in enumerate(body["input"])
                ],
            }
        if body["model"] == "broken":
            return 404, {"error": {"message": f"no such model: {body['model']}"}}
        return 200, {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "A cat."},
                }
            ],
        }

    local = Local(reply)
    yield local
    local.server.shutdown()
    local.server.server_close()


def test_a_service_answers_and_is_not_asked_twice(scored, service):
    given = {"commercial": "big", "commercial_endpoint": service.address}
    first = scored(["The dog."] * 3, ["A dog."] * 3, until="systems = list(", **given)
    assert (
        first.table[first.table.system == "big"].answer.tolist() == ["A cat."] * 3
        and len(service.asked) == 3
    )
    assert service.asked[0]["temperature"] == 0.0 and service.asked[0]["max_tokens"] == 4
    scored(["The dog."] * 3, ["A dog."] * 3, until="other_answers.of_service(", **given)
    assert len(service.asked) == 3


def test_a_service_that_fails_is_named(scored, service):
    with pytest.raises(
        EmoError, match="refuses .*no such model: broken.*what was answered is kept"
    ):
        scored(["a"], ["b"], commercial="broken", commercial_endpoint=service.address)
    with pytest.raises(EmoError, match="gave no embeddings by ada"):
        scored(["a"], ["b"], embedding_service="ada", embedding_endpoint="http://127.0.0.1:9/v1")


def test_similarity_by_a_service_is_the_cosine_of_its_vectors(scored, service):
    found = records_of(
        scored(
            ["The cat."],
            ["The dog."],
            embedding_service="ada",
            embedding_endpoint=service.address,
            commercial="big",
            commercial_endpoint=service.address,
            until="",
        )
    )
    cosine = (
        found.loc["ebd.semantic"]
        .value.xs("all", level="group")
        .xs("cosine_service", level="metric")
    )
    reference = "cat" in TESTS[0]["chosen"]
    assert cosine["ebd-base"] == pytest.approx(1.0 if reference else 0.6) and cosine[
        "ebd-dpo"
    ] == pytest.approx(0.6 if reference else 1.0)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"profile": "embedded", "endpoint": "http://nowhere/v1"},
        {"profile": "embedded", "slip_rows": 0},
    ],
)
def test_a_full_run_is_kept_only_where_its_numbers_mean_something(home, given):
    with pytest.raises(EmoError, match="parameter 'keep'"):
        play("10_ebd_scores", keep=True, until="if keep", **given)


# 10.2: what is left open


def rule_answers(model, tokenizer, rows, task, system, **settings):
    """The tuned systems say a kind sentence first, and answer `few_words` in two words."""
    texts = [
        "Rest now."
        if row.get("voice") == "few_words" and system == "ebd-dpo"
        else ("You are not alone with this. " if system != "ebd-base" else "")
        + "Take him to the doctor today."
        for row in rows
    ]
    return pd.DataFrame(
        [
            {
                "id": row["id"],
                "emotion": "",
                "system": system,
                "question": row["question"],
                "answer": text,
                "tokens": 9,
                "complete": True,
            }
            for row, text in zip(rows, texts, strict=True)
        ]
    )


def open_chapter(home, patch):
    """The chapter, to be played with answers that follow a rule."""
    put_answers(
        home, ebd_base=["Call an ambulance now."] * 3, ebd_dpo=["Drink tea. Drink tea."] * 3
    )
    for system in ("base", "eqsr-dpo"):
        pd.DataFrame(
            [
                answer("Rest.", row | {"prompt": row["question"]}, system)
                for row in dialogues.load("test")[:3]
            ]
        ).to_parquet(home / f"results/smoke/answers/{system}.parquet", index=False)
    for system in ("ebd-dpo", "eqsr-dpo"):
        (home / "checkpoints" / "smoke" / system).mkdir(parents=True)
        (home / "checkpoints" / "smoke" / system / "companion.json").write_text(
            json.dumps({"base_model": "tiny-llama", "starts_from": []})
        )
    whole = loading.load
    patch.setattr(
        loading,
        "load",
        lambda name, dtype="float32", checkpoints=(), quantization="none": whole(name, dtype),
    )
    patch.setattr("emo_utils.generation.answering.answer_questions", rule_answers)
    return lambda **given: play("10_ebd_open", **{"test_rows": 3, "voice_rows": 2} | given)


@pytest.fixture
def opened(home, monkeypatch):
    return open_chapter(home, monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny):
    """The whole chapter, once, what it prints, and a folder in which two people compared its
    answers, when the first one of the tuned system was another.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = home_in(tmp_path_factory.mktemp("open"), patch)
        chapter = open_chapter(folder, patch)
        tables = [
            pd.read_parquet(folder / f"results/smoke/answers/{system}.parquet")
            for system in ("ebd-base", "ebd-dpo")
        ]
        tables[1].loc[0, "answer"] = EARLIER
        kit = compared(folder / "kit", tables)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            played = chapter(ratings=str(kit))
        return SimpleNamespace(
            played=played, found=records_of(played), printed=printed.getvalue(), kit=kit
        )


EARLIER = "Drink tea. Drink tea. And again."


def compared(folder, tables):
    """Sheets on these answers, and what came back: everybody takes the tea, wherever it stands."""
    forms.make_comparisons(*tables, folder, group_size=3, raters=2)
    for sheet in ("g001r1", "g001r2"):
        shown = content(folder, sheet)
        given = {
            item["code"]: {
                r["name"]: 1 if "tea" in item["answers"][0] else 5 for r in shown["rubrics"]
            }
            for item in shown["items"]
        }
        (folder / "returned" / f"{sheet}.json").write_text(
            json.dumps(
                {
                    "kit": shown["kit"],
                    "sheet": sheet,
                    "rater": sheet,
                    "saved": "1",
                    "ratings": given,
                }
            ),
            encoding="utf-8",
        )
    return folder


def test_open_questions_are_measured_as_by_hand(whole):
    played, found = whole.played, whole.found
    base = played.plain[played.plain.system == "ebd-base"]
    urgent = [sentence_marks.names_urgent_help(TESTS[k]["chosen"]) for k in range(3)]
    row = found.loc["ebd.simplicity", "ebd-base", "urgent", "all"]
    assert (row.value, row.n, row.unscored) == (1.0, sum(urgent), 3 - sum(urgent))
    assert base.letters.tolist() == pytest.approx(
        [19 / 4] * 3
    )  # Call an ambulance now. has 22 characters, 3 of them spaces
    assert found.loc["ebd.simplicity", "ebd-base", "words", "all"].value == 4.0


def test_transfer_is_the_difference_to_the_start_of_each_test(whole):
    found = whole.found.loc["ebd.transfer"]
    words = found.xs("words", level="metric").value
    assert (
        words["ebd-dpo", "EmoDoctor's questions"] == 12 - 1
        and words["eqsr-dpo", "EmoDoctor's questions"] == 0
    )  # six words after six; "Rest."
    assert (
        words["eqsr-dpo", "caregivers' questions"] == 12 - 4
        and words["ebd-dpo", "caregivers' questions"] == 0
    )
    assert set(found.n) == {3}


def test_voices_are_compared_with_the_original_question(whole):
    found = whole.found.loc["ebd.voices"]
    assert set(found.index.get_level_values("group")) == {
        "original again",
        "teenager",
        "older",
        "second_language",
        "few_words",
        "clinician",
        "family_duty",
    }
    words = found.xs("words", level="metric")
    assert (
        words.loc[("ebd-dpo", "few_words")].value == 2 - 12
        and words.loc[("ebd-base", "few_words")].value == 0
        and words.loc[("ebd-dpo", "older")].value == 0
    )
    assert set(found.n) == {2} and set(found.interval) == {"none"}, (
        "over two questions an interval would be narrow by chance"
    )


def test_systems_of_different_starts_are_not_compared(opened, home, capsys):
    (home / "checkpoints" / "smoke" / "eqsr-dpo" / "companion.json").write_text(
        json.dumps({"base_model": "another", "starts_from": []})
    )
    found = records_of(opened(test_rows=2, voice_rows=1))
    printed = capsys.readouterr().out
    assert (
        "ebd.transfer" not in found.index.get_level_values("table")
        and "transfer is not measured" in printed
    )
    assert "Nobody has compared any of these answers yet" in printed


def test_a_kept_run_makes_no_training_due(home, monkeypatch):
    for run in ("10_empathy_by_design.ebd-dpo", "10_empathy_by_design.ebd-dpo@beta=0.3"):
        assert not any("reference" in path.parts for path in steps.step(run).files)


def test_what_is_not_kept_an_unknown_sweep_and_a_missing_checkpoint_are_named(opened, home):
    with pytest.raises(EmoError, match="parameter 'sweep' .*ebd_grid, ebd_shortcuts"):
        play("10_ebd_sweep", sweep="beta")
    with pytest.raises(EmoError, match="'keep' is for a profile whose numbers mean something"):
        opened(keep=True)
    shutil.rmtree(home / "checkpoints" / "smoke" / "eqsr-dpo")
    with pytest.raises(EmoError, match="the checkpoint of eqsr-dpo .* is missing; make it with"):
        opened()


def test_a_sweep_scores_its_variants_and_nothing_else(home):
    variants = sweeps.read("ebd_shortcuts", (1,))["variants"]
    folder = home / "results" / "smoke" / "variants"
    (folder / "answers").mkdir(parents=True)
    training = {"system": "ebd-dpo", "value": 0.5, "ci_low": 0.5, "ci_high": 0.5, "n": 10}
    training |= {"scorer": "trainer", "seed": 1, "signature": "how", "interval": "none"}
    tables = {"kl_per_token": "ebd.training", "answer_tokens": "ebd.training", "words": "ebd.pairs"}
    records = [training | {"table": table, "metric": name} for name, table in tables.items()]
    for count, variant in enumerate(variants, start=1):
        content = {"records": records, "provenance": {}}
        (folder / f"{variant}.json").write_text(json.dumps(content), encoding="utf-8")
        rows = [answer("word " * count, row, "ebd-dpo") for row in TESTS[:2]]
        pd.DataFrame(rows).to_parquet(folder / "answers" / f"{variant}.parquet", index=False)
    found = records_of(play("10_ebd_sweep", sweep="ebd_shortcuts", seeds="1"))
    assert set(found.index.get_level_values("table")) == {"ebd.ebd_shortcuts"}
    found = found.loc["ebd.ebd_shortcuts"].value
    assert [found[variant, "words", "all"] for variant in variants] == [1, 2, 3, 4, 5]
    assert [found[variant, "kl_per_token", "all"] for variant in variants] == [0.5] * 5
    assert len(found) == 5 * (1 + 7)
    (folder / f"{variants[3]}.json").unlink()
    with pytest.raises(EmoError, match=f"the variant {re.escape(variants[3])} .* is missing"):
        play("10_ebd_sweep", sweep="ebd_shortcuts", seeds="1")


def test_what_people_chose_stands_beside_the_measures(whole):
    """One answer was made again since it was compared."""
    people = whole.found.loc["ebd.people"]
    chosen = people.xs("chosen", level="group")
    assert set(chosen.value) == {1.0} and set(chosen.n) == {3}
    assert set(people.interval) == {"none"}
    assert (
        "1 of 3 questions were compared with other answers than this page's" in whole.printed
        and "chosen" not in whole.printed.partition("compared with other")[0]
    )
    assert people.loc["ebd-dpo", "plain", "letters"].n == 2


def test_choices_between_the_answers_of_the_page_are_held_against_their_scores(whole):
    now = whole.played.plain
    first = (now.system == "ebd-dpo") & (now.id == TESTS[0]["id"])
    answers = now.assign(answer=now.answer.mask(first, EARLIER))
    people, notes = choices.returned(whole.kit)
    assert notes == [] and choices.remark(people, answers) == []
    records = pd.DataFrame(choices.records(people, answers, ["letters", "words"], 42))
    records = records.set_index(["system", "metric", "group"]).sort_index()
    chosen = records.xs("chosen", level="group")
    assert set(chosen.value) == {1.0} and set(records.n) == {3}
    assert (
        records.loc[("ebd-dpo", "plain", "letters")].value == 0.0
        and ("ebd-dpo", "plain", "words") not in records.index
    )  # 4.5 letters a word against 4.75; as many words tell nothing apart
    assert records.loc[("ebd-dpo", "plain", "letters")].unscored == 0
