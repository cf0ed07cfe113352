"""Pictures, by matplotlib, without a display."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

AXES = {"weight_bits": "bits of a weight", "activation_bits": "bits of an activation"}


def draw_sweep(result: dict, path: Path) -> None:
    """Accuracy against bits, a panel for weights and one for activations, a line for each method; writes a PNG."""
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
    figure.suptitle(f"{result['name']}, quantized")
    figure.savefig(path, dpi=110)
