"""A network as an ONNX model in QDQ form: QuantizeLinear and DequantizeLinear around operators in floating point.

An activation's value in the model is its integer, so every activation has the scale 1 and zero point 0. Weights have
the scale m · 2^-s of their output channel; a sum is then accumulator · m · 2^-s, which QuantizeLinear rounds and
saturates. It rounds halves to even, but golden rounds them up. So in a signed format 2^-(s+1), half the distance of
two sums, is added first. In an unsigned one, where negative sums become 0 in any case, the scale of QuantizeLinear is
the greatest float32 below 1, so that each quotient is a little greater than the sum. Both decide ties and nothing
else, and all is exact, as long as float32 holds the numbers: see `inexact_layers`. The sum of two activations is
raised in both formats: onnxruntime would make one operator, QLinearAdd, of it and a QuantizeLinear right behind it,
and that loses the scale's last bit beside the zero points. Operators: ONNX, opset 13.
"""

from pathlib import Path

import numpy as np

from sw import network_file
from sw.errors import InputError
from sw.export.contents import accumulator_bits, generator
from sw.file_kinds import ONNX
from sw.files import replacing_file
from sw.network import Network
from sw.text import identifier

OPSET, IR_VERSION = 13, 7
"""The first with a scale per channel; any newer runtime reads them."""
FLOAT32_BITS = 24
"""Integers of so many bits are exact in float32."""
BIAS_BITS = 32
BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))
TYPES = {False: np.uint8, True: np.int8}
"""numpy type of an activation, by whether it is signed."""
PIXELS, LOGITS, LABEL = "pixels", "logits", "label"


def write(network: Network, path: Path, force: bool = False) -> None:
    """Write the model, whole or not at all. force: replace a file of another kind, too.

    Raises InputError where the package onnx is missing, an accumulator has more than 32 bits, or the file cannot
    be written.
    """
    content = build(network).SerializeToString(deterministic=True)
    with replacing_file(path, ONNX, force) as temporary:
        temporary.write_bytes(content)


def build(network: Network):
    """The network as an onnx.ModelProto that onnx.checker has passed. Raises InputError as `write`.

    Input: `pixels`, uint8 (n, height, width, channels). Outputs: `logits`, float32 (n, classes), golden's
    accumulators; `label`, int64 (n,), the index of the greatest, the lowest on a tie.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError("format onnx needs the Python package onnx: pip install onnx onnxruntime") from error
    widest = max(accumulator_bits(network, index) or 0 for index in range(len(network.layers)))
    if widest > BIAS_BITS:
        raise InputError(f"ONNX holds biases of 32 bits, but the network has accumulators of {widest} bits")
    model = _Graph(network, onnx).model()
    onnx.checker.check_model(model, full_check=True)
    return model


def inexact_layers(network: Network) -> list[int]:
    """Layers whose sums float32 may round, so that an output can differ from golden's by one unit."""
    return [index for index in range(len(network.layers)) if not _is_exact(network, index)]


def _is_exact(network: Network, index: int) -> bool:
    layer, sums = network.layers[index], network.accumulator_ranges[index]
    if sums is None:
        return True
    greatest = np.maximum(-sums[0], sums[1])
    if layer.requantize is not None:
        multiplier, shift = _ratio(layer.requantize)
        greatest = greatest * multiplier
        form = layer.requantize.form
        beyond = (form.high + 1) << np.minimum(shift, FLOAT32_BITS)
        within = np.minimum(greatest, beyond - 1)
        if form.signed:
            greatest = 2 * greatest  # half a unit is added
        elif _is_raised(layer):
            greatest = np.maximum(greatest, 2 * within)  # the same, and results beyond the format saturate anyway
        else:  # of results within the format, the next two numbers in float32 come before the next result
            greatest = np.maximum(greatest, 4 * within)
    return int(greatest.max()) < 1 << FLOAT32_BITS


def _is_raised(layer) -> bool:
    """Whether half a unit is added to a sum before it is rounded, else the scale is `BELOW_ONE`."""
    return layer.requantize.form.signed or layer.kind == "add"


def _ratio(requantize) -> tuple[np.ndarray, np.ndarray]:
    """(m, s) in lowest terms: m is odd or s is 0."""
    multiplier, shift = requantize.multiplier.copy(), requantize.shift.copy()
    while (even := (multiplier % 2 == 0) & (shift > 0)).any():
        multiplier[even] //= 2
        shift[even] -= 1
    return multiplier, shift


class _Graph:
    """Nodes and initializers of the model, layer by layer.

    The output of layer i is the tensor `layer<i>`, integers (n, outputs) of a dense layer, else (n, channels, height,
    width). A layer's operand is a triple: the tensor, its format, and the name that its values get.
    """

    def __init__(self, network: Network, onnx):
        self.network, self.onnx = network, onnx
        self.nodes, self.initializers = [], []
        self.one = self._constant("one", np.float32(1))
        forms = {network.input.form, *network.formats} - {None}
        self.zeros = {
            signed: self._constant(f"zero.{'int8' if signed else 'uint8'}", TYPES[signed](0))
            for signed in sorted({form.signed for form in forms})
        }
        self.is_flat = {index: layer.kind == "dense" for index, layer in enumerate(network.layers)}

    def model(self):
        """The whole model."""
        helper, types, network = self.onnx.helper, self.onnx.TensorProto, self.network
        for index, layer in enumerate(network.layers):
            operands = [self._operand(read, index, which) for which, read in enumerate(network.operands[index])]
            getattr(self, f"_{layer.kind}")(index, layer, *operands)
        self._node("ArgMax", [LOGITS], LABEL, axis=1, keepdims=0)
        inputs = [helper.make_tensor_value_info(PIXELS, types.UINT8, ["n", *network.input.shape])]
        outputs = [
            helper.make_tensor_value_info(LOGITS, types.FLOAT, ["n", network.classes]),
            helper.make_tensor_value_info(LABEL, types.INT64, ["n"]),
        ]
        graph = helper.make_graph(self.nodes, identifier(network.name), inputs, outputs, self.initializers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=generator(),
        )
        helper.set_model_props(model, {"network_sha256": network_file.digest(network)})
        return model

    def _operand(self, read: int, index: int, which: int):
        """What a layer reads, (n, inputs) for a dense one, else (n, channels, height, width); and its format."""
        network = self.network
        name, form = (PIXELS, network.input.form) if read < 0 else (f"layer{read}", network.formats[read])
        height, width, channels = network.input.shape if read < 0 else network.shapes[read]
        was_flat, is_flat = read >= 0 and self.is_flat[read], self.is_flat[index]
        result = f"layer{index}.operand{which}"
        if is_flat and not was_flat:
            if read >= 0 and channels > 1 and height * width > 1:  # golden flattens in the order height, width, channel
                name = self._node("Transpose", [name], f"{result}.rows", perm=[0, 2, 3, 1])
            name = self._node("Flatten", [name], f"{result}.integers", axis=1)
        elif was_flat and not is_flat:
            axes = self._constant(f"{result}.axes", np.array([2, 3], np.int64))
            name = self._node("Unsqueeze", [name, axes], f"{result}.integers")
        elif read < 0:
            name = self._node("Transpose", [name], f"{result}.integers", perm=[0, 3, 1, 2])
        return name, form, result

    def _dense(self, index: int, layer, operand) -> None:
        self._result(index, self._product("Gemm", index, operand, layer.weight, layer.bias, transB=1))

    def _conv2d(self, index: int, layer, operand) -> None:
        self._conv(index, operand, layer.weight, layer.bias, layer.stride, layer.padding, layer.groups)

    def _avgpool(self, index: int, layer, operand) -> None:
        """The sum over the window as a depthwise convolution: AveragePool would round it, dividing by its size."""
        channels = self.network.source_shapes[index][2]
        window = layer.window(self.network.source_shapes[index])
        ones, zeros = np.ones((channels, *window, 1), np.int64), np.zeros(channels, np.int64)
        self._conv(index, operand, ones, zeros, layer.stride, 0, channels)

    def _conv(self, index: int, operand, weight, bias, stride: int, padding: int, groups: int) -> None:
        window = weight.shape[1:3]
        options = {"kernel_shape": window, "strides": [stride] * 2, "pads": [padding] * 4, "group": groups}
        self._result(index, self._product("Conv", index, operand, weight.transpose(0, 3, 1, 2), bias, **options))

    def _maxpool(self, index: int, layer, operand) -> None:
        window = layer.window(self.network.source_shapes[index])
        x = self._dequantized(*operand)
        x = self._node("MaxPool", [x], f"layer{index}.greatest", kernel_shape=window, strides=[layer.stride] * 2)
        self._node("QuantizeLinear", [x, self.one, self.zeros[self.network.formats[index].signed]], f"layer{index}")

    def _add(self, index: int, layer, *operands) -> None:
        ratio = self._channel_ratio(index)
        if (ratio == ratio[0]).all():
            ratio = ratio[0]
        terms = [
            self._dequantized(*operand, ratio * weight) for operand, weight in zip(operands, layer.weight, strict=True)
        ]
        self._result(index, self._node("Add", terms, f"layer{index}.sum"))

    def _product(self, kind: str, index: int, operand, weight: np.ndarray, bias: np.ndarray, **options) -> str:
        """Convolution or matrix product, whose sum is accumulator · m · 2^-s."""
        name, scale = f"layer{index}", self._channel_ratio(index)
        x = self._dequantized(*operand)
        parts = []
        for part, values, dtype in (("weight", weight, np.int8), ("bias", bias, np.int32)):
            integers = self._constant(f"{name}.{part}.integers", values.astype(dtype))
            scales = self._constant(f"{name}.{part}.scale", scale.astype(np.float32))
            zeros = self._constant(f"{name}.{part}.zero", np.zeros(len(scale), dtype))
            parts.append(self._node("DequantizeLinear", [integers, scales, zeros], f"{name}.{part}", axis=0))
        return self._node(kind, [x, *parts], f"{name}.sum", **options)

    def _channel_ratio(self, index: int) -> np.ndarray:
        """m · 2^-s of each channel; 1 in the last layer, whose sums leave raw."""
        requantize = self.network.layers[index].requantize
        if requantize is None:
            return np.ones(self.network.shapes[index][2])
        return requantize.multiplier * 2.0**-requantize.shift

    def _result(self, index: int, total: str) -> None:
        """Round and saturate a sum; the last layer's leaves raw."""
        form, name = self.network.formats[index], f"layer{index}"
        if form is None:
            self._node("Flatten", [total], LOGITS, axis=1)
            return
        layer = self.network.layers[index]
        scale = self._constant(f"{name}.scale", np.float32(1 if _is_raised(layer) else BELOW_ONE))
        if _is_raised(layer):
            shift = np.maximum(_ratio(layer.requantize)[1], 1)  # a quarter leaves a whole number as it is
            half = (2.0 ** -(shift + 1)).astype(np.float32)
            half = self._constant(f"{name}.half", half if self.is_flat[index] else half[:, None, None])
            total = self._node("Add", [total, half], f"{name}.raised")
        if form.bits < 8:
            ends = [self._constant(f"{name}.{end}", np.float32(getattr(form, end))) for end in ("low", "high")]
            total = self._node("Clip", [total, *ends], f"{name}.clipped")
        self._node("QuantizeLinear", [total, scale, self.zeros[form.signed]], name)

    def _dequantized(self, x: str, form, name: str, scale: float | np.ndarray = 1.0) -> str:
        """Activations as float32; a scale per channel is along axis 1."""
        is_vector = np.ndim(scale) > 0
        constant = self._constant(f"{name}.scale", np.float32(scale)) if is_vector or scale != 1 else self.one
        zero = self.zeros[form.signed]
        zero = self._constant(f"{name}.zero", np.zeros(len(scale), TYPES[form.signed])) if is_vector else zero
        return self._node("DequantizeLinear", [x, constant, zero], name, axis=1)

    def _constant(self, name: str, value) -> str:
        self.initializers.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=f"{output}.{kind}", **attributes))
        return output
