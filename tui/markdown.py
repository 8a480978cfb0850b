"""Markdown as rows of text: as much of it as summaries use.

Textual's Markdown widget draws more, but a summary that is being written costs it 14 KB a second at 20 words a second;
rows of which only the changed cells are sent cost 2 KB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from textual.content import Content

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,3}[.)])\s+(?:\[([ xX])\]\s+)?(.*)$")
_QUOTE = re.compile(r"\s*>\s?(.*)$")
_RULE = re.compile(r"\s*([-*_])(\s*\1){2,}\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_INLINE = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+.!|~>-])"
    r"|`(?P<code>[^`]+)`"
    r"|\*\*(?P<bold>(?=\S).+?(?<=\S))\*\*"
    r"|(?<!\w)__(?P<bold_>(?=\S).+?(?<=\S))__(?!\w)"
    r"|\*(?P<italic>(?=\S)[^*]+?(?<=\S))\*"
    r"|(?<!\w)_(?P<italic_>(?=\S)[^_]+?(?<=\S))_(?!\w)"
    r"|~~(?P<gone>(?=\S).+?(?<=\S))~~"
    r"|!?\[(?P<link>[^\]]+)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)"
)
_STYLES = {
    "code": ".accent", "bold": "bold", "bold_": "bold", "italic": "italic", "italic_": "italic", "gone": "strike",
    "link": "underline",
}  # fmt: skip
_HEADINGS = {1: ".h1", 2: ".h2"}
_DEEPEST = 4
_Kind = Literal["text", "title", "heading", "item", "verbatim"]


def markdown_rows(text: str, width: int) -> list[Content]:
    """The rows of a text in Markdown.

    Headings, paragraphs, lists (nested, numbered, with boxes), quotes, code, rules, and within them bold, italic,
    struck, code and links (of which the words are shown). Whatever else stands there is shown as it was written.

    Args:
        text: Without control characters.
        width: In cells.
    """
    rows: list[Content] = []
    before: _Block | None = None
    for block in _blocks(text):
        if before is not None and block.apart and not before.holds(block):
            rows.append(Content())
        rows.extend(block.rows(max(8, width)))
        before = block
    return rows


class _Block:
    """A stretch of rows that belong together.

    Args:
        text: Its text, on one line.
        lead: What stands before its first row; the others are indented by as much.
        style: Of all its text.
        kind: What it is.
        apart: A blank line stands before it.
    """

    def __init__(
        self, text: str, lead: str = "", style: str = "", *, kind: _Kind = "text", apart: bool = False
    ) -> None:
        self.text = text
        self.lead = lead
        self.style = style
        self.kind = kind
        self.apart = apart

    def holds(self, after: _Block) -> bool:
        """Whether the block `after` follows without a blank row, however the text was written."""
        return self.kind == "heading" or (self.kind == "item" and after.kind == "item")

    def rows(self, width: int) -> Iterator[Content]:
        if self.kind == "verbatim":
            yield Content.assemble((self.lead, ".quiet"), (self.text, self.style))
            return
        content = inline(self.text)
        if self.style:
            content = content.stylize_before(self.style)
        for number, line in enumerate(content.wrap(max(8, width - len(self.lead)))):
            lead = self.lead if not number else " " * len(self.lead)
            yield Content.assemble((lead, ".quiet"), line.rstrip())


def inline(text: str) -> Content:
    """A line with its styles. Marks that are not closed stay as they are: the rest may still be written."""
    parts: list[tuple[str, str] | Content] = []
    position = 0
    for match in _INLINE.finditer(text):
        parts.append((text[position : match.start()], ""))
        kind = match.lastgroup or "escaped"
        inner = match[kind]
        if kind in ("bold", "bold_", "italic", "italic_", "gone"):
            parts.append(inline(inner).stylize(_STYLES[kind]))
        else:
            parts.append((inner, _STYLES.get(kind, "")))
        position = match.end()
    return Content.assemble(*parts, (text[position:], ""))


def _blocks(text: str) -> Iterator[_Block]:
    """The blocks of a text, line by line; lines of a paragraph are joined."""
    open_block: _Block | None = None
    fence = ""
    apart = False
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence or mark:
            if open_block is not None:
                yield open_block
                open_block = None
            if not fence and mark is not None:
                fence, apart = mark[1], True
            elif mark is not None and mark[1] == fence:
                fence, apart = "", True
            else:
                yield _Block(line.replace("\t", "    "), "  ", ".quiet", kind="verbatim", apart=apart)
                apart = False
            continue
        if not line.strip():
            apart = True
            continue
        block = _block(line, apart)
        if block is None and open_block is not None and not apart:
            open_block.text += f" {line.strip()}"
            continue
        if open_block is not None:
            yield open_block
        open_block = block or _Block(line.strip(), apart=apart)
        apart = False
    if open_block is not None:
        yield open_block


def _block(line: str, apart: bool) -> _Block | None:
    """The block that begins with `line`; None for a line of a paragraph."""
    if heading := _HEADING.match(line):
        level = len(heading[1])
        return _Block(
            heading[2], style=_HEADINGS.get(level, ".h3"), kind="title" if level == 1 else "heading", apart=True
        )
    if _RULE.match(line):
        return _Block("───", style=".line", kind="verbatim", apart=apart)
    if item := _ITEM.match(line):
        indent, mark, box, text = item.groups()
        depth = min(_DEEPEST, len(indent.expandtabs(4)) // 2)
        sign = mark if mark[0].isdigit() else "•"
        if box is not None:
            sign = "✓" if box.strip() else "○"
        return _Block(text, f"{'  ' * depth}{sign} ", kind="item", apart=apart)
    if quote := _QUOTE.match(line):
        return _Block(quote[1], "│ ", ".quiet", apart=apart)
    if line.lstrip().startswith("|"):
        return _Block(line.strip(), kind="verbatim", apart=apart)
    return None
