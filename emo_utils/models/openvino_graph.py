"""A loaded Llama or Qwen2 as OpenVINO's graph, which `engines` lets answer.

The graph is built layer by layer from the weights in memory, merged adapters included: nothing is
exported, written to the disk or traced, and no version of transformers is asked for. Only the
package `openvino` is needed, which is no dependency: this module is imported where it is there.
"""

import ctypes

import numpy as np
import openvino
import torch
from openvino import opset13 as op

FORMATS = ("int8", "int4", "bf16", "fp32")  # of weights
NEVER = -1e9  # added to the score of a token that may not be seen; finite also when in bf16
GROUP = 32  # weights that share a scale and a zero in 4 bits
ROWS = 4096  # of a matrix that are in fp32 at once while it is rounded


def _integers(*values: int):
    return op.constant(np.array(values, dtype=np.int64))


def _numbers(values: torch.Tensor):
    return op.constant(values.detach().float().numpy())


def _packed(bits: np.ndarray, shape, kind):
    """A constant of a type that numpy lacks, out of its bits."""
    tensor = openvino.Tensor(kind, openvino.Shape(list(shape)))  # which owns its memory
    tensor.data.view(bits.dtype).ravel()[:] = bits.ravel()
    return op.constant(tensor)


def _nibbles(values: torch.Tensor):
    """A constant of whole numbers from 0 to 15, two to a byte."""
    pairs = values.to(torch.uint8).view(-1, 2)
    bits = (pairs[:, 0] | (pairs[:, 1] << 4)).numpy()
    return op.convert(_packed(bits, values.shape, openvino.Type.u4), np.float16)


def _weight(values: torch.Tensor, form: str):
    """A matrix (rows, columns) in one of FORMATS, as the node that gives it back in fp32.

    int8: whole numbers with one scale a row. int4: with a scale and a zero for GROUP of a row.
    """
    if form == "fp32":
        return _numbers(values)
    if form == "bf16":
        bits = values.detach().bfloat16().contiguous().view(torch.int16).numpy()
        return op.convert(_packed(bits, values.shape, openvino.Type.bf16), np.float32)
    if form == "int8":
        whole, scales = torch.empty(values.shape, dtype=torch.int8), []
        for rows, part in zip(whole.split(ROWS), values.detach().split(ROWS), strict=True):
            scales.append(part.float().abs().amax(1, keepdim=True).clamp_min(1e-12) / 127)
            rows.copy_((part.float() / scales[-1]).round())
        widened = op.convert(op.constant(whole.numpy()), np.float32)
        return op.multiply(widened, _numbers(torch.cat(scales)))
    values = values.detach().float()
    grouped = values.view(len(values), -1, GROUP)
    low, high = grouped.amin(2, keepdim=True), grouped.amax(2, keepdim=True)
    scale = (high - low).clamp_min(1e-6) / 15
    zero = (-low / scale).round().clamp(0, 15)
    whole = (grouped / scale + zero).round().clamp(0, 15)
    spread = op.multiply(
        op.subtract(_nibbles(whole), _nibbles(zero)), op.constant(scale.half().numpy())
    )
    return op.convert(op.reshape(spread, _integers(*values.shape), False), np.float32)


def _product(x, layer, form: str):
    product = op.matmul(x, _weight(layer.weight, form), False, True)
    return product if layer.bias is None else op.add(product, _numbers(layer.bias[None, None]))


def _norm(x, layer):
    square = op.reduce_mean(op.power(x, np.float32(2)), _integers(-1), True)
    root = op.sqrt(op.add(square, np.float32(layer.variance_epsilon)))
    return op.multiply(op.multiply(x, op.divide(np.float32(1), root)), _numbers(layer.weight))


def _heads(x, count: int, width: int):
    split = op.reshape(x, _integers(0, 0, count, width), True)
    return op.transpose(split, _integers(0, 2, 1, 3))


def _turned(x, cos, sin, width: int):
    first, second = (
        op.slice(x, _integers(a), _integers(b), _integers(1), _integers(3))
        for a, b in ((0, width // 2), (width // 2, width))
    )
    across = op.concat([op.multiply(second, np.float32(-1)), first], 3)
    return op.add(op.multiply(x, cos), op.multiply(across, sin))


def _remembered(new, name: str, beam, batch, shared: int, heads: int, width: int):
    """Keys or values of all tokens so far, for each head, and what keeps them."""
    about = openvino.op.util.VariableInfo()
    about.data_shape = openvino.PartialShape([-1, shared, -1, width])
    about.data_type = openvino.Type.f32
    about.variable_id = name
    variable = openvino.op.util.Variable(about)
    none = op.broadcast(
        np.float32(0), op.concat([batch, _integers(shared), _integers(0), _integers(width)], 0)
    )
    past = op.gather(op.read_value(none, variable), beam, np.int32(0))
    whole = op.concat([past, new], 2)
    kept = op.assign(whole, variable)
    if heads == shared:
        return whole, kept
    sizes = op.shape_of(whole)
    several = [
        op.gather(sizes, _integers(0), _integers(0)),
        _integers(shared),
        _integers(heads // shared),
        op.gather(sizes, _integers(2), _integers(0)),
        _integers(width),
    ]
    copies = op.broadcast(
        op.unsqueeze(whole, _integers(2)),
        op.concat(several, 0),
        broadcast_spec="BIDIRECTIONAL",
    )
    return op.reshape(copies, _integers(0, heads, -1, width), True), kept


def build(model, form: str) -> openvino.Model:
    """The graph of a loaded model with its products' weights in `form`.

    Inputs: embeds (batch, new tokens, width), cos and sin of their positions (batch, 1, new tokens,
    head width), mask (batch, 1, new tokens, all tokens) added to the scores, beam_idx (batch): the
    row of the pass before that each row goes on from, wanted (n): places among the new tokens.
    Output: logits (batch, n, vocabulary).
    """
    config = model.config
    heads, shared = config.num_attention_heads, config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    inputs = {
        "embeds": op.parameter([-1, -1, config.hidden_size], np.float32),
        "cos": op.parameter([-1, 1, -1, width], np.float32),
        "sin": op.parameter([-1, 1, -1, width], np.float32),
        "mask": op.parameter([-1, 1, -1, -1], np.float32),
        "beam_idx": op.parameter([-1], np.int32),
        "wanted": op.parameter([-1], np.int64),
    }
    for name, node in inputs.items():
        node.output(0).set_names({name})
    x, cos, sin, mask, beam, wanted = inputs.values()
    batch, kept = op.gather(op.shape_of(x), _integers(0), _integers(0)), []
    for number, layer in enumerate(model.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        h = _norm(x, layer.input_layernorm)
        query = _turned(_heads(_product(h, attention.q_proj, form), heads, width), cos, sin, width)
        key = _turned(_heads(_product(h, attention.k_proj, form), shared, width), cos, sin, width)
        value = _heads(_product(h, attention.v_proj, form), shared, width)
        sizes = (beam, batch, shared, heads, width)
        keys, key_kept = _remembered(key, f"{number}.key", *sizes)
        values, value_kept = _remembered(value, f"{number}.value", *sizes)
        kept += [key_kept, value_kept]
        read = op.scaled_dot_product_attention(
            query, keys, values, mask, np.float32(attention.scaling)
        )
        joined = op.reshape(
            op.transpose(read, _integers(0, 2, 1, 3)), _integers(0, 0, heads * width), True
        )
        x = op.add(x, _product(joined, attention.o_proj, form))
        h = _norm(x, layer.post_attention_layernorm)
        gate = op.swish(_product(h, mlp.gate_proj, form))
        x = op.add(
            x, _product(op.multiply(gate, _product(h, mlp.up_proj, form)), mlp.down_proj, form)
        )
    last = op.gather(_norm(x, model.model.norm), wanted, np.int32(1))
    logits = op.result(_product(last, model.lm_head, form))
    return openvino.Model([logits], kept, list(inputs.values()), "causal language model")


class Engine:
    """A compiled model. weights: one of FORMATS; products: number format of what is multiplied with
    them and of the remembered keys and values (bf16 or fp32); dynamic: activations are rounded to
    8 bits as well, GROUP at a time.
    """

    def __init__(self, model, weights: str, products: str = "bf16", dynamic: bool = False):
        self.model, kind = model, {"bf16": "bf16", "fp32": "f32"}[products]
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": kind,
            "KV_CACHE_PRECISION": kind,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP if dynamic else 0,
        }
        compiled = openvino.Core().compile_model(build(model, weights), "CPU", settings)
        self.request = compiled.create_infer_request()
        # glibc keeps what was free between two matrices, gigabytes in all.
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)

    def forget(self) -> None:
        self.request.reset_state()

    @torch.inference_mode()
    def logits(self, ids, positions, mask, beam, wanted) -> torch.Tensor:
        """Logits at the wanted places of new tokens, shape (batch, wanted, vocabulary), in fp32."""
        embeds = self.model.get_input_embeddings()(ids).float()
        cos, sin = self.model.model.rotary_emb(embeds, positions)
        found = self.request.infer(
            {
                "embeds": embeds.numpy(),
                "cos": cos[:, None].numpy(),
                "sin": sin[:, None].numpy(),
                "mask": mask.numpy(),
                "beam_idx": np.array(beam, dtype=np.int32),
                "wanted": np.array(wanted, dtype=np.int64),
            },
            share_inputs=True,
        )
        return torch.from_numpy(found[0])

    def read(self, ids, positions, seen, wanted) -> torch.Tensor:
        """Logits at places of one row of tokens, shape (wanted, vocabulary).

        seen: what each token may see, shape (total, total).
        """
        mask = torch.zeros(1, 1, len(ids), len(ids)).masked_fill(~seen, NEVER)
        self.forget()
        return self.logits(torch.tensor([ids]), torch.tensor([positions]), mask, [0], wanted)[0]

    def generate(self, prompts: list[list[int]], tokens: int, end: int | None, pick) -> list:
        """Token ids of answers of at most so many tokens; a row that has written `end` leaves the
        batch, and its remembered keys with it.

        pick: logits (rows, vocabulary) -> the next token of each row.
        """
        longest = max(map(len, prompts))
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        seen = torch.zeros(len(prompts), longest, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            seen[row, longest - len(prompt) :] = True
        positions = (seen.long().cumsum(1) - 1).clamp_min(0)
        allowed = torch.ones(longest, longest, dtype=torch.bool).tril() & seen[:, None, None]
        mask = torch.zeros(len(prompts), 1, longest, longest).masked_fill(~allowed, NEVER)
        self.forget()
        answers, rows = [[] for _ in prompts], list(range(len(prompts)))
        logits = self.logits(ids, positions, mask, rows, [longest - 1])[:, 0]
        positions = positions[:, -1:]
        while True:
            chosen = pick(logits)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                answers[row].append(token)
            going = [place for place, row in enumerate(rows) if answers[row][-1] != end]
            if not going or len(answers[rows[0]]) >= tokens:
                return answers
            rows = [rows[place] for place in going]
            seen = torch.nn.functional.pad(seen[going], (0, 1), value=True)
            positions = positions[going] + 1
            mask = torch.zeros(len(rows), 1, 1, seen.shape[1])
            mask.masked_fill_(~seen[:, None, None], NEVER)
            logits = self.logits(chosen[going][:, None], positions, mask, going, [0])[:, 0]
