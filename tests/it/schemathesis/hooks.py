"""What an organiser and a buyer know and a description cannot say: which event sells, and what it sells."""

import schemathesis

SELLS = "best-show-ever"
# These end the sale of an event, or make another one of it.
OF_EVENTS = {
    "put_event", "patch_event", "delete_event", "pause_sale", "resume_sale", "cancel_event", "get_cancellation",
}
BODIES = {
    "hold_tickets": {
        "buyer": {"name": "Ann", "email": "ann@example.org"},
        "lines": [{"ticket_type": "ticket", "quantity": 1}],
    },
    "sell_tickets": {
        "buyer": {"name": "Ann", "email": "ann@example.org"},
        "lines": [{"ticket_type": "ticket", "quantity": 1}],
        "tender": "cash",
    },
    "pay_order": {"token": "ctoken_ok"},
    "refund_order": {"all": True, "restock": True},
}


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw["operationId"]
    if name in OF_EVENTS:
        if case.path_parameters.get("event") == SELLS:
            case.path_parameters["event"] = "summer"
    elif case.path_parameters and "event" in case.path_parameters and case.meta.phase.name.name == "STATEFUL_TESTING":
        case.path_parameters["event"] = SELLS


@schemathesis.hook
def map_body(context, value):
    return BODIES.get(context.operation.definition.raw["operationId"], value)
