"""Containers: layers made of layers."""

from sw.errors import InputError
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor


class Container(Layer):
    """Layers under names; a parameter of one is called by the name of the layer, a dot and its own name.

    Parameters
    ----------
    children: the layers by name.
    """

    def __init__(self, children: dict[str, Layer]):
        self.children = children

    def parameters(self) -> dict[str, Tensor]:
        """All layers' parameters."""
        return {f"{key}.{name}": p for key, child in self.children.items() for name, p in child.parameters().items()}

    def state(self) -> dict[str, Tensor]:
        """All layers' state."""
        return {f"{key}.{name}": s for key, child in self.children.items() for name, s in child.state().items()}

    def set_training(self, training: bool) -> None:
        """Say it to all layers."""
        super().set_training(training)
        for child in self.children.values():
            child.set_training(training)


class Sequential(Container):
    """Layers one after the other.

    Parameters
    ----------
    layers: in the order of the signal. Their parameters are named by position: `0.weight`, `0.bias`, ...
    """

    def __init__(self, *layers: Layer):
        super().__init__({str(index): layer for index, layer in enumerate(layers)})
        self.layers = layers

    def __call__(self, x: Tensor) -> Tensor:
        """Apply all layers."""
        for layer in self.layers:
            x = layer(x)
        return x


class Add(Container):
    """Residual: body(x) + shortcut(x). The gradient has a way past the body, so that deep networks learn.

    He et al., "Deep residual learning for image recognition", 2016, equations 1 and 2.

    Parameters
    ----------
    body: the layers that learn what to add.
    shortcut: makes x of the shape of the body's output, where that differs; None leaves x as it is.

    Raises InputError where both sides differ in shape.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None):
        super().__init__({"body": body} if shortcut is None else {"body": body, "shortcut": shortcut})
        self.body, self.shortcut = body, shortcut

    def __call__(self, x: Tensor) -> Tensor:
        """Apply both and add."""
        change, kept = self.body(x), x if self.shortcut is None else self.shortcut(x)
        if change.shape != kept.shape:
            raise InputError(f"both sides of Add must have one shape, not {change.shape} and {kept.shape}")
        return change + kept
