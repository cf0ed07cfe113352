"""Optimizers: how parameters follow their gradients."""

from collections.abc import Iterable

import numpy as np

from sw.nn.tensor import Tensor


class Optimizer:
    """Holds the parameters; `step` changes them and forgets their gradients.

    Parameters
    ----------
    parameters: leaves of the graph, each with a gradient when `step` is called.
    """

    def __init__(self, parameters: Iterable[Tensor]):
        self.parameters = list(parameters)

    def step(self, learning_rate: float) -> None:
        """Change every parameter by its update."""
        for index, parameter in enumerate(self.parameters):
            parameter.data = parameter.data - learning_rate * self.update(index, parameter.grad)
            parameter.grad = None

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """The direction, for parameter number `index`, to go against; it has the shape and dtype of the gradient."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum · v + g, direction v. Sutskever et al., 2013, classical form."""

    def __init__(self, parameters: Iterable[Tensor], momentum: float = 0.9):
        super().__init__(parameters)
        self.momentum = momentum
        self.velocities = [np.zeros_like(p.data) for p in self.parameters]

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        self.velocities[index] = self.momentum * self.velocities[index] + gradient
        return self.velocities[index]


class Adam(Optimizer):
    """Adam: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.

    The direction is the running mean of the gradient over the root of that of its square, each divided
    by 1 - beta^t to undo its start at 0.
    """

    def __init__(self, parameters: Iterable[Tensor], betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8):
        super().__init__(parameters)
        self.betas, self.epsilon = betas, epsilon
        self.steps = 0
        self.means = [np.zeros_like(p.data) for p in self.parameters]
        self.squares = [np.zeros_like(p.data) for p in self.parameters]

    def step(self, learning_rate: float) -> None:
        """Count the step, then change every parameter."""
        self.steps += 1
        super().step(learning_rate)

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        beta1, beta2 = self.betas
        self.means[index] = beta1 * self.means[index] + (1 - beta1) * gradient
        self.squares[index] = beta2 * self.squares[index] + (1 - beta2) * gradient**2
        mean = self.means[index] / (1 - beta1**self.steps)
        square = self.squares[index] / (1 - beta2**self.steps)
        return mean / (np.sqrt(square) + self.epsilon)
