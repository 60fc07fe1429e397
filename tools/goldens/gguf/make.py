"""Writes the GGUF fixture of packages/graph with the Python package of llama.cpp.

    pip install gguf==0.19.0 numpy
    python tools/goldens/gguf/make.py [file]

Quantised tensors hold random blocks with sensible scales; `expected.*` are the floats that the package makes of them.
"""

import pathlib
import sys

import gguf
import numpy
from gguf import GGMLQuantizationType as Type

HERE = pathlib.Path(__file__).resolve()
FILE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[3] / "packages/graph/test/fixtures/quantized.gguf")
random = numpy.random.default_rng(9)

# Bytes of a block that hold a 16-bit float, which random bytes would make infinite or not a number.
HALVES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}

writer = gguf.GGUFWriter(FILE, "llama")
writer.add_name("a tiny model, é")
writer.add_uint8("t.uint8", 255)
writer.add_int8("t.int8", -128)
writer.add_uint16("t.uint16", 65535)
writer.add_int16("t.int16", -32768)
writer.add_uint32("t.uint32", 2**32 - 1)
writer.add_int32("t.int32", -(2**31))
writer.add_uint64("t.uint64", 2**64 - 1)
writer.add_int64("t.int64", -5)
writer.add_float32("t.float32", 0.5)
writer.add_float64("t.float64", 0.1)
writer.add_bool("t.bool", True)
writer.add_array("t.strings", ["<s>", "▁a", ""])
writer.add_array("t.numbers", [1, -2, 3])

for name, dtype in (("F32", "float32"), ("F16", "float16"), ("F64", "float64")):
    writer.add_tensor(f"plain.{name}", random.standard_normal((2, 3)).astype(dtype))
for name, dtype in (("I8", "int8"), ("I16", "int16"), ("I32", "int32"), ("I64", "int64")):
    writer.add_tensor(f"plain.{name}", numpy.array([[1, -2, 3]], dtype=dtype))
bf16 = random.integers(0x3F00, 0x4000, (2, 4)).astype(numpy.uint16)
writer.add_tensor("plain.BF16", bf16.view(numpy.uint8), raw_dtype=Type.BF16)

for kind, halves in HALVES.items():
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (3 * 512 // elements, size)).astype(numpy.uint8)
    for at in halves:
        scales = random.uniform(-0.2, 0.2, (len(blocks), 1)).astype(numpy.float16)
        blocks[:, at : at + 2] = scales.view(numpy.uint8)
    rows = blocks.reshape(3, -1)
    writer.add_tensor(f"blocks.{kind.name}", rows, raw_dtype=kind)
    writer.add_tensor(f"expected.{kind.name}", gguf.quants.dequantize(rows, kind).astype(numpy.float32))
writer.add_tensor("blocks.IQ4_NL", random.integers(0, 256, (1, 18)).astype(numpy.uint8), raw_dtype=Type.IQ4_NL)

writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
