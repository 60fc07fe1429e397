"""Reads the adapters that make.ts wrote with PEFT, and has PEFT write some of its own.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0 peft==0.21.0
    venv/bin/python tools/goldens/lora/make.py packages/plugins/lora/test/fixtures packages/plugins/transformer/test/fixtures/bert

`expected.json` has, in float64: the logits of each adapter, of it merged into the base, and the gradients of the loss
`mean(logits^2)` by parameter (not for those of PEFT). `peft-*` are adapters that PEFT trained for a few steps and saved itself.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import BertForSequenceClassification

OUT, BERT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
golden = json.loads((BERT / "expected.json").read_text())
feeds = {name: torch.tensor(rows) for name, rows in golden["feeds"].items()}

OWN = {
    "peft-plain": LoraConfig(task_type=TaskType.SEQ_CLS, r=4, lora_alpha=16, target_modules=["query", "key", "value"]),
    "peft-patterns": LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=3,
        lora_alpha=6,
        use_rslora=True,
        target_modules="all-linear",
        rank_pattern={"attention.*dense": 2},
        alpha_pattern={"layer.1.*query": 5, "intermediate.dense": 4},
    ),
    "peft-dora": LoraConfig(
        task_type=TaskType.SEQ_CLS, r=2, lora_alpha=4, use_dora=True, target_modules=["query", "intermediate.dense"]
    ),
    "peft-embedding": LoraConfig(
        task_type=TaskType.SEQ_CLS, r=2, lora_alpha=4, target_modules=["word_embeddings", "value"]
    ),
}


def base() -> BertForSequenceClassification:
    return BertForSequenceClassification.from_pretrained(BERT, attn_implementation="eager", dtype=torch.float32)


def expected(folder: pathlib.Path, with_gradients: bool) -> dict:
    model = PeftModel.from_pretrained(base(), folder, is_trainable=True).double().eval()
    logits = model(**feeds).logits
    (logits**2).mean().backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = name.removeprefix("base_model.model.").replace(".default", "").replace(".modules_to_save", "")
            plain = plain.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
            gradients[plain] = {"shape": list(parameter.shape), "data": parameter.grad.flatten().tolist()}
    with torch.no_grad():
        merged = model.merge_and_unload()(**feeds).logits
    result = {"logits": logits.tolist(), "merged": merged.tolist()}
    return {**result, "gradients": gradients} if with_gradients else result


def train(name: str, config: LoraConfig) -> None:
    torch.manual_seed(5)
    model = get_peft_model(base(), config).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(5):
        loss = model(**feeds, labels=torch.tensor([0, 1, 2])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(OUT / name)
    (OUT / name / "README.md").unlink()
    path = OUT / name / "adapter_config.json"
    settings = json.loads(path.read_text())
    # Not the folder of the machine that made it; sets have no order.
    settings["base_model_name_or_path"] = None
    for key in ("target_modules", "modules_to_save"):
        if isinstance(settings[key], list):
            settings[key] = sorted(settings[key])
    path.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


for name, config in OWN.items():
    train(name, config)
folders = sorted(path.name for path in OUT.iterdir() if path.is_dir())
result = {
    "source": f"peft {peft.__version__}, transformers {transformers.__version__}, PyTorch {torch.__version__}",
    "adapters": {name: expected(OUT / name, not name.startswith("peft-")) for name in folders},
}
(OUT / "expected.json").write_text(json.dumps(result) + "\n", encoding="utf-8")
