"""Reads a mail by Python's email library, and its calendar file by icalendar. Prints what it found as JSON."""

import base64
import email
import email.policy
import json
import sys

import icalendar

raw = sys.stdin.buffer.read()
message = email.message_from_bytes(raw, policy=email.policy.default)
defects = []


def tree(part):
    defects.extend(str(defect) for defect in part.defects)
    for value in part.values():
        defects.extend(str(defect) for defect in getattr(value, "defects", ()))
    if part.is_multipart():
        return [part.get_content_type()] + [tree(inner) for inner in part.iter_parts()]
    return part.get_content_type()


def content(part):
    data = part.get_payload(decode=True)
    return {
        "type": part.get_content_type(),
        "parameters": dict(part["content-type"].params),
        "id": part["content-id"],
        "disposition": part.get_content_disposition(),
        "name": part.get_filename(),
        "base64": base64.b64encode(data).decode(),
    }


shape = tree(message)
leaves = [part for part in message.walk() if not part.is_multipart()]
calendar = None
for part in leaves:
    if part.get_content_type() == "text/calendar":
        found = icalendar.Calendar.from_ical(part.get_payload(decode=True))
        events = list(found.walk("VEVENT"))
        event = events[0]
        calendar = {
            "events": len(events),
            "errors": [str(error) for error in found.errors + event.errors],
            "summary": str(event["summary"]),
            "location": str(event["location"]),
            "start": event.decoded("dtstart").isoformat(),
            "uid": str(event["uid"]),
        }


def body(kind):
    part = message.get_body(preferencelist=(kind,))
    return part.get_content() if part else None


print(
    json.dumps(
        {
            "headers": [[name.lower(), str(value)] for name, value in message.items()],
            "from_name": message["from"].addresses[0].display_name,
            "from_address": message["from"].addresses[0].addr_spec,
            "defects": defects,
            "shape": shape,
            "text": body("plain"),
            "html": body("html"),
            "inline": [content(p) for p in leaves if p["content-id"]],
            "attachments": [content(p) for p in leaves if p.get_content_disposition() == "attachment"],
            "calendar": calendar,
            "longest_line": max(len(line) for line in raw.split(b"\r\n")),
            "bare": raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
        }
    )
)
