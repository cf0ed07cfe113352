"""A network as one C header: its integers as constants, and inference as inline functions of the same arithmetic."""

import textwrap
from pathlib import Path
from string import Template

import numpy as np

from sw import network_file
from sw.export.c_templates import ADD, ARRAY, CONV2D, DENSE, FUNCTION, HEADER, POOL, ROUNDING
from sw.export.contents import Array, accumulator_bits, generator, layer_arrays
from sw.file_kinds import C_HEADER
from sw.files import write_text
from sw.fixed import Format
from sw.network import Network
from sw.text import comment_word, identifier

CODE = {"dense": DENSE, "conv2d": CONV2D, "maxpool": POOL, "avgpool": POOL, "add": ADD}


def write(network: Network, path: Path, force: bool = False) -> None:
    """Write the header, whole or not at all. Its names begin with the file's; see `prefix`.

    force: replace a file of another kind, too.
    """
    write_text(path, source(network, prefix(path)), C_HEADER, force)


def prefix(path: Path) -> str:
    """What all names in a header begin with: the file's name, as far as it is a C identifier."""
    letters = identifier(path.stem).strip("_")
    return letters if letters[:1].isalpha() else f"network_{letters}".rstrip("_")


def source(network: Network, name: str) -> str:
    """Text of the header."""
    height, width, channels = network.input.shape
    hidden = range(len(network.layers) - 1)
    return HEADER.substitute(
        title=comment_word(network.name),
        name=name,
        NAME=name.upper(),
        generator=generator(),
        sha256=network_file.digest(network),
        height=height,
        width=width,
        channels=channels,
        pixels=network.input.size,
        classes=network.classes,
        layers=len(network.layers),
        stack=sum(_size(network, index) for index in hidden),
        logit=_sum_type(network, len(hidden)),
        rounding=ROUNDING.substitute(name=name) if any(layer.requantize for layer in network.layers) else "",
        body="".join(_layer(network, name, index) for index in range(len(network.layers))),
        tensors="".join(f"    {_type(network, i)} tensor{i}[{_size(network, i)}];\n" for i in hidden),
        calls="".join(f"    {_call(network, name, index)};\n" for index in range(len(network.layers))),
    )


def _layer(network: Network, name: str, index: int) -> str:
    """Constants and function of one layer."""
    layer, prefixed = network.layers[index], f"{name}_layer{index}"
    constants = [
        _constant(array, f"{name}_{array.name.replace('.', '_')}")
        for array in layer_arrays(network, index)
        if not (array.name.endswith(".multiplier") and (array.values == 1).all())
    ]
    operands = zip("xz", network.operands[index], strict=False)
    shapes = [network.source_shapes[index], network.shapes[index]]
    function = FUNCTION.substitute(
        index=index,
        kind=layer.kind,
        arrows=" to ".join(" x ".join(map(str, shape)) for shape in shapes),
        name=prefixed,
        arguments=", ".join(f"const {_type(network, read)} *{letter}" for letter, read in operands),
        output=_type(network, index),
        code=CODE[layer.kind].substitute(_fields(network, name, index)),
    )
    return "".join([*constants, "\n" if constants else "", function])


def _fields(network: Network, name: str, index: int) -> dict:
    """What the code of a layer is filled in with."""
    layer = network.layers[index]
    height, width, channels = network.source_shapes[index]
    rows, columns, outputs = network.shapes[index]
    fields = {
        "name": f"{name}_layer{index}",
        "input": _type(network, network.sources[index]),
        "inputs": height * width * channels,
        "height": height,
        "width": width,
        "channels": channels,
        "rows": rows,
        "columns": columns,
        "outputs": outputs,
        "positions": rows * columns,
        "stride": getattr(layer, "stride", None),
        "padding": getattr(layer, "padding", None),
        "groups": getattr(layer, "groups", None),
        "depth": channels // getattr(layer, "groups", 1),
    }
    if layer.kind == "conv2d":
        fields["window_rows"], fields["window_columns"] = layer.kernel
    elif layer.kind in ("maxpool", "avgpool"):
        fields["window_rows"], fields["window_columns"] = layer.window(network.source_shapes[index])
    if not layer.sums:
        first = Template("$input greatest = x[(row * $stride * $width + column * $stride) * $channels + o]")
        return fields | {
            "start": first.substitute(fields),
            "step": "greatest = next > greatest ? next : greatest",
            "result": "greatest",
        }
    total = _sum_type(network, index)
    result = _result(network, name, index)
    return fields | {"sum": total, "start": f"{total} sum = 0", "step": "sum += next", "result": result}


def _result(network: Network, name: str, index: int) -> str:
    """The expression that makes an output of a sum."""
    form = network.formats[index]
    if form is None:
        return "sum"
    layer = f"{name}_layer{index}"
    is_scaled = (network.layers[index].requantize.multiplier != 1).any()
    product = f"(int64_t)sum * {layer}_multiplier[o]" if is_scaled else "sum"
    return f"({_type(network, index)}){name}_round({product}, {layer}_shift[o], {form.low}, {form.high})"


def _call(network: Network, name: str, index: int) -> str:
    operands = ["pixels" if read < 0 else f"tensor{read}" for read in network.operands[index]]
    result = f"tensor{index}" if index < len(network.layers) - 1 else "logits"
    return f"{name}_layer{index}({', '.join([*operands, result])})"


def _constant(array: Array, name: str) -> str:
    values = ", ".join(map(str, array.values.ravel().tolist()))
    return ARRAY.substitute(
        name=name,
        NAME=name.upper(),
        size=array.values.size,
        type=_integer(array.form.bits, array.form.signed),
        axes=" x ".join(f"{length} ({axis})" for length, axis in zip(array.values.shape, array.axes, strict=True)),
        values=textwrap.fill(values, 118, initial_indent="    ", subsequent_indent="    "),
    )


def _type(network: Network, index: int) -> str:
    """C type of a tensor's elements."""
    form: Format | None = network.input.form if index < 0 else network.formats[index]
    return _sum_type(network, index) if form is None else _integer(form.bits, form.signed)


def _sum_type(network: Network, index: int) -> str:
    """C type of a layer's accumulators, at least int32_t."""
    return _integer(max(32, accumulator_bits(network, index)))


def _size(network: Network, index: int) -> int:
    return int(np.prod(network.shapes[index]))


def _integer(bits: int, signed: bool = True) -> str:
    """The C type that holds so many bits."""
    width = next(width for width in (8, 16, 32, 64) if bits <= width)
    return f"{'int' if signed else 'uint'}{width}_t"
