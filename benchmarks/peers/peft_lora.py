"""LoRA fine-tuning of the SmolLM2-135M shape with PyTorch and PEFT: the peer of `pnpm bench lora`.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0 peft==0.21.0
    venv/bin/python benchmarks/peers/peft_lora.py [--batch 1] [--seq 256] [--layers 30] [--steps 8] [--full]
        [--precision fp32|bf16-autocast|bf16] [--device cpu|cuda]

Random weights, r=8, alpha=16 on q_proj and v_proj, AdamW. Prints one line of JSON.
"""

import argparse
import json
import resource
import statistics
import time

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--seq", type=int, default=256)
parser.add_argument("--layers", type=int, default=30)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--full", action="store_true")
parser.add_argument("--precision", choices=["fp32", "bf16-autocast", "bf16"], default="fp32")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
args = parser.parse_args()
if args.threads:
    torch.set_num_threads(args.threads)

WARM_UP = 2
torch.manual_seed(1)
config = LlamaConfig(
    vocab_size=49152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=args.layers,
    num_attention_heads=9,
    num_key_value_heads=3,
    max_position_embeddings=max(args.seq, 2048),
    tie_word_embeddings=True,
    use_cache=False,
)
model = LlamaForCausalLM(config)
if args.precision == "bf16":
    model = model.to(torch.bfloat16)
if not args.full:
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, lora)
model.to(args.device).train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.01)
ids = torch.randint(0, config.vocab_size, (args.batch, args.seq)).to(args.device)
autocast = torch.autocast(args.device, torch.bfloat16, enabled=args.precision == "bf16-autocast")

seconds, processor, losses = [], [], []
for step in range(WARM_UP + args.steps):
    start, used = time.perf_counter(), time.process_time()
    with autocast:
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    losses.append(loss.item())
    if step >= WARM_UP:
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)

tokens = args.batch * args.seq
print(
    json.dumps(
        {
            "peer": f"PyTorch {torch.__version__}, PEFT {peft.__version__}, transformers {transformers.__version__}",
            "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
            "precision": args.precision,
            "batch": args.batch,
            "seq": args.seq,
            "layers": args.layers,
            "full": args.full,
            "threads": torch.get_num_threads(),
            "tokensPerSecond": tokens / statistics.median(seconds),
            "bestTokensPerSecond": tokens / min(seconds),
            "tokensPerCpuSecond": tokens / min(processor),
            "peakDeviceMb": torch.cuda.max_memory_allocated() / 2**20 if args.device == "cuda" else None,
            "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "firstLoss": losses[0],
            "lastLoss": losses[-1],
        }
    )
)
