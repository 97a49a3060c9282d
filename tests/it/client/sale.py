"""A whole sale with a client that a public generator has made from the description of the API.

    python sale.py FOLDER URL KEY

FOLDER holds the generated package `client`; KEY is the organiser's key of the server at URL. Every answer that the sale
gets must have been read into a type of the client: an answer that is not described ends the script.
"""

import sys
import uuid
from datetime import datetime, timedelta, timezone

folder, url, key = sys.argv[1:]
sys.path.insert(0, folder)

from client import AuthenticatedClient, Client
from client.api.door import check_in
from client.api.events import get_event, list_events
from client.api.events_of_the_organiser import put_event
from client.api.orders_and_payments import cancel_order, get_order, hold_tickets, pay_order
from client.api.orders_of_the_organiser import list_orders, refund_order
from client.api.webhooks import make_webhook
from client.models import (
    BuyerBody,
    CheckIn,
    CheckInBody,
    EventBody,
    HeldOrder,
    HoldLine,
    ListOrdersState,
    Money,
    MoneyMoved,
    Order,
    OrderBody,
    OrderState,
    PayBody,
    PoolBody,
    Problem,
    ProblemCode,
    PutAnswer,
    RefundAnswer,
    RefundBody,
    ScanResult,
    TicketTypeBody,
    Webhook,
    WebhookBody,
)

organiser = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)
anybody = Client(base_url=url, raise_on_unexpected_status=True)


def is_a(kind, answer):
    """The answer, which must be of this type."""
    assert isinstance(answer, kind), answer
    return answer


def hold(event, quantity, ticket_type="adult"):
    body = OrderBody(
        buyer=BuyerBody(name="Ann", email="ann@example.org"),
        lines=[HoldLine(ticket_type=ticket_type, quantity=quantity, price=Money(amount=2500, currency="EUR"))],
    )
    return hold_tickets.sync(event, client=anybody, body=body, idempotency_key=str(uuid.uuid4()))


def pay(held, token):
    buyer = AuthenticatedClient(base_url=url, token=held.secret, raise_on_unexpected_status=True)
    return pay_order.sync(held.id, client=buyer, body=PayBody(token=token), idempotency_key=str(uuid.uuid4()))


# The organiser makes an event, and reads what the shop says of it.
made = put_event.sync(
    "by-a-client",
    client=organiser,
    body=EventBody(
        name="By a client",
        starts_at=datetime(2035, 6, 1, 20, tzinfo=timezone(timedelta(hours=2))),
        zone="Europe/Berlin",
        currency="EUR",
        pools=[PoolBody(id="hall", capacity=3)],
        ticket_types=[
            TicketTypeBody(id="adult", name="Adult", pool="hall", price=Money(amount=2500, currency="EUR")),
        ],
    ),
)
assert is_a(PutAnswer, made).pools[0].left == 3, made
listed = list_events.sync(client=anybody)
assert "by-a-client" in [event.id for event in listed.events], listed

# A hold that is cancelled, one whose card is declined and then taken.
given_up = is_a(HeldOrder, hold("by-a-client", 1))
buyer = AuthenticatedClient(base_url=url, token=given_up.secret)
assert is_a(Order, cancel_order.sync(given_up.id, client=buyer)).state == OrderState.RELEASED
held = is_a(HeldOrder, hold("by-a-client", 2))
declined = is_a(Problem, pay(held, "ctoken_declined"))
assert (declined.code, declined.money_moved) == (ProblemCode.DECLINED, MoneyMoved.NO), declined
paid = is_a(Order, pay(held, "ctoken_ok"))
assert (paid.state, len(paid.tickets)) == (OrderState.PAID, 2), paid

# More than there is left.
refused = is_a(Problem, hold("by-a-client", 2))
assert (refused.code, refused.status) == (ProblemCode.SOLD_OUT, 409), refused
assert get_event.sync("by-a-client", client=anybody).pools[0].left == 1

# The door lets the first ticket in, once.
def scan():
    body = CheckInBody(code=paid.tickets[0].code, gate="door", device=uuid.uuid4(), nonce=uuid.uuid4())
    return is_a(CheckIn, check_in.sync("by-a-client", client=organiser, body=body)).result


assert [scan(), scan()] == [ScanResult.ADMITTED, ScanResult.ALREADY_IN]

# The organiser finds the order and gives the money back.
found = list_orders.sync(client=organiser, q="ann@example.org", state=ListOrdersState.PAID)
assert [order.id for order in found.orders] == [held.id], found
refunded = refund_order.sync(
    held.id, client=organiser, body=RefundBody(all_=True, restock=True), idempotency_key=str(uuid.uuid4())
)
assert is_a(RefundAnswer, refunded).order.id == held.id, refunded
secret = AuthenticatedClient(base_url=url, token=held.secret)
assert is_a(Order, get_order.sync(held.id, client=secret)).state == OrderState.REFUNDED

# A program is told from now on.
webhook = make_webhook.sync(client=organiser, body=WebhookBody(url="https://example.org/hook", types=["order.paid"]))
assert is_a(Webhook, webhook).secret.startswith("whsec_"), webhook
print("sold, checked in and given back")
