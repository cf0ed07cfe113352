"""The network changes between two images, in random order with refused load images, and every logit stays right."""

import zlib
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from amaranth import ClockDomain, Module, Value
from networks import random_image_network, random_network
from rtl import run
from tiers import slow

from hw.compiler import compile_network, size_array
from hw.memories import static_memories
from hw.reloader import LoadError
from sim.amaranth_sim import result_fields
from sim.protocol import load_payloads, pack, payloads, unpack
from sw.errors import InputError
from sw.golden import infer, pixels

LIMIT = 200_000


class Session:
    """Streams load images and images through one accelerator, and collects logits and load errors."""

    def __init__(self, compiled, seed):
        self.accelerator, self.taps = compiled.accelerator(), compiled.config.taps
        self.rng = Random(seed)
        self.parts = []  # (beats of the load image, beats of pixels, beats of an image)
        self.logits, self.errors, self.networks = [], [], 0
        self.changes = []  # cycles in which the network has changed

    def add(self, image: bytes, network, images):
        """A load image, and the images that follow it."""
        beats = pack(pixels(network, images), self.taps, 1)
        self.parts.append((list(load_payloads(image)), list(payloads(beats)), beats.shape[1]))

    def run(self, due: int, reset_after: int | None = None):
        """Simulate until so many logits have left."""
        m = Module()
        m.domains.sync = self.domain = ClockDomain("sync")
        m.submodules.accelerator = self.accelerator
        run(m, self._run(due, reset_after))

    def _run(self, due, reset_after):
        async def testbench(ctx):
            accelerator, fields = self.accelerator, result_fields(self.accelerator)
            load, source, sink = accelerator.i_load, accelerator.i_pixels, accelerator.o_result
            loads, beats = [list(part[0]) for part in self.parts], [list(part[1]) for part in self.parts]
            loading = computing = 0  # the parts whose bytes, and whose pixels, are sent
            for cycle in range(LIMIT):
                if len(self.logits) >= due and loading == len(loads):
                    break
                if cycle == reset_after:
                    ctx.set(self.domain.rst, 1)
                    await ctx.tick()
                    ctx.set(self.domain.rst, 0)
                    self.logits.clear()
                    beats[computing:] = [list(part[1]) for part in self.parts[computing:]]
                while loading < len(loads) and not loads[loading]:
                    loading += 1
                while computing < len(beats) and not beats[computing]:
                    computing += 1
                # The last byte waits for the last image before it to begin, the first pixel for the last byte.
                before = self.parts[loading - 1] if 0 < loading < len(loads) else None
                begun = (
                    before is None
                    or computing == loading
                    or (computing == loading - 1 and len(beats[computing]) < before[2])
                )
                offers_load = loading < len(loads) and (len(loads[loading]) > 1 or begun) and self.rng.random() < 0.7
                offers = computing < min(len(beats), loading) and self.rng.random() < 0.8
                takes = self.rng.random() < 0.8
                ctx.set(load.valid, offers_load)
                ctx.set(source.valid, offers)
                ctx.set(sink.ready, takes)
                if offers_load:
                    ctx.set(Value.cast(load.payload), loads[loading][0])
                if offers:
                    ctx.set(Value.cast(source.payload), beats[computing][0])
                *_, load_ready, ready, valid, word, status = await ctx.tick().sample(
                    load.ready, source.ready, sink.valid, Value.cast(sink.payload), accelerator.load_status
                )
                if offers_load and load_ready:
                    loads[loading].pop(0)
                if offers and ready:
                    beats[computing].pop(0)
                if takes and valid:
                    self.logits.append(unpack(word, fields)["logit"])
                if not self.errors or self.errors[-1] != status.error:
                    self.errors.append(LoadError(status.error))
                if status.networks != self.networks:
                    self.changes.append(cycle)
                self.networks = status.networks

        return testbench


def compiled_networks(seed):
    """Two or three networks of different shapes, and a reloadable array for all of them."""
    rng = Random(seed)
    found = [random_image_network(seed, weight_bits=4), random_network(seed + 1, [rng.randint(5, 40), 9, 4])]
    found.append(random_image_network(seed + 2, ("conv", "maxpool", "conv"), weight_bits=4))
    rng.shuffle(found)
    kind = rng.choice(["throughput", "latency"])
    shape = (rng.randint(1, 5), rng.randint(1, 5), rng.choice([1, 2]))
    return [
        compile_network(network, size_array(found[0], *shape, kind=kind, also=tuple(found[1:])), kind)
        for network in found
    ]


def random_images(network, count, seed):
    """Images for the network."""
    return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def expected(network, images):
    """The logits in the order in which they leave."""
    return infer(network, images, all_taps=False).logits.ravel().tolist()


def damaged(image: bytes, rng: Random) -> bytes:
    """The image, no longer right."""
    at = rng.randrange(len(image))
    return rng.choice(
        [
            image[:at] + bytes([image[at] ^ 1 << rng.randrange(8)]) + image[at + 1 :],
            image[: at + 1] if at + 1 < len(image) else image[:at],
            image + bytes([at % 256]),
        ]
    )


@pytest.mark.parametrize("seed", [*range(3), *slow(range(3, 40))])
def test_random_reload_between_images(seed):
    compiled, rng = compiled_networks(seed), Random(seed)
    session, running, due = Session(compiled[0], seed), compiled[0], []
    for part in range(5):
        chosen = rng.choice(compiled)
        image = chosen.load_image()
        if rng.random() < 0.3:
            image = damaged(image, rng)
        else:
            running = chosen
        images = random_images(running.network, rng.randint(1, 3), 10 * seed + part)
        session.add(image, running.network, images)
        due += expected(running.network, images)
    session.run(len(due))
    assert session.logits == due


def corrupted(image: bytes, at: int, value: int) -> bytes:
    """Four bytes replaced, and the checksum right again."""
    changed = image[:at] + value.to_bytes(4, "little") + image[at + 4 : -4]
    return changed + zlib.crc32(changed).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (LoadError.MAGIC, lambda image: corrupted(image, 0, 0)),
        (LoadError.VERSION, lambda image: corrupted(image, 4, 2)),
        (LoadError.ARRAY, lambda image: corrupted(image, 8, 7)),
        (LoadError.LENGTH, lambda image: corrupted(image, 12, len(image) - 21)),
        (LoadError.LENGTH, lambda image: corrupted(image, 12, len(image) - 19)),
        (LoadError.LENGTH, lambda image: corrupted(image, 16, 2)),
        (LoadError.LENGTH, lambda image: corrupted(image, 16, 0)),
        (LoadError.LENGTH, lambda image: image[:-1]),
        (LoadError.LENGTH, lambda image: image[:3]),
        (LoadError.LENGTH, lambda image: image + b"\0"),
        (LoadError.CHECKSUM, lambda image: image[:-1] + bytes([image[-1] ^ 128])),
        (LoadError.CHECKSUM, lambda image: image[:-9] + bytes([image[-9] ^ 1]) + image[-8:]),
        (LoadError.NONE, lambda image: image),
    ],
)
def test_a_wrong_image_is_refused_with_its_reason_and_the_next_one_works(error, change):
    first, second, _ = compiled_networks(3)
    session = Session(first, 1)
    images, others = random_images(first.network, 2, 5), random_images(second.network, 2, 6)
    running = second if error is LoadError.NONE else first
    session.add(change(second.load_image()), running.network, images if running is first else others)
    session.add(second.load_image(), second.network, others)
    due = expected(running.network, images if running is first else others) + expected(second.network, others)
    session.run(len(due))
    assert session.logits == due
    assert [found for found in session.errors if found is not LoadError.NONE] == [error] * (error is not LoadError.NONE)
    assert session.networks == (2 if error is LoadError.NONE else 1)


@pytest.mark.parametrize("part", ["program", "weights", "parameters"])
def test_a_part_longer_than_its_memory_is_refused(part):
    network = random_network(1, [6, 5, 3])
    compiled = compile_network(network, replace(size_array(network, 2, 2), reloadable=True))
    missing = static_memories(compiled.config)[part][0] - len(getattr(compiled, part))
    longest, longer = (
        replace(compiled, **{part: getattr(compiled, part) + (0,) * (missing + more)}).load_image() for more in (0, 1)
    )
    session, images = Session(compiled, 1), random_images(network, 2, 3)
    for image in (longer, longest):
        session.add(image, network, images)
    session.run(6 + 6)
    assert session.logits == 2 * expected(network, images)
    assert [error for error in session.errors if error is not LoadError.NONE] == [LoadError.LENGTH]
    assert session.networks == 1


def test_borders_are_zero_where_the_network_before_has_written():
    dense = random_network(1, [20, 90, 3], weights="high", biases="zero")
    padded = random_image_network(3, ("padded", "padded"), shape=(5, 4, 1), weights="uniform")
    first, second = (compile_network(network, size_array(dense, 4, 4, also=(padded,))) for network in (dense, padded))
    assert [mapping.source.border > 0 for mapping in second.schedule.mappings] == [True, True, False]

    def session():
        made = Session(first, 1)
        for compiled, images in zip((first, second), parts, strict=True):
            made.add(compiled.load_image(), compiled.network, images)
        return made

    parts = (random_images(dense, 1, 0), random_images(padded, 3, 1))
    due = [expected(dense, parts[0]), expected(padded, parts[1])]
    undisturbed, disturbed = session(), session()
    undisturbed.run(sum(map(len, due)))
    assert undisturbed.logits == due[0] + due[1]
    disturbed.run(len(due[1]), reset_after=undisturbed.changes[-1] + 3)  # while the memories are being cleared
    assert disturbed.logits == due[1]


@pytest.mark.parametrize("cycles", [0, 21, 49, *slow([7, 14, 28, 35, 42, 56])])
def test_a_reset_forgets_the_images_but_not_the_network(cycles):
    _, second, first = compiled_networks(4)
    session = Session(first, cycles)
    images = random_images(second.network, 2, 8)
    session.add(second.load_image(), second.network, images)
    due = expected(second.network, images)
    # With 0.7 bytes a cycle the image is taken long before, and the memories are being cleared or images computed.
    taken = int(len(second.load_image()) / 0.7) + 60 + cycles
    session.run(len(due), reset_after=taken)
    assert session.logits == due


def test_an_array_that_is_not_reloadable_has_no_load_image():
    network = random_network(1, [4, 3])
    compiled = compile_network(network, size_array(network, 1, 1))
    with pytest.raises(InputError, match="reloadable is False"):
        compiled.load_image()


def test_a_network_that_does_not_fit_is_refused():
    small, large = random_network(1, [6, 3]), random_network(2, [60, 20, 3])
    with pytest.raises(InputError, match="the array has"):
        compile_network(large, replace(size_array(small, 2, 2), reloadable=True))
