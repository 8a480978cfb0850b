"""Sound through PyAV: every container that FFmpeg opens, and whatever libsndfile gave up on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import av
import av.logging
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from services.audio.blocks import Block, in_blocks
from services.errors import AudioFileError
from services.text import one_line

# Decoders report every damaged packet; nobody reads thousands of lines, and none may reach a terminal.
av.logging.set_level(None)

_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,latm,loas,matroska,webm,mlp,mov,mp4,"
    "m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nistsphere,nut,ogg,rm,sbc,spx,tak,truehd,tta,voc,w64,wav,wtv,wv,oma,qcp"
)
"""Demuxers of sound and film. The rest is left out: game formats that take random bytes for sound, pictures, and
playlists, which would open other files or addresses."""

_DAMAGED = "Parts of the file are damaged and were passed over."

_GAP_SECONDS = 0.05
"""Time stamps that jump by more than this are a hole: packets that were lost or never sent. Smaller steps are the
rounding of the container (1 ms in Matroska) and of codec frames."""

_LONGEST_GAP = 600.0
"""A jump beyond this is taken for a wrong time stamp rather than for silence."""

_ALL_GAPS = 3600.0
"""Holes come to this in all at the most, or to the length that the file says it has: damage cannot make days of it."""


@dataclass(frozen=True, slots=True)
class Track:
    """One sound track as its first decoded frame shows it; headers may lie.

    Attributes:
        index: Its stream in the container.
        rate: Hz.
        channels: How many.
        layout: FFmpeg's name of the channel layout.
        start: Time of the first frame in seconds, where it is known.
    """

    index: int
    rate: int
    channels: int
    layout: str
    start: float | None


class ContainerReader:
    """Reads a file through PyAV.

    All sound tracks of the same language become channels side by side, at the rate of the first: a screen recorder
    keeps the microphone and the system's sound as two tracks. Of tracks in several languages the first counts.

    Args:
        path: The file.
        warn: Takes a sentence about damage that was passed over.

    Raises:
        AudioFileError: No sound can be had from it.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        with _opened(path) as container:
            sound = container.streams.audio
            # PyAV gives a stream without a context where it has no decoder, whatever its type says.
            streams = _one_language([stream for stream in sound if _has_decoder(stream)])
            indexes = [stream.index for stream in streams]
            self._seconds = container.duration / av.time_base if container.duration else 0.0
            trouble = _trouble(container, streams)
        self._tracks = [track for index in indexes if (track := self._first(index)) is not None]
        if not self._tracks:
            raise AudioFileError(f"{one_line(path.name)} {trouble}.", "Choose another file.")
        self.rate = self._tracks[0].rate
        self.channels = sum(track.channels for track in self._tracks)
        self.frames = round(self._seconds * self.rate) or None

    def blocks(self, size: int) -> Iterator[Block]:
        """Blocks of `size` frames, float32 (frames, channels); the last one may be shorter."""
        starts = [track.start for track in self._tracks if track.start is not None]
        origin = min(starts) if len(starts) == len(self._tracks) else None
        tracks = [in_blocks(self._decoded(track, origin), size, track.channels) for track in self._tracks]
        if len(tracks) == 1:
            yield from tracks[0]
            return
        for parts in zip_longest(*tracks):
            length = max(len(part) for part in parts if part is not None)
            block = np.zeros((length, self.channels), np.float32)
            at = 0
            for track, part in zip(self._tracks, parts, strict=True):
                if part is not None:
                    block[: len(part), at : at + track.channels] = part
                at += track.channels
            yield block

    def _first(self, index: int) -> Track | None:
        with _opened(self._path) as container:
            for frame in self._frames(container, index, lambda _: None):
                return Track(index, frame.sample_rate, frame.layout.nb_channels, frame.layout.name, frame.time)
        return None

    def _frames(self, container: InputContainer, index: int, warn: Callable[[str], None]) -> Iterator[av.AudioFrame]:
        """The frames of one stream; packets that cannot be decoded are passed over."""
        damaged = 0
        packets = container.demux(container.streams[index])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError:
                warn("The file breaks off or is damaged near its end; what comes before was read.")
                break
            try:
                for frame in packet.decode():
                    if isinstance(frame, av.AudioFrame) and frame.samples and frame.layout.nb_channels:
                        yield frame
            except FFmpegError:
                damaged += 1
        if damaged:
            warn(_DAMAGED)

    def _decoded(self, track: Track, origin: float | None) -> Iterator[Block]:
        """Samples of one track as float32 (frames, channels), holes in its time line filled with zeros."""
        line = _TimeLine(self.rate, origin if origin is not None else track.start, max(self._seconds, _ALL_GAPS))
        converter = _Converter(track, self.rate)
        with _opened(self._path) as container:
            for frame in self._frames(container, track.index, self._warn):
                hole = line.hole(frame.time)
                if hole:
                    yield np.broadcast_to(np.float32(0), (hole, track.channels))
                try:
                    pieces = converter.feed(frame)
                except (FFmpegError, ValueError):
                    self._warn(_DAMAGED)
                    continue
                for samples in pieces:
                    line.position += len(samples)
                    yield samples
            yield from converter.flush()


class _Converter:
    """Brings frames to one rate and layout: a stream may change both on the way, what leaves here stays as it began.

    Args:
        track: Whose channels come out.
        rate: The rate that comes out, in Hz.
    """

    def __init__(self, track: Track, rate: int) -> None:
        self._track = track
        self._rate = rate
        self._shape = ("", "", 0)
        self._resampler: AudioResampler | None = None

    def feed(self, frame: av.AudioFrame) -> list[Block]:
        """Samples of `frame`, each float32 (frames, channels); none where it cannot be converted."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        before: list[Block] = []
        if shape != self._shape:
            before = self.flush()
            self._resampler, self._shape = AudioResampler("flt", self._track.layout, self._rate), shape
        return before + self._run(frame)

    def flush(self) -> list[Block]:
        """What a change of the rate still holds back."""
        return self._run(None) if self._resampler is not None and self._shape[2] != self._rate else []

    def _run(self, frame: av.AudioFrame | None) -> list[Block]:
        assert self._resampler is not None
        out = self._resampler.resample(frame)
        return [each.to_ndarray().reshape(-1, self._track.channels).astype(np.float32, copy=False) for each in out]


class _TimeLine:
    """Where a track is, compared with its time stamps.

    Args:
        rate: Hz.
        origin: Time stamp of position 0; None takes that of the first frame that has one.
        missing: Seconds that may be missing in all.
    """

    def __init__(self, rate: int, origin: float | None, missing: float) -> None:
        self.position = 0
        self._rate = rate
        self._origin = origin
        self._left = missing

    def hole(self, time: float | None) -> int:
        """Frames missing before a frame with time stamp `time`; counted as delivered."""
        if time is None:
            return 0
        if self._origin is None:
            self._origin = time - self.position / self._rate
        gap = time - self._origin - self.position / self._rate
        if _GAP_SECONDS < gap <= min(_LONGEST_GAP, self._left):
            self._left -= gap
            missing = round(gap * self._rate)
            self.position += missing
            return missing
        if abs(gap) > _GAP_SECONDS:
            self._origin += gap  # the time stamps start anew, as in a chain of Ogg streams
        return 0


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(
            str(path.absolute()),  # absolute: a name like `concat:x` is a file's and no protocol
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",  # titles in other encodings are no reason to refuse the sound
        )
    except (FFmpegError, ValueError) as error:
        # FFmpeg's errors of a missing or forbidden file are an OSError as well; the caller has looked at those.
        raise AudioFileError(
            f"{one_line(path.name)} is no sound or video file that sotto can read.", "Choose another file."
        ) from error


def _has_decoder(stream: AudioStream) -> bool:
    context: object = stream.codec_context  # typed as if it were always there
    return context is not None


def _one_language(streams: list[AudioStream]) -> list[AudioStream]:
    return [stream for stream in streams if stream.language == streams[0].language]


def _trouble(container: InputContainer, streams: list[AudioStream]) -> str:
    """What is wrong with a container of which nothing can be decoded."""
    if not container.streams.audio:
        return "holds pictures but no sound" if container.streams.video else "holds no sound"
    if not streams:
        return "holds sound in a form that sotto cannot decode"
    if all(not stream.codec_context.channels for stream in streams):
        return "says that it has no channels"
    return "holds no samples"
