"""Data parallelism: each thread takes its part of a batch, forward and backward, and the gradients are added.

numpy lets other threads run while it computes. Each has a graph of its own, so that nothing is shared but the
parameters, which no thread changes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
from threadpoolctl import threadpool_limits

from sw.errors import InputError
from sw.nn.allocation import keep_freed_memory
from sw.nn.containers import Container
from sw.nn.layer import Layer
from sw.nn.normalization import Dropout
from sw.nn.tensor import Tensor


class DataParallel:
    """Computes a model's gradients with several threads; `with` starts and ends them.

    The parts are of equal size, or differ by one example, and are added in their order: the result depends on how many
    threads there are, in the last bits, but not on how they run. BatchNorm normalizes each part by itself and keeps the
    running means of the first one.

    Parameters
    ----------
    model: what is trained; it gets the gradients.
    threads: 1 or more.

    Raises InputError for another number of threads, or for a model with Dropout, whose parts would drop alike.
    """

    def __init__(self, model: Layer, threads: int):
        if not isinstance(threads, int) or threads < 1:
            raise InputError(f"the number of threads must be an integer of at least 1, not {threads!r}")
        if any(isinstance(layer, Dropout) for layer in _layers(model)):
            raise InputError(
                "a model with Dropout must be trained without data parallelism: each part would drop alike"
            )
        self.threads = threads
        self._replicas = [model, *(deepcopy(model) for _ in range(threads - 1))]
        self._parameters = [list(replica.parameters().values()) for replica in self._replicas]

    def __enter__(self) -> "DataParallel":
        """Start the threads; until the end BLAS has one in each of them."""
        keep_freed_memory()
        self._limits = threadpool_limits(limits=1, user_api="blas")
        self._pool = ThreadPoolExecutor(self.threads)
        return self

    def __exit__(self, *error) -> None:
        """End the threads."""
        self._pool.shutdown()
        self._limits.restore_original_limits()

    def backward(self, loss: Callable[[Tensor, np.ndarray], Tensor], inputs: np.ndarray, targets: np.ndarray) -> float:
        """Give each parameter the gradient of the loss over the batch; returns the loss.

        Parameters
        ----------
        loss: of the model's outputs and targets, the mean over the examples.
        inputs, targets: arrays, of which the first axis counts the examples.

        Raises InputError where there are fewer examples than threads.
        """
        if len(inputs) < self.threads:
            raise InputError(
                f"a batch must have at least one example for each thread: {self.threads}, not {len(inputs)}"
            )
        master = self._parameters[0]
        for replica, parameters in zip(self._replicas[1:], self._parameters[1:], strict=True):
            replica.set_training(self._replicas[0].training)
            for parameter, original in zip(parameters, master, strict=True):
                parameter.data, parameter.grad = original.data, None
        bounds = [len(inputs) * part // self.threads for part in range(self.threads + 1)]

        def run(part: int) -> float:
            rows = slice(bounds[part], bounds[part + 1])
            share = np.float32((rows.stop - rows.start) / len(inputs))
            value = loss(self._replicas[part](Tensor(inputs[rows])), targets[rows]) * share
            value.backward()
            return float(value.data)

        losses = list(self._pool.map(run, range(self.threads)))
        for index, parameter in enumerate(master):
            for parameters in self._parameters[1:]:
                parameter.grad = parameter.grad + parameters[index].grad
        return sum(losses)

    def infer(self, inputs: np.ndarray) -> np.ndarray:
        """The model's outputs for all inputs, each thread a part of them."""
        model = self._replicas[0]
        return np.concatenate(
            list(self._pool.map(lambda part: model(Tensor(part)).data, np.array_split(inputs, self.threads)))
        )


def _layers(layer: Layer) -> Iterator[Layer]:
    """The layer and all layers inside it."""
    yield layer
    for child in layer.children.values() if isinstance(layer, Container) else ():
        yield from _layers(child)
