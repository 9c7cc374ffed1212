"""One photo before and after with a slider, as a piece of HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
from html import escape
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.deliver.encode import encode_jpeg, to_depth
from pipeline.photo import Image

LONG_SIDE = 1024

_STYLE = """
.sunroom { margin: 0; max-width: 1024px; font: 14px/1.5 system-ui, sans-serif; }
.sunroom div { position: relative; overflow: hidden; --x: 50%; }
.sunroom img { display: block; width: 100%; height: auto; margin: 0; }
.sunroom img + img { position: absolute; inset: 0; height: 100%; clip-path: inset(0 calc(100% - var(--x)) 0 0); }
.sunroom div::after { content: ""; position: absolute; inset: 0 auto 0 var(--x); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .2); pointer-events: none; }
.sunroom i { position: absolute; bottom: 8px; padding: 0 8px; background: rgb(255 255 255 / .85); color: #222;
  font: 12px/1.6 system-ui, sans-serif; pointer-events: none; }
.sunroom input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
"""


def figure(title: str, caption: str, *, pictures: tuple[Image, Image] | None = None) -> str:
    """A <figure> of `pictures`, before and after, each (H, W, 3) and shown at up to 1024 px; caption is HTML."""
    caption = f"<figcaption><b>{escape(title)}</b> {caption}</figcaption>"
    if pictures is None:
        return f'<figure class="sunroom">{caption}</figure>'
    before, after = map(_inline, pictures)
    move = "this.parentNode.style.setProperty('--x', this.value + '%')"
    name = escape(title, quote=True)
    return (
        f'<figure class="sunroom"><style>{_STYLE}</style><div>'
        f'<img src="{after}" alt="{name}, after">'
        f'<img src="{before}" alt="{name}, before">'
        '<i style="left: 8px">before</i><i style="right: 8px">after</i>'
        f'<input type="range" min="0" max="100" value="50" oninput="{move}" aria-label="{name}: share shown as before">'
        f"</div>{caption}</figure>"
    )


def _inline(image: Image) -> str:
    """A JPEG of at most 1024 pixels (area averaging) as a data URL."""
    scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    eight = cast(NDArray[np.uint8], to_depth(image, 8))
    small = cast(NDArray[np.uint8], cv2.resize(eight, size, interpolation=cv2.INTER_AREA))
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small, quality=85)).decode("ascii")
