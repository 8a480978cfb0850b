"""Minutes that a model wrote, read into the form that all engines share."""

from __future__ import annotations

import re

from services.summarization.engine import ActionItem, Summary, heading

_FENCE = re.compile(r"^\s*```[a-z]*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.+?)\s*#*\s*$|^\s*\*\*([^*]{3,40}?):?\*\*:?\s*$")
_SECTIONS = {
    "summary": "summary", "overview": "summary", "meeting summary": "summary", "minutes": "summary",
    "decisions": "decisions", "key decisions": "decisions", "decisions made": "decisions",
    "action items": "actions", "actions": "actions", "next steps": "actions", "tasks": "actions", "to do": "actions",
    "open questions": "questions", "questions": "questions", "unresolved questions": "questions",
}  # fmt: skip
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d{1,2}[.)])\s+(?:\[[ x]\]\s*)?")
_NOTHING = re.compile(
    r"^\W*(?:none|n/?a|nothing|not (?:specified|mentioned|applicable)|no (?:\w+ )?(?:decisions?|actions?|action items?|"
    r"questions?|tasks?|items?)\b.*|there (?:were|are) no\b.*)\W*$",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"^\**(?P<owner>[^:*()\[\]]{1,40}?)\**:\**\s+(?P<what>\S.*?)(?:\s*\((?P<due>[^()]{2,60})\))?\.?$|"
    r"^(?P<task>\S.*?)(?:\s*\((?P<by>[^()]{2,60})\))?\.?$"
)
_NOBODY = frozenset("unassigned unknown none nobody tbd n/a owner unspecified".split()) | {"not specified", "no owner"}
_NO_DATE = re.compile(
    r"^(?:no (?:due )?date.*|none|not (?:specified|mentioned|said).*|tbd|n/?a|unknown|due date.*)$", re.I
)


def parse(text: str, title: str, date: str) -> Summary:
    """Read a model's answer.

    Headings that are not ours stay in the summary's text, and an answer without any of ours is that text: nothing that
    the model wrote is thrown away for its form.

    Args:
        text: The answer, cleaned.
        title: Title of the meeting; may be empty.
        date: Day of the meeting; may be empty.
    """
    fenced = _FENCE.match(text)
    suggestion = ""
    sections: dict[str, list[str]] = {"summary": [], "decisions": [], "actions": [], "questions": []}
    current = "summary"
    for line in (fenced[1] if fenced else text).splitlines():
        match = _HEADING.match(line)
        name = (match[2] or match[3]).strip("*: ") if match else ""
        known = _SECTIONS.get(name.lower())
        if known is not None:
            current = known
        elif match is not None and match[1] == "#" and not suggestion and not any(sections.values()):
            suggestion = name
        else:
            if match is not None:
                current = "summary"
            sections[current].append(line.rstrip())
    body = "\n".join(sections["summary"]).strip()
    return Summary(
        title=heading(title, suggestion, date),
        suggestion=suggestion,
        text=re.sub(r"\n{3,}", "\n\n", body),
        decisions=tuple(_items(sections["decisions"])),
        actions=tuple(_action(item) for item in _items(sections["actions"])),
        questions=tuple(_items(sections["questions"])),
    )


def _items(lines: list[str]) -> list[str]:
    """The bullets of a section; a line that begins none goes on with the one before."""
    items: list[str] = []
    for line in lines:
        if not line.strip():
            continue
        match = _BULLET.match(line)
        if match is not None or not items:
            items.append(line[match.end() :].strip() if match else line.strip())
        else:
            items[-1] += " " + line.strip()
    return [item for item in items if item and not _NOTHING.match(item)]


def _action(item: str) -> ActionItem:
    match = _ACTION.match(item)
    if match is None:
        return ActionItem(item)
    owner = (match["owner"] or "").strip()
    due = (match["due"] or match["by"] or "").strip()
    return ActionItem(
        what=match["what"] or match["task"],
        owner="" if owner.lower() in _NOBODY else owner,
        due="" if _NO_DATE.match(due) else due,
    )
