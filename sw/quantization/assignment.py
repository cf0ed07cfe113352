"""Which scale each stage gets: from what the calibration images say, in the order of the signal."""

import dataclasses

import numpy as np

from sw.fixed import Format, weight_limit
from sw.network import PIXEL, Requantize
from sw.quantization.calibration import Statistics
from sw.quantization.scaled import ScaledStage
from sw.quantization.scales import (
    FRACTIONS,
    OCTAVES,
    coarse_scales,
    finer_scales,
    fitting_scales,
    multiplier_and_shift,
    octaves_down,
    octaves_up,
    operand_weights,
    rounded_octaves,
)
from sw.quantization.settings import COARSE_BITS, Settings
from sw.quantization.stages import INPUT, Stage


def assign_scales(
    stages: list[Stage], statistics: list[Statistics], scale: float, settings: Settings
) -> list[ScaledStage]:
    """The stages with their scales; `scale` is what a unit of the network's input is worth.

    Raises InputError where a list of bits in the settings does not fit the number of layers.
    """
    return _Assignment(stages, statistics, scale, settings).run()


class _Assignment:
    def __init__(self, stages: list[Stage], statistics: list[Statistics], scale: float, settings: Settings):
        self.stages, self.statistics, self.settings = stages, statistics, settings
        self.shifts_only = settings.scales == "power-of-two"
        self.forms = _forms(stages, settings)
        weighted = [index for index, stage in enumerate(stages) if stage.has_weights]
        bits = settings.bits_of("weight_bits", [stages[index].place for index in weighted])
        self.weight_bits = dict(zip(weighted, bits, strict=True))
        self.operand_bits = max(bits, default=8)
        self.scales = {INPUT: scale}
        self.groups = _tied(stages, self.forms, self.operand_bits)
        self.tops = self._tops()

    def run(self) -> list[ScaledStage]:
        """All stages, in order."""
        scaled = []
        for index, stage in enumerate(self.stages):
            make = {"add": self._add, "avgpool": self._average, "maxpool": self._maximum}.get(stage.kind, self._product)
            scaled.append(make(index, stage))
            self.scales[index] = scaled[-1].scale
            self._tie_to(index)
        return scaled

    def _tops(self) -> dict[int, float]:
        """For each group of tied results the greatest of their scales; those of a group are powers of two below it."""
        members = [index for index in self.groups if index != INPUT and self.stages[index].kind != "maxpool"]
        tops: dict[int, float] = {}
        for index in members:
            tops[self.groups[index]] = max(tops.get(self.groups[index], 0.0), self._wanted(index))
        group, s_in = self.groups.get(INPUT), self.scales[INPUT]
        if group in tops:  # the input's scale is given: rather clip the other operand than weigh the input wrongly
            tops[group] = min(_grid_above(s_in, tops[group]), s_in * 2.0 ** (self.operand_bits - 2))
        return tops

    def _tie_to(self, index: int) -> None:
        """Let the rest of its group follow a scale that could not be chosen freely."""
        if index in self.groups and self.stages[index].kind in ("add", "avgpool"):
            group = self.groups[index]
            self.tops[group] = _grid_above(self.scales[index], self.tops[group])

    def _result_scale(self, index: int, least: float = 0.0) -> float:
        """The wanted scale, or `least` if that is greater; where it is tied, the nearest above that fits the others."""
        wanted = max(self._wanted(index), least)
        if index not in self.groups:
            return wanted
        top = self.tops[self.groups[index]]
        return top * 2.0 ** -min(max(octaves_down(top / wanted), 0), self.operand_bits - 2)

    def _wanted(self, index: int) -> float:
        """The scale with which the greatest result just fits."""
        form = self.forms[index]
        return self.statistics[index].greatest(form, self.settings) / form.high

    def _is_last(self, index: int) -> bool:
        return index == len(self.stages) - 1

    def _product(self, index: int, stage: Stage) -> ScaledStage:
        bits, s_in = self.weight_bits[index], self.scales[stage.sources[0]]
        coding = self.settings.weights if bits == COARSE_BITS else "integer"
        per_channel = self.settings.per_channel and not self._is_last(index)
        if coding == "integer":
            s_w, round_octaves, factors = fitting_scales(stage.weight, bits, per_channel), octaves_down, OCTAVES
        else:
            s_w, round_octaves, factors = coarse_scales(stage.weight, coding, per_channel), rounded_octaves, None
        if self._is_last(index) or not self.shifts_only:
            factors = FRACTIONS if coding == "integer" else None
            s_out = None if self._is_last(index) else self._result_scale(index)
        else:  # scales s_out / s_in · 2^-k, k ≥ 0, for a shift goes to the right only
            s_out = self._result_scale(index, least=s_in * float(s_w.max()))
            s_w = s_out / s_in * 2.0 ** -np.maximum(round_octaves(s_out / (s_in * s_w)), 0)
        if factors is not None:
            s_w = finer_scales(stage, self.statistics[index].moments, s_w, factors, bits, per_channel)
        scaled = self._scaled(index, s_in * s_w, s_out)
        return dataclasses.replace(scaled, weight_bits=bits, weight_scale=s_w, coding=coding)

    def _maximum(self, index: int, stage: Stage) -> ScaledStage:
        return ScaledStage(stage, self.scales[stage.sources[0]])

    def _average(self, index: int, stage: Stage) -> ScaledStage:
        unit = self.scales[stage.sources[0]] / stage.window  # real value of 1 in the sum over the window
        s_out = None if self._is_last(index) else self._result_scale(index)
        if s_out and self.shifts_only:
            s_out = _grid_above(unit, s_out)
        return self._scaled(index, np.full(stage.shape[2], unit), s_out)

    def _add(self, index: int, stage: Stage) -> ScaledStage:
        operands = tuple(self.scales[source] for source in stage.sources)
        wanted = None if self._is_last(index) else self._result_scale(index)
        weights, unit, s_out = operand_weights(
            operands, self.statistics[index].moments, wanted, weight_limit(self.operand_bits), self.shifts_only
        )
        scaled = self._scaled(index, np.full(stage.shape[2], unit), s_out)
        return dataclasses.replace(scaled, weight_bits=self.operand_bits, operands=weights)

    def _scaled(self, index: int, unit: np.ndarray, s_out: float | None) -> ScaledStage:
        """A stage with accumulators of this unit and results of this scale; None: its sums leave raw."""
        if s_out is None:
            return ScaledStage(self.stages[index], float(unit[0]), unit)
        multiplier, shift = multiplier_and_shift(unit / s_out, self.shifts_only)
        return ScaledStage(self.stages[index], s_out, unit, Requantize(multiplier, shift, self.forms[index], s_out))


def _forms(stages: list[Stage], settings: Settings) -> dict[int, Format]:
    """Format of each result, and of the input; that of the last, whose sums leave raw, is left out."""
    rescaled = [index for index, stage in enumerate(stages[:-1]) if stage.kind != "maxpool"]
    bits = settings.bits_of("activation_bits", [stages[index].place for index in rescaled])
    bits = dict(zip(rescaled, bits, strict=True))
    forms = {INPUT: PIXEL}
    for index, stage in enumerate(stages[:-1]):
        sources = [forms[source] for source in stage.sources]
        nonnegative = stage.has_relu or (not stage.has_weights and not any(form.signed for form in sources))
        forms[index] = Format(bits[index], not nonnegative) if index in bits else sources[0]
    return forms


def _tied(stages: list[Stage], forms: dict[int, Format], operand_bits: int) -> dict[int, int]:
    """For each result that is an operand of a sum with coarse weights, the number of its group.

    Integers up to L bring two scales to a common unit up to a share of at most 1 / 2L of an operand, most often
    much less. Tied scales have a ratio that is a power of two, which integers meet exactly, at the price of at most
    one bit of the smaller one. They are tied where the error would be greater than that of rounding: where L is
    below an eighth of the greatest operand, or 1.
    """
    group = {INPUT: INPUT} | {index: index for index in range(len(stages))}

    def unite(a: int, b: int) -> None:
        old, new = group[a], group[b]
        group.update({index: new for index, number in group.items() if number == old})

    tied = set()
    for index, stage in enumerate(stages):
        if stage.kind == "maxpool":
            unite(index, stage.sources[0])
        bits = max(forms[source].bits for source in stage.sources)
        if stage.kind == "add" and (operand_bits == COARSE_BITS or operand_bits + 2 < bits):
            unite(*stage.sources)
            tied.add(stage.sources[0])
    numbers = {group[index] for index in tied}
    return {index: number for index, number in group.items() if number in numbers}


def _grid_above(scale: float, least: float) -> float:
    """The least scale · 2^k, k ≥ 0, that is at least `least`."""
    return scale * 2.0 ** max(octaves_up(least / scale), 0)
