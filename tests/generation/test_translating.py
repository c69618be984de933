"""A translation is what the model writes after the request, nothing else."""

from emo_utils.generation import translating
from emo_utils.models import loading


def test_a_translation_is_the_models_greedy_answer(tiny):
    model, tokenizer = loading.load("tiny-llama", "float32")
    texts = ["患者: つらいです。", "支援者: " + "そうですか。" * 20]
    found = translating.to_english(model, tokenizer, texts, max_new_tokens=5, seed=0)
    for text, translated in zip(texts, found, strict=True):
        request = f"Translate this Japanese dialogue into English, line by line.\n\n{text}"
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": request}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        output = model.generate(**inputs, max_new_tokens=5, do_sample=False)
        new = output[0, inputs["input_ids"].shape[1] :]
        assert translated == tokenizer.decode(new, skip_special_tokens=True).strip()
