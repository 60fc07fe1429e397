"""Small Transformers models, exported to ONNX by both exporters of PyTorch, with logits, loss and gradients.

    python -m venv venv
    venv/bin/pip install torch==2.13.0 transformers==5.17.0 peft==0.21.0 onnx==1.23.2 onnxscript==0.7.2
    venv/bin/python tools/goldens/onnx-export/make.py packages/plugins/onnx-model/test/fixtures

Writes `<model>.<exporter>.onnx.gz` (`ts`: the TorchScript exporter with constant folding, as optimum calls it; `dynamo`:
torch.export) and `<model>.json`. The files are what the exporters wrote, without stack traces and compressed. Weights are random and no two
of them are equal, because exporters merge equal ones. Goldens are computed in float64 from the float32 weights: gradients
in full for a few parameters, and of every parameter its norm and its products with cos(i) and sin(i).
"""

import base64
import gzip
import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import (
    BertConfig, BertForSequenceClassification, BertModel, CLIPTextConfig, CLIPTextModelWithProjection,
    DistilBertConfig, DistilBertForSequenceClassification, DynamicCache, GPT2Config, GPT2LMHeadModel, LlamaConfig,
    LlamaForCausalLM, ViTConfig, ViTForImageClassification, WhisperConfig, WhisperModel,
)  # fmt: skip

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
OUT = Path(sys.argv[1])
VOCAB, HIDDEN, HEADS, LAYERS, MLP, POSITIONS, CLASSES = 48, 16, 4, 2, 32, 24, 3
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def bert(cls=BertForSequenceClassification):
    return cls(BertConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=MLP, max_position_embeddings=POSITIONS, num_labels=CLASSES,
    ))  # fmt: skip


def distilbert():
    return DistilBertForSequenceClassification(DistilBertConfig(
        vocab_size=VOCAB, dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS, hidden_dim=MLP,
        max_position_embeddings=POSITIONS, num_labels=CLASSES,
    ))  # fmt: skip


def gpt2():
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=VOCAB, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_inner=MLP, n_positions=POSITIONS,
        use_cache=False, **TOKENS,
    ))  # fmt: skip


def llama():
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=2, intermediate_size=MLP, max_position_embeddings=POSITIONS, tie_word_embeddings=True,
        use_cache=False, **TOKENS,
    ))  # fmt: skip


def vit():
    return ViTForImageClassification(ViTConfig(
        hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=MLP,
        image_size=16, patch_size=8, num_labels=CLASSES,
    ))  # fmt: skip


def clip():
    return CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=MLP, projection_dim=8, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, max_position_embeddings=POSITIONS, **TOKENS,
    ))  # fmt: skip


def whisper():
    return WhisperModel(WhisperConfig(
        vocab_size=VOCAB, d_model=HIDDEN, encoder_layers=LAYERS, encoder_attention_heads=HEADS, encoder_ffn_dim=MLP,
        decoder_layers=1, decoder_attention_heads=HEADS, decoder_ffn_dim=MLP, num_mel_bins=8, max_source_positions=16,
        decoder_start_token_id=1, **TOKENS,
    )).get_encoder()  # fmt: skip


def cross_entropy(out):
    return F.cross_entropy(out, torch.tensor([2, 0]))


def next_token(out, ids, mask):
    """Mean over the positions whose next token is no padding."""
    targets = torch.where(mask[:, 1:] == 1, ids[:, 1:], -100)
    return F.cross_entropy(out[:, :-1].reshape(-1, VOCAB), targets.reshape(-1), ignore_index=-100)


def squares(out):
    """A loss that weighs every element differently."""
    weight = torch.cos(torch.arange(out[0].numel(), dtype=out.dtype)).reshape(out[0].shape)
    return (weight * out * out).mean()


generator = torch.Generator().manual_seed(20240607)
ids = torch.randint(3, VOCAB, (2, 7), generator=generator)
mask = torch.ones(2, 7, dtype=torch.long)
ids[1, 5:], mask[1, 5:] = 0, 0
ids[0, 6], ids[1, 4] = 2, 2
text = {"input_ids": ids, "attention_mask": mask}
segments = {**text, "token_type_ids": (torch.arange(7)[None] > 3).long() * mask}
image = {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator)}
audio = {"input_features": torch.randn(2, 8, 32, generator=generator)}

# name: model, attention, inputs, output, loss, parameters whose gradients are stored in full
MODELS = {
    "bert": (bert, "eager", segments, "logits", cross_entropy,
             ["bert.encoder.layer.0.attention.self.query.weight", "classifier.weight"]),
    "distilbert": (distilbert, "sdpa", text, "logits", cross_entropy,
                   ["distilbert.embeddings.word_embeddings.weight", "classifier.bias"]),
    # Without the padding, whose embedding PyTorch gives no gradient.
    "bert-features": (lambda: bert(BertModel), "sdpa", segments, "last_hidden_state", lambda out: squares(out[:, :5]),
                      ["encoder.layer.1.intermediate.dense.weight"]),
    "gpt2": (gpt2, "sdpa", text, "logits", lambda out: next_token(out, ids, mask),
             ["transformer.h.0.attn.c_attn.weight"]),
    "llama": (llama, "sdpa", text, "logits", lambda out: next_token(out, ids, mask),
              ["model.layers.0.self_attn.k_proj.weight", "model.norm.weight"]),
    "vit": (vit, "sdpa", image, "logits", cross_entropy, ["vit.layers.0.attention.q_proj.weight"]),
    "clip-text": (clip, "eager", text, "text_embeds", squares, ["text_projection.weight"]),
    "whisper-encoder": (whisper, "sdpa", audio, "last_hidden_state", squares, ["conv1.weight"]),
}  # fmt: skip


def call(forward, inputs, output):
    return forward(**inputs)[output]


def encode(x):
    kinds = {torch.float64: torch.float32, torch.float32: torch.float32, torch.int64: torch.int64}
    x = x.detach().to(kinds[x.dtype]).contiguous()
    data = base64.b64encode(x.numpy().tobytes()).decode()
    return {"dtype": "int64" if x.dtype == torch.int64 else "float32", "shape": list(x.shape), "data": data}


def projections(grad):
    flat = grad.detach().flatten().numpy()
    at = np.arange(flat.size)
    return [float(np.linalg.norm(flat)), float(flat @ np.cos(at)), float(flat @ np.sin(at))]


def compressed(name, write):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write(str(path))
        proto = onnx.load(str(path))
    for node in proto.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    data = proto.SerializeToString()
    target = OUT / f"{name}.onnx.gz"
    target.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{target.name}: {len(data)} bytes, {target.stat().st_size} compressed")


def axes(inputs, first, second):
    return {name: {0: first, 1: second} if x.ndim == 2 else {0: first} for name, x in inputs.items()}


def torchscript(name, model, inputs, outputs, dynamic):
    compressed(f"{name}.ts", lambda path: torch.onnx.export(
        model, tuple(inputs.values()), path, input_names=list(inputs), output_names=outputs, dynamic_axes=dynamic,
        opset_version=18, do_constant_folding=True, dynamo=False,
    ))  # fmt: skip


def dynamo(name, model, inputs, output):
    dynamic = torch.export.Dim.DYNAMIC
    compressed(f"{name}.dynamo", lambda path: torch.onnx.export(
        model, (), path, kwargs=inputs, input_names=list(inputs), output_names=[output], opset_version=18,
        dynamic_shapes=axes(inputs, dynamic, dynamic), dynamo=True, external_data=False, verbose=False,
    ))  # fmt: skip


def with_cache(model):
    """`text-generation-with-past`, as optimum exports it: every block's keys and values go in and out."""
    past = {}
    for i in range(LAYERS):
        for part in ("key", "value"):
            past[f"past_key_values.{i}.{part}"] = torch.randn(2, 2, 3, HIDDEN // HEADS)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.cat([torch.ones(2, 3, dtype=torch.long), mask], 1),
        "position_ids": torch.arange(3, 10)[None].expand(2, -1),
        **past,
    }

    def forward(input_ids, attention_mask, position_ids, *flat):
        cache = DynamicCache(list(zip(flat[::2], flat[1::2])))
        out = model.original(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        present = [x for layer in out.past_key_values.layers for x in (layer.keys, layer.values)]
        return (out.logits, *present)

    model.forward = forward
    batch, sequence, before = "batch_size", "sequence_length", "past_sequence_length"
    dynamic = {
        "input_ids": {0: batch, 1: sequence},
        "attention_mask": {0: batch, 1: f"{before} + {sequence}"},
        "position_ids": {0: batch, 1: sequence},
        "logits": {0: batch, 1: sequence},
        **{name: {0: batch, 2: before} for name in past},
        **{name.replace("past_key_values", "present"): {0: batch, 2: f"{before} + {sequence}"} for name in past},
    }
    outputs = ["logits", *(name.replace("past_key_values", "present") for name in past)]
    torchscript("llama-with-past", model, inputs, outputs, dynamic)


# name: what LoRA adapts, and PEFT's type of task
ADAPTED = {
    "bert": (["query", "value"], "SEQ_CLS"),
    "distilbert": (["q_lin", "v_lin"], "SEQ_CLS"),
    "gpt2": (["c_attn"], "CAUSAL_LM"),
    "llama": (["q_proj", "v_proj"], "CAUSAL_LM"),
    "vit": (["q_proj", "v_proj"], None),
}


def adapter(name, model):
    """Names and shapes in the adapter file that PEFT writes for the model."""
    targets, task = ADAPTED[name]
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=targets, task_type=task))
    tensors = get_peft_model_state_dict(adapted)
    return {"targets": targets, "tensors": {key: list(x.shape) for key, x in sorted(tensors.items())}}


def make(name):
    build, attention, inputs, output, loss_of, full = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = build().eval()
    model.set_attn_implementation(attention)
    with torch.no_grad():
        for key, p in model.named_parameters():
            norm = "norm" in key.lower() or ".ln_" in key
            shift = 1.0 if norm and key.endswith("weight") else 0.0
            # Rounded, so that the file compresses.
            p.copy_((torch.randn(p.shape) * (0.1 if p.ndim == 1 else 0.3) + shift).bfloat16())
    config = model.config.to_dict()

    dynamo(name, model, inputs, output)
    model.original = model.forward
    model.forward = lambda *args: call(model.original, dict(zip(inputs, args)), output)
    dynamic = axes(inputs, "batch_size", "sequence_length")
    rank = call(model.original, inputs, output).ndim
    dynamic[output] = {0: "batch_size", 1: "sequence_length"} if rank == 3 and "input_ids" in inputs else {0: "batch_size"}
    torchscript(name, model, inputs, [output], dynamic)
    if name == "llama":
        with_cache(model)
    del model.forward

    exact = model.double()
    out = call(exact.forward, {k: x.double() if x.is_floating_point() else x for k, x in inputs.items()}, output)
    loss = loss_of(out)
    loss.backward()
    grads = {key: p.grad for key, p in exact.named_parameters() if p.grad is not None}
    fixture = {
        "source": f"PyTorch {torch.__version__}, Transformers {transformers.__version__}, {attention} attention",
        "config": {key: value for key, value in config.items() if value is not None},
        "inputs": {key: encode(x) for key, x in inputs.items()},
        "output": {"name": output, **encode(out)},
        "loss": loss.item(),
        "parameters": {key: list(p.shape) for key, p in exact.named_parameters()},
        "projections": {key: projections(grad) for key, grad in grads.items()},
        "gradients": {key: encode(grads[key]) for key in full},
    }
    if name in ADAPTED:
        fixture["adapter"] = adapter(name, model)
    assert math.isfinite(fixture["loss"])
    with open(OUT / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(fixture, file, indent=1)
        file.write("\n")


OUT.mkdir(parents=True, exist_ok=True)
for name in sys.argv[2:] or MODELS:
    make(name)
