"""The tiny Llama of make_decoder.py as a GGUF file, with a byte-level BPE tokenizer in its metadata.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0 gguf==0.19.0
    venv/bin/python tools/goldens/transformer/make_gguf.py packages/plugins/transformer/test/fixtures

Written as llama.cpp's convert_hf_to_gguf.py does, rows of queries and keys reordered within heads; read back with
transformers, every weight must be the one that it was.
"""

import json
import pathlib
import sys

import gguf
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TOKENS = ["<|end|>", "<|user|>", *(chr(ord("a") + i) for i in range(24)), "ab", "Ġ", "abc"]
TYPES = [3, 4] + [1] * 27
MERGES = ["a b", "ab c"]


def permute(weight, heads: int):
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def main(out: pathlib.Path) -> None:
    config = json.loads((out / "llama/config.json").read_text())
    weights = load_file(out / "llama/model.safetensors")
    file = out / "llama.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, weight in weights.items():
        heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(name.split(".")[-2])
        stored = weight if heads is None else permute(weight, config[heads])
        writer.add_tensor(names.get_name(name, (".weight",)), stored.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model = AutoModelForCausalLM.from_pretrained(out, gguf_file=file.name, dtype=torch.float32)
    for name, weight in weights.items():
        assert torch.equal(model.state_dict()[name], weight), name


main(pathlib.Path(sys.argv[1]))
