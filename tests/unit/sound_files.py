"""Files with sound, made and read."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from services.audio.decode import open_audio
from services.audio.normalise import Survey

Block = NDArray[np.float32]

RATE = 16_000


def survey(blocks: Iterable[Block], rate: int, channels: int) -> Survey:
    """The first pass over `blocks`."""
    result = Survey(rate, channels)
    for block in blocks:
        result.feed(block)
    return result


def tone(seconds: float, hertz: float = 440.0, rate: int = RATE) -> Block:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(path: Path, samples: Block, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(path: Path, seconds: float = 1.0) -> tuple[Block, list[str]]:
    with open_audio(path) as audio:
        blocks = list(audio.blocks(seconds))
        assert all(block.dtype == np.float32 and block.shape[1] == audio.channels for block in blocks)
        return np.concatenate(blocks), audio.warnings


def film(path: Path, tracks: list[Block], *, picture: bool = False, languages: list[str] | None = None) -> Path:
    """A container with sound tracks (FLAC, at `RATE`, each float32 (n,)) and perhaps a picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p") if picture else None
        sound = [container.add_stream("flac", rate=RATE, layout="mono") for _ in tracks]
        for stream, language in zip(sound, languages or [], strict=False):
            stream.metadata["language"] = language
        if video is not None:
            for _ in range(10):
                container.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
            container.mux(video.encode(None))
        for stream, samples in zip(sound, tracks, strict=True):
            encode(container, stream, [(0, samples)])
    return path


def encode(container: av.container.OutputContainer, stream: av.AudioStream, pieces: list[tuple[int, Block]]) -> None:
    """Encode pieces that begin at the given frame."""
    for start, samples in pieces:
        for at in range(0, len(samples), 1600):
            pcm = (samples[None, at : at + 1600] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start + at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
