"""llama.cpp by its C interface, as llama-cpp-python binds it: one model, one context.

The C functions rather than the package's `Llama` class, because a prompt of thousands of tokens on a slow processor
must be interruptible and show progress, because a damaged file must be told from an unknown kind of model, and because
memory is to be taken only when the length of the prompt is known.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from services.cores import cores, wait_asleep
from services.errors import MemoryLimitError, MissingPackageError, ModelError
from services.models.options import KvCache
from services.summarization.cost import BATCH, Shape
from services.text import one_line

_log = logging.getLogger(__name__)

_TEMPERATURE = 0.2
_TOP_K, _TOP_P, _MIN_P = 40, 0.95, 0.05
_REPEAT_PENALTY, _REPEAT_LAST = 1.05, 256
_SEED = 1
_PENALTIES_SIZED = 5
_LEVEL_WARNING, _LEVEL_ERROR, _LEVEL_CONTINUED = 3, 4, 5
_NO_VOCABULARY = 0
_READ, _MAPPED = 0, 1
"""How a file is loaded (llama.h, enum llama_load_mode)."""
_NO_ROOM = ("failed to allocate", "unable to allocate", "bad_alloc", "Cannot allocate memory")
_SMALLER = "Choose a smaller model or a smaller context, or close something."

_said: deque[str] = deque(maxlen=20)
"""The last warnings and errors of llama.cpp."""


@cache
def library() -> Any:
    """llama_cpp, imported on first use; what it prints goes to our log.

    Raises:
        MissingPackageError: It is not installed.
    """
    wait_asleep()
    try:
        lib = importlib.import_module("llama_cpp")
    except ImportError as error:
        raise MissingPackageError(
            "llama-cpp-python is not installed.", "Get it with `make llama`, or with `pip install 'sotto[llama]'`."
        ) from error
    lib.llama_log_set(_log_callback(lib), None)
    lib.llama_backend_init()
    return lib


@cache
def _log_callback(lib: Any) -> Any:
    level = _LEVEL_WARNING

    def listen(new: int, text: bytes, _: object) -> None:
        nonlocal level
        level = level if new == _LEVEL_CONTINUED else new
        line = text.decode(errors="replace").strip()
        if line and level in (_LEVEL_WARNING, _LEVEL_ERROR):
            _said.append(line)
            _log.log(logging.ERROR if level == _LEVEL_ERROR else logging.INFO, "%s", line)

    return lib.llama_log_callback(listen)


class Model:
    """A GGUF model in memory.

    Args:
        path: A file that `services.summarization.gguf.check` has passed.
        progress: Takes the share that is loaded, 0 to 1; what it raises ends the loading and is raised from here.
        mmap: Map the file, so that the system can drop what is not needed; otherwise, and where that fails, it is read.

    Raises:
        ModelError: It does not load, or it is no model that writes text.
        MemoryLimitError: There is not enough memory to read it.
        MissingPackageError: llama-cpp-python is not installed.
    """

    def __init__(self, path: Path, progress: Callable[[float], None], *, mmap: bool = True) -> None:
        self._lib = lib = library()
        self._path = path
        self._context: Any = None
        self._sampler: Any = None
        self._mapped = mmap
        self._model = self._load(progress, mmap=mmap)
        if not self._model and mmap and "mmap" in " ".join(_said):
            _log.warning("%s cannot be mapped, so it is read: %s", one_line(path.name), one_line(_said[-1]))
            self._mapped = False
            self._model = self._load(progress, mmap=False)
        if not self._model:
            raise _loading_error(path)
        self._vocab = lib.llama_model_get_vocab(self._model)
        try:
            self._check_kind()
        except ModelError:
            self.close()
            raise

    def _load(self, progress: Callable[[float], None], *, mmap: bool) -> Any:
        """llama.cpp's model; null where it does not load, and `_said` tells why then."""
        lib = self._lib
        stopped: list[BaseException] = []

        def on_progress(share: float, _: object) -> bool:
            try:
                progress(share)
            except BaseException as error:  # noqa: BLE001 - it cannot pass through C; it is raised again below
                stopped.append(error)
            return not stopped

        params = lib.llama_model_default_params()
        callback = lib.llama_progress_callback(on_progress)
        params.progress_callback = callback
        if hasattr(params, "load_mode"):  # llama.cpp had `use_mmap` before
            params.load_mode = _MAPPED if mmap else _READ
        else:
            params.use_mmap = mmap
        # Repacked weights are a second copy, in memory that cannot be dropped, where the mapped file could be. And with
        # AMX they end the process where the processor has it, and the kernel or a sandbox does not let it be used.
        params.use_extra_bufts = False
        _said.clear()
        model = lib.llama_model_load_from_file(os.fsencode(self._path), params)
        if stopped:
            if model:
                lib.llama_model_free(model)
            raise stopped[0]
        return model

    def _check_kind(self) -> None:
        lib, name = self._lib, one_line(self._path.name)
        kind = self.metadata("general.architecture")
        writes = "Choose a model that writes text: a chat or instruct model."
        if lib.llama_vocab_type(self._vocab) == _NO_VOCABULARY:
            raise ModelError(f"{name} has no vocabulary, so it cannot write.", writes)
        if (
            self.metadata(f"{kind}.pooling_type") not in ("", "0")
            or self.metadata(f"{kind}.attention.causal") == "false"
        ):
            raise ModelError(f"{name} is an embedding model ({kind}): it cannot write.", writes)
        if lib.llama_model_has_encoder(self._model) or not lib.llama_model_has_decoder(self._model):
            raise ModelError(f"{name} is an encoder model ({kind}), which sotto cannot use.", writes)

    @property
    def mapped(self) -> bool:
        """Whether the file is mapped; otherwise it was read, and the system cannot drop it."""
        return self._mapped

    @property
    def shape(self) -> Shape:
        """How large it is, as its file says."""
        lib, kind = self._lib, self.metadata("general.architecture")
        width, heads = int(lib.llama_model_n_embd(self._model)), int(lib.llama_model_n_head(self._model))
        head = width // max(1, heads)
        return Shape(
            layers=int(lib.llama_model_n_layer(self._model)),
            kv_heads=int(lib.llama_model_n_head_kv(self._model)),
            key=int(self.metadata(f"{kind}.attention.key_length") or head),
            value=int(self.metadata(f"{kind}.attention.value_length") or head),
            width=width,
            vocabulary=int(lib.llama_vocab_n_tokens(self._vocab)),
        )

    @property
    def trained_context(self) -> int:
        """The longest context that the model was trained with, in tokens."""
        return int(self._lib.llama_model_n_ctx_train(self._model))

    @property
    def size_mb(self) -> float:
        """Size of its weights in MB."""
        return float(self._lib.llama_model_size(self._model)) / 2**20

    @property
    def description(self) -> str:
        """Architecture, size and quantisation, as llama.cpp puts it."""
        buffer = ctypes.create_string_buffer(256)
        self._lib.llama_model_desc(self._model, buffer, len(buffer))
        return one_line(buffer.value.decode(errors="replace"))

    @property
    def template(self) -> str:
        """The chat template in the file; empty where there is none."""
        found = self._lib.llama_model_chat_template(self._model, None)
        return found.decode(errors="replace") if found else ""

    def metadata(self, key: str) -> str:
        """A metadata entry as text; empty where it is not there."""
        buffer = ctypes.create_string_buffer(256)
        length = self._lib.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if length >= 0 else ""

    def mark(self, which: str) -> str:
        """The text of the token that begins (`bos`) or ends (`eos`) a sequence; empty where there is none."""
        token = self._lib.llama_vocab_bos(self._vocab) if which == "bos" else self._lib.llama_vocab_eos(self._vocab)
        found = self._lib.llama_vocab_get_text(self._vocab, token) if token >= 0 else None
        return found.decode(errors="replace") if found else ""

    def tokenize(self, text: str, *, begin: bool = False, special: bool = False) -> list[int]:
        """The tokens of `text`.

        Args:
            text: Any text.
            begin: Put the mark of a beginning before it, where the model wants one.
            special: Read control tokens in the text; without it they are ordinary characters.
        """
        raw = text.encode()
        room = len(raw) + 16
        while True:
            buffer = (self._lib.llama_token * room)()
            count = self._lib.llama_tokenize(self._vocab, raw, len(raw), buffer, room, begin, special)
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for control tokens."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = self._lib.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def open_context(self, tokens: int, kv_cache: KvCache = "f16") -> None:
        """Take the memory for a context of `tokens`.

        Args:
            tokens: Its length.
            kv_cache: Number type of its keys and values. Quantised ones need a way of attention (flash attention) that
                llama.cpp takes by itself where the model allows it.

        Raises:
            MemoryLimitError: There is not enough.
            ModelError: The model cannot have keys and values of this type.
        """
        lib = self._lib
        params = lib.llama_context_default_params()
        params.n_ctx = tokens
        params.n_batch = params.n_ubatch = min(BATCH, tokens)
        params.n_threads = params.n_threads_batch = cores()
        params.type_k = params.type_v = getattr(lib, f"GGML_TYPE_{kv_cache.upper()}")
        if kv_cache != "f16" and not hasattr(params, "flash_attn_type"):  # before there was one, off was the default
            params.flash_attn = True
        params.swa_full = False
        params.no_perf = True
        _said.clear()
        self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            if kv_cache != "f16" and not any(sign in " ".join(_said) for sign in _NO_ROOM):
                raise ModelError(f"The model cannot keep its context as {kv_cache}.", "Set summary.kv_cache to f16.")
            raise MemoryLimitError(f"There is not enough memory for a context of {tokens} tokens.", _SMALLER)
        self._sampler = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        penalties = lib.llama_sampler_init_penalties
        # Some versions of llama.cpp take the size of the vocabulary first, others do not take it at all.
        size = [lib.llama_vocab_n_tokens(self._vocab)] if len(penalties.argtypes) == _PENALTIES_SIZED else []
        for part in (
            lib.llama_sampler_init_top_k(_TOP_K),
            penalties(*size, _REPEAT_LAST, _REPEAT_PENALTY, 0.0, 0.0),
            lib.llama_sampler_init_top_p(_TOP_P, 1),
            lib.llama_sampler_init_min_p(_MIN_P, 1),
            lib.llama_sampler_init_temp(_TEMPERATURE),
            lib.llama_sampler_init_dist(_SEED),
        ):
            lib.llama_sampler_chain_add(self._sampler, part)

    def read(self, tokens: Sequence[int], step: Callable[[int], None]) -> None:
        """Compute a prompt from scratch.

        Args:
            tokens: The whole prompt.
            step: Called before each batch with the tokens done; what it raises ends the reading.

        Raises:
            ModelError: llama.cpp failed.
        """
        lib = self._lib
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        lib.llama_sampler_reset(self._sampler)
        for begin in range(0, len(tokens), BATCH):
            step(begin)
            self._decode(tokens[begin : begin + BATCH])
        step(len(tokens))

    def write(self, most: int) -> Iterator[int]:
        """The tokens that follow on what was read, until the model ends or `most` are written."""
        lib = self._lib
        for count in range(most):
            token = int(lib.llama_sampler_sample(self._sampler, self._context, -1))
            if lib.llama_vocab_is_eog(self._vocab, token):
                return
            yield token
            if count + 1 < most:
                self._decode([token])

    def _decode(self, tokens: Sequence[int]) -> None:
        buffer = (self._lib.llama_token * len(tokens))(*tokens)
        code = self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(buffer, len(tokens)))
        if code != 0:
            raise ModelError(f"The model failed while it computed (code {code}).", "The log has the details.")

    def close(self) -> None:
        """Free everything. More than once does no harm."""
        if self._sampler:
            self._lib.llama_sampler_free(self._sampler)
        if self._context:
            self._lib.llama_free(self._context)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._sampler = self._context = self._model = None


def _loading_error(path: Path) -> ModelError:
    """What llama.cpp's own words about a failed load mean for a person."""
    name, words = one_line(path.name), " ".join(_said)
    if "unknown model architecture" in words:
        kind = words.split("unknown model architecture:", 1)[-1].split("'")[1:2]
        what = f"of a kind ({one_line(kind[0], 40)}) " if kind else "of a kind "
        return ModelError(
            f"{name} is {what}that this llama.cpp does not know.",
            "Choose another model, or update llama-cpp-python with `make llama`.",
        )
    if any(
        sign in words
        for sign in ("not within the file bounds", "corrupted or incomplete", "end of file", "failed to read")
    ):
        return ModelError(f"The model {name} is incomplete or damaged.", "Download it again.")
    if any(sign in words for sign in _NO_ROOM):
        return MemoryLimitError(f"There is not enough memory for the model {name}.", _SMALLER)
    last = one_line(_said[-1]) if _said else "llama.cpp gives no reason"
    return ModelError(f"The model {name} does not load: {last}.", "Choose another model; the log has the details.")
