"""XMP packets: one description inserted, values that no longer hold corrected, every other byte left as it is.

Packets are changed as text, not parsed and written again: a writer would lose their order, prefixes and padding.
Sources: ISO 16684-1 (XMP), XMP specification part 3 (extended XMP), IPTC Photo Metadata 2022.1 (Digital Source Type).
"""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata as packages
from xml.sax.saxutils import escape, quoteattr

from pipeline.read.metadata.sidecar import Sidecar

MERGED = "http://cv.iptc.org/newscodes/digitalsourcetype/computationalCapture"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
COMPOSITE_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeCapture"
COMPOSITE_SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"
_CAPTURES = frozenset(
    {"digitalCapture", "computationalCapture", "algorithmicallyEnhanced", "humanEdits", "minorHumanEdits"}
)
_SCANS = frozenset({"negativeFilm", "positiveFilm", "print", "screenCapture"})
"""Source types that say no more than that a scene was captured, or scanned, and edited."""
_COMPOSITES = frozenset({"compositeCapture", "composite"})
_TRAINED = ("compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia")
"""What says less, and more, than that something in a picture was made rather than captured."""
_SOURCE_TYPE = re.compile(r"https?://cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
_XMP, _DC = "http://ns.adobe.com/xap/1.0/", "http://purl.org/dc/elements/1.1/"
_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_IPTC_EXT, _NOTE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "http://ns.adobe.com/xmp/note/"
_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_CAMERA, _CONTAINER = "http://ns.google.com/photos/1.0/camera/", "http://ns.google.com/photos/1.0/container/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CLOSING = re.compile(r"</([\w.-]+:)?RDF\s*>")
_EMPTY_RDF = re.compile(r"<((?:[\w.-]+:)?RDF)\b([^<>]*)/>")
_OWN = re.compile(
    r'<(?:[\w.-]+:)?Description [\w.:-]+="[^"]*" xmlns:(\w+)="[^"]*" \1:\w+="Sunroom[^"]*"'
    r' xmlns:Iptc4xmpExt="[^"]*" Iptc4xmpExt:DigitalSourceType="[^"]*"/>'
)
"""A description that an earlier delivery inserted."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a packet must say of the delivered picture: its IPTC source type (URI), size in pixels, and a sidecar."""

    source_type: str
    width: int
    height: int
    sidecar: Sidecar | None = None


@lru_cache(maxsize=1)
def software() -> str:
    """Name and version of this program."""
    try:
        return f"Sunroom {packages.version('sunroom')}"
    except packages.PackageNotFoundError:
        return "Sunroom"


def changed(packet: bytes, change: Change, *, insert: bool = True) -> bytes | None:
    """The packet with `change` made; a fresh packet for b"". None if it is no XMP that can be changed safely.

    Inserted as one rdf:Description: the software (xmp:CreatorTool, or tiff:Software where the packet has a creator
    tool), Iptc4xmpExt:DigitalSourceType, and the sidecar's dc:title, xmp:Rating and dc:rights. Set to what holds now
    where the packet has them: orientation and sizes in pixels (tiff:, exif:). Removed: what is replaced by an inserted
    value, and announcements of gain maps and motion pictures, which are not delivered. insert=False only corrects.
    """
    if not packet.strip(b"\0 \r\n\t"):
        return fresh(change)
    decoded = _decode(packet)
    if decoded is None:
        return None
    text, encoding, bom = decoded
    text = _EMPTY_RDF.sub(r"<\1\2></\1>", text, count=1)
    text = _OWN.sub("", _without_stale(text))
    for uri, name, value in _facts(change):
        text = _set(text, (uri, name), value)
    for uri, name in _replaced(change.sidecar):
        text = _remove(text, uri, name)
    tool = _tool(text)
    text = _remove(text, tool[1], tool[2])
    closings = list(_CLOSING.finditer(text))
    if not closings:
        return None
    at = closings[-1].start()
    about = re.search(r"""\babout\s*=\s*(["'])([^"'<>]*)\1""", text)
    prefix = closings[-1].group(1) or ""
    inserted = _description(change, prefix, about.group(2) if about else "", tool) if insert else ""
    return bom + (text[:at] + inserted + text[at:]).encode(encoding)


def declared(*packets: bytes) -> str | None:
    """The strongest source type in packets whose picture is more than a capture: that stays true of what follows."""
    texts = (decoded[0] for decoded in map(_decode, packets) if decoded)
    found = [match[0] for text in texts for match in _SOURCE_TYPE.finditer(text)]
    strongest = max(found, key=_strength, default="")
    return strongest if strongest and _strength(strongest) else None


def stronger(one: str, other: str) -> str:
    """Of two source types (URIs) the one that says more of what was not captured; `one` where they say as much."""
    return max(one, other, key=_strength)


def _strength(source_type: str) -> int:
    """0 for captures and scans; what is unknown counts as made in part."""
    name = source_type.rsplit("/", 1)[-1]
    if name in _CAPTURES or name in _SCANS:
        return 0
    if name in _COMPOSITES:
        return 1
    return 3 + _TRAINED.index(name) if name in _TRAINED else 2


def fresh(change: Change) -> bytes:
    """A packet of nothing but `change`."""
    return _packet(_description(change, "rdf:", "", _tool("")))


def split(packet: bytes, change: Change) -> tuple[bytes, bytes] | None:
    """A short packet and an extended one, for a packet too long for a JPEG segment; None if it is no XMP."""
    corrected = changed(packet, change, insert=False)
    decoded = _decode(corrected or b"\xff")
    if decoded is None:
        return None
    text = re.sub(r"<\?xpacket.*?\?>\s*", "", decoded[0], flags=re.DOTALL).strip()
    extended = text.encode()
    note = f' xmlns:xmpNote="{_NOTE}" xmpNote:HasExtendedXMP="{digest(extended)}"'
    return _packet(_description(change, "rdf:", "", _tool(text), note)), extended


def _packet(description: str) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}">{description}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def _tool(text: str) -> tuple[str, str, str]:
    """Prefix, namespace and property that name our software: a tool that created the picture stays named."""
    return ("tiff", _TIFF, "Software") if _has(text, _XMP, "CreatorTool") else ("xmp", _XMP, "CreatorTool")


def digest(extended: bytes) -> str:
    """The name by which a packet refers to its extended XMP: MD5 in 32 capital hexadecimal digits."""
    return hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()


def merged(packet: bytes, extended: bytes) -> bytes | None:
    """One packet of both, for containers without a limit; None if they cannot be joined."""
    main, more = _decode(packet), _decode(extended)
    if main is None or more is None:
        return None
    inner = re.search(r"<((?:[\w.-]+:)?RDF)\b([^<>]*)>(.*)</\1\s*>", more[0], re.DOTALL)
    closings = list(_CLOSING.finditer(main[0]))
    if not inner or not closings:
        return None
    outer = re.findall(r"xmlns:[\w.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*')", more[0][: inner.start()] + inner.group(2))
    # Prefixes declared around the descriptions move into each of them.
    descriptions = re.sub(
        r"(<(?:[\w.-]+:)?Description\b)([^<>]*)",
        lambda m: m[1] + "".join(" " + o for o in outer if o.split("=")[0].strip() not in m[2]) + m[2],
        inner.group(3),
    )
    at = closings[-1].start()
    text = _remove(main[0][:at] + descriptions + main[0][at:], _NOTE, "HasExtendedXMP")
    return main[2] + text.encode(main[1])


def shrunk(packet: bytes, limit: int) -> bytes:
    """The packet with as much of its padding removed as `limit` bytes need; it may stay longer."""
    excess, trailer = len(packet) - limit, packet.rfind(b"<?xpacket end=")
    if excess <= 0 or trailer < 0:
        return packet
    padding = trailer - len(packet[:trailer].rstrip())
    return packet[: trailer - min(padding, excess)] + packet[trailer:]


def _decode(packet: bytes) -> tuple[str, str, bytes] | None:
    """Text, encoding and byte order mark."""
    head = packet[:4]
    guess = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(head[:2], "utf-8")
    guess = {b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be"}.get(head, guess)
    bom, encoding = next(((b, e) for b, e in _BOMS if packet.startswith(b)), (b"", guess))
    try:
        return packet[len(bom) :].decode(encoding), encoding, bom
    except UnicodeDecodeError:
        return None


def _facts(change: Change) -> list[tuple[str, str, str]]:
    facts = [(_TIFF, "Orientation", "1")]
    for uri, across, down in ((_TIFF, "ImageWidth", "ImageLength"), (_EXIF, "PixelXDimension", "PixelYDimension")):
        facts += [(uri, across, str(change.width)), (uri, down, str(change.height))]
    return facts


def _replaced(sidecar: Sidecar | None) -> list[tuple[str, str]]:
    found = sidecar or Sidecar()
    values = ((_DC, "title", found.title), (_DC, "rights", found.copyright), (_XMP, "Rating", found.rating))
    return [(_IPTC_EXT, "DigitalSourceType")] + [(uri, name) for uri, name, value in values if value not in ("", None)]


def _without_stale(text: str) -> str:
    announced = _has(text, _GAIN_MAP, r"\w+") or _has(text, _CAMERA, r"(?:Motion|Micro)\w*")
    if not announced:
        return text
    for uri, name in ((_GAIN_MAP, r"\w+"), (_CAMERA, r"(?:Motion|Micro)\w*"), (_CONTAINER, "Directory")):
        text = _remove(text, uri, name)
    return text


def _description(change: Change, rdf: str, about: str, tool: tuple[str, str, str], attributes: str = "") -> str:
    """about: as it stands in the packet, escaped already (XMP wants all descriptions to share it)."""
    sidecar = change.sidecar or Sidecar()
    prefix, uri, name = tool
    attributes += f' xmlns:{prefix}="{uri}" {prefix}:{name}={quoteattr(software())}'
    attributes += f' xmlns:Iptc4xmpExt="{_IPTC_EXT}" Iptc4xmpExt:DigitalSourceType="{change.source_type}"'
    if sidecar.rating is not None:
        attributes += ("" if f'"{_XMP}"' in attributes else f' xmlns:xmp="{_XMP}"') + f' xmp:Rating="{sidecar.rating}"'
    inner = ""
    for name, value in (("title", sidecar.title), ("rights", sidecar.copyright)):
        if value:
            item = f'<{rdf}li xml:lang="x-default">{escape(value)}</{rdf}li>'
            inner += f'<dc:{name} xmlns:dc="{_DC}"><{rdf}Alt>{item}</{rdf}Alt></dc:{name}>'
    start = f'<{rdf}Description {rdf or "rdf:"}about="{about}"{attributes}'
    return f"{start}>{inner}</{rdf}Description>" if inner else f"{start}/>"


def _prefixes(text: str, uri: str) -> list[str]:
    return sorted(set(re.findall(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(uri)}["']""", text)))


def _has(text: str, uri: str, name: str) -> bool:
    return any(re.search(rf"[\s<]{re.escape(p)}:{name}\s*[=>/\s]", text) for p in _prefixes(text, uri))


def _set(text: str, what: tuple[str, str], value: str) -> str:
    """Another value for a simple property where it stands, as attribute or element."""
    uri, name = what
    for prefix in _prefixes(text, uri):
        full = f"{re.escape(prefix)}:{name}"
        text = re.sub(rf"""(\s{full}\s*=\s*)(["'])[^"'<>]*\2""", lambda m: f"{m[1]}{m[2]}{value}{m[2]}", text)
        text = re.sub(rf"(<{full}\s*>)[^<]*(</{full}\s*>)", lambda m: f"{m[1]}{value}{m[2]}", text)
    return text


def _remove(text: str, uri: str, name: str) -> str:
    """Without a property, as attribute or element; an element that never closes stays."""
    for prefix in _prefixes(text, uri):
        full = f"{re.escape(prefix)}:(?:{name})"
        text = re.sub(rf"""\s{full}\s*=\s*(?:"[^"<>]*"|'[^'<>]*')""", "", text)
        opening, at, kept = re.compile(rf"<({full})(?=[\s/>])[^<>]*>"), 0, list[str]()
        while start := opening.search(text, at):
            closing = re.compile(rf"</{re.escape(start[1])}\s*>")
            end = start if start[0].endswith("/>") else closing.search(text, start.end())
            if end is None:
                break
            kept.append(text[at : start.start()])
            at = end.end()
        text = "".join(kept) + text[at:]
    return text
