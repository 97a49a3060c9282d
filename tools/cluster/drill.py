"""The drill: sells on the cluster of deploy/cluster while its machines fail, and compares what was said with what is there.

Started by tools/cluster/run, which makes the namespaces in which this may do as it likes.
"""

import argparse
import collections
import datetime
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

from buyers import EVENT, Books, Buyer
from world import Failed, World, as_user, eventually, run

# deploy/cluster/patroni.yml; a primary that is gone is replaced after so many seconds at most, and a few more.
TTL = 30
SILENCE = TTL + 5
# Patroni feeds the watchdog until its lock ends, less the margin.
WATCHDOG = TTL - 5
# An answer may not be older than this at the end, in seconds.
FRESH = 2


class Drill:
    """One run: the world, the buyers, and what happened when."""

    def __init__(self, arguments):
        self.begun = time.monotonic()
        self.arguments = arguments
        self.world = World(arguments.dir, arguments.loopback, arguments.asynchronous, self.note)
        self.books, self.stop = Books(), threading.Event()
        self.windows = []  # (scenario, begin, end)
        self.old = []  # (when, seconds): somebody was shown old counts, by a machine that was back for so long
        self.faults = []

    def note(self, text):
        print(f"{time.monotonic() - self.begun:7.1f} s  {text}", flush=True)

    # --- Before

    def build(self):
        """The steps of deploy/cluster/README.md, without waiting between them."""
        world = self.world
        for machine in world.machines:
            machine.power_on(["etcd"])
        self.note("etcd runs on three machines")
        first, *others = world.machines
        first.start("patroni")
        eventually("the first machine is the primary", lambda: world.primary([first]), 60)
        for machine in others:
            machine.start("patroni")
        for machine in world.machines:
            for service in set(machine.services) - set(machine.running):
                machine.start(service)
        eventually("the cluster is healthy", world.healthy, 120)
        self.note(f"the cluster is healthy; {first.name} is the primary")
        if not world.loopback:
            eventually("the virtual address answers", lambda: world.ask(world.virtual, 80, "/")[0] == 308, 30)
        self.put_event()
        world.backup.power_on()
        env = {**world.backup_env, "PGTARGETSESSIONATTRS": "prefer-standby", "PATH": os.environ["PATH"]}
        run(*world.backup.enter(), *as_user("postgres"), *world.unit("nts-base"), env=env, cwd=world.backup.root)
        self.note("the backup machine has a copy of a standby, and receives the log")

    def organiser(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.world.machines[0].address, 9000, timeout=30)
        key = self.world.secrets["ORGANISER_PASSWORD"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {said}")
        return said

    def put_event(self):
        self.organiser("PUT", f"/api/v1/events/{EVENT}", {
            "name": "Drill", "starts_at": "2035-07-05T20:00:00+01:00", "zone": "Europe/London", "currency": "GBP",
            "hold_seconds": 900, "pools": [{"id": "places", "capacity": 1000000}],
            "ticket_types": [{"id": "ticket", "name": "Ticket", "pool": "places", "price": {"amount": 999, "currency": "GBP"}}],
        })
        fresh = lambda: all(self.world.ask(m.address, 9000, f"/api/v1/events/{EVENT}")[0] == 200 for m in self.world.machines)
        eventually("each process knows the event", fresh, 10)

    def a_standby(self):
        """A machine that a commit may wait for: in quorum mode, either of the two."""
        roles = {name: member["role"] for name, member in self.world.members().items()}
        # One that has just come back may not be listed for a moment.
        listed = [machine for machine in self.world.machines if machine.name in roles]
        return next(machine for machine in listed if roles[machine.name] != "leader")

    # --- The scenarios. Each leaves the cluster whole, or on the way to it.

    def calm(self):
        """nothing fails"""
        time.sleep(8)

    def switchover(self):
        """patronictl switchover"""
        old = self.world.primary()
        new = self.a_standby().name
        self.world.patronictl("switchover", "nts", "--leader", old.name, "--candidate", new, "--force")
        self.await_primary(old)

    def rolling(self):
        """each nts is restarted, one after the other"""
        for machine in self.world.machines:
            process = machine.running["nts"]
            process.send_signal(signal.SIGTERM)
            eventually(f"nts ends on {machine.name}", lambda p=process: p.poll() is not None, 60)
            ready = lambda m=machine: self.world.ask(m.address, 9000, "/readyz")[0] == 200
            eventually(f"nts is ready on {machine.name}", ready, 60)
            # The balancers look twice a second.
            time.sleep(1)

    def await_primary(self, old, seconds=SILENCE + 10):
        others = [machine for machine in self.world.machines if machine is not old]
        new = eventually("another machine is the primary", lambda: self.world.primary(others), seconds)
        self.note(f"{new.name} is the primary instead of {old.name}")
        return new

    def killed(self):
        """kill -9 of everything on the primary's machine"""
        old = self.world.primary()
        self.note(f"everything on {old.name} ends")
        old.kill()
        self.await_primary(old)
        time.sleep(5)
        self.note(f"{old.name} starts again")
        old.power_on()

    def cut(self):
        """the primary's machine is cut off from the network"""
        old = self.world.primary()
        self.note(f"{old.name} is cut off")
        old.cut()
        self.await_primary(old)
        time.sleep(10)
        self.note(f"{old.name} is connected again")
        old.heal()

    def standby(self):
        """a standby's machine is cut off for 25 s"""
        machine = self.a_standby()
        self.note(f"{machine.name} is cut off")
        machine.cut()
        time.sleep(25)
        self.note(f"{machine.name} is connected again")
        machine.heal()

    def frozen(self):
        """the primary's machine is frozen, with its watchdog, and wakes"""
        old = self.world.primary()
        self.note(f"{old.name} is frozen")
        old.freeze()
        self.await_primary(old)
        time.sleep(8)
        self.note(f"{old.name} wakes")
        old.wake()
        # What it had begun before, and what its buyers still say to it, is decided now.
        time.sleep(5)

    def hangs(self):
        """Patroni hangs on the primary's machine; the watchdog resets it"""
        old = self.world.primary()
        resets = old.resets
        self.note(f"Patroni hangs on {old.name}")
        old.running["patroni"].send_signal(signal.SIGSTOP)
        eventually("the watchdog resets the machine", lambda: old.resets > resets, TTL)
        # Perhaps the same machine: it starts within 10 s here. With it etcd's leader may have gone, and then the lock
        # counts its seconds anew.
        new = eventually("some machine is the primary", self.world.primary, SILENCE + 10)
        self.note(f"{new.name} is the primary")

    hangs.silence = WATCHDOG + SILENCE

    def no_etcd(self):
        """every etcd is gone for 40 s"""
        self.note("every etcd is gone")
        for machine in self.world.machines:
            with machine.lock:
                etcd = machine.running.pop("etcd")
                etcd.kill()
                etcd.wait()
        time.sleep(40)
        self.note("etcd is back")
        for machine in self.world.machines:
            with machine.lock:
                machine.start("etcd")

    # --- Counts

    def age(self, machine):
        """How old the counts are that a process shows, in seconds."""
        status, body = self.world.ask(machine.address, 9000, f"/api/v1/events/{EVENT}")
        if status != 200:
            return float("inf")
        told = datetime.datetime.fromisoformat(json.loads(body)["as_of"].replace("Z", "+00:00"))
        return (datetime.datetime.now(datetime.timezone.utc) - told).total_seconds()

    def watch_counts(self):
        """Looks at the counts of every process, once a second, until the buyers go."""
        while not self.stop.wait(1):
            for machine in self.world.machines:
                if machine.on and not machine.frozen and not machine.apart:
                    age = self.age(machine)
                    if FRESH < age < float("inf"):
                        self.old.append((time.monotonic(), time.monotonic() - machine.back))

    def stale(self, begin, end):
        """For how long some process still showed old counts, after it sold again and the machine was back."""
        _, again = self.books.longest_gap(begin, end)
        return max((min(when - again, back) for when, back in self.old if again <= when < end), default=0.0)

    def fresh(self):
        return all(self.age(machine) < FRESH for machine in self.world.machines)

    # --- The run

    def scenarios(self):
        every = [self.calm, self.switchover, self.rolling, self.killed, self.cut, self.standby, self.frozen, self.hangs, self.no_etcd]
        if self.world.loopback:
            every = [scenario for scenario in every if scenario not in (self.cut, self.standby)]
            self.note("left out, because there are no namespaces: cut, standby")
        names = [scenario.__name__ for scenario in every]
        only = self.arguments.only.split(",") if self.arguments.only else names
        if set(only) - set(names):
            raise Failed(f"there are these scenarios: {', '.join(names)}")
        return [scenario for scenario in every if scenario.__name__ in only]

    def sell(self):
        scenarios = self.scenarios()
        buyers = [Buyer(number, self.world, self.books, self.stop) for number in range(self.arguments.buyers)]
        for buyer in buyers:
            buyer.start()
        threading.Thread(target=self.watch_counts, daemon=True).start()
        eventually("somebody has tickets", lambda: len(self.books.paid) > 20, 30)
        for scenario in scenarios:
            begin = time.monotonic()
            self.note(f"--- {scenario.__name__}: {scenario.__doc__}")
            scenario()
            eventually("the cluster is whole again", self.world.healthy, 120)
            self.note("the cluster is whole again")
            try:
                eventually("the counts are fresh", self.fresh, 120)
            except Failed as failed:
                self.faults.append(f"{scenario.__name__}: {failed}")
            time.sleep(3)
            self.windows.append((scenario, begin, time.monotonic()))
        self.stop.set()
        for buyer in buyers:
            buyer.join(200)
        if any(buyer.is_alive() for buyer in buyers):
            self.faults.append("some buyers got no definite answer within 200 s")
        self.note("the buyers have gone")

    def orders(self):
        """All orders of the event, as the database has them."""
        found, after = {}, ""
        while after is not None:
            page = self.organiser("GET", f"/api/v1/events/{EVENT}/orders?limit=500" + (f"&after={after}" if after else ""))
            found.update({order["id"]: order for order in page["orders"]})
            after = page["next"]
        return found

    def audit(self, where, env):
        done = subprocess.run([*where.enter(), *as_user("nobody"), f"{self.world.dir}/nts", "audit"], text=True, check=False,
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=f"{self.world.dir}/work")
        with open(f"{self.world.dir}/logs/audit-{where.name}.log", "w", encoding="utf-8") as file:
            file.write(done.stdout)
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-15:])
            self.faults.append(f"nts audit ended with {done.returncode} on {where.name}:\n{tail}")
        return done.returncode

    def judge(self):
        """Compares what was told with what is there, for each window."""
        books = self.books
        for machine in self.world.machines:
            if self.age(machine) > FRESH:
                self.faults.append(f"the counts of {machine.name} are {self.age(machine):.0f} s old at the end")
        there = self.orders()
        lost, doubled = [], []
        for order, (when, _) in books.held.items():
            if order not in there:
                lost.append((when, f"hold {order}"))
        for order, (when, codes) in books.paid.items():
            found = there.get(order, {"state": "gone", "tickets": []})
            if found["state"] != "paid":
                lost.append((when, f"order {order} was paid and is {found['state']}"))
            elif sorted(ticket["code"] for ticket in found["tickets"] if ticket["valid"]) != codes:
                lost.append((when, f"order {order} has other codes"))
        for order, when in books.released.items():
            if there.get(order, {"state": "gone"})["state"] != "released":
                lost.append((when, f"order {order} was released and is {there.get(order, {}).get('state')}"))
        holders = collections.defaultdict(set)
        for order, found in there.items():
            holders[found["buyer"]["email"]].add(order)
        for email, orders in holders.items():
            if len(orders) > 1:
                when = max(books.held.get(order, (0, ""))[0] for order in orders)
                doubled.append((when, f"{email} has {len(orders)} orders"))
        given = collections.Counter(code for _, codes in books.paid.values() for code in codes)
        twice = [code for code, times in given.items() if times > 1]
        if twice:
            self.faults.append(f"{len(twice)} codes were given to two orders, such as {twice[0]}")
        untold = len(set(there) - set(books.held))
        if untold:
            self.faults.append(f"{untold} orders are in the database and nobody was told of them")
        sold = sum(len(codes) for _, codes in books.paid.values())
        event = json.loads(self.world.ask(self.world.machines[0].address, 9000, f"/api/v1/events/{EVENT}")[1])
        left = event["ticket_types"][0].get("left")
        if left is not None and left != 1000000 - sold:
            self.faults.append(f"{left} places are left after {sold} were sold of 1000000")
        for when, what in [*lost, *doubled]:
            self.note(f"WRONG: {what}, told {when - self.begun:.1f} s after the begin")
        self.faults += books.wrong
        self.audit(self.world.machines[0], self.world.nts_env(self.world.machines[0]))
        return lost, doubled

    def restore(self):
        """A server from the backup, and its audit. Everything that was sold must be there."""
        world, where = self.world, self.world.backup
        # Commits wait for a standby, not for the backup machine; the last of the log is there a moment later.
        time.sleep(3)
        where.power_off()
        base = os.listdir(f"{where.root}/base")[0]
        data = f"{where.root}/restored"
        restore = f"{where.root}/usr/local/sbin/nts-restore"
        run(*as_user("postgres"), restore, f"{where.root}/base/{base}", f"{where.root}/wal", data)
        where.on = True
        if not world.loopback:
            run("ip", "link", "set", where.port, "up")
        begin = time.monotonic()
        server = [f"/usr/lib/postgresql/{world.pg}/bin/postgres", "-D", data]
        where.service("restored", server, user="postgres", restart=600)
        where.start("restored")
        psql = [*where.enter(), *as_user("postgres"), "psql", "-h", "/tmp", "-Atc", "SELECT pg_is_in_recovery()", "postgres"]
        answers = lambda: subprocess.run(psql, capture_output=True, text=True, check=False).stdout.strip() == "f"
        eventually("the restored server has played its log", answers, 120)
        seconds = time.monotonic() - begin
        address = f"postgres://nts:{world.secrets['DATABASE_PASSWORD']}@127.0.0.1/nts?sslmode=disable"
        rc = self.audit(where, {**world.nts_env(world.machines[0]), "NTS_DATABASE": address})
        self.note(f"restored from the backup in {seconds:.0f} s; its audit ended with {rc}")

    def servers_logs(self):
        """The backup machine may never be what a commit waits for: nobody would make it the primary."""
        for machine in self.world.machines:
            with open(f"{self.world.dir}/logs/{machine.name}-patroni.log", encoding="utf-8", errors="replace") as file:
                if 'standby "pg_receivewal" is now a synchronous' in file.read():
                    self.faults.append(f"{machine.name} took the backup machine for a synchronous standby")

    def table(self, lost, doubled):
        books = self.books
        head = ["scenario", "silence", "sold", "holds", "errors", "old counts for", "lost", "doubled"]
        rows = []
        for scenario, begin, end in self.windows:
            within = lambda whens, b=begin, e=end: sum(b <= when < e for when in whens)
            silence, _ = books.longest_gap(begin, end)
            most = getattr(scenario, "silence", SILENCE)
            if silence > most:
                self.faults.append(f"{scenario.__name__}: no sale for {silence:.1f} s, more than {most} s")
            errors = books.errors_by_kind(begin, end)
            if errors["404 unknown_order"] and scenario.__name__ != "frozen":
                self.faults.append(f"{scenario.__name__}: orders were unknown {errors['404 unknown_order']} times")
            if scenario.__name__ in ("calm", "rolling") and errors:
                self.faults.append(f"{scenario.__name__}: buyers saw errors: {dict(errors)}")
            rows.append([
                f"{scenario.__name__}: {scenario.__doc__}", f"{silence:.1f} s", within(when for when, _ in books.paid.values()),
                within(when for when, _ in books.held.values()),
                ", ".join(f"{times} x {kind}" for kind, times in errors.most_common()) or "none", f"{self.stale(begin, end):.0f} s",
                within(when for when, _ in lost), within(when for when, _ in doubled),
            ])
        rows.append(["all", "", len(books.paid), len(books.held), len(books.errors), "", len(lost), len(doubled)])
        print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            print("| " + " | ".join(str(cell) for cell in row) + " |")
        print()


def main():
    parser = argparse.ArgumentParser(prog="./check --cluster")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--loopback", action="store_true")
    parser.add_argument("--asynchronous", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--nts")
    parser.add_argument("--buyers", type=int, default=30)
    arguments = parser.parse_args()
    drill = None
    try:
        drill = Drill(arguments)
        drill.build()
        drill.sell()
        lost, doubled = drill.judge()
        drill.restore()
        drill.servers_logs()
        drill.table(lost, doubled)
        if lost or doubled:
            drill.faults.append(f"{len(lost)} acknowledged answers are lost, {len(doubled)} orders are doubled")
        faults = drill.faults
    except Failed as failed:
        faults = [str(failed)]
    finally:
        # In namespaces everything ends with the first process. Without them it is ended here.
        if drill:
            for machine in [*drill.world.machines, drill.world.backup]:
                with machine.lock:
                    machine.on = False
                    machine.signal(signal.SIGCONT)
                    machine.signal(signal.SIGKILL)
    print("The watchdog was played by the test, not by the kernel.")
    for fault in faults:
        print(f"FAILED: {fault}")
    if not faults:
        print("Nothing that was acknowledged was lost or doubled; every event was over in time; the books balance.")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
