"""The network that a command works on."""

from collections.abc import Callable
from pathlib import Path

from amarray.progress import say_note
from hw.load_image import MAGIC
from sw import network_file
from sw.errors import InputError
from sw.network import Network
from sw.shipped import NAMES, network_path


def load_network(name: str) -> Network:
    """The network of a Network file, or the shipped one of this name. Raises InputError where there is none."""
    path = named(network_path, name)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                raise InputError(f"{path} is a load image, for a board; give the network that it was made from")
    return network_file.load(path)


def named(path_of: Callable[[str], Path], name: str) -> Path:
    """`path_of(name)`, one of sw.shipped; a note tells where the user has something of a shipped network's name."""
    if name in NAMES and Path(name).exists():
        say_note(f"{name} is the shipped network; what lies here is ./{name}")
    return path_of(name)
