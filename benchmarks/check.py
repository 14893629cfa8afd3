"""Whether a candidate does the job that its figures stand for."""

import json

from benchmarks.driver import KINDS
from benchmarks.worker import Worker


def check(candidate, kinds):
    """Return what is wrong with a candidate's answers and log lines, one text each."""
    with Worker(candidate) as worker:
        return [
            f"{candidate}, {kind}: {problem}"
            for kind in kinds
            for problem in _problems(KINDS[kind], worker.claims, worker.probe(kind))
        ]


def _problems(kind, claims, answer):
    status, headers, body, log = answer["status"], answer["headers"], answer["body"], answer["log"]
    failed = kind.status >= 400
    if status != kind.status:
        yield f"status {status} instead of {kind.status}"
    if "id" in claims and not headers.get("x-request-id"):
        yield "no X-Request-ID"
    if "envelope" in claims and failed and not _is_envelope(body, kind.error):
        yield f"not the envelope of {kind.error}: {body[:200]}"
    if "event" in claims:
        if len(log) != failed:
            yield f"{len(log)} log lines instead of {int(failed)}"
        yield from (f"not the event of this error: {line[:200]}" for line in log if not _is_event(line, kind, headers))


def _is_envelope(body, error):
    envelope = _parse(body)
    details = envelope.get("details")
    return (
        envelope.get("error") == error
        and bool(envelope.get("error_description"))
        and set(details or ()) == ({"email", "name"} if error == "validation_error" else set())
    )


def _is_event(line, kind, headers):
    event = _parse(line)
    known = event.get("request_id") == headers.get("x-request-id") and {"event", "level", "timestamp"} <= event.keys()
    return known and (kind.status < 500 or "ZeroDivisionError" in json.dumps(event.get("exception")))


def _parse(text):
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
