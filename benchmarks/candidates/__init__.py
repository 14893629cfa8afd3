"""One application per module; modules that begin with an underscore are helpers.

A candidate has `app`, a WSGI callable, and `CLAIMS`, the set of what it does besides answering with the right status:
`id` (X-Request-ID on every response), `event` (one JSON line per error, with that id; a traceback for a crash) and
`envelope` (the error body of this project).
"""
