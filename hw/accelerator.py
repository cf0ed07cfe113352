"""The accelerator: the top component, which connects the stages of the data path.

    pixels > loader > input memory  >+
                      hidden memory >+> lanes x taps array > drain > requantizers > max pool > hidden memory
              sequencer > loop nest >+                                     +> classifier > results

From a step of the nest to the written activation everything is a fixed pipeline; what must arrive
together is delayed by the difference of the components' latencies.
"""

from dataclasses import dataclass

from amaranth import Cat, EnableInserter, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.classifier import Classifier, result_layout
from hw.column_max import ColumnMax
from hw.config import ArrayConfig
from hw.drain import Drain
from hw.event_counter import EventCounter
from hw.fetcher import Fetcher
from hw.loader import Loader, pixels_layout
from hw.loop_nest import LoopNest
from hw.mac_array import MacArray
from hw.max_pool import MaxPool
from hw.memories import READ_CYCLES, BankedMemory, StaticMemory, static_memories, weights_in_block_ram
from hw.program import Header, header_layout, header_values, hidden_address
from hw.reloader import Reloader, load_beat, status_layout
from hw.requantize import Requantizer, parameter_layout
from hw.sequencer import Sequencer
from hw.stream import connect, delayed
from hw.watermark import Watermark


@dataclass(frozen=True)
class Latencies:
    """Cycles between the events that a schedule must respect, from the components' own latencies.

    Parameters
    ----------
    read: from a step of the nest to its operands at the array.
    capture: from the last step of a sum to its capture by the drain.
    write: from the last step of a sum to the write of its first word of activations.
    logit: from the last step of a sum to its first logit at the result port.
    write_to_read: least distance from a write to the step that reads what was written.
    read_to_write: least distance from a step that reads a word to the write that replaces it.
    """

    read: int
    capture: int
    write: int
    logit: int
    write_to_read: int
    read_to_write: int

    @classmethod
    def of(cls, config: ArrayConfig) -> "Latencies":
        """Latencies of the array that `config` describes."""
        read = BankedMemory.latency(config) + config.operand_stages
        capture = read + MacArray.latency(config) + ColumnMax.latency(config)
        drained = capture + Drain.latency + READ_CYCLES
        read_setup = BankedMemory.read_setup(config)
        write_setup = BankedMemory.write_setup(config.unaligned_writes)
        return cls(
            read=read,
            capture=capture,
            write=drained + Requantizer.latency(config) + (MaxPool.latency if config.pool_loops else 0),
            logit=drained + Requantizer.total_latency + Classifier.latency,
            write_to_read=write_setup + 1 - read_setup,
            read_to_write=read_setup + 1 - write_setup,
        )


class Counters(wiring.Signature):
    """Event counts since reset, 32 bits each, wrapping; a cycle's events are counted `COUNT_CYCLES` later.

    Members
    -------
    cycles: clock cycles. busy: of these, cycles in which the program ran; the others are
    stalled_input: no image was loaded, or not far enough, and stalled_output: there was no room for logits.
    mac: steps of the array for an image. images: images whose last logit has left.
    """

    NAMES = ("cycles", "busy", "mac", "images", "stalled_input", "stalled_output")

    def __init__(self):
        super().__init__({name: Out(32) for name in self.NAMES})


def written_layout(config: ArrayConfig) -> data.StructLayout:
    """A write to the hidden memory.

    Members
    -------
    valid: there is one in this cycle. mask: which elements. address: of the first one. elements: what is written.
    """
    elements = data.ArrayLayout(config.activation_bits, config.taps)
    return data.StructLayout({"valid": 1, "mask": config.taps, "address": hidden_address(config), "elements": elements})


def _word_mask(config: ArrayConfig, address, mask: Value) -> Value:
    """Which elements of a memory's word a write takes: of a part of a word, those in its place."""
    if config.drain_parts == 1:
        return mask
    places = range(0, config.taps, config.drain_channels)
    return Cat(Mux(address.bank == place, mask, 0) for place in places)


class Accelerator(wiring.Component):
    """Classifies images with the network that its memories hold.

    Parameters
    ----------
    config: the array.
    header: what it must know of the network.
    program, weights, parameters: contents of the memories, one int a word.

    Members
    -------
    i_pixels: In(stream(pixels_layout)), `taps` pixels a beat, honours back pressure.
    o_result: Out(stream(result_layout)), a logit a beat, honours back pressure.
    counters: Out(Counters).
    status: Out, `running` and the index of the `instruction` that runs.
    written: Out(written_layout), what is written to the hidden memory; for debugging, costs nothing if left open.
    i_load: In(stream(load_beat)), another network, see hw/load_image.py; honours back pressure. load_status:
        Out(status_layout). Only where the array is reloadable.

    A reset at any time forgets all images. Throughput and latency in cycles: hw/schedule.py.
    """

    def __init__(self, config: ArrayConfig, header: Header, program, weights, parameters):
        self.config = config
        self._header = header
        sizes, banks = static_memories(config), {"reloadable": config.reloadable}

        def static(name, words, **options):
            depth, width = sizes[name]
            return StaticMemory(width, depth, words, **options, **banks)

        self._program = static("program", program, output_register=False)
        self._weights = static("weights", weights, in_block_ram=weights_in_block_ram(config))
        self._parameters = static("parameters", parameters)
        self._word_parameters = data.ArrayLayout(parameter_layout(config), config.drain_channels)
        columns = range(config.pixels)  # each reads a copy of its own
        self._input = [
            BankedMemory(
                config,
                config.input_bits,
                config.input_words,
                unaligned_writes=config.spreads_input and config.taps > 1,
                stride=config.interleave,
            )
            for _ in columns
        ]
        self._hidden = [
            BankedMemory(config, config.activation_bits, config.hidden_words, unaligned_writes=config.unaligned_writes)
            for _ in columns
        ]
        status = data.StructLayout({"running": 1, "instruction": ceil_log2(config.program_words)})
        super().__init__(
            {
                "i_pixels": In(stream.Signature(pixels_layout(config))),
                "o_result": Out(stream.Signature(result_layout(config))),
                "counters": Out(Counters()),
                "status": Out(status),
                "written": Out(written_layout(config)),
            }
            | (
                {"i_load": In(stream.Signature(load_beat)), "load_status": Out(status_layout)}
                if config.reloadable
                else {}
            )
        )

    def elaborate(self, platform):
        """Connect the stages."""
        m = Module()
        restart = Signal()  # another network: begin as after a reset
        moves = Signal()  # no step is held back
        fetcher, sequencer = Fetcher(self.config), Sequencer(self.config)
        nest, loader = LoopNest(self.config), Loader(self.config)
        stopped = EnableInserter(moves)(nest) if self.config.follows_input else nest
        for name, component in {"fetcher": fetcher, "sequencer": sequencer, "nest": stopped, "loader": loader}.items():
            m.submodules[name] = ResetInserter(restart)(component) if self.config.reloadable else component
        m.submodules.classifier = classifier = Classifier(self.config)
        header = Signal(header_layout(self.config), init=header_values(self._header, self.config), reset_less=True)
        m.d.comb += [each.header.eq(header) for each in (loader, sequencer, fetcher)]

        self._connect_control(m, fetcher, sequencer, nest)
        m.d.comb += [sequencer.moves.eq(moves), sequencer.arrives.eq(loader.arrives)]
        is_step = self._connect_loader(m, nest, loader, moves)
        array = self._connect_array(m, nest, is_step)
        self._connect_drain(m, array, classifier)
        if self.config.reloadable:
            m.submodules.reloader = reloader = Reloader(self.config)
            m.d.comb += restart.eq(reloader.change)
            m.d.comb += [loader.pause.eq(reloader.pause), reloader.empty.eq(loader.empty & sequencer.quiet)]
            self._connect_reloader(m, reloader, header)
        connect(m, wiring.flipped(self.i_pixels), loader.i)
        connect(m, classifier.o, wiring.flipped(self.o_result))

        leaves = Signal()
        m.d.comb += leaves.eq(self.o_result.valid & self.o_result.ready)
        m.d.comb += sequencer.taken.eq(leaves)
        held, waits = Signal(), Signal()
        m.d.comb += [held.eq(~moves), waits.eq(held | sequencer.waits_input | sequencer.waits_output)]
        events = {
            "cycles": 1,
            "busy": ~waits,
            "mac": is_step,
            "images": leaves & self.o_result.payload.last,
            "stalled_input": held | sequencer.waits_input,
            "stalled_output": sequencer.waits_output,
        }
        for name, event in events.items():
            m.submodules[f"count_{name}"] = counter = EventCounter()
            m.d.comb += [counter.event.eq(event), getattr(self.counters, name).eq(counter.count)]
        m.d.comb += [self.status.running.eq(nest.running & moves), self.status.instruction.eq(fetcher.current)]
        return m

    def _connect_control(self, m: Module, fetcher: Fetcher, sequencer: Sequencer, nest: LoopNest) -> None:
        m.submodules.program = self._program
        m.d.comb += [
            self._program.address.eq(fetcher.address),
            self._program.enable.eq(fetcher.enable),
            fetcher.instruction.eq(self._program.data),
            fetcher.take.eq(sequencer.start),
            fetcher.divert.eq(sequencer.divert),
            sequencer.next.eq(fetcher.next),
            sequencer.valid.eq(fetcher.valid),
            sequencer.advance.eq(fetcher.enable),
            sequencer.upcoming.eq(fetcher.upcoming),
            sequencer.upcoming_valid.eq(fetcher.upcoming_valid),
            nest.instruction.eq(fetcher.next),
            nest.start.eq(sequencer.start),
            nest.enable.eq(sequencer.enable),
            nest.odd.eq(sequencer.odd),
            sequencer.running.eq(nest.running),
            sequencer.rests.eq(nest.rests),
        ]

    def _connect_loader(self, m: Module, nest: LoopNest, loader: Loader, moves: Signal) -> Signal:
        """From the pixels to the input memory, and what may read there; returns whether a step is made."""
        for column, memory in enumerate(self._input):
            m.submodules[f"input_{column}"] = memory
            connect(m, loader.o, memory.write)
        m.d.comb += loader.release.eq(Mux(moves, nest.release, 0))
        if self.config.follows_input:
            m.submodules.watermark = watermark = Watermark(self.config)
            connect(m, nest.o, watermark.i)
            m.d.comb += [
                watermark.header.eq(loader.header),
                watermark.written.eq(loader.written),
                watermark.next_start.eq(loader.next_start),
                watermark.full.eq(loader.full),
                moves.eq(~watermark.hold),
            ]
        else:
            m.d.comb += moves.eq(1)
        return nest.o.valid & moves

    def _connect_array(self, m: Module, nest: LoopNest, is_step) -> MacArray:
        """From the steps of the nest to the operands of the array."""
        m.submodules.weights = self._weights
        m.submodules.array = array = MacArray(self.config)
        step = nest.o.payload
        # The weights are read as much later as the activations take longer, and the control waits for both.
        latency, stages = Latencies.of(self.config).read, self.config.operand_stages
        weight_stages = self.config.weight_stages
        m.d.comb += self._weights.address.eq(delayed(m, step.weight, latency - READ_CYCLES - weight_stages))
        reads_hidden = delayed(m, step.reads_hidden, latency - stages)
        reads_signed = delayed(m, step.reads_signed, latency - stages)
        for column, (input_memory, hidden_memory) in enumerate(zip(self._input, self._hidden, strict=True)):
            m.submodules[f"hidden_{column}"] = hidden_memory
            for memory in (input_memory, hidden_memory):
                m.d.comb += memory.read.word.eq(step.reads[column].word)
                if memory.read_layout.unaligned:
                    m.d.comb += memory.read.bank.eq(step.reads[column].bank)
            vectors = zip(input_memory.vector, hidden_memory.vector, strict=True)
            for activation, (pixel, element) in zip(array.i.payload.activations[column], vectors, strict=True):
                read = Signal.like(activation)
                m.d.comb += read.eq(Mux(reads_hidden, Mux(reads_signed, element.as_signed(), element), pixel))
                m.d.comb += activation.eq(delayed(m, read, stages))
        m.d.comb += [
            array.i.payload.weights.as_value().eq(delayed(m, self._weights.data, weight_stages)),
            array.i.payload.first.eq(delayed(m, step.first, latency)),
            array.i.payload.last.eq(delayed(m, step.last, latency)),
            array.i.payload.tile.eq(delayed(m, step.tile, latency)),
            array.i.valid.eq(delayed(m, is_step, latency, reset=True)),
        ]
        return array

    def _connect_drain(self, m: Module, array: MacArray, classifier: Classifier) -> None:
        """From the finished sums through the requantizers to the hidden memory or the classifier."""
        m.submodules.drain = drain = Drain(self.config)
        m.submodules.parameters = self._parameters
        if self.config.pixels > 1:
            m.submodules.column_max = column_max = ColumnMax(self.config)
            connect(m, array.o, column_max.i)
            connect(m, column_max.o, drain.i)
        else:
            connect(m, array.o, drain.i)
        m.d.comb += self._parameters.address.eq(drain.o.payload.tile.parameter)
        word = delayed(m, drain.o.payload, READ_CYCLES)
        valid = delayed(m, drain.o.valid, READ_CYCLES, reset=True)
        parameters = data.View(self._word_parameters, self._parameters.data)
        activations = Signal(data.ArrayLayout(self.config.activation_bits, self.config.drain_channels))
        written = Signal.like(activations)
        for index in range(self.config.drain_channels):
            m.submodules[f"requantizer_{index}"] = requantizer = Requantizer(self.config)
            m.d.comb += [
                requantizer.accumulator.eq(word.accumulators[index]),
                requantizer.parameters.eq(parameters[index]),
                requantizer.writes_signed.eq(word.tile.writes_signed),
                requantizer.high.eq(word.tile.high),
                classifier.i.payload.totals[index].eq(requantizer.total),
                activations[index].eq(requantizer.activation),
            ]
        total_latency = Requantizer.total_latency
        logits = classifier.i
        m.d.comb += [
            logits.payload.mask.eq(delayed(m, word.mask, total_latency)),
            logits.payload.final.eq(delayed(m, word.final, total_latency)),
            logits.valid.eq(delayed(m, valid & word.tile.is_result, total_latency, reset=True)),
        ]
        latency = Requantizer.latency(self.config)
        ends_pool = 1
        if self.config.pool_loops:
            m.submodules.max_pool = max_pool = MaxPool(self.config)
            position = max_pool.i.payload
            m.d.comb += [
                position.elements.eq(activations),
                position.is_signed.eq(delayed(m, word.tile.writes_signed, latency)),
                position.starts.eq(delayed(m, word.tile.starts_pool, latency)),
                max_pool.i.valid.eq(delayed(m, valid, latency, reset=True)),
                max_pool.next_index.eq(delayed(m, word.index, latency - 1)),
                written.eq(max_pool.elements),
            ]
            latency += MaxPool.latency
            ends_pool = word.tile.ends_pool
        else:
            m.d.comb += written.eq(activations)
        place = Signal(hidden_address(self.config))
        m.d.comb += [place[name].eq(word.tile.write[name]) for name, _ in place.shape()]
        address = delayed(m, place, latency)
        mask = delayed(m, _word_mask(self.config, word.tile.write, word.mask), latency)
        is_written = delayed(m, valid & ends_pool & ~word.tile.is_result, latency, reset=True)
        m.d.comb += [
            self.written.valid.eq(is_written),
            self.written.mask.eq(mask),
            self.written.address.eq(address),
            self.written.elements.eq(Cat([written] * self.config.drain_parts)),
        ]
        for memory in self._hidden:
            write = memory.write
            m.d.comb += [
                write.payload.elements.eq(self.written.elements),
                write.payload.address.eq(address),
                write.payload.mask.eq(mask),
                write.valid.eq(is_written),
            ]

    def _connect_reloader(self, m: Module, reloader: Reloader, header: Signal) -> None:
        """Load images to the memories of the compiler, zeros to those of the activations; neither needs a reset."""
        bank = Signal(reset_less=True)
        connect(m, wiring.flipped(self.i_load), reloader.i)
        m.d.comb += self.load_status.eq(reloader.status)
        with m.If(reloader.change):
            m.d.sync += [bank.eq(~bank), header.eq(reloader.header)]
        for name in ("program", "weights", "parameters"):
            memory = getattr(self, f"_{name}")
            m.d.comb += memory.bank.eq(bank)
            connect(m, getattr(reloader, name), memory.load)
        with m.If(reloader.clear):
            for memory in (*self._input, *self._hidden):
                write = memory.write.payload
                m.d.comb += [
                    write.as_value().eq(0),
                    write.address.word.eq(reloader.cleared),
                    write.mask.eq(-1),
                    memory.write.valid.eq(reloader.cleared < memory.words),
                ]
