"""What goes into a simulation, Job, and what comes out of it, Simulation."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sim.protocol import BACK_PRESSURE, IDLE, pack, stall_pattern
from sw.errors import InputError
from sw.golden import pixels
from sw.network import Network


@dataclass(frozen=True, eq=False)
class Job:
    """What to simulate; `Job.of` makes one from images.

    Parameters
    ----------
    beats: (n, beats of an image, taps) uint8 pixels.
    classes: beats of a result.
    fields: offset, width and signed of each field of a result beat.
    counters: names of the accelerator's counters.
    due: (n,) the first k images must be answered within due[k - 1] cycles without stalls.
    idle, back_pressure, seed: stall patterns; see sim.protocol.
    reset_after: if given, run so many cycles, reset, and only then the simulation that counts.
    load_image: to send before the pixels, see hw/load_image.py; none if empty.
    """

    beats: np.ndarray
    classes: int
    fields: Mapping[str, Mapping]
    counters: list[str]
    due: list[int]
    idle: str = "none"
    back_pressure: str = "none"
    seed: int = 0
    reset_after: int | None = None
    load_image: bytes = b""

    def __post_init__(self):
        stall_pattern(self.idle, IDLE, "")
        stall_pattern(self.back_pressure, BACK_PRESSURE, "")
        if self.reset_after is not None and self.reset_after < 0:
            raise InputError(f"reset_after must be a number of cycles, 0 or more, not {self.reset_after}")

    @classmethod
    def of(
        cls,
        network: Network,
        images: np.ndarray,
        taps: int,
        fields: Mapping[str, Mapping],
        counters: Iterable[str],
        watchdog: Callable[[int], int],
        *,
        seed: int = 0,
        **options,
    ) -> "Job":
        """The job for these images. Raises InputError where they do not fit the network.

        Parameters
        ----------
        taps: pixels a beat.
        watchdog: cycles without stalls in which that many images must be answered.
        options: idle, back_pressure, reset_after, load_image.
        """
        if seed < 0:
            raise InputError(f"seed must be an integer of at least 0, not {seed}")
        if len(images) == 0:
            raise InputError("images must be one or more, not 0")
        beats = pack(pixels(network, images), taps, seed)
        due = [watchdog(count) for count in range(1, len(beats) + 1)]
        return cls(beats, network.classes, fields, list(counters), due, seed=seed, **options)

    def save(self, path: Path) -> None:
        """Write the job to an npz file."""
        description = {name: value for name, value in vars(self).items() if name not in ("beats", "load_image")}
        load = np.frombuffer(self.load_image, dtype=np.uint8)
        np.savez(path, beats=self.beats, load_image=load, description=json.dumps(description))

    @classmethod
    def load(cls, path: Path) -> "Job":
        """Read what `save` wrote."""
        with np.load(path) as file:
            return cls(file["beats"], load_image=file["load_image"].tobytes(), **json.loads(str(file["description"])))


@dataclass(frozen=True, eq=False)
class Simulation:
    """What the accelerator answered to n images.

    Attributes
    ----------
    simulator: name of the simulator that ran.
    logits: int64 (n, classes).
    labels: int64 (n,).
    result_cycles: int64 (n,) cycle in which the last beat of each image was taken; 0 is the first one without reset.
    loaded_cycle: cycle in which the last pixels of the first image were taken.
    counters: the accelerator's counters, of all cycles up to the last result.
    seconds: wall time of the steps "build" and "run".
    instruction_cycles: cycles that each instruction ran, where that was asked for.
    """

    simulator: str
    logits: np.ndarray
    labels: np.ndarray
    result_cycles: np.ndarray
    loaded_cycle: int
    counters: dict[str, int]
    seconds: dict[str, float]
    instruction_cycles: dict[int, int] = field(default_factory=dict)

    @property
    def first_result(self) -> int:
        """Cycles from the last pixels of the first image to its last logit."""
        return int(self.result_cycles[0]) - self.loaded_cycle
