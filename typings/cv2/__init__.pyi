# OpenCV's own stubs say "integer or float" of every array, which fits no dtype: here its functions return Any.
from typing import Any

error: type[Exception]

def __getattr__(name: str) -> Any: ...
