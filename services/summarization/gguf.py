"""A look at a model file before any library touches it: is it GGUF at all, and of a version that is still read?

The layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: magic, version (uint32), number of
tensors (uint64), number of metadata entries (uint64), all little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

from services.errors import ModelError
from services.text import one_line

_MAGIC = b"GGUF"
_HEADER = struct.Struct("<4sIQQ")
_VERSIONS = range(2, 0x10000)  # a big-endian file has its version in the upper half
_ANOTHER = "Choose a GGUF file of a chat model, for example one from huggingface.co."


def check(path: Path) -> None:
    """See that `path` can be a GGUF model.

    Raises:
        ModelError: It is missing, a folder, empty, something else than GGUF, or of a version that nobody reads.
    """
    name = one_line(path.name)
    if path.is_dir():
        raise ModelError(f"{name} is a folder, not a model.", "Give the path of a file that ends in .gguf.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except FileNotFoundError:
        raise ModelError(f"There is no model at {one_line(str(path))}.", "Check the path.") from None
    except OSError as error:
        raise ModelError(f"The model {name} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if not head:
        raise ModelError(f"The model {name} is empty.", "Download it again.")
    if not head.startswith(_MAGIC[: len(head)]):
        raise ModelError(f"{name} is not a GGUF model.", _ANOTHER)
    if len(head) < _HEADER.size:
        raise ModelError(f"The model {name} is cut off after {len(head)} bytes.", "Download it again.")
    _, version, tensors, _ = _HEADER.unpack(head)
    if version not in _VERSIONS:
        raise ModelError(f"{name} is GGUF of version {version}, which is not read any more.", _ANOTHER)
    if tensors == 0:
        raise ModelError(f"{name} holds only a vocabulary, no model.", _ANOTHER)
