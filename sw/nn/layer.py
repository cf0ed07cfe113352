"""What every layer offers."""

from sw.nn.tensor import Tensor


class Layer:
    """What a layer offers; one without parameters need only define `__call__`.

    Attributes
    ----------
    training: whether the layer is being trained; Dropout and BatchNorm compute otherwise when it is not.
    """

    training = True

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to a batch; the first axis counts the examples."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Tensor]:
        """The tensors that training changes, by name."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a trained layer needs beside its parameters, by name: tensors without gradient."""
        return {}

    def set_training(self, training: bool) -> None:
        """Say whether the layer, with all layers inside it, is being trained."""
        self.training = training

    def __str__(self) -> str:
        """What messages call the layer."""
        return type(self).__name__
