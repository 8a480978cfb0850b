"""Summaries by a local language model: any GGUF that llama.cpp can run.

A transcript that fits the context is read in one go. One that does not is read in parts, each condensed to notes, and
the summary is made from the notes; notes that do not fit either are condensed again. Every line of the transcript is in
exactly one part.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.cores import cores
from services.errors import MemoryLimitError, ModelError
from services.library.segments import Segment
from services.memory.probe import system, usage
from services.models.options import KvCache, SummaryOptions
from services.summarization import fitting, gguf, minutes, prompt, runtime
from services.summarization.answer import Answer
from services.summarization.chat import Frame, Framer
from services.summarization.cost import can_have
from services.summarization.engine import Summary, Watch, has_speech, heading
from services.summarization.extractive import digest
from services.summarization.fitting import Room
from services.summarization.runtime import Model
from services.text import clean, one_line

_log = logging.getLogger(__name__)

_TITLE_ROOM = 48
"""Tokens kept free for the title and date, which are not known when the context is made."""

_TITLE_LENGTH = 80
_ANOTHER = "Choose another model, or the built-in engine `extractive`."


class Llama:
    """Implements `services.summarization.engine.SummaryEngine`."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._framer: Framer | None = None
        self._context = 0

    def load(
        self, model: Path | None, transcript: Sequence[Segment], options: SummaryOptions, watch: Watch
    ) -> dict[str, Any]:
        """See `SummaryEngine`. The context is as small as the transcript allows, and as the memory wants.

        Raises:
            ModelError: The file is missing, damaged or not a model that writes, or its context is too small.
            MemoryLimitError: There is not enough memory for the model and a context of any use.
            MissingPackageError: llama-cpp-python is not installed.
        """
        if model is None:
            raise ModelError("llama-cpp-python needs a model.", "Give the path of a GGUF file.")
        self.unload()
        gguf.check(model)
        runtime.library()  # before the room is measured: it takes some
        room = fitting.room_mb(system().available, usage(os.getpid()).pss, options.limit_mb)
        size = model.stat().st_size / 2**20
        if size > room:
            raise _too_large(size, room, options.limit_mb)

        def progress(share: float) -> None:
            watch.check()
            watch.progress(share, 1.0, "loading")

        loaded = Model(model, progress, mmap=options.mmap)
        try:
            facts = self._fit(loaded, transcript, options, room)
        except BaseException:
            loaded.close()
            raise
        self._model = loaded
        return facts

    def _fit(
        self, loaded: Model, transcript: Sequence[Segment], options: SummaryOptions, room: float
    ) -> dict[str, Any]:
        """Open a context for `transcript`, where model and context may take `room` MB together."""
        framer = Framer(loaded)
        frame = framer.frame(prompt.SYSTEM, prompt.transcript_of("", ""), prompt.FORM).size + _TITLE_ROOM
        body = sum(map(len, lines(loaded, transcript)))
        wanted = fitting.context_for(body, frame, loaded.trained_context, options.max_context)
        if fitting.divide(wanted, frame) is None:
            raise ModelError(
                f"A context of {wanted} tokens is too small: the instructions alone take {frame}.",
                "Allow a larger context, or choose a model that was trained with one.",
            )
        context, kind = _open(loaded, wanted, frame, options.kv_cache, room - loaded.size_mb)
        if context == 0:
            least = loaded.size_mb + loaded.shape.context_mb(fitting.smallest(frame), kind)
            raise _too_large(least, room, options.limit_mb)
        self._framer, self._context = framer, context
        return {
            "context": context,
            "context_mb": round(loaded.shape.context_mb(context, kind), 1),
            "kv_cache": kind,
            "mapped": loaded.mapped,
            "trained_context": loaded.trained_context,
            "transcript_tokens": body,
            "threads": cores(),
            "model": loaded.description,
            "size_mb": round(loaded.size_mb, 1),
            "chat_template": framer.templated,
        }

    def unload(self) -> None:
        """Free the model."""
        if self._model is not None:
            self._model.close()
        self._model = self._framer = None

    def summarize(self, transcript: Sequence[Segment], title: str, date: str, language: str, watch: Watch) -> Summary:
        """See `SummaryEngine`."""
        if self._model is None or self._framer is None:
            raise ModelError("No model is loaded.", "Load one first.")
        if not has_speech(transcript):
            summary = Summary(heading(title, "", date))
            watch.text(summary.markdown)
            return summary
        task = _Task(self._model, self._framer, self._context, language, watch)
        text = task.run(transcript, one_line(title, _TITLE_LENGTH), date)
        summary = minutes.parse(text, title, date)
        if not (summary.text or summary.decisions or summary.actions or summary.questions):
            raise ModelError("The model wrote nothing.", _ANOTHER)
        return summary


def _open(loaded: Model, wanted: int, frame: int, kind: KvCache, room: float) -> tuple[int, KvCache]:
    """Open the largest context up to `wanted` tokens that `room` MB allow.

    Returns:
        Its length and its number type, which is `f16` where the model cannot have `kind`; a length of 0 where not even
        the smallest useful one was to be had.
    """
    shape = loaded.shape
    if not shape.fits(kind):
        _log.info("the heads of the model are no whole blocks of %s: its context is f16", kind)
        kind = "f16"
    context = fitting.within(wanted, shape.most_tokens(room, kind))
    while fitting.divide(context, frame) is not None:
        if can_have(shape.context_mb(context, kind)):
            try:
                loaded.open_context(context, kind)
            except MemoryLimitError:
                raise
            except ModelError as error:
                if kind == "f16":
                    raise
                _log.info("%s It is f16 instead.", error)
                return _open(loaded, wanted, frame, "f16", room)
            return context, kind
        context = fitting.within(context, context * 3 // 4)
    return 0, kind


def _too_large(needed: float, room: float, limit: float) -> MemoryLimitError:
    if needed <= room:  # then there is a limit that only asking for memory shows
        return MemoryLimitError(
            f"The system refuses the {needed:.0f} MB that the model needs.",
            "Allow the process more memory (`ulimit -d`), or choose a smaller model.",
        )
    allowed = f", of the {limit:.0f} MB that it is allowed" if limit > 0 else ""
    return MemoryLimitError(
        f"The model needs {needed:.0f} MB, and there are {room:.0f} MB for it{allowed}.",
        "Close something, choose a smaller model, or allow it more with memory.max_llm_mb."
        if limit > 0
        else "Close something, or choose a smaller model.",
    )


def lines(model: Model, transcript: Sequence[Segment]) -> list[list[int]]:
    """The tokens of each line of a transcript."""
    said = (f"{s.speaker}: {s.text}" if s.speaker else s.text for s in transcript)
    return [model.tokenize(clean(line).strip() + "\n") for line in said]


class _Task:
    """One summary at work."""

    def __init__(self, model: Model, framer: Framer, context: int, language: str, watch: Watch) -> None:
        self._model = model
        self._framer = framer
        self._context = context
        self._language = language
        self._watch = watch
        self._step = 0
        self._steps = 1

    def run(self, transcript: Sequence[Segment], title: str, date: str) -> str:
        """The model's minutes, as it wrote them."""
        whole = self._framer.frame(prompt.SYSTEM, prompt.transcript_of(title, date), prompt.FORM)
        room = self._room(whole)
        spoken = lines(self._model, transcript)
        if sum(map(len, spoken)) <= room.body:
            return self._ask(whole, [token for line in spoken for token in line], room.answer, "writing", aloud=True)
        notes = self._condense(spoken, transcript)
        last = self._framer.frame(prompt.SYSTEM, prompt.notes_of(title, date), prompt.FORM)
        room = self._room(last)
        while sum(map(len, notes)) > room.body:
            notes = self._condense(notes, [])
        return self._ask(last, [token for note in notes for token in note], room.answer, "writing", aloud=True)

    def _room(self, frame: Frame) -> Room:
        room = fitting.divide(self._context, frame.size)
        if room is None:
            raise ModelError(
                f"A context of {self._context} tokens is too small for a prompt of {frame.size}.", "Allow a larger one."
            )
        return room

    def _condense(self, spoken: Sequence[Sequence[int]], transcript: Sequence[Segment]) -> list[list[int]]:
        """Notes for the parts of `spoken`, a list of tokens each.

        Args:
            spoken: Tokens of each line.
            transcript: The segments that the lines are made of; empty when they are notes already.
        """
        widest = self._framer.frame(prompt.SYSTEM, prompt.part_of(999, 999), prompt.NOTES)
        room = self._room(widest)
        pieces: list[Sequence[int]] = []
        origin: list[int] = []
        for index, line in enumerate(spoken):
            for piece in fitting.chunks(line, room.body):
                pieces.append(piece)
                origin.append(index)
        parts = fitting.parts([len(piece) for piece in pieces], room.body)
        self._step, self._steps = 0, len(parts) + 1
        notes: list[list[int]] = []
        for number, part in enumerate(parts, start=1):
            frame = self._framer.frame(prompt.SYSTEM, prompt.part_of(number, len(parts)), prompt.NOTES)
            body = [token for index in part for token in pieces[index]]
            text = self._ask(frame, body, room.notes, f"part {number} of {len(parts)}", aloud=False)
            if not text.strip():
                text = self._digest(transcript, origin[part.start], origin[part.stop - 1], body, room.notes)
            # Twice the room: the same text may be cut into other tokens when it is read again.
            notes.append(self._model.tokenize(f"Part {number}:\n{text.strip()}\n\n")[: 2 * room.notes])
        return notes

    def _digest(self, transcript: Sequence[Segment], first: int, last: int, body: list[int], limit: int) -> str:
        """What stands in for the notes of a part about which the model wrote nothing."""
        if transcript:
            return "\n".join(digest(transcript[first : last + 1], limit // 2, self._language, self._watch.check))
        return b"".join(map(self._model.piece, body[:limit])).decode(errors="replace")

    def _ask(self, frame: Frame, body: list[int], most: int, what: str, *, aloud: bool) -> str:
        """Have one prompt read and answered.

        Args:
            frame: What stands around it.
            body: Tokens of the transcript or of notes.
            most: Tokens that the answer may have.
            what: What is being done, for the progress.
            aloud: Whether the answer is shown while it is written.
        """
        tokens = frame.head + body + frame.tail
        reading = what if not aloud else "reading"
        total = len(tokens) + most

        def advance(done: int, what: str) -> None:
            self._watch.check()
            self._watch.progress(self._step + done / total, self._steps, what)

        self._model.read(tokens, lambda done: advance(done, reading))
        answer = Answer(self._watch.text if aloud else _unheard)
        for count, token in enumerate(self._model.write(most), start=1):
            answer.feed(self._model.piece(token))
            advance(len(tokens) + count, what)
            if answer.done:
                break
        answer.close()
        self._step += 1
        self._watch.progress(self._step, self._steps, what)
        return answer.text


def _unheard(_: str) -> None:
    """Notes of a part are not shown: only the summary is."""
