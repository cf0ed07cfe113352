"""Bulk runs: the Verilog in Verilator behind a small C++ program instead of cocotb, many times faster.

It holds back nothing and checks no protocol: cocotb stays the reference. Both must give the same logits, cycles
and counters. A traced program also records every write to the hidden memory, and waveforms of some cycles.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.verilog import TOP
from sim import verilator
from sim.bench import SimulationError
from sim.build import first_error
from sim.job import Job
from sw import fingerprint, user_cache
from sw.errors import InputError

SOURCE = Path(__file__).with_suffix(".cpp")
ARGUMENTS = ("--cc", "--exe", "--build", "-j", "2", "-O3", "-Wno-lint", "--top-module", TOP)
"""For verilator."""
TRACED = ("--trace-vcd", "-CFLAGS", "-DTRACED")
"""For verilator, besides: a program that records."""
PROGRAM = "native"
"""Name of the compiled program."""
RELOADABLE = ("-CFLAGS", "-DRELOADABLE")
"""For verilator, besides: an accelerator that takes load images."""
BEAT = np.dtype([("cycle", "<u8"), ("payload", "<u8", 2)])
"""A result beat, as the program writes it."""
WRITE = np.dtype([("cycle", "<u8"), ("payload", "u1", 32)])
"""A write to the hidden memory, as the program writes it."""


@dataclass(frozen=True)
class Recording:
    """What a traced program records.

    Parameters
    ----------
    waves: VCD file to write. first, last: cycles that it shows.
    """

    waves: Path
    first: int
    last: int


def run(program: Path, job: Job, recording: Recording | None = None) -> dict:
    """Simulate the job with the program that `compiled` made, traced if there is a recording.

    Returns logits, labels, result_cycles, loaded_cycle and counters as Simulation has them, and of a traced program
    `writes`, an array of WRITE. Raises SimulationError if the accelerator stops answering or counts its logits wrongly.
    """
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        beats, results, load, trace = (Path(name) / file for file in ("beats", "results", "load", "trace"))
        job.beats.tofile(beats)
        load.write_bytes(job.load_image)
        due = len(job.beats) * job.classes
        arguments = [beats, job.beats.shape[-1], job.beats.shape[1], job.due[0], results, due, load]
        if recording is not None:
            arguments += [trace, recording.waves.resolve(), recording.first, recording.last]
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode:
            raise SimulationError(f"native simulation ended: {done.stderr.strip() or f'exit code {done.returncode}'}")
        found = np.fromfile(results, dtype=BEAT, count=due)
        loaded_cycle, *counters = np.fromfile(results, dtype="<u8", offset=found.nbytes).tolist()
        writes = {} if recording is None else {"writes": np.fromfile(trace, dtype=WRITE)}
    fields = {name: _field(found["payload"], **field) for name, field in job.fields.items()}
    last = fields["last"].reshape(-1, job.classes)
    if not last[:, -1].all() or last[:, :-1].any():
        raise SimulationError("`last` must mark exactly the last logit of each image, and does not")
    return writes | {
        "logits": fields["logit"].reshape(last.shape),
        "labels": fields["label"].reshape(last.shape)[:, -1],
        "result_cycles": found["cycle"].astype(np.int64).reshape(last.shape)[:, -1],
        "loaded_cycle": loaded_cycle,
        "counters": dict(zip(job.counters, counters, strict=True)),
    }


def _field(payload: np.ndarray, offset: int, width: int, signed: bool) -> np.ndarray:
    """int64 values of a field of at most 64 bits in payloads of 128 bits, given as two words."""
    word, bit = divmod(offset, 64)
    value = payload[:, word] >> np.uint64(bit)
    if bit and word == 0:
        value = value | payload[:, 1] << np.uint64(64 - bit)
    unused = np.uint64(64 - width)
    value = value << unused
    return value.view(np.int64) >> np.int64(unused) if signed else (value >> unused).astype(np.int64)


def compiled(verilog: Path, counters: list[str], *, traced: bool = False, optimization: str = "-O2") -> Path:
    """The compiled program, in the user's cache; compiled now if it is not there.

    traced: able to record. optimization: of the C++ compiler; less pays where few images are simulated.
    Raises InputError if a tool is missing, SimulationError if it does not compile.
    """
    if missing := verilator.missing_tools():
        raise InputError(
            f"simulator native needs {', '.join(missing)}: install what is missing, or take simulator amaranth"
        )
    source = verilog.read_bytes()  # once: what is compiled is what the key is of
    arguments = (*ARGUMENTS, *TRACED) if traced else ARGUMENTS
    if b" i_load__valid;" in source:
        arguments = (*arguments, *RELOADABLE)
    key = [hashlib.sha256(source).hexdigest(), arguments, optimization, counters, verilator.version()]
    key += [fingerprint.machine(), fingerprint.code("sim/native.py", "sim/native.cpp", "sim/verilator.py")]

    def make(product: Path) -> None:
        _compile(verilog.name, source, product, arguments, counters, optimization)

    return user_cache.entry("native", key, make) / PROGRAM


def _compile(
    name: str, source: bytes, product: Path, arguments: tuple[str, ...], counters: list[str], optimization: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="amarray-") as temporary:
        folder = Path(temporary)
        (folder / name).write_bytes(source)
        lines = [f"COUNTER({name})\n" for name in counters]
        (folder / "counters.h").write_text("".join(lines), encoding="utf-8")
        command = ["verilator", *arguments, "-CFLAGS", f"-I{folder}", "--Mdir", str(folder / "build")]
        done = subprocess.run(
            [*command, "-o", PROGRAM, name, str(SOURCE)],
            env=os.environ | verilator.environment(optimization),
            cwd=folder,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            (folder / "log").write_bytes(done.stderr + done.stdout)
            raise SimulationError(f"verilator does not compile {name}: {first_error(folder / 'log')}")
        shutil.copy(folder / "build" / PROGRAM, product)
