"""Which of several labels a model gives a dialogue (EmplifAI, Section 4): the question with its
options in several orders, the scores of all labels from one pass, and answers written out.

How good the answers are is in `scoring.labels`.
"""

import numpy as np

from emo_utils.data import emplifai
from emo_utils.generation import answering, prompts
from emo_utils.judging import decisions

EMPTY = emplifai.as_scene("―", ["―"] * 4)  # a dialogue that says nothing


def option_orders(labels: list[str], count: int) -> list[list[str]]:
    """The first `count` (at most four) of these orders: as given, from the end, from the middle,
    and the third from its end.

    Over two or four of them each label stands at the same mean place.
    """
    half = len(labels) // 2
    from_the_middle = labels[half:] + labels[:half]
    return [labels, labels[::-1], from_the_middle, from_the_middle[::-1]][:count]


def reading_plan(true, lists: int, orders: int) -> np.ndarray:
    """In which of the lists of options each dialogue is read: in `orders` of them; boolean, shape
    (lists, dialogues).

    true: index of each dialogue's true label. The dialogues of a label take turns, and so do the
    labels, so that a label's dialogues are not all read in the list in which it stands first.
    """
    true = np.asarray(true)
    earlier = np.array([(true[:i] == label).sum() for i, label in enumerate(true)], dtype=int)
    return (true + earlier + np.arange(lists)[:, None]) % lists < orders


def messages(dialogue: str, options: list[str]) -> list[dict]:
    """What the model is asked: the options in their order, then the dialogue."""
    content = prompts.text("emplifai_label", options="、".join(options), dialogue=dialogue)
    return [{"role": "user", "content": content}]


def question(tokenizer, dialogue: str, options: list[str]) -> str:
    """The whole prompt, up to where the model answers."""
    return tokenizer.apply_chat_template(
        messages(dialogue, options), add_generation_prompt=True, tokenize=False
    )


def label_scores(
    model, tokenizer, dialogues: list[str], lists: list[list[str]], plan: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of each label as the whole answer: of the dialogues, shape (lists, dialogues,
    labels), NaN where `plan` has a dialogue not read in a list; and of a dialogue that says
    nothing, shape (lists, labels). Labels stand in the order of the first list.
    """
    labels = lists[0]
    scores = np.full((*plan.shape, len(labels)), np.nan)
    empty = np.zeros((len(lists), len(labels)))
    for number, options in enumerate(lists):
        read = np.flatnonzero(plan[number])
        texts = [*(dialogues[i] for i in read), EMPTY]
        asked = [question(tokenizer, text, options) for text in texts]
        table = decisions.word_scores(model, tokenizer, asked, labels)
        scores[number, read], empty[number] = table[:-1], table[-1]
    return scores, empty


def written_labels(model, tokenizer, dialogues: list[str], options: list[str]) -> list[str]:
    """First line of what the model answers to each dialogue, decoded greedily, at most 16 tokens,
    without quotation marks and stops around it: any word, or none.
    """
    if not dialogues:
        return []
    answers = answering.complete(
        model,
        tokenizer,
        [messages(text, options) for text in dialogues],
        max_new_tokens=16,
        temperature=0,
        batch_size=1,
        seed=0,  # greedy: nothing is drawn
        desc="written answers",
    )
    return [text.split("\n")[0].strip("「」。、 ") for text, _, _ in answers]
