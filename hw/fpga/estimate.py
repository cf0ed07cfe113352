"""The resource model: what an array takes of an FPGA, from its configuration alone.

Multipliers and block RAMs are counted by rule. Lookup tables and flip-flops are sums of what the parts take, each part
as bits of adders, multiplexers and registers times a coefficient of the family; bench/resource_model.py finds the
coefficients by least squares from what yosys counted for a grid of arrays, and prints the errors.
"""

from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import NamedTuple

from hw.block_rams import BLOCK_RAM, BlockRam, block_rams, short_roms, written_memories
from hw.config import ArrayConfig
from hw.fpga.devices import DEVICES, Device
from hw.fpga.fitted import FITTED
from hw.loop_nest import step_layout, tile_layout
from hw.mac_array import MacArray


@dataclass(frozen=True)
class Fabric:
    """What the model knows of a family.

    Parameters
    ----------
    block_ram: see hw/block_rams.py. luts, ffs: coefficients by the names of `lut_parts`, `ff_parts`.
    fitted: least and greatest value of each parameter in the arrays that the coefficients were fitted to.
    clock_mhz: that placements of arrays of up to so many products reach (docs/results.md), smaller ones first, where
    they do not follow their input.
    speeds: how much faster each speed grade is. pairs: whether a block makes two narrow products. gates: whether an
    adder's lookup tables can gate both operands, see hw/fpga/lut_multiplier.py.
    """

    block_ram: BlockRam
    luts: dict[str, float]
    ffs: dict[str, float]
    clock_mhz: tuple[tuple[float, float], ...]
    fitted: dict[str, tuple[int, int]]
    speeds: dict[str, float] = field(default_factory=dict)
    pairs: bool = False
    gates: bool = False


FABRICS = {
    "ecp5": Fabric(
        block_ram=BLOCK_RAM,
        luts={
            "array": 0.799,
            "pairs": 0.891,
            "soft multipliers": 0.979,
            "drain": 0.914,
            "requantizers": 2.297,
            "rotators": 0.622,
            "pooling": 5.583,
            "nest": 0.39,
            "shallow memories": 0.879,
            "short roms": 0.0,
            "spreader": 10.251,
            "rest": 757.517,
        },
        ffs={
            "array": 1.007,
            "soft multipliers": 1.166,
            "drain": 0.999,
            "requantizers": 3.376,
            "tiles": 3.123,
            "nest": 5.219,
            "spreader": 8.127,
            "rest": 0.0,
        },
        clock_mhz=((56, 175), (128, 130), (256, 120), (inf, 85)),
        fitted=FITTED["ecp5"],
        speeds={"6": 1, "7": 1.13, "8": 1.27},
        pairs=True,
        gates=True,
    ),
    "ice40": Fabric(
        block_ram=BlockRam(ratios=((16, 256), (8, 512), (4, 1024), (2, 2048)), shallow=0, roms=64),
        luts={
            "array": 0.93,
            "pairs": 0.0,
            "soft multipliers": 0.776,
            "drain": 1.116,
            "requantizers": 0.801,
            "rotators": 0.633,
            "pooling": 7.555,
            "nest": 0.0,
            "shallow memories": 0.0,
            "short roms": 10.154,
            "spreader": 13.657,
            "rest": 136.959,
        },
        ffs={
            "array": 1.106,
            "soft multipliers": 1.044,
            "drain": 1.124,
            "requantizers": 0.0,
            "tiles": 3.923,
            "nest": 2.597,
            "spreader": 12.204,
            "rest": 243.664,
        },
        clock_mhz=((8, 68), (inf, 54)),
        fitted=FITTED["ice40"],
    ),
}
FABRICS["ice40-lut"] = replace(FABRICS["ice40"], clock_mhz=((inf, 119),))  # of the same cells, in faster silicon
FOLLOWING = 0.6
"""Clock of an array that follows its input, of that of another one: its blocks have fewer registers."""
MODELLED = tuple(device.name for device in DEVICES.values() if device.family in FABRICS)
"""Devices that have a resource model."""


def estimate(config: ArrayConfig, device: Device, multipliers: str = "auto") -> dict[str, int] | None:
    """Lookup tables, flip-flops, multiplier blocks and block RAMs, by the names of hw.fpga.devices.RESOURCES.

    multipliers: see hw.fpga.blocks. None for a device whose family has no model.
    """
    fabric = FABRICS.get(device.family)
    if fabric is None:
        return None
    made = products(config, device, multipliers)
    return {
        "luts": total(lut_parts(config, made, fabric), fabric.luts),
        "ffs": total(ff_parts(config, made), fabric.ffs),
        "dsps": made.blocks + scale_blocks(config, device),
        "brams": block_rams(config, fabric.block_ram),
        "sprams": 0,
    }


def outside_model(config: ArrayConfig, device: Device) -> dict[str, dict] | None:
    """Parameters of an array that are less or more than in all arrays that the model was fitted to.

    By name, the `value` and the `fitted` range, least and greatest; no estimate is to be trusted where there are any.
    None for a device whose family has no model.
    """
    fabric = FABRICS.get(device.family)
    if fabric is None:
        return None
    values = {name: getattr(config, name) for name in fabric.fitted}
    return {
        name: {"value": values[name], "fitted": [low, high]}
        for name, (low, high) in fabric.fitted.items()
        if not low <= values[name] <= high
    }


class Products(NamedTuple):
    """What makes products: multiplier blocks, how many of them two at a time, and how many products lookup tables."""

    blocks: int
    pairs: int
    soft: int


def products(config: ArrayConfig, device: Device, multipliers: str = "auto") -> Products:
    """What makes the products of an array on a device."""
    paired = config.lanes // 2 if config.pairs_products and FABRICS[device.family].pairs else 0  # pairs of lanes
    pairs = paired * config.taps * config.pixels
    room = 0 if multipliers == "lut" else max(device.dsps - scale_blocks(config, device), 0)
    blocks = min(config.macs - pairs, room)
    pairs = min(pairs, blocks)
    return Products(blocks, pairs, soft=config.macs - blocks - pairs)


def scale_blocks(config: ArrayConfig, device: Device) -> int:
    """Multiplier blocks of the requantizers: each takes as many of 18 x 18 bits as an accumulator is wide."""
    if not config.multiplier_bits or not device.dsps:
        return 0
    each = 2 if device.dsp == "9 x 9" else 1
    return each * config.requantizers * ceil(config.accumulator_bits / 18)


def expected_clock(config: ArrayConfig, device: Device) -> float:
    """MHz to expect, of a device whose family has a model; `amarray place` finds the clock."""
    fabric = FABRICS[device.family]
    clock = next(mhz for products, mhz in fabric.clock_mhz if config.macs <= products)
    return clock * fabric.speeds.get(device.speed, 1) * (FOLLOWING if config.follows_input else 1)


def lut_parts(config: ArrayConfig, made: Products, fabric: Fabric) -> dict[str, float]:
    """Bits of adders and multiplexers, by part."""
    lanes, taps, sums = config.lanes, config.taps, config.lanes * config.pixels
    slots = config.drain_words * config.pixels
    used = config.requantizers
    width = config.accumulator_bits + config.multiplier_bits
    shallow = [memory for memory in written_memories(config) if memory[1] <= fabric.block_ram.shallow]
    rotators = (2 * config.unaligned_reads + config.unaligned_writes) * config.pixels
    return {
        "array": sums * (_tree(config)[0] + config.accumulator_bits),
        "pairs": made.pairs * (config.operand_format.bits + 2 * config.weight_bits),
        "soft multipliers": made.soft * (config.weight_bits - fabric.gates) * (config.operand_format.bits + 1),
        "drain": used * config.accumulator_bits * max(slots - 1, 0),
        "requantizers": used * width * config.shift_bits,
        "rotators": rotators * taps * (taps - 1) * config.activation_bits,
        "pooling": (config.pixels > 1) * lanes * config.accumulator_bits * (config.pixels - 1)
        + (config.pool_loops > 0) * taps * config.activation_bits,
        "nest": config.loops * (config.count_bits + step_layout(config).size),
        "shallow memories": sum(bits * ceil(depth / 16) * count for bits, depth, count in shallow),
        "short roms": sum(bits * ceil(depth / 16) for bits, depth in short_roms(config, fabric.block_ram)),
        "spreader": config.spreads_input * taps * config.input_bits,
        "rest": 1,
    }


def ff_parts(config: ArrayConfig, made: Products) -> dict[str, float]:
    """Bits of registers, by part."""
    taps, sums = config.taps, config.lanes * config.pixels
    used = config.requantizers
    product = config.operand_format.bits + config.weight_bits
    outside = config.macs - made.blocks * config.follows_input  # products with a register outside their block
    return {
        "array": sums * (_tree(config)[1] + config.accumulator_bits)
        + outside * product
        + config.operand_stages * (config.pixels * taps * config.operand_format.bits)
        + config.weight_stages * config.weight_word_bits,
        "soft multipliers": made.soft * (config.multiplier_stages - 1) * product,
        "drain": used * config.accumulator_bits * config.drain_words * config.pixels,
        "requantizers": used * (2 * config.accumulator_bits + config.multiplier_bits),
        "tiles": MacArray.latency(config) * tile_layout(config).size,
        "nest": config.loops * config.count_bits + step_layout(config).size,
        "spreader": config.spreads_input * taps * config.input_bits,
        "rest": 1,
    }


def _tree(config: ArrayConfig) -> tuple[int, int]:
    """Bits of the adders and of the registers of a lane's adder tree."""
    count, width = config.taps, config.operand_format.bits + config.weight_bits
    adders = registers = 0
    while count > 1:
        width += 1
        adders += count // 2 * width
        count = -(-count // 2)
        registers += count * width
    return adders, registers


def total(parts: dict[str, float], coefficients: dict[str, float]) -> int:
    """What the parts take together, by the coefficient of each."""
    return round(sum(size * coefficients[name] for name, size in parts.items()))
