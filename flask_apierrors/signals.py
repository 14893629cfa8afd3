"""The signal that tells of each error."""

from __future__ import annotations

from blinker import Namespace

#: Sent once per error, after its event: `sender` is the app, `report` the `Report`, `request_id` a str or None.
#: What a receiver raises is logged and changes nothing.
error_handled = Namespace().signal("error-handled")
