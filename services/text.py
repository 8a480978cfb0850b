"""Text that we did not write: made safe for a terminal and for a file name."""

from __future__ import annotations

import re
import unicodedata

# Half of a surrogate pair: what Python makes of bytes in a file's name that are not UTF-8. No encoder takes it.
_SURROGATE = re.compile("[\ud800-\udfff]")
# C0 and C1 control characters, and the invisible characters that reorder or hide text on a screen.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_ESCAPE = re.compile(
    "\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI ... final byte
    "|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?"  # OSC, DCS, SOS, PM, APC up to BEL or ST
    "|[@-_])"
)


SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")
"""What the last word of a sentence ends with."""


def clean(text: str) -> str:
    """`text` without escape sequences and control characters, and such as can be encoded; new lines and tabs stay."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _ESCAPE.sub("", text)))


def one_line(text: str, limit: int = 200) -> str:
    """`text` cleaned, on one line, cut with an ellipsis after `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def slug(title: str, limit: int = 60) -> str:
    """A file name made from a meeting's title: lower case, letters, digits and hyphens of any script.

    Never empty, never a path: separators, dots and control characters go.
    """
    folded = unicodedata.normalize("NFC", clean(title)).lower()
    words = re.sub(r"[^\w]+", "-", folded).replace("_", "-")
    short = re.sub("-{2,}", "-", words).strip("-")
    # File names are limited in bytes (255 on every usual file system), not in characters.
    while len(short.encode()) > 2 * limit or len(short) > limit:
        short = short[:-1]
    return short.strip("-") or "meeting"


def clock(seconds: float) -> str:
    """`seconds` as m:ss, or h:mm:ss from one hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
