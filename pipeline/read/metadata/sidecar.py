"""XMP sidecars: what a cataloguer wrote beside the photo."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

_RDF, _XMP = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://ns.adobe.com/xap/1.0/"
_DC = "http://purl.org/dc/elements/1.1/"
_LONGEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Title, rating (-1 rejected, 0-5 stars; None unknown) and copyright of a sidecar; "" where it has none."""

    title: str = ""
    rating: int | None = None
    copyright: str = ""


def find_sidecar(photo: Path) -> Path | None:
    """`<name>.<ext>.xmp`, or `<stem>.xmp`, beside a photo (also in capitals); None if there is none.

    A name that its suffix makes too long for the file system cannot exist.
    """
    paths = [photo.with_name(name + suffix) for name in (photo.name, photo.stem) for suffix in (".xmp", ".XMP")]
    return next((path for path in paths if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # Path.is_file passes on ENAMETOOLONG
        return False


def read_sidecar(path: Path) -> Sidecar | None:
    """What the sidecar says; None if it cannot be read as XMP."""
    try:
        return parse_sidecar(path.read_bytes()) if path.stat().st_size <= _LONGEST else None
    except OSError:
        return None


def parse_sidecar(packet: bytes) -> Sidecar | None:
    """What an XMP packet says of what a sidecar may say; None if it cannot be read as XMP."""
    try:
        root = _parse(packet)
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError):
        return None
    found: dict[str, str] = {}
    for description in root.iter(f"{{{_RDF}}}Description"):
        for tag in (f"{{{_DC}}}title", f"{{{_DC}}}rights", f"{{{_XMP}}}Rating"):
            element = description.find(tag)
            text = description.get(tag, "") if element is None else _text(element)
            found[tag] = found.get(tag) or text.strip()
    return Sidecar(
        found.get(f"{{{_DC}}}title", ""), _rating(found.get(f"{{{_XMP}}}Rating", "")), found.get(f"{{{_DC}}}rights", "")
    )


def _parse(data: bytes) -> ElementTree.Element:
    """The tree of a document without entities of its own (they can expand without bound)."""
    if b"<!ENTITY" in data.replace(b"\0", b""):
        raise ValueError("entities are not allowed in XMP")
    wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return ElementTree.fromstring(data if wide else data.strip(b"\0 \r\n\t"))


def _text(element: ElementTree.Element) -> str:
    """The default language of an rdf:Alt, or the plain text."""
    items = list(element.iter(f"{{{_RDF}}}li"))
    default = [i for i in items if i.get("{http://www.w3.org/XML/1998/namespace}lang") == "x-default"]
    chosen = (default or items or [element])[0]
    return chosen.text or ""


def _rating(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if -1 <= value <= 5 else None
