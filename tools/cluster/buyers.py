"""People who buy while machines fail, and write down every answer."""

import collections
import http.client
import json
import random
import ssl
import threading
import time
import uuid

from world import HOST

EVENT = "drill"
# Nobody waits longer for an answer; then the same is asked again, under the same key.
PATIENCE = 10
# What a buyer repeats until it is answered otherwise.
REPEAT = {408, 429, 502, 503, 504}
# A process that wakes beside a primary that was replaced meanwhile reads from it for a moment, and does not know an order
# that was made since. For so many seconds a buyer whose order is unknown asks again; drill.py says where that may be.
UNKNOWN = 30


class Books:
    """What the buyers were told. `time.monotonic()` says when."""

    def __init__(self):
        self.lock = threading.Lock()
        self.held = {}      # order -> (when, secret)
        self.paid = {}      # order -> (when, codes)
        self.released = {}  # order -> when
        self.emails = {}    # address -> orders that were told to it
        self.errors = []    # (when, kind)
        self.wrong = []     # sentences

    def error(self, kind):
        with self.lock:
            self.errors.append((time.monotonic(), kind))

    def errors_by_kind(self, begin, end):
        return collections.Counter(kind for when, kind in self.errors if begin <= when < end)

    def longest_gap(self, begin, end):
        """The longest time without a sale between the two, in seconds, and when it was over."""
        times = sorted(when for when, _ in self.paid.values() if begin <= when < end)
        return max((later - earlier, later) for earlier, later in zip([begin, *times], [*times, end]))


class Buyer(threading.Thread):
    """Buys again and again, until told to stop."""

    def __init__(self, number, world, books, stop):
        super().__init__(daemon=True)
        self.number, self.world, self.books, self.stop = number, world, books, stop
        self.source = f"{world.net}.{100 + number % 80}"
        self.random = random.Random(number)
        self.connection, self.tries = None, 0

    def run(self):
        bought = 0
        try:
            while not self.stop.is_set():
                self.buy(f"b{self.number}.{bought}@example.org")
                bought += 1
                self.stop.wait(self.random.uniform(0.2, 1.0))
        except Exception as error:  # noqa: BLE001: whatever it is, the drill must hear of it
            self.books.wrong.append(f"buyer {self.number} came to an end: {error!r}")

    def connect(self):
        # Where no virtual address is, a buyer tries one machine after the other.
        machines = self.world.machines
        address = machines[(self.number + self.tries) % 3].address if self.world.loopback else self.world.virtual
        raw = http.client.socket.create_connection((address, 443), PATIENCE, (self.source, 0))
        raw.setsockopt(http.client.socket.IPPROTO_TCP, http.client.socket.TCP_NODELAY, 1)
        connection = http.client.HTTPSConnection(HOST, timeout=PATIENCE)
        connection.sock = self.world.tls.wrap_socket(raw, server_hostname=HOST)
        return connection

    def once(self, method, path, body, key, secret):
        """Status, headers and body of one request; the error says why there is no answer."""
        try:
            if self.connection is None:
                self.connection = self.connect()
            headers = {"Content-Type": "application/json"} if body is not None else {}
            if key:
                headers["Idempotency-Key"] = key
            if secret:
                headers["Authorization"] = f"Bearer {secret}"
            text = None if body is None else json.dumps(body)
            self.connection.request(method, path, text, headers)
            answer = self.connection.getresponse()
            said = answer.read()
            if answer.will_close:
                self.hang_up()
            return answer.status, answer.headers, said
        except (OSError, http.client.HTTPException, ssl.SSLError):
            self.hang_up()
            self.tries += 1
            raise

    def hang_up(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None, key=None, secret=None):
        """Asks until there is an answer that is not "not now". After errors the key stays the same."""
        pause, end = 0.5, time.monotonic() + UNKNOWN
        while True:
            try:
                status, headers, said = self.once(method, path, body, key, secret)
            except TimeoutError:
                kind = "no answer"
            except (OSError, http.client.HTTPException):
                kind = "cut off"
            else:
                problem = headers.get("Content-Type", "").startswith("application/problem+json")
                code = json.loads(said).get("code", "") if problem else ""
                unknown = code == "unknown_order" and time.monotonic() < end
                if status not in REPEAT and code != "request_running" and not unknown:
                    return status, json.loads(said) if said else {}
                kind = f"{status} {code}" if problem else f"bare {status}"
                pause = min(float(headers.get("Retry-After", pause)), 2)
            self.books.error(kind)
            time.sleep(pause * self.random.uniform(0.5, 1))
            pause = min(pause * 2, 2)

    def buy(self, email):
        quantity = self.random.choice([1, 1, 2])
        body = {"buyer": {"name": f"Buyer {self.number}", "email": email},
                "lines": [{"ticket_type": "ticket", "quantity": quantity}]}
        status, order = self.ask("POST", f"/api/v1/events/{EVENT}/orders", body, key=uuid.uuid4().hex)
        if status != 201:
            self.books.wrong.append(f"a hold was answered with {status}: {order}")
            return
        order_id, secret = order["id"], order["secret"]
        with self.books.lock:
            self.books.held[order_id] = (time.monotonic(), secret)
            self.books.emails.setdefault(email, set()).add(order_id)
        wish = self.random.random()
        path = f"/api/v1/orders/{order_id}"
        if wish < 0.1:
            # The card is declined; then the tickets are given back.
            token = {"token": f"ctoken_declined_{self.number}"}
            status, answer = self.ask("POST", f"{path}/pay", token, key=uuid.uuid4().hex, secret=secret)
            if status == 200 and answer["state"] == "paid":
                self.books.wrong.append(f"order {order_id} is paid with a card that is declined")
        if wish < 0.2:
            status, answer = self.ask("POST", f"{path}/cancel", key=uuid.uuid4().hex, secret=secret)
            if status == 200:
                self.settled(path, secret, "released")
                with self.books.lock:
                    self.books.released[order_id] = time.monotonic()
            else:
                self.books.wrong.append(f"a cancellation was answered with {status}: {answer}")
            return
        token = {"token": f"ctoken_ok_{uuid.uuid4().hex[:8]}"}
        status, answer = self.ask("POST", f"{path}/pay", token, key=uuid.uuid4().hex, secret=secret)
        # 202: it goes on.
        if status not in (200, 202):
            self.books.wrong.append(f"a payment was answered with {status}: {answer}")
            return
        if answer["state"] != "paid":
            answer = self.settled(path, secret, "paid")
        if answer["state"] == "paid":
            codes = sorted(ticket["code"] for ticket in answer["tickets"])
            with self.books.lock:
                self.books.paid[order_id] = (time.monotonic(), codes)
            if len(codes) != quantity:
                self.books.wrong.append(f"order {order_id} has {len(codes)} tickets instead of {quantity}")

    def settled(self, path, secret, wanted):
        """Looks at an order until it is in the wanted state."""
        end = time.monotonic() + 180
        while True:
            status, order = self.ask("GET", path, secret=secret)
            if status == 200 and order["state"] == wanted:
                return order
            if time.monotonic() > end or status != 200:
                self.books.wrong.append(f"{path} should be {wanted}: {status} {order.get('state', order)}")
                return {"state": "?"}
            time.sleep(0.5)
