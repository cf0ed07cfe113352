"""sw/export/c_source.py: the header compiles without a warning and computes golden's logits, bit for bit.

The compiler is the one that Verilator needs too, told to read C.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from names import HOSTILE
from networks import random_image_network, random_images, random_network

from sw.export.c_source import prefix, source, write
from sw.fixed import Format
from sw.golden import infer
from sw.network import Dense, InputContract, Network, Requantize

IMAGES = 500
MIXED = ("avgpool", "overlapping", "residual", "depthwise", "grouped", "padded", "maxpool", "projection")
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
STRICT = ("-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
MAIN = """\
#include <stdio.h>
#include "net.h"
int main(void)
{
    static uint8_t pixels[NET_PIXELS];
    net_logit logits[NET_CLASSES];
    while (fread(pixels, 1, NET_PIXELS, stdin) == NET_PIXELS) {
        printf("%d", net_classify(pixels, logits));
        for (int i = 0; i < NET_CLASSES; ++i)
            printf(" %lld", (long long)logits[i]);
        puts("");
    }
    return 0;
}
"""
WIDE = Dense([[127] * 3, [-127] * 3], [2**40, -(2**52) + 2**20], 8, None)


def compile_and_run(network: Network, images: np.ndarray, folder: Path, language: str = "c", standard: str = "c99"):
    """Labels and logits of the images, as the compiled header says."""
    write(network, folder / "net.h")
    (folder / "main.c").write_text(MAIN)
    command = [COMPILER, "-x", language, f"-std={standard}", *STRICT, "main.c", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([folder / "main"], input=images.tobytes(), capture_output=True, check=True)
    rows = np.array([line.split() for line in done.stdout.splitlines()], dtype=np.int64)
    return rows[:, 0], rows[:, 1:]


def assert_equal_to_golden(network: Network, folder: Path, **options):
    images = random_images(1, network, IMAGES)
    labels, logits = compile_and_run(network, images, folder, **options)
    golden = infer(network, images, all_taps=False)
    np.testing.assert_array_equal(logits, golden.logits)
    np.testing.assert_array_equal(labels, golden.labels)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("multiplier", [False, True])
def test_dense_networks(tmp_path, multiplier, signed):
    network = random_network(2, [30, 20, 9, 6], multiplier=multiplier, signed=signed, activation_bits=[8, 5])
    assert_equal_to_golden(network, tmp_path)


@pytest.mark.parametrize("last", ["dense", "pooled", "avgpool"])
@pytest.mark.parametrize("seed", range(2))
def test_image_networks(tmp_path, seed, last):
    assert_equal_to_golden(random_image_network(seed, last=last), tmp_path)


def test_every_kind_of_layer_at_once(tmp_path):
    network = random_image_network(5, MIXED, shape=(40, 39, 2))
    assert {layer.kind for layer in network.layers} == {"dense", "conv2d", "maxpool", "avgpool", "add"}
    assert_equal_to_golden(network, tmp_path)


def test_the_header_is_cpp_too(tmp_path):
    assert_equal_to_golden(random_image_network(3), tmp_path, language="c++", standard="c++11")


def test_wide_sums_and_a_shift_of_zero(tmp_path):
    scale = Requantize([1, 65535, 3], [0, 0, 62], Format(8, signed=True))
    hidden = Dense([[1, 0, 0, 0], [0, 1, -1, 0], [127] * 4], [0, 0, -(2**40)], 8, scale)
    network = Network("wide", InputContract((2, 2, 1)), (hidden, WIDE))
    assert "typedef int64_t net_logit;" in source(network, "net")
    assert_equal_to_golden(network, tmp_path)


def test_the_lowest_index_wins_a_tie(tmp_path):
    network = Network("tie", InputContract((1, 2, 1)), (Dense([[1, 0], [2, 0], [2, 0]], [0, 0, 0], 8, None),))
    labels, _ = compile_and_run(network, np.full((1, 2), 9, np.uint8), tmp_path)
    assert labels.tolist() == [1]


@pytest.mark.parametrize(
    ("file", "expected"),
    [("mlp.h", "mlp"), ("my-net 2.h", "my_net_2"), ("8bit.h", "network_8bit"), ("_x.h", "x"), ("é.h", "network")],
)
def test_names_begin_with_the_name_of_the_file(file, expected):
    assert prefix(Path(file)) == expected


def test_a_name_cannot_end_the_comment():
    network = Network("*/ #error", InputContract((1, 3, 1)), (WIDE,))
    assert source(network, "net").splitlines()[0].startswith('/* "__ _error": ')


def test_no_name_changes_what_is_compiled(tmp_path):
    network = random_network(1, [5, 4, 3])
    for key, name in HOSTILE.items():
        write(replace(network, name=name), tmp_path / f"{key}.h")
    (tmp_path / "all.c").write_text("".join(f'#include "{key}.h"\n' for key in HOSTILE))
    command = [COMPILER, "-x", "c", "-std=c99", *STRICT, "-c", "all.c", "-o", "all.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_equal_to_golden(replace(network, name=HOSTILE["comment"]), tmp_path)


def test_the_same_network_gives_the_same_text():
    assert source(random_network(1, [5, 4, 3]), "net") == source(random_network(1, [5, 4, 3]), "net")
