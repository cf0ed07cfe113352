"""How well onnxruntime agrees with the golden model on the exported network: all 10,000 test images.

    python bench/onnx_agreement.py NETWORK [NETWORK ...]

NETWORK is a shipped name or a Network file. Counts images of which any logit, or the label, differs; once without
onnxruntime's optimizations, in float32, and once with all of them, in its integer kernels.
"""

import sys

import numpy as np
import onnxruntime

from sw import mnist, network_file
from sw.export import onnx_model
from sw.golden import infer
from sw.shipped import network_path

LEVELS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
BATCH = 500


def main() -> None:
    """Print a row for each network and level."""
    images = mnist.load().test_images
    row = "{:24} {:>14} {:>13} {:>12} {:>12}".format
    print(row("network", "inexact layers", "optimizations", "other logits", "other labels"))
    for name in sys.argv[1:]:
        network = network_file.load(network_path(name))
        golden = infer(network, images, all_taps=False)
        model = onnx_model.build(network).SerializeToString()
        inexact = ", ".join(map(str, onnx_model.inexact_layers(network))) or "none"
        for level, setting in LEVELS.items():
            logits, labels = run(model, setting, images)
            different = (logits != golden.logits).any(axis=1)
            print(row(name, inexact, level, int(different.sum()), int((labels != golden.labels).sum())))


def run(model: bytes, level: onnxruntime.GraphOptimizationLevel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that onnxruntime gives."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact sums without VNNI instructions too
    session = onnxruntime.InferenceSession(model, options)
    parts = [session.run(None, {"pixels": images[i : i + BATCH]}) for i in range(0, len(images), BATCH)]
    logits, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return logits, labels


if __name__ == "__main__":
    main()
