"""This extension where orjson is not installed: the import of it fails, as it would there."""

import sys

sys.modules["orjson"] = None

from benchmarks.candidates.apierrors import CLAIMS, app  # noqa: E402 - only now, or the extension would find orjson

__all__ = ["CLAIMS", "app"]
