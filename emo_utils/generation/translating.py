"""Texts put into English by a model of the book, for readers: unchecked, and in no number."""

from emo_utils.generation import answering


def to_english(model, tokenizer, texts: list[str], *, max_new_tokens: int, seed: int) -> list[str]:
    """What the model makes of Japanese dialogues in English, line by line, decoded greedily; cut
    off at `max_new_tokens`.
    """
    ask = "Translate this Japanese dialogue into English, line by line."
    translated = answering.complete(
        model,
        tokenizer,
        [[{"role": "user", "content": f"{ask}\n\n{text}"}] for text in texts],
        max_new_tokens=max_new_tokens,
        temperature=0,
        batch_size=4,
        seed=seed,
        desc="translation",
    )
    return [text for text, _, _ in translated]
