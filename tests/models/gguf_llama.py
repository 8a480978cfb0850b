"""A llama model of any size that writes a fixed text, as a GGUF file for llama.cpp.

Its layers have weights of the real shape, so that its cost and memory are real, but their outputs are multiplied by
zero: what remains is a table of which token follows which. An ordinary token is followed by the first piece of `text`,
each piece by the next one, the last one by the end of the sequence. The control token of the assistant's turn is
followed by `chat_text` instead: only a prompt made with the chat template, read with its control tokens, gets that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

TEXT = """\
# Release of the beta

## Summary

The team agreed to ship the report on Friday.

## Decisions

- The beta will be launched on March 3rd.

## Action items

- Maria: send the report (by Friday)

## Open questions

- Who pays for advertising?
"""

CHATML = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""A template in the manner of most chat models."""

CONTROL = ("<|system|>", "<|user|>", "<|assistant|>")
_SPACE = "\u2581"
_SHARP = 4.0
_NOISE = 0.001
_LAYER_NOISE = 0.02
_QUANTISATION = {
    "F16": gguf.GGMLQuantizationType.F16,
    "Q8_0": gguf.GGMLQuantizationType.Q8_0,
}


@dataclass(frozen=True)
class Recipe:
    """What to build.

    Attributes:
        text: What the model writes after an ordinary token.
        chat_text: What it writes after the assistant's control token; empty: the same text.
        layers: Number of layers.
        width: Length of a token's vector; more than there are pieces of both texts.
        heads: Attention heads; `width / heads` is at least 32.
        kv_heads: Heads that have keys and values of their own; 0: all of them.
        vocabulary: Number of tokens, filled up with unused ones.
        context: Length that it claims to be trained for.
        quantisation: `F16` or `Q8_0`.
        template: Chat template; empty for none.
        known: Words that are one token each; everything else costs a token a byte.
        architecture: What the file calls its kind.
        extra: More metadata, integers by key.
    """

    text: str = TEXT
    chat_text: str = ""
    layers: int = 1
    width: int = 128
    heads: int = 4
    kv_heads: int = 0
    vocabulary: int = 512
    context: int = 8192
    quantisation: str = "F16"
    template: str = ""
    known: tuple[str, ...] = ()
    architecture: str = "llama"
    extra: tuple[tuple[str, int], ...] = field(default=())


def build(path: Path, recipe: Recipe) -> Path:
    """Write the model of `recipe` to `path`."""
    writer = gguf.GGUFWriter(path, recipe.architecture)
    tokens, scripts = _tokens(recipe)
    writer.add_name("scripted")
    writer.add_context_length(recipe.context)
    writer.add_embedding_length(recipe.width)
    writer.add_block_count(recipe.layers)
    writer.add_feed_forward_length(4 * recipe.width)
    writer.add_head_count(recipe.heads)
    writer.add_head_count_kv(recipe.kv_heads or recipe.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(recipe.width // recipe.heads)
    writer.add_vocab_size(len(tokens))
    _add_tokens(writer, tokens)
    if recipe.template:
        writer.add_chat_template(recipe.template)
    for key, value in recipe.extra:
        writer.add_uint32(key, value)
    _add_tensors(writer, recipe, len(tokens), scripts)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens(recipe: Recipe) -> tuple[list[tuple[str, gguf.TokenType]], list[tuple[int, list[int]]]]:
    """The vocabulary, and for each script the token that starts it (-1: any) and its own tokens."""
    tokens = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
    tokens += [(mark, gguf.TokenType.CONTROL) for mark in CONTROL]
    assistant = len(tokens) - 1
    tokens.append((_SPACE, gguf.TokenType.NORMAL))
    taken = {text for text, _ in tokens}
    for word in sorted(set(recipe.known)):
        if len(word) > 1 and word not in taken:
            tokens.append((word, gguf.TokenType.USER_DEFINED))
            taken.add(tokens[-1][0])
    scripts: list[tuple[int, list[int]]] = []
    for start, text in ((-1, recipe.text), (assistant, recipe.chat_text)):
        chain: list[int] = []
        for piece in _pieces(text, taken):
            chain.append(len(tokens))
            tokens.append((piece, gguf.TokenType.NORMAL))
        if chain:
            scripts.append((start, chain))
    for number in range(len(tokens), recipe.vocabulary):
        tokens.append((f"<unused{number}>", gguf.TokenType.UNUSED))
    return tokens, scripts


def _pieces(text: str, taken: set[str]) -> list[str]:
    """`text` in pieces that no other token equals, of three characters or more: a prompt can then never hold one,
    because the tokenizer builds long tokens only from shorter ones that it knows."""
    pieces: list[str] = []
    piece = ""
    for part in re.findall(r"\S+\s*|\s+", text):
        piece += part.replace(" ", _SPACE)
        if len(piece) > 2 and piece not in taken:
            taken.add(piece)
            pieces.append(piece)
            piece = ""
    if piece:
        taken.discard(pieces[-1])
        pieces[-1] += piece
        taken.add(pieces[-1])
    return pieces


def _add_tokens(writer: gguf.GGUFWriter, tokens: list[tuple[str, gguf.TokenType]]) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text.encode() for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _add_tensors(
    writer: gguf.GGUFWriter, recipe: Recipe, vocabulary: int, scripts: list[tuple[int, list[int]]]
) -> None:
    kind = _QUANTISATION[recipe.quantisation]
    width, wide = recipe.width, 4 * recipe.width
    random = np.random.default_rng(0)

    def noise(rows: int, columns: int, scale: float) -> Any:
        return random.standard_normal((rows, columns), dtype=np.float32) * scale

    def packed(array: Any) -> Any:
        return gguf.quants.quantize(array, kind)

    def add(name: str, array: Any) -> None:
        writer.add_tensor(name, array, raw_dtype=kind)

    embedding, output = _table(noise(vocabulary, width, _NOISE), noise(vocabulary, width, _NOISE), scripts)
    ones = np.ones(width, np.float32)
    add("token_embd.weight", packed(embedding))
    add("output.weight", packed(output))
    writer.add_tensor("output_norm.weight", ones)
    square, up = packed(noise(width, width, _LAYER_NOISE)), packed(noise(wide, width, _LAYER_NOISE))
    shared = square[: width * (recipe.kv_heads or recipe.heads) // recipe.heads]
    silent, silent_down = packed(np.zeros((width, width), np.float32)), packed(np.zeros((width, wide), np.float32))
    for layer in range(recipe.layers):
        name = f"blk.{layer}."
        writer.add_tensor(name + "attn_norm.weight", ones)
        writer.add_tensor(name + "ffn_norm.weight", ones)
        add(name + "attn_q.weight", square)
        add(name + "attn_k.weight", shared)
        add(name + "attn_v.weight", shared)
        add(name + "attn_output.weight", silent)
        add(name + "ffn_gate.weight", up)
        add(name + "ffn_up.weight", up)
        add(name + "ffn_down.weight", silent_down)


def _table(embedding: Any, output: Any, scripts: list[tuple[int, list[int]]]) -> tuple[Any, Any]:
    """Write the succession of tokens into the two ends of the model: each token that has a successor of its own owns
    one dimension of the vectors, all others share the first one."""
    slots = 1 + sum(1 + len(chain) for _, chain in scripts)
    if slots > embedding.shape[1]:
        raise ValueError(f"the texts need a width of {slots}, not {embedding.shape[1]}")
    embedding[:, 0] += 1.0
    slot = 1
    for start, chain in scripts:
        for token, after in zip([start, *chain], [*chain, 2], strict=True):
            if token < 0:
                output[after, 0] = _SHARP
                continue
            embedding[token] = 0.0
            embedding[token, slot] = 1.0
            output[after, slot] = _SHARP
            slot += 1
    return embedding, output
