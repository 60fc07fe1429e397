"""Writes the safetensors fixtures of packages/graph with the Python package.

    pip install safetensors==0.8.0 numpy
    python tools/goldens/safetensors/make.py [folder]

`dtypes.safetensors` has one tensor of every element type. Its bytes are what `contents` below says, so that a test can
build the same tensors. `metadata.safetensors` has metadata, an empty tensor, a scalar and names that need escapes.
"""

import pathlib
import sys

import numpy
from safetensors import TensorSpec, serialize

HERE = pathlib.Path(__file__).resolve()
FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[3] / "packages/graph/test/fixtures/safetensors")

# The names that the package takes, and the bits of an element.
DTYPES = {
    "bool": 8,
    "uint8": 8,
    "int8": 8,
    "float8_e5m2": 8,
    "float8_e4m3fn": 8,
    "float8_e8m0fnu": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2fnuz": 8,
    "int16": 16,
    "uint16": 16,
    "float16": 16,
    "bfloat16": 16,
    "int32": 32,
    "uint32": 32,
    "float32": 32,
    "complex64": 64,
    "float64": 64,
    "int64": 64,
    "uint64": 64,
}

keep = []


def contents(size: int, seed: int) -> numpy.ndarray:
    data = ((numpy.arange(size) * 7 + seed) % 251).astype(numpy.uint8)
    keep.append(data)
    return data


def spec(dtype: str, shape: list[int], data: numpy.ndarray) -> TensorSpec:
    return TensorSpec(dtype=dtype, shape=shape, data_ptr=data.ctypes.data, data_len=data.nbytes)


def write(name: str, tensors: dict[str, TensorSpec], metadata: dict[str, str] | None) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_bytes(bytes(serialize(tensors, metadata)))


every = {
    f"{dtype}.{i}": spec(dtype, [2, 3], contents(6 * bits // 8, i)) for i, (dtype, bits) in enumerate(DTYPES.items())
}
# Two four-bit elements share a byte; the shape that is given is that of the bytes.
every["float4"] = spec("float4_e2m1fn_x2", [2, 3], contents(6, 100))
write("dtypes.safetensors", every, None)

write(
    "metadata.safetensors",
    {
        "model.layers.0.weight": spec("float32", [4, 2], contents(32, 1)),
        "empty": spec("float32", [0, 5], contents(0, 0)),
        "scalar": spec("int64", [], contents(8, 2)),
        'quote " back \\ tab \t line \n é 語 🙂 \u0001': spec("uint8", [3], contents(3, 3)),
        "Z": spec("float32", [1], contents(4, 4)),
        "\U0001f642": spec("float16", [1], contents(2, 5)),
        "\uffee": spec("float16", [1], contents(2, 6)),
    },
    {"format": "pt", "note": 'a "quoted" word, é'},
)
