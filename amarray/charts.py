"""Pictures, by matplotlib, without a display.

matplotlib is imported where it draws: it takes as long as a third of all other imports, and few commands draw.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.compiler import Compiled
from sw.file_kinds import SVG
from sw.files import replacing_file

AXES = {"weight_bits": "bits of a weight", "activation_bits": "bits of an activation"}


def draw_sweep(result: dict, path: Path) -> None:
    """Accuracy against bits, a panel for weights and one for activations, a line for each method; writes a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(result["series"]), sharey=True)
    for axes, (field, rows) in zip(panels, result["series"].items(), strict=True):
        for method in dict.fromkeys(row["method"] for row in rows):
            points = [(row[field], row["accuracy"]) for row in rows if row["method"] == method]
            axes.plot(*zip(*points, strict=True), marker="o", label=method)
        axes.axhline(result["float_accuracy"], color="grey", linestyle="--", label="float")
        axes.set_xlabel(AXES[field])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"accuracy on {result['images']:,} test images")
    panels[0].legend()
    figure.suptitle(f"{result['name']}, quantized", parse_math=False)
    with _any_script():
        figure.savefig(path, dpi=110)


def draw_schedule(compiled: Compiled, path: Path, force: bool = False) -> None:
    """When the array works on which operation: one image alone, and several that overlap; writes an SVG.

    A bar is an operation, a colour an image; both panels are walks through the compiled program.
    force: replace a file that is no SVG picture, too.
    """
    import matplotlib
    from matplotlib.figure import Figure

    schedule = compiled.schedule
    mappings = schedule.mappings
    figure = Figure(figsize=(10, 1.6 + 0.5 * len(mappings)), layout="constrained")
    panels = figure.subplots(2, 1)
    for axes, images in zip(panels, (1, schedule.stages + 3), strict=True):
        for start, slot, image in schedule.walk(images):
            if image is not None:
                axes.barh(slot.operation, schedule.steps(slot), left=start, color=f"C{image % 10}")
        axes.set_yticks(range(len(mappings)), [mapping.operation.label for mapping in mappings], fontsize=7)
        axes.set_ylim(len(mappings) - 0.4, -0.6)
        axes.grid(axis="x", alpha=0.3)
        axes.set_title("one image" if images == 1 else f"{images} images, one every {schedule.round_cycles:,} cycles")
    panels[1].set_xlabel("cycle after the first step")
    figure.suptitle(f"{compiled.network.name} on {compiled.config.shape}, {compiled.kind} schedule", parse_math=False)
    context = matplotlib.rc_context({"svg.hashsalt": "amarray"})
    with _any_script(), context, replacing_file(path, SVG, force) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


@contextmanager
def _any_script() -> Iterator[None]:
    """Let a name have characters that matplotlib's font lacks: boxes stand for them in the picture."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield
