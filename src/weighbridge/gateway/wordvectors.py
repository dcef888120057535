"""The embedding that comes with the package `wordllama`: a vector for each token, summed. 16 MB, on any processor.

Its files are read as they lie in the package; its own code, which may download others, is not imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from weighbridge.errors import UsageError
from weighbridge.gateway.semantic import Vectors

_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENS: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_MEND: Final = "pip install 'weighbridge[semantic]', or leave cache.semantic out"


class WordVectors:
    """An Embedder. About 50 µs for a sentence. Raises UsageError where the package is missing or another one."""

    def __init__(self) -> None:
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415 - of the same extra
        except ImportError:
            raise UsageError(
                "a semantic cache needs a package that is not installed (tokenizers)", mend=_MEND
            ) from None
        folder = _folder()
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(folder / _TOKENS))
            self._weights = _weights(folder / _WEIGHTS)
        except Exception as error:  # noqa: BLE001 - tokenizers raises nothing narrower
            raise UsageError(
                f"the embedding of wordllama cannot be read: {error}", where=str(folder), mend=_MEND
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.dimensions = int(self._weights.shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for place, text in enumerate(texts):
            tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
            if tokens:
                total = self._weights[tokens].astype(np.float32).sum(axis=0)
                found[place] = total / (float(np.linalg.norm(total)) or 1.0)
        return found


def _folder() -> Path:
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise UsageError("a semantic cache needs a package that is not installed (wordllama)", mend=_MEND)
    return Path(spec.origin).parent


def _weights(path: Path) -> np.ndarray[Any, np.dtype[np.float16]]:
    """The one tensor of a safetensors file, left on the disk until a row of it is asked for."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = msgspec.json.decode(file.read(size))
    (tensor,) = (one for name, one in head.items() if name != "__metadata__")
    if tensor["dtype"] != "F16":
        raise ValueError(f"weights of type {tensor['dtype']}")
    return np.memmap(path, np.float16, "r", 8 + size + tensor["data_offsets"][0], tuple(tensor["shape"]))
