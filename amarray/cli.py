"""The command line: parses, runs a command, prints its result as tables or as JSON."""

import argparse
import errno
import json
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile

from amarray import board, commands, fpga, report
from amarray.caching import cache
from amarray.demo import demo
from amarray.exporting import FORMATS, export
from amarray.quantizing import CALIBRATION_IMAGES, quantize
from amarray.stopping import handling, stop
from amarray.streams import guarded_streams
from amarray.training import train
from hw.fpga.blocks import MULTIPLIERS
from hw.fpga.board_top import BAUD
from hw.fpga.boards import BOARDS
from hw.fpga.devices import DEVICES
from hw.fpga.driver import LinkError
from hw.fpga.estimate import MODELLED
from hw.schedule import SCHEDULES
from hw.yosys import ToolError
from sim.bench import SimulationError
from sim.protocol import BACK_PRESSURE, IDLE
from sim.simulate import SIMULATORS
from sw.errors import InputError, did_you_mean, one_line
from sw.quantization.settings import CHOICES, Settings
from sw.recipe import Recipe
from sw.shipped import NAMES

DESCRIPTION = """\
From a trained network to a proven accelerator: train, quantize to integers, generate Verilog,
show that it equals the integer model on every image, and count what it costs in an FPGA.
"""

EPILOG = """\
Start with `amarray demo`. Step by step, each command taking what the one before it wrote:
  amarray train mlp --epochs 100 -o runs/mlp
  amarray quantize runs/mlp -o mlp.npz
  amarray evaluate mlp.npz
  amarray fit mlp.npz --macs 128
  amarray generate mlp.npz --lanes 16 --taps 8 -o build
  amarray simulate build --images 1000
  amarray explain build --image 17
  amarray synth build --device ecp5-85k
  amarray place build --device ecp5-85k --seeds 5
  amarray bitstream build --board ulx3s
  amarray run 17 --port /dev/ttyUSB0 --network mlp.npz
A shipped network needs no training:
  amarray evaluate cnn
  amarray quantize cnn --weight-bits 4 --sweep
  amarray export cnn --format c -o cnn.h
  amarray generate mlp --also cnn -o both; amarray load both cnn -o cnn.load
What was compiled, synthesized and placed is kept; to see it, and to remove it:
  amarray cache
  amarray cache --clear
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with what a mistyped option or choice may have meant."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)

    def parse_known_args(self, args=None, namespace=None):
        """Parse; an option that is not known is an error before all others, for it may be one that is missing."""
        args = sys.argv[1:] if args is None else list(args)
        own = takewhile(lambda arg: arg.startswith("-"), args) if self._subparsers else args
        for arg in takewhile(lambda arg: arg != "--", own):
            option = arg.partition("=")[0]
            if option.startswith("--") and option not in self._option_string_actions:
                self.error(f"unrecognized option {option}{did_you_mean(option, self._option_string_actions)}")
        return super().parse_known_args(args, namespace)

    def _get_value(self, action, text):
        """The value in a text, which must not be empty: that is a variable that was never set, not a choice."""
        if not text and action.nargs != argparse.PARSER:  # which holds the words of a command
            raise argparse.ArgumentError(action, "must not be empty")
        return super()._get_value(action, text)

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            choices = ", ".join(map(str, action.choices))
            like = did_you_mean(value, map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {choices}){like}")

    def error(self, message):
        """Print the message and where to read more; exit with code 2."""
        self.exit(2, f"{self.prog}: {one_line(message)}; see `{self.prog} --help`\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 success, 1 not equal or a tool failed, 2 bad input, 130 ended."""
    with guarded_streams() as output:
        code = _run(arguments)
        output.flush()
        # a reader that has gone, such as head, has seen enough
        if output.error is None or isinstance(output.error, BrokenPipeError):
            return code
        return _fail(2, f"cannot write standard output: {output.error.strerror}")


def _run(arguments: list[str] | None) -> int:
    try:
        with handling(stop):
            options = _parser().parse_args(arguments)
            result = options.run(options)
            if options.json:
                print(json.dumps(result))
            else:
                options.show(result)
            return 1 if result.get("mismatches") else 0
    except SystemExit as end:  # argparse has printed help, version or what is wrong
        return end.code
    except InputError as error:
        return _fail(2, error)
    except OSError as error:
        return _fail(2, _system_error(error))
    except (SimulationError, ToolError, LinkError) as error:
        return _fail(1, error)
    except KeyboardInterrupt as stopped:
        return _fail(130, stopped.args[0] if stopped.args else "stopped; nothing was left half-written")


def _system_error(error: OSError) -> str:
    """An error of the system in a line that names the file, or where none is known, the folder that may be full."""
    if error.filename is not None and error.strerror:
        return f"cannot open {error.filename}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.strerror}; temporary files lie in {tempfile.gettempdir()}, or where TMPDIR says"
    return str(error)


def _fail(code: int, reason) -> int:
    print(f"amarray: {one_line(str(reason))}", file=sys.stderr)
    return code


def _parser() -> Parser:
    parser = Parser(prog="amarray", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"amarray {_version()}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_train(subparsers)
    _add_quantize(subparsers)
    _add_evaluate(subparsers)
    _add_export(subparsers)
    _add_fit(subparsers)
    _add_generate(subparsers)
    _add_load(subparsers)
    _add_simulate(subparsers)
    _add_explain(subparsers)
    _add_synth(subparsers)
    _add_place(subparsers)
    _add_bitstream(subparsers)
    _add_run(subparsers)
    _add_demo(subparsers)
    _add_cache(subparsers)
    return parser


def _add(subparsers, name: str, run, show, text: str) -> Parser:
    parser = subparsers.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run, show=show)
    return parser


def _add_train(subparsers) -> None:
    text = "Train a network: a shipped one with its recipe, or one that a TOML file describes."
    parser = _add(subparsers, "train", train, report.show_training, text)
    parser.add_argument("model", metavar="MODEL", help=f"{', '.join(NAMES)}, or a TOML file")
    parser.add_argument("-o", "--output", metavar="RUN", help="folder to write (default: runs/MODEL)")
    _add_data(parser, "mnist")
    parser.add_argument("--seed", type=int, help="of everything random (default: the recipe's, mostly 1)")
    parser.add_argument("--epochs", type=int, help="passes over the images (default: the recipe's)")
    parser.add_argument("--batch-size", type=int, help="images a step (default: the recipe's)")
    parser.add_argument("--learning-rate", type=float, help="peak of the schedule (default: the recipe's)")
    parser.add_argument("--shift", type=int, help="augment by shifts of so many pixels (default: the recipe's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other field of the recipe; repeatable"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of a stopped training")


def _add_quantize(subparsers) -> None:
    text = "Quantize a trained network to integers and write the Network file."
    parser = _add(subparsers, "quantize", quantize, report.show_quantization, text)
    settings = Settings()
    parser.add_argument("trained", metavar="RUN", help=f"folder that `amarray train` wrote, or {', '.join(NAMES)}")
    parser.add_argument(
        "-o", "--output", metavar="NETWORK", help="file to write (default: RUN/network.npz, or NAME.npz)"
    )
    _add_data(parser, "those of the run")
    for option, what in (("--weight-bits", "layer with weights"), ("--activation-bits", "layer that requantizes")):
        default = str(getattr(settings, option[2:].replace("-", "_")))
        text = f"2..8, or a list with one for each {what}: 8,4,8 (default: %(default)s)"
        parser.add_argument(option, metavar="N", default=default, help=text)
    parser.add_argument(
        "--weights",
        choices=CHOICES["weights"],
        default=settings.weights,
        help="what 2-bit weights may be: -1..1 by rounding, ternary by threshold, or binary (default: %(default)s)",
    )
    parser.add_argument(
        "--scales",
        choices=CHOICES["scales"],
        default=settings.scales,
        help="requantize by a shift, or by a 16-bit multiplier and a shift (default: %(default)s)",
    )
    parser.add_argument("--per-layer", action="store_true", help="one weight scale a layer, not one a channel")
    parser.add_argument(
        "--calibration",
        choices=CHOICES["calibration"],
        default=settings.calibration,
        help="which activation becomes the greatest integer (default: %(default)s)",
    )
    parser.add_argument(
        "--percentile", type=float, default=settings.percentile, help="of that calibration (default: %(default)s)"
    )
    parser.add_argument(
        "--calibration-images",
        type=int,
        metavar="N",
        help=f"training images that set the activations' scales (default: {CALIBRATION_IMAGES}, or all)",
    )
    parser.add_argument("--aware", action="store_true", help="train on as integers: quantization-aware training")
    parser.add_argument("--seed", type=int, help="of that training (default: the run's)")
    parser.add_argument("--epochs", type=int, help="of that training (default: a quarter of the run's)")
    parser.add_argument("--learning-rate", type=float, help="of that training (default: a tenth of the run's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other field of its recipe; repeatable"
    )
    _add_force(parser, "NETWORK")
    parser.add_argument(
        "--sweep", action="store_true", help="accuracy against 2..8 bits as table, picture and JSON, in folder -o"
    )


def _add_evaluate(subparsers) -> None:
    text = "Run the golden integer model on all test images."
    parser = _add(subparsers, "evaluate", commands.evaluate, report.show_evaluation, text)
    parser.add_argument("network", metavar="NETWORK", help=f"file that `amarray quantize` wrote, or {', '.join(NAMES)}")
    _add_data(parser)


def _add_export(subparsers) -> None:
    text = "Write a network in a format of other tools."
    parser = _add(subparsers, "export", export, report.show_export, text)
    parser.add_argument("network", metavar="NETWORK", help=f"file that `amarray quantize` wrote, or {', '.join(NAMES)}")
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        help="npz: arrays; hex, mem: memory files for Verilog; c: a header that classifies; onnx: QDQ form",
    )
    text = "file to write; with hex and mem a folder"
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help=text)
    _add_force(parser, "file")


def _add_fit(subparsers) -> None:
    text = (
        "Search lanes x taps x pixels for the fastest array on an FPGA, or for the fewest cycles with so many"
        " multipliers; one of --device, --macs, --multipliers must be given."
    )
    parser = _add(subparsers, "fit", commands.fit, report.show_fit, text)
    parser.add_argument("network", metavar="NETWORK", help=f"file that `amarray quantize` wrote, or {', '.join(NAMES)}")
    parser.add_argument("--macs", type=int, metavar="N", help="multipliers of the array at most")
    text = "the same, with those of requantization by multiplier"
    parser.add_argument("--multipliers", type=int, metavar="N", help=text)
    parser.add_argument("--block-rams", type=int, metavar="N", help="block RAMs of 18 kbit at most, estimated")
    parser.add_argument("--device", metavar="NAME", help=f"what fits this one, the fastest: {', '.join(MODELLED)}")
    parser.add_argument("--speed", metavar="GRADE", help="of the device: ecp5 6, 7, 8 (default: 6)")
    text = "with --device: the smallest array that reaches so many"
    parser.add_argument("--min-images-per-second", type=float, metavar="N", help=text)
    _add_schedule(parser)


def _add_generate(subparsers) -> None:
    text = "Compile a network for an array and write Verilog, memory images and port map."
    parser = _add(subparsers, "generate", commands.generate, report.show_build, text)
    parser.add_argument("network", metavar="NETWORK", help=f"file that `amarray quantize` wrote, or {', '.join(NAMES)}")
    _add_array(parser)
    parser.add_argument(
        "--array",
        metavar="FILE",
        help="take this array, a build or a JSON file, not the smallest of lanes x taps x pixels",
    )
    parser.add_argument(
        "-o", "--output", metavar="BUILD", default="build", help="folder to write (default: %(default)s)"
    )
    parser.add_argument("--chart", metavar="FILE", help="draw the schedule of one and of several images, as .svg")
    _add_force(parser, "chart")
    parser.add_argument(
        "--reloadable",
        action="store_true",
        help="other networks that fit can be loaded while it runs, by `amarray load`",
    )
    parser.add_argument(
        "--also",
        metavar="NETWORK",
        action="append",
        default=[],
        help="make room for this one too; implies --reloadable",
    )


def _add_load(subparsers) -> None:
    text = "Compile another network for a reloadable build and write its load image, the bytes for the port i_load."
    parser = _add(subparsers, "load", commands.load, report.show_load, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate --reloadable` wrote")
    parser.add_argument("network", metavar="NETWORK", help=f"file that `amarray quantize` wrote, or {', '.join(NAMES)}")
    _add_schedule(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write")
    _add_force(parser, "file")


def _add_simulate(subparsers) -> None:
    text = "Run test images through the Verilog and compare every logit with the golden model."
    parser = _add(subparsers, "simulate", commands.simulate, report.show_simulation, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate` wrote")
    _add_edited(parser)
    _add_data(parser)
    text = f"the first N (default: {commands.IMAGES}, or all)"
    parser.add_argument("--images", type=int, metavar="N", help=text)
    parser.add_argument(
        "--simulator", metavar="NAME", default="verilator", help=f"{', '.join(SIMULATORS)} (default: %(default)s)"
    )
    parser.add_argument("--idle", choices=IDLE, default="none", help="how the pixels stall (default: %(default)s)")
    parser.add_argument(
        "--back-pressure", choices=BACK_PRESSURE, default="none", help="how the receiver stalls (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the stalls (default: %(default)s)")
    parser.add_argument("--load", metavar="NETWORK", help="load this network first, and run the images through it")
    parser.add_argument("--waves", metavar="FILE", help="write waveforms: .vcd, with icarus .fst")
    _add_force(parser, "file of waveforms")
    parser.add_argument(
        "--netlist", metavar="DEVICE", help="simulate the netlist for this FPGA instead, with simulator native"
    )


def _add_explain(subparsers) -> None:
    text = (
        "Compare a build with golden write by write, and show where they first differ: layer, channel, position, cycle."
    )
    parser = _add(subparsers, "explain", commands.explain, report.show_explanation, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate` wrote")
    _add_edited(parser)
    _add_data(parser)
    parser.add_argument("--image", type=int, default=0, metavar="N", help="of the test images (default: %(default)s)")
    parser.add_argument(
        "--waves", metavar="FILE", help="for the waveform around the difference (default: BUILD/explain-N.vcd)"
    )
    _add_force(parser, "file of waveforms")


def _add_synth(subparsers) -> None:
    text = "Synthesize a build with yosys and count its cells."
    parser = _add(subparsers, "synth", fpga.synth, report.show_synthesis, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate` wrote")
    _add_edited(parser)
    _add_device(parser, DEVICES)
    _add_multipliers(parser)


def _add_multipliers(parser: Parser) -> None:
    parser.add_argument(
        "--multipliers",
        choices=MULTIPLIERS,
        default="auto",
        help="where products are made: multiplier blocks and, beyond them, lookup tables; or one alone "
        "(default: %(default)s)",
    )


def _add_place(subparsers) -> None:
    text = "Place and route a build with nextpnr: its clock, images per second, and the path that limits them."
    parser = _add(subparsers, "place", fpga.place_command, report.show_placement, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate` wrote")
    _add_edited(parser)
    _add_device(parser, [name for name, device in DEVICES.items() if device.nextpnr])
    _add_multipliers(parser)
    text = "of the device: ecp5 6, 7, 8; gowin has one (default: the slowest)"
    parser.add_argument("--speed", metavar="GRADE", help=text)
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="N",
        help="placements, of which the median counts (default: %(default)s)",
    )


def _add_bitstream(subparsers) -> None:
    text = "Make a bitstream of a build for a board: PLL, UART, LEDs; refused where the clock is not met."
    parser = _add(subparsers, "bitstream", board.bitstream, report.show_bitstream, text)
    parser.add_argument("build", metavar="BUILD", help="folder that `amarray generate` wrote")
    parser.add_argument("--board", required=True, metavar="NAME", help=", ".join(BOARDS))
    parser.add_argument("--device", metavar="NAME", help="FPGA of the board, where it exists with several")
    parser.add_argument("--clock", type=float, metavar="MHZ", help="of the array (default: the board's)")
    _add_baud(parser)
    parser.add_argument("--seed", type=int, default=1, help="of the placement (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: in BUILD, by the board's name)")
    _add_force(parser, "bitstream")


def _add_run(subparsers) -> None:
    text = "Classify an image on a board: label, logits and counters."
    parser = _add(subparsers, "run", board.run, report.show_run, text)
    parser.add_argument("image", metavar="IMAGE", help="number of a test image, or a .npy or binary .pgm file")
    _add_data(parser)
    parser.add_argument("--port", required=True, metavar="PORT", help="serial port of the board, as /dev/ttyUSB0")
    _add_baud(parser)
    parser.add_argument("--load", metavar="FILE", help="load image that `amarray load` wrote, to load first")
    parser.add_argument("--network", metavar="NETWORK", help="that runs on the board: compare with its golden model")


def _add_baud(parser) -> None:
    parser.add_argument("--baud", type=int, default=BAUD, help="bits a second of the UART (default: %(default)s)")


def _add_device(parser, names) -> None:
    parser.add_argument(
        "--device", metavar="NAME", default="ecp5-25k", help=f"{', '.join(names)} (default: %(default)s)"
    )


def _add_demo(subparsers) -> None:
    text = "The whole flow on MNIST, from training to resource counts; repeats only what has changed."
    parser = _add(subparsers, "demo", demo, report.show_demo, text)
    parser.add_argument("-o", "--output", metavar="FOLDER", default="demo", help="for all files (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe().seed, help="of the training (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs, help="of the training (default: %(default)s)")
    parser.add_argument("--images", type=int, default=10000, metavar="N", help="to simulate (default: %(default)s)")
    _add_array(parser)


def _add_force(parser, what: str) -> None:
    text = f"write the {what} even over a file of another kind; a folder that is not ours is never replaced"
    parser.add_argument("--force", action="store_true", help=text)


def _add_cache(subparsers) -> None:
    text = "Show the user's cache, where compiled simulators, netlists and results are kept, or clear it."
    parser = _add(subparsers, "cache", cache, report.show_cache, text)
    parser.add_argument("--clear", action="store_true", help="remove all that amarray keeps there")


def _add_edited(parser) -> None:
    text = "take accelerator.v and ports.json as they are, though changed or made by other versions"
    parser.add_argument("--edited", action="store_true", help=text)


def _add_data(parser, default: str = "MNIST, if it is the network's") -> None:
    text = f"four IDX files, called as MNIST's; `mnist` is the embedded MNIST (default: {default})"
    parser.add_argument("--data", metavar="FOLDER", help=text)


def _add_array(parser) -> None:
    parser.add_argument("--lanes", type=int, default=16, help="output channels at a time, 1..64 (default: %(default)s)")
    parser.add_argument(
        "--taps", type=int, default=8, help="inputs a lane multiplies a cycle, 1..16 (default: %(default)s)"
    )
    parser.add_argument(
        "--pixels", type=int, default=1, help="output positions at a time, 1, 2 or 4 (default: %(default)s)"
    )
    _add_schedule(parser)


def _add_schedule(parser) -> None:
    parser.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="throughput",
        help="most images a second, or each answer as early as possible (default: %(default)s)",
    )


def _version() -> str:
    try:
        return version("amarray")
    except PackageNotFoundError:
        return "(not installed)"
