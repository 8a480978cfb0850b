"""The table of models: which there are, which are in use, and what can be done with the marked one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import set_cell_size
from textual.content import Content

from services.models.catalogue import EngineSpec
from services.models.offers import NO_SUMMARY, Offer, State
from services.models.shelf import Work
from services.text import one_line
from tui.screens.base import MARKED
from tui.widgets.sheet import Rows, around
from tui.wrapping import wrap

CHOSEN, CAPTIONS = "●", "≈"
LEGEND = f"{CHOSEN} transcripts and summaries   {CAPTIONS} captions"
DETAIL_ROWS = 4

_STATES: dict[State, tuple[str, str]] = {
    "built in": ("built in", ".good"),
    "here": ("here", ".good"),
    "absent": ("to download", ".quiet"),
    "no package": ("no package", ".warn"),
    "remote": ("remote", ".accent"),
    "no address": ("no address", ".warn"),
    "a path": ("by its path", ".quiet"),
}
_LICENCE = 67
"""From so many cells on there is room for the licence,"""
_WIDE = 82
"""and from so many on for whole words."""
_ROOMY = 16
"""From so many rows on there is room for blank ones."""
_LANGUAGES_NAMED = 3


@dataclass(frozen=True, slots=True)
class InUse:
    """What meetings are written up with from now on.

    Attributes:
        stt: For the final text.
        captions: For captions; None where there are none.
        summary: For summaries.
        kept: Labels of what the settings name: they are in use at the next start, too.
        brought: The language, where the model chosen brought another one along than the settings name.
    """

    stt: EngineSpec
    captions: EngineSpec | None
    summary: EngineSpec
    kept: tuple[str, ...] = ()
    brought: str = ""

    def chosen(self, offer: Offer) -> bool:
        """It writes transcripts or summaries."""
        return _same(offer.spec, self.stt if offer.job == "stt" else self.summary)

    def captioning(self, offer: Offer) -> bool:
        return offer.job == "stt" and self.captions is not None and _same(offer.spec, self.captions)


def _same(one: EngineSpec, other: EngineSpec) -> bool:
    return (one.engine, one.model) == (other.engine, other.model)


def table_rows(offers: Sequence[Offer], used: InUse, work: Work | None, marked: int, width: int, height: int) -> Rows:
    """A heading, and below it as many lines as there is room for around the marked offer."""
    lines: list[Content] = []
    place = 0
    for number, offer in enumerate(offers):
        title = _title(offer)
        if number == 0 or title != _title(offers[number - 1]):
            if lines and height >= _ROOMY:
                lines.append(Content())
            lines.append(Content.styled(title, ".title"))
        if number == marked:
            place = len(lines)
        lines.append(_row(offer, used, work, number == marked, width))
    return [_heading(width), *around(lines, place, height - 1)]


def _title(offer: Offer) -> str:
    return f"Speech · {offer.spec.engine}" if offer.job == "stt" else "Summary"


def name_of(offer: Offer) -> str:
    """What the table calls it below the title of its group."""
    if offer.state == "a path" or (offer.state == "no package" and not offer.spec.model):
        return offer.spec.engine if offer.job == "summary" else "your own"
    return one_line(Path(offer.spec.model).name or offer.spec.engine)


def _cells(width: int, name: str, speaks: str, disk: str, memory: str, licence: str, state: str) -> str:
    """The columns of a row behind its marks; the last one takes what is left."""
    wide = width >= _WIDE
    first, second = (21, 13) if wide else (16, 3)
    text = f"{set_cell_size(name, first)} {speaks:<{second}} {disk:>6} {memory:>6}"
    text += f"  {one_line(licence, 12):<12}" if width >= _LICENCE else ""
    return f"{text}  {state}"


def _heading(width: int) -> Content:
    cells = _cells(width, "Model", "Speaks" if width >= _WIDE else "", "Disk", "Memory", "Licence", "")
    return Content.styled(f"     {cells}", ".quiet")


def _row(offer: Offer, used: InUse, work: Work | None, marked: bool, width: int) -> Content:
    state, style = _state(offer, work)
    chosen, captions = used.chosen(offer), used.captioning(offer)
    cells = _cells(
        width, name_of(offer), speaks(offer, width >= _WIDE), megabytes(offer.size_mb), megabytes(offer.memory_mb),
        offer.licence, "",
    )  # fmt: skip
    signs = (CHOSEN if chosen else " ", CAPTIONS if captions else " ")
    if marked:
        line = f"› {''.join(signs)} {cells}{state}"
        return Content.styled(set_cell_size(line, width), MARKED)
    return Content.assemble("  ", (signs[0], ".good"), (signs[1], ".accent"), " ", cells, (state, style))


def _state(offer: Offer, work: Work | None) -> tuple[str, str]:
    """A word or two: how far it is, or what is being done with it."""
    if work is not None and offer.spec.label == work.label:
        return f"{work.fraction:.0%}" if work.fraction is not None else work.doing, ".accent"
    if work is not None and offer.spec.label in work.waiting:
        return "waits", ".accent"
    if offer.helper and offer.state == "here":
        return "here", ".good"
    return _STATES[offer.state]


def speaks(offer: Offer, wide: bool = True) -> str:
    """What languages it understands, in a few characters."""
    if offer.job == "summary":
        return ""
    if offer.helper:
        return "voices" if wide else ""
    languages = offer.languages
    if not languages:
        return "any" if offer.state in ("remote", "no address") else ""
    if len(languages) <= _LANGUAGES_NAMED and wide:
        return ", ".join(languages)
    return languages[0] if len(languages) == 1 else f"{len(languages)} languages" if wide else str(len(languages))


def megabytes(mb: float) -> str:
    """A size of a model; empty where nobody knows."""
    if not mb:
        return ""
    if mb >= 1000:
        return f"{mb / 1000:.1f} GB"
    return f"{mb:.1f} MB" if mb < 10 else f"{mb:.0f} MB"


def detail_rows(offer: Offer, used: InUse, work: Work | None, message: tuple[str, str], width: int) -> Rows:
    """The marked offer in whole words, and what can be done with it; or instead of that a message, with its style."""
    about = [offer.spec.label if offer.spec != NO_SUMMARY else "No summary"]
    about += [said for said in (_understands(offer), _licence(offer)) if said]
    rows = [Content.styled(line, ".strong" if not n else "") for n, line in enumerate(wrap(" · ".join(about), width))]
    said, style = one_line(message[0], 400), message[1]
    if not said:
        said, style = one_line(_advice(offer, used, work), 400), ".quiet"
    rows += [Content.styled(line, style) for line in wrap(said, width)]
    return rows[:DETAIL_ROWS] + [Content()] * (DETAIL_ROWS - len(rows))


def _understands(offer: Offer) -> str:
    if offer.job == "summary" or offer.helper:
        return "tells voices apart" if offer.helper else ""
    return speaks(offer) if offer.languages else ""


def _licence(offer: Offer) -> str:
    return f"licence {offer.licence}" if offer.licence else ""


def _advice(offer: Offer, used: InUse, work: Work | None) -> str:
    """What can be done with it now, in a sentence."""
    label = offer.spec.label
    if work is not None and label == work.label:
        return f"{work.told} c cancels. It goes on when you leave this screen."
    if work is not None and label in work.waiting:
        return "It waits for its turn. c takes it out of the queue."
    if used.chosen(offer):
        return "In use." if label in used.kept else _for_now(offer, used)
    match offer.state:
        case "built in" if offer.spec == NO_SUMMARY:
            return "Enter: later meetings get no summary."
        case "built in" | "here" if offer.helper:
            return "It helps the engine beside it: nothing has to be chosen."
        case "built in" | "here":
            return "Enter: later meetings are written up with it."
        case "remote":
            return "Enter: later meetings are transcribed there. Their sound leaves this machine."
        case "absent":
            here = f" {megabytes(offer.arrived_mb)} of it are here already." if offer.arrived_mb else ""
            return f"p downloads it ({megabytes(offer.size_mb)}).{here}"
        case "a path":
            return "A model of your own: Enter asks for its path."
        case "no package" | "no address":
            return offer.hint


def _for_now(offer: Offer, used: InUse) -> str:
    section = "transcription" if offer.job == "stt" else "summary"
    name = f"{offer.spec.engine}:{offer.spec.model}" if offer.spec.model else offer.spec.engine
    keep = f'engine = "{name}"'
    if offer.job == "stt" and used.brought:
        keep += f', language = "{used.brought}"'
    return f"In use until sotto ends. To keep it, below [{section}] in config.toml: {keep}."
