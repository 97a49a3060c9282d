"""Checks the signature of a message by the library of Standard Webhooks. Reads {"secret", "headers", "body"} as JSON
and prints the body if it is genuine; ends with 3 otherwise."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)
try:
    print(json.dumps(Webhook(asked["secret"]).verify(asked["body"], asked["headers"])))
except WebhookVerificationError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
