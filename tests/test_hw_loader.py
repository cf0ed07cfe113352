import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.loader import Loader


class Trace:
    """Drives a loader with random stalls and releases; keeps what it wrote and accepted."""

    def __init__(self, beats: int, images: int, offer: float, release: float, seed: int):
        self.config = ArrayConfig(taps=3, input_words=2 * beats if beats > 1 else 2)
        self.beats, self.images = beats, images
        self.rng = np.random.default_rng(seed)
        self.pixels = self.rng.integers(0, 256, (images * beats, 3)).tolist()
        self.writes, self.ready, self.full, self.released = [], [], [], []
        self._run(offer, release)

    def _run(self, offer: float, release: float):
        loader = Loader(self.config)

        async def testbench(ctx):
            ctx.set(loader.header.image_words, self.beats)
            ctx.set(loader.header.bases[1].word, self.beats)
            taken = 0
            owner = 0  # whose buffer is released next
            for _ in range(40 * self.images * self.beats + 100):
                valid = taken < len(self.pixels) and self.rng.random() < offer
                full = ctx.get(loader.full)
                frees = bool(full >> owner & 1) and self.rng.random() < release
                ctx.set(loader.release, frees << owner)
                ctx.set(loader.i.valid, valid)
                ctx.set(loader.i.payload, self.pixels[taken] if valid else [1, 2, 3])
                ready = ctx.get(loader.i.ready)
                self.ready.append(ready)
                self.full.append(full)
                self.released.append(frees << owner)
                if ctx.get(loader.o.valid):
                    word = ctx.get(loader.o.payload)
                    self.writes.append((len(self.full) - 1, word.address.word, list(word.elements)))
                taken += valid and ready
                owner ^= frees
                await ctx.tick()

        run(loader, testbench)


CASES = [(1, 1.0, 1.0), (1, 0.5, 0.5), (4, 1.0, 1.0), (4, 1.0, 0.05), (5, 0.3, 0.5), (7, 0.9, 0.1)]


@pytest.mark.parametrize(("beats", "offer", "release"), CASES)
def test_images_go_to_the_two_buffers_in_turn(beats, offer, release):
    trace = Trace(beats, 9, offer, release, beats)
    expected = [
        ((image % 2) * beats + beat, trace.pixels[image * beats + beat]) for image in range(9) for beat in range(beats)
    ]
    assert [write[1:] for write in trace.writes] == expected


@pytest.mark.parametrize(("beats", "offer", "release"), CASES)
def test_buffer_is_full_from_its_last_beat_to_its_release(beats, offer, release):
    trace = Trace(beats, 9, offer, release, beats)
    written = {cycle: word for cycle, word, _ in trace.writes}
    full = [False, False]
    turn = 0
    for cycle, found in enumerate(trace.full):
        assert found == full[0] + 2 * full[1]
        assert trace.ready[cycle] == (not full[turn])
        for buffer in range(2):
            if trace.released[cycle] >> buffer & 1:
                full[buffer] = False
        if cycle in written and written[cycle] % beats == beats - 1:
            assert not full[turn]
            full[turn] = True
            turn ^= 1


def test_one_buffer_is_filled_while_the_other_is_read():
    trace = Trace(4, 3, 1.0, 0.0, 0)  # nothing is ever released
    assert [word for _, word, _ in trace.writes] == list(range(8))
    assert [cycle for cycle, _, _ in trace.writes] == list(range(8))  # a beat a cycle, without a pause between images
    assert trace.full[-1] == 0b11
    assert not any(trace.ready[8:])
