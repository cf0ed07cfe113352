"""The network that a command works on."""

from hw.load_image import MAGIC
from sw import network_file
from sw.errors import InputError
from sw.network import Network
from sw.shipped import network_path


def load_network(name: str) -> Network:
    """The network of a Network file, or the shipped one of this name. Raises InputError where there is none."""
    path = network_path(name)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                raise InputError(f"{path} is a load image, for a board; give the network that it was made from")
    return network_file.load(path)
