"""A Whisper model of any size that says a fixed text, as a folder for CTranslate2 and faster-whisper.

Its layers have weights of the real shape, so that its cost and memory are real, but what they add to the stream of
vectors is next to nothing: what remains is a table of which token follows which, at the decoder's two ends. One head of
attention is real: each word looks at the moment in the audio at which the script has it, so that words get their times.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import whisper_spec
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from services.models.whisper_models import WHISPER_LANGUAGES

Weights = NDArray[np.float32]

_TEXT_TOKENS = 50256
_FRAMES = 1500
_FRAMES_PER_SECOND = 50
_CONTEXT = 448
_HEAD = 64
"""Length of a head's vectors in every Whisper model."""

_SHARP = 4.0
"""Weight from a token to the one that follows it. Less, and faster-whisper takes its words for guesses and tries again
with other temperatures."""

_NOISE = 0.001
_LAYER_NOISE = 0.02
_SILENT = 1e-6
_POSITION = 3.0
_LOOK = 5.0
"""How sharply a word looks at its moment. More, and what it sees elsewhere is 0, which CTranslate2 divides by."""


@dataclass(frozen=True)
class Said:
    """A stretch of the script.

    Attributes:
        start: Seconds from the start of the window, a multiple of 0.02 that no other stretch begins or ends with.
        end: Likewise.
        text: Words, none of which is anywhere else in the script.
    """

    start: float
    end: float
    text: str


SCRIPT = (Said(0.0, 2.0, "We agreed to ship"), Said(2.02, 5.0, "the report on Friday."))


@dataclass(frozen=True)
class Recipe:
    """What to build.

    Attributes:
        script: What it says in every window.
        width: Length of the vectors; a multiple of 64, with room for one number for each token of the script.
        encoder_layers: Number of layers.
        decoder_layers: Number of layers.
        mels: Bands of the spectrogram: 80, or 128 as the third generation has.
        multilingual: False for a model that knows English only.
        language: What it takes every window for.
        certainty: The probability of that, 0 to 1.
        no_speech: The probability that it gives to nobody speaking.
        log_probability: Of each token of the script, roughly; None for as sure as it can be.
        loops: It says the script's first stretch again and again, as long as it may.
        breaks_off: It stops before the time at which the last stretch ends: faster-whisper takes that for unfinished,
            and works on the rest of the window in another pass.
        quantisation: Of the weights on disk: `int8`, `float16` or `float32`.
    """

    script: tuple[Said, ...] = SCRIPT
    width: int = 128
    encoder_layers: int = 1
    decoder_layers: int = 1
    mels: int = 80
    multilingual: bool = True
    language: str = "en"
    certainty: float = 0.98
    no_speech: float = 0.0
    log_probability: float | None = None
    loops: bool = False
    breaks_off: bool = False
    quantisation: str = "int8"


TINY = Recipe(width=384, encoder_layers=4, decoder_layers=4)
SMALL = Recipe(width=768, encoder_layers=12, decoder_layers=12)


def build(folder: Path, recipe: Recipe) -> Path:
    """Write the model of `recipe` into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens, merges = _tokens(recipe)
    ids = {token: number for number, token in enumerate(tokens)}
    spec = whisper_spec.WhisperSpec(
        recipe.encoder_layers, recipe.width // _HEAD, recipe.decoder_layers, recipe.width // _HEAD
    )
    _fill(spec, recipe)
    _write_script(spec.decoder, recipe, ids)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids = [ids[f"<|{code}|>"] for code in WHISPER_LANGUAGES]
    spec.config.alignment_heads = [(recipe.decoder_layers - 1, 0)]
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization=None if recipe.quantisation == "float32" else recipe.quantisation)
    spec.save(str(folder))
    _save_tokenizer(folder, tokens, merges)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": recipe.mels}))
    return folder


def _tokens(recipe: Recipe) -> tuple[list[str], list[tuple[str, str]]]:
    """The vocabulary as Whisper orders it, and the pairs of tokens that make up the script's words."""
    tokens, merges = list(_bytes().values()), []
    known = set(tokens)
    for word in _words(recipe.script):
        for end in range(2, len(word) + 1):
            if word[:end] not in known:
                known.add(word[:end])
                tokens.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    tokens += [f"<unused{number}>" for number in range(len(tokens), _TEXT_TOKENS)]
    if recipe.multilingual:
        tokens.append("")  # by this token CTranslate2 tells such a model from one that knows English only
    tokens += ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in WHISPER_LANGUAGES)]
    tokens += [f"<|{name}|>" for name in ("translate", "transcribe", "startoflm", "startofprev", "nospeech")]
    tokens += ["<|notimestamps|>", *(_moment(step / _FRAMES_PER_SECOND) for step in range(_FRAMES + 1))]
    return tokens, merges


def _bytes() -> dict[int, str]:
    """The printable character that byte-level BPE writes for each byte (the table of GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(others)}


def _pieces(text: str) -> list[str]:
    """Each word as its token's text: a blank before it, in the characters of byte-level BPE."""
    table = _bytes()
    return ["".join(table[byte] for byte in f" {word}".encode()) for word in text.split()]


def _words(script: tuple[Said, ...]) -> list[str]:
    words = [piece for said in script for piece in _pieces(said.text)]
    if len(set(words)) < len(words):
        raise ValueError("a word is twice in the script: nothing would tell what follows it")
    return words


def _moment(seconds: float) -> str:
    return f"<|{seconds:.2f}|>"


def _fill(spec: Any, recipe: Recipe) -> None:
    """Weights of the right shape everywhere."""
    width, random = recipe.width, np.random.default_rng(0)

    def noise(*shape: int, scale: float = _LAYER_NOISE) -> Weights:
        return random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def linear(layer: Any, rows: int, columns: int, scale: float = _LAYER_NOISE) -> None:
        layer.weight, layer.bias = noise(rows, columns, scale=scale), np.zeros(rows, np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attention(layer: Any, sizes: tuple[int, ...]) -> None:
        norm(layer.layer_norm)
        for at, size in enumerate(sizes):
            linear(layer.linear[at], size * width, width)
        linear(layer.linear[len(sizes)], width, width, _SILENT)

    def forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * width, width)
        linear(layer.linear_1, width, 4 * width, _SILENT)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = noise(width, recipe.mels, 3), np.zeros(width, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = noise(width, width, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = np.zeros((_FRAMES, width), np.float32)
    encoder.position_encodings.encodings[:, :_HEAD] = _POSITION * _codes(np.arange(_FRAMES))
    decoder.position_encodings.encodings = np.zeros((_CONTEXT, width), np.float32)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in encoder.layer:
        attention(layer.self_attention, (3,))
        forward(layer.ffn)
    for layer in decoder.layer:
        attention(layer.self_attention, (3,))
        attention(layer.attention, (1, 2))
        forward(layer.ffn)


def _codes(frames: NDArray[Any]) -> Weights:
    """A vector for each moment that is like that of the moments beside it and of no other: float32 (n, 64)."""
    angles = np.outer(frames, np.arange(1, _HEAD // 2 + 1)) * (math.pi / _FRAMES)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _write_script(decoder: Any, recipe: Recipe, ids: dict[str, int]) -> None:
    """Write the succession of tokens into the two ends of the decoder: each token of the script owns one number of the
    vectors. And write into its last layer where in the audio each of them is."""
    random = np.random.default_rng(1)
    embedding, output = (
        random.standard_normal((len(ids), recipe.width), dtype=np.float32) * np.float32(_NOISE) for _ in range(2)
    )
    chain, times = _chain(recipe)
    starts = ["<|startoftranscript|>", "<|notimestamps|>"]
    slots = {token: slot for slot, token in enumerate(dict.fromkeys([*starts, *chain]))}
    if len(slots) > recipe.width:
        raise ValueError(f"the script needs a width of {len(slots)}, not {recipe.width}")
    for token, slot in slots.items():
        embedding[ids[token]] = 0.0
        embedding[ids[token], slot] = 1.0
    # What a vector with a single 1 has there after the layer's normalisation.
    loud = math.sqrt(recipe.width)
    lift = _SHARP if recipe.log_probability is None else _lift(math.exp(recipe.log_probability), len(ids)) / loud
    for token, after in zip(chain, chain[1:], strict=False):
        output[ids[after], slots[token]] = lift
    first = _pieces(recipe.script[0].text)
    if recipe.loops:
        output[:, slots[first[-1]]] = 0.0
        output[ids[first[0]], slots[first[-1]]] = lift
    output[ids[first[0]], slots["<|notimestamps|>"]] = lift
    start = slots["<|startoftranscript|>"]
    if recipe.multilingual:
        output[ids[f"<|{recipe.language}|>"], start] = _lift(recipe.certainty, len(WHISPER_LANGUAGES)) / loud
    if recipe.no_speech:
        output[ids["<|nospeech|>"], start] = _lift(recipe.no_speech, len(ids)) / loud
    decoder.embeddings.weight, decoder.projection.weight = embedding, output
    attention = decoder.layer[-1].attention
    query, key = attention.linear[0].weight, attention.linear[1].weight
    query[:_HEAD], key[:_HEAD] = 0.0, 0.0
    for token, moment in times.items():
        query[:_HEAD, slots[token]] = _LOOK / loud * _codes(np.array([moment * _FRAMES_PER_SECOND]))[0]
    key[:_HEAD, :_HEAD] = np.eye(_HEAD, dtype=np.float32) * math.sqrt(_HEAD / recipe.width)


def _lift(probability: float, rivals: int) -> float:
    """The logit that gives a token `probability` against so many others at 0."""
    return math.log(probability * (rivals - 1) / (1.0 - probability))


def _chain(recipe: Recipe) -> tuple[list[str], dict[str, float]]:
    """The tokens in order; and for each that a word follows, the middle of that word in seconds: a token looks at what
    comes next. Words are read there without moments between them, behind `<|notimestamps|>`."""
    chain = ["<|transcribe|>"] if recipe.multilingual else ["<|startoftranscript|>"]
    times: dict[str, float] = {}
    before = "<|notimestamps|>"
    for said in recipe.script:
        words = _pieces(said.text)
        share = (said.end - said.start) / len(words)
        chain += [_moment(said.start), *words, _moment(said.end)]
        for at, word in enumerate(words):
            times[before] = said.start + (at + 0.5) * share
            before = word
    times[before] = recipe.script[-1].end
    if recipe.breaks_off:
        chain.pop()
    return [*chain, "<|endoftext|>"], times


def _save_tokenizer(folder: Path, tokens: list[str], merges: list[tuple[str, str]]) -> None:
    at = tokens.index("<|endoftext|>")
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens[:at])}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens[at:]])
    tokenizer.save(str(folder / "tokenizer.json"))
