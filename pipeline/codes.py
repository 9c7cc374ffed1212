"""Stable codes of everything that can go wrong with a photo, and the one exception that carries them.

Inside a stage, functions raise `PhotoError`. At a stage's border develop.py turns it into a `Failure`, which travels as
data: no exception crosses a stage, and no photo is lost.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum


class Code(Enum):
    """A stable code: (stage, retryable, hint for the user)."""

    # read
    EMPTY_FILE = ("read", False, "The file holds no bytes: copy it from the card again.")
    TRUNCATED = ("read", False, "The file ends early: copy it from the card again.")
    UNREADABLE = ("read", False, "The file cannot be opened or decoded: check permissions, or export it again.")
    UNSUPPORTED_FORMAT = ("read", False, "Use JPEG, PNG, TIFF, WebP or a camera RAW file.")
    RAW_UNSUPPORTED = ("read", False, "Convert this RAW to DNG (lossless) or export a 16-bit TIFF.")
    TOO_MANY_PIXELS = ("read", False, "The picture is larger than read.max_megapixels: raise the limit or resize it.")
    SOURCE_CHANGED = ("read", True, "The file changed or vanished while the job ran: run the job again.")
    ICC_INVALID = ("read", False, "The embedded colour profile is broken: sRGB was assumed.")
    # group
    SIZE_MISMATCH = ("group", False, "The exposures of a set differ in size: check the groups file.")
    AMBIGUOUS = (
        "group",
        False,
        "The grouping was uncertain, files were kept apart: correct groups.yaml and pass --groups.",
    )
    FLASH_FRAME = ("group", False, "A frame fired with flash was left out of the fusion.")
    # merge
    ALIGN_FAILED = ("merge", False, "A frame could not be aligned and was left out of the fusion.")
    # see
    NOT_A_PHOTO = ("see", False, "A floor plan, screenshot or logo by its looks: it was passed through unchanged.")
    # edit
    WINDOW_NO_SOURCE = (
        "edit",
        False,
        "A window is burnt out and no darker exposure was given, so its view cannot be shown: bracket such rooms.",
    )
    LENS_UNKNOWN = (
        "edit",
        False,
        "The lens, or what it does, is not known: its distortion stays. The extra sunroom[lens] brings a database.",
    )
    NO_LINES = (
        "edit",
        False,
        "Too few straight lines to tell how the camera was held: the picture was not straightened.",
    )
    CORRECTION_CLAMPED = (
        "edit",
        False,
        "The camera was tilted further than geometry.max_pitch or max_roll allows: levelled only, or left as it was.",
    )
    CROP_EXCESS = ("edit", False, "Straightened less than asked, so that the crop stays within geometry.max_crop.")
    SKY_LOW_CONFIDENCE = (
        "edit",
        False,
        "The sky should be replaced, but it is not certain where it ends: it was left as it is.",
    )
    SKY_UNREADABLE = (
        "edit",
        True,
        "A photo of sky.folder changed, vanished or cannot be read: put it back, or run again with --update.",
    )
    # engine
    OOM = ("render", True, "The worker ran out of memory: use fewer workers or a larger machine.")
    INTERNAL = ("engine", False, "This is our fault: please report it with the log line.")
    # check
    SSIM_LOW = ("check", True, "The structure changed more than check.structure allows.")
    COLOR_DRIFT = ("check", True, "Colours drifted more than check.colour allows.")
    EDGE_LOSS = ("check", True, "Edges vanished or appeared beyond check.edges.")
    RETRIES_EXHAUSTED = (
        "check",
        False,
        "Even the gentlest edit failed the checks and was not delivered: lower its strength, or loosen check's limits.",
    )
    # deliver
    METADATA_LOST = ("deliver", False, "The file's metadata was broken and could not be copied whole.")
    MLS_BYTES = ("deliver", False, "The byte limit could not be met above the quality floor.")
    WRITE_FAILED = ("deliver", True, "The result could not be written: check space and permissions, then run again.")
    # job
    LOST = ("job", True, "The worker died twice on this photo: run again, or look at the file.")
    DECODER_CRASH = ("job", False, "The decoder crashed on this file: convert it with its maker's software.")

    def __init__(self, stage: str, retryable: bool, hint: str) -> None:
        self.stage = stage
        self.retryable = retryable
        self.hint = hint


class PhotoError(Exception):
    """A failure of one photo with its code; the message names the file."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[PhotoError], tuple[Code, str]]:
        return type(self), (self.code, self.message)


class SettingsError(Exception):
    """Wrong usage or settings (exit code 2); the message says which option and what is allowed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done, as data; rows carry it and later stages pass it by."""

    code: str
    stage: str
    message: str
    attempt: int = 0

    @classmethod
    def of(cls, error: PhotoError, attempt: int = 0) -> Failure:
        """The failure of a raised PhotoError."""
        return cls(error.code.name, error.code.stage, error.message, attempt)

    @property
    def hint(self) -> str:
        """What the user can do about it."""
        return Code[self.code].hint

    @property
    def retryable(self) -> bool:
        """Whether running again may succeed."""
        return Code[self.code].retryable

    def to_dict(self) -> dict[str, object]:
        """Fields plus hint and retryable, as in failure.json."""
        return {**asdict(self), "hint": self.hint, "retryable": self.retryable}
