"""Labels of international names, as people read them: IDNA 2008, told fast.

The URL parser knows a label by UTS 46, which allows more: what of it IDNA 2008 allows, too, is told
by its characters (RFC 5892, whose tables are those of the idna package). That package's own reading
takes 100 times as long, and an event may bring a name that nobody has seen before.
"""

import re
import unicodedata
from collections.abc import Iterable

from ada_url import idna
from idna.idnadata import codepoint_classes, scripts

# RFC 1035: bytes of a label, in its ASCII form where it is international.
MAX_LABEL = 63
KATAKANA_MIDDLE_DOT = "\u30fb"


def one_of(ranges: Iterable[int]) -> str:
    """What a regex's set holds of these; each is a range's first in its upper 32 bits, and in its
    lower the one after its last."""
    return "".join(
        f"{re.escape(chr(both >> 32))}-{re.escape(chr((both & 0xFFFFFFFF) - 1))}" for both in ranges
    )


ALLOWED = re.compile(f"[{''.join(map(one_of, codepoint_classes.values()))}]+")
MISPLACED_HYPHEN = re.compile("-|..--|.*-$", re.DOTALL)
# RFC 5892, appendix A.3 to A.9: what is allowed in some company only.
MISPLACED = re.compile(
    "(?<!l)\u00b7|\u00b7(?!l)"
    f"|\u0375(?![{one_of(scripts['Greek'])}])"
    f"|(?<![{one_of(scripts['Hebrew'])}])[\u05f3\u05f4]"
    "|[\u0660-\u0669].*[\u06f0-\u06f9]|[\u06f0-\u06f9].*[\u0660-\u0669]"
)
JAPANESE = re.compile(
    f"[{one_of(scripts['Hiragana'])}{one_of(scripts['Katakana'])}{one_of(scripts['Han'])}]"
)


def readable(label: str) -> str:
    """A label that the URL parser has made, in Unicode; as it is where IDNA 2008 does not know it,
    such as `xn--i-7iq` (i❤), or where no name may hold it."""
    if len(label) > MAX_LABEL or not label.startswith("xn--"):
        return label
    text = idna.decode(label)
    return text if is_known(text) else label


def is_known(text: str) -> bool:
    """Whether IDNA 2008 has such a label, where UTS 46 has it."""
    if not ALLOWED.fullmatch(text) or MISPLACED_HYPHEN.match(text) or MISPLACED.search(text):
        return False
    if KATAKANA_MIDDLE_DOT in text and not JAPANESE.search(text):
        return False
    return unicodedata.is_normalized("NFC", text)
