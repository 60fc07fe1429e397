"""Writes the ONNX fixtures of packages/graph with the Python package.

    pip install onnx==1.20.0 numpy
    python tools/goldens/onnx/make.py [folder]
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve()
FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[3] / "packages/graph/test/fixtures/onnx")
FOLDER.mkdir(parents=True, exist_ok=True)
random = numpy.random.default_rng(3)


def model(name, nodes, inputs, outputs, initializers=(), functions=(), opset=21, ir_version=10, domains=(), **graph):
    proto = helper.make_model(
        helper.make_graph(nodes, name, inputs, outputs, list(initializers), **graph),
        functions=list(functions),
        opset_imports=[helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)],
        ir_version=ir_version,
        producer_name="onnx",
    )
    return proto


def save(proto, name=None):
    onnx.checker.check_model(proto)
    (FOLDER / f"{name or proto.graph.name}.onnx").write_bytes(proto.SerializeToString(deterministic=True))


def floats(name, *shape):
    return numpy_helper.from_array(random.standard_normal(shape).astype(numpy.float32), name)


def info(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def tensors():
    """Every element type twice: in the field of its type (`typed.*`) and as raw bytes (`raw.*`)."""
    values = {
        "FLOAT": [0.5, -1.25, 3.0],
        "DOUBLE": [0.5, -1.25, 1e300],
        "FLOAT16": [0.5, -1.25, 65504.0],
        "BFLOAT16": [0.5, -1.25, 3.0],
        "INT8": [-128, -1, 127],
        "INT16": [-32768, -1, 32767],
        "INT32": [-(2**31), -1, 2**31 - 1],
        "INT64": [-(2**63), -1, 2**63 - 1],
        "UINT8": [0, 1, 255],
        "UINT16": [0, 1, 65535],
        "UINT32": [0, 1, 2**32 - 1],
        "UINT64": [0, 1, 2**64 - 1],
        "BOOL": [True, False, True],
        "COMPLEX64": [1 + 2j, -0.5j, 3],
        "COMPLEX128": [1 + 2j, -0.5j, 3],
        "FLOAT8E4M3FN": [0.5, -1.25, 448.0],
        "FLOAT8E4M3FNUZ": [0.5, -1.25, 240.0],
        "FLOAT8E5M2": [0.5, -1.25, 57344.0],
        "FLOAT8E5M2FNUZ": [0.5, -1.25, 57344.0],
        "FLOAT8E8M0": [0.5, 1.0, 1024.0],
        "FLOAT4E2M1": [0.5, -1.5, 6.0],
        "INT4": [-8, -1, 7],
        "UINT4": [0, 1, 15],
        "INT2": [-2, -1, 1],
        "UINT2": [0, 1, 3],
    }
    initializers, nodes, outputs = [], [], []
    for name, data in values.items():
        code = TensorProto.DataType.Value(name)
        typed = helper.make_tensor(f"typed.{name}", code, [3], data)
        raw = onnx.TensorProto()
        raw.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(typed), f"raw.{name}"))
        assert raw.data_type == code and raw.HasField("raw_data"), name
        assert not typed.HasField("raw_data"), name
        for tensor in (typed, raw):
            initializers.append(tensor)
            nodes.append(helper.make_node("Identity", [tensor.name], [f"out.{tensor.name}"]))
            outputs.append(info(f"out.{tensor.name}", [3], code))
    save(model("tensors", nodes, [], outputs, initializers, opset=25, ir_version=13))


def attributes():
    """Every kind of attribute, on an operator of an unknown domain whose type is given as value_info."""
    node = helper.make_node(
        "Custom",
        ["x", "", "x"],
        ["y", "", "z"],
        domain="example.com",
        int=-7,
        large=2**63 - 1,
        float=0.1,
        string="héllo",
        ints=[1, -2, 2**62],
        floats=[0.5, -0.25],
        strings=["a", "b"],
        tensor=numpy_helper.from_array(numpy.arange(4, dtype=numpy.int32).reshape(2, 2)),
    )
    node.attribute.append(helper.make_attribute("empty_ints", [], attr_type=onnx.AttributeProto.INTS))
    proto = model(
        "attributes",
        [node, helper.make_node("Add", ["y", "z"], ["sum"])],
        [info("x", ["n", None, 3])],
        [info("sum", ["n", None, 3])],
        value_info=[info("y", ["n", 2, 3]), info("z", ["n", 2, 3])],
        domains=["example.com"],
    )
    save(proto)


def constants():
    """The forms of `Constant` nodes."""
    forms = {
        "value": {"value": numpy_helper.from_array(numpy.array([[1.5, 2.5]], dtype=numpy.float32))},
        "float": {"value_float": 0.25},
        "floats": {"value_floats": [1.0, 2.0]},
        "int": {"value_int": -3},
        "ints": {"value_ints": [4, 5]},
        "weight": {"value": numpy_helper.from_array(random.standard_normal((20, 20)).astype(numpy.float32))},
    }
    nodes = [helper.make_node("Constant", [], [name], **form) for name, form in forms.items()]
    nodes += [helper.make_node("Identity", [name], [f"out.{name}"]) for name in forms]
    shapes = {"value": [1, 2], "float": [], "floats": [2], "int": [], "ints": [2], "weight": [20, 20]}
    outputs = [
        info(f"out.{name}", shape, TensorProto.INT64 if name.startswith("int") else TensorProto.FLOAT)
        for name, shape in shapes.items()
    ]
    save(model("constants", nodes, [], outputs))


def functions():
    """Model-local functions: attributes with and without default, calls within calls, a left-out input."""
    scale = helper.make_function(
        "example.com",
        "Scale",
        ["x"],
        ["y"],
        [
            helper.make_node("Constant", [], ["c"], value_float=0.0),
            helper.make_node("Mul", ["x", "c"], ["y"]),
        ],
        [helper.make_opsetid("", 21)],
        attribute_protos=[helper.make_attribute("by", 3.0)],
    )
    del scale.node[0].attribute[:]
    reference = scale.node[0].attribute.add()
    reference.name, reference.ref_attr_name, reference.type = "value_float", "by", onnx.AttributeProto.FLOAT
    negative = helper.make_function(
        "example.com",
        "Negative",
        ["x"],
        ["y"],
        [helper.make_node("Neg", ["x"], ["y"])],
        [helper.make_opsetid("", 21)],
    )
    block = helper.make_function(
        "example.com",
        "Block",
        ["x", "min"],
        ["y", "z"],
        [
            helper.make_node("Scale", ["x"], ["a"], domain="example.com"),
            helper.make_node("Scale", ["a"], ["b"], domain="example.com", by=0.5),
            helper.make_node("Negative", ["b"], ["c"], domain="example.com"),
            helper.make_node("Clip", ["c", "min"], ["y"]),
            helper.make_node("Softmax", ["c"], ["z"]),
        ],
        [helper.make_opsetid("", 21), helper.make_opsetid("example.com", 1)],
        attributes=["axis"],
    )
    axis = block.node[4].attribute.add()
    axis.name, axis.ref_attr_name, axis.type = "axis", "axis", onnx.AttributeProto.INT
    nodes = [
        helper.make_node("Block", ["x"], ["y0", "z0"], name="/model/first/Block", domain="example.com", axis=0),
        helper.make_node("Block", ["y0", "min"], ["y", "z1"], name="/model/second/Block", domain="example.com"),
        helper.make_node("Add", ["z0", "z1"], ["z"]),
    ]
    proto = model(
        "functions",
        nodes,
        [info("x", [2, 3])],
        [info("y", [2, 3]), info("z", [2, 3])],
        [numpy_helper.from_array(numpy.array(-0.5, dtype=numpy.float32), "min")],
        functions=[scale, negative, block],
        domains=["example.com"],
    )
    save(proto)


def overloads():
    """Two functions of one name, which ONNX Runtime 1.30 does not tell apart."""
    definitions = [
        helper.make_function(
            "example.com",
            "Apply",
            ["x"],
            ["y"],
            [helper.make_node(op, ["x"], ["y"])],
            [helper.make_opsetid("", 21)],
            overload=overload,
        )
        for op, overload in (("Relu", ""), ("Neg", "negative"))
    ]
    nodes = [
        helper.make_node("Apply", ["x"], ["a"], domain="example.com", overload="negative"),
        helper.make_node("Apply", ["a"], ["y"], domain="example.com"),
    ]
    save(model("overloads", nodes, [info("x", [2])], [info("y", [2])], functions=definitions, domains=["example.com"]))


def branches():
    """`If` on an initializer, on a shape and on an input; the branches see outer values and have their own weights."""

    def branch(name, output, nodes, initializers=()):
        return helper.make_graph(nodes, name, [], [info(output, None)], list(initializers))

    nodes = [
        helper.make_node(
            "If",
            ["yes"],
            ["a"],
            then_branch=branch("then", "t", [helper.make_node("MatMul", ["x", "w"], ["t"])], [floats("w", 3, 3)]),
            else_branch=branch("else", "e", [helper.make_node("Neg", ["x"], ["e"])]),
        ),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["width"]),
        helper.make_node("Equal", ["width", "three"], ["wide"]),
        helper.make_node(
            "If",
            ["wide"],
            ["b"],
            then_branch=branch("then", "t", [helper.make_node("Relu", ["a"], ["t"])]),
            else_branch=branch("else", "e", [helper.make_node("Abs", ["a"], ["e"])]),
        ),
        helper.make_node(
            "If",
            ["use_cache"],
            ["y"],
            then_branch=branch("then", "t", [helper.make_node("Add", ["b", "x"], ["t"])]),
            else_branch=branch("else", "e", [helper.make_node("Sub", ["b", "x"], ["e"])]),
        ),
    ]
    constants = [
        numpy_helper.from_array(numpy.array(True), "yes"),
        numpy_helper.from_array(numpy.array(1, dtype=numpy.int64), "one"),
        numpy_helper.from_array(numpy.array(3, dtype=numpy.int64), "three"),
    ]
    inputs = [info("x", ["batch", 3]), info("use_cache", [1], TensorProto.BOOL)]
    save(model("branches", nodes, inputs, [info("y", ["batch", 3])], constants))


def names():
    """Initializers and nodes as exporters name them."""
    dynamo = helper.make_node("Add", ["d", "model.layers.0.norm.bias"], ["y"], name="node_add_12")
    dynamo.metadata_props.add(
        key="pkg.torch.onnx.name_scopes", value="['', 'model', 'model.layers.0', 'model.layers.0.norm', 'add_12']"
    )
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_123"], ["a"], name="/model/layers.0/self_attn/q_proj/MatMul"),
        helper.make_node("Add", ["model.layers.0.self_attn.q_proj.bias", "a"], ["b"], name="/model/layers.0/self_attn/q_proj/Add"),
        helper.make_node("MatMul", ["b", "model.layers.0.attn.o_proj.MatMul.weight"], ["c"], name="/model/layers.0/attn/o_proj/MatMul"),
        helper.make_node("Gemm", ["c", "lm_head.weight", "57"], ["d"], name="/lm_head/Gemm", transB=1),
        dynamo,
    ]
    initializers = [
        floats("onnx::MatMul_123", 4, 6),
        floats("model.layers.0.self_attn.q_proj.bias", 6),
        floats("model.layers.0.attn.o_proj.MatMul.weight", 6, 5),
        floats("lm_head.weight", 7, 5),
        floats("57", 7),
        floats("model.layers.0.norm.bias", 7),
    ]
    save(model("names", nodes, [info("x", ["batch", 4])], [info("y", ["batch", 7])], initializers))


def order():
    """Nodes that come before what they use: not valid, yet found in files and accepted by runtimes."""
    nodes = [
        helper.make_node("Add", ["b", "a"], ["y"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Relu", ["x"], ["a"]),
    ]
    proto = model("order", nodes, [info("x", [2])], [info("y", [2])])
    (FOLDER / "order.onnx").write_bytes(proto.SerializeToString(deterministic=True))


def external():
    """Weights in a file of their own, one of them small enough to stay, one at an offset."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Add", ["a", "b1"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["y"]),
    ]
    proto = model(
        "external",
        nodes,
        [info("x", ["batch", 8])],
        [info("y", ["batch", 4])],
        [floats("w1", 8, 16), floats("b1", 16), floats("w2", 16, 4)],
    )
    data = FOLDER / "weights" / "external.bin"
    data.parent.mkdir(exist_ok=True)
    data.unlink(missing_ok=True)
    save(proto, "external-inline")
    onnx.save_model(
        proto,
        FOLDER / "external.onnx",
        save_as_external_data=True,
        location="weights/external.bin",
        size_threshold=100,
    )


def rich():
    """Fields that a graph does not hold: what is read as messages must be written again as it was."""
    proto = model(
        "rich",
        [helper.make_node("Relu", ["x"], ["y"], name="relu", doc_string="rectified", overload="fast", zero=0)],
        [info("x", [2])],
        [info("y", [2])],
        doc_string="a graph",
    )
    proto.doc_string, proto.domain, proto.model_version = "a model", "example.com", 3
    for holder in (proto, proto.graph, proto.graph.node[0], proto.graph.input[0]):
        holder.metadata_props.add(key="key", value="value")
    proto.graph.quantization_annotation.add(tensor_name="x")
    device = proto.configuration.add()
    device.name, device.num_devices = "pair", 2
    proto.graph.node[0].device_configurations.add(configuration_id="pair", pipeline_stage=1)
    data = proto.SerializeToString(deterministic=True)
    # Fields of a later version of the format: a string, a number and a float.
    data += bytes([0xFA, 0x3E, 5]) + b"later" + bytes([0xF8, 0x3E, 0x96, 0x01]) + bytes([0xFD, 0x3E, 0, 0, 0xC0, 0x3F])
    (FOLDER / "rich.onnx").write_bytes(data)


for write in (tensors, attributes, constants, functions, overloads, branches, names, order, external, rich):
    write()
