"""The machines of the cluster, each with the files that deploy/cluster/prepare has made for it."""

import glob
import http.client
import json
import os
import re
import resource
import shlex
import shutil
import signal
import ssl
import subprocess
import threading
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOST = "tickets.example.org"
# Where the files of a machine are: each of these gets the machine's own folder in front.
PLACES = [
    "/etc/cluster", "/etc/default", "/etc/patroni", "/etc/haproxy", "/etc/keepalived", "/etc/nts-backup", "/etc/nts/",
    "/var/lib/etcd", "/var/lib/postgresql", "/var/run/postgresql", "/run/haproxy", "/dev/watchdog",
]


class Failed(Exception):
    """The drill cannot go on; the text says why."""


def eventually(what, condition, seconds):
    """Waits until `condition()` is true and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"within {seconds} s this did not come true: {what}")
        time.sleep(0.1)


def run(*argv, **more):
    """Runs a program to its end; what it says is in the error if it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def settings(path):
    """The variables of a file of lines NAME=value, as systemd reads it."""
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def as_user(user):
    return ["setpriv", f"--reuid={user}", f"--regid={'nogroup' if user == 'nobody' else user}", "--init-groups"]


class Watchdog(threading.Thread):
    """What /dev/watchdog is to Patroni: unless it is written to in time, the machine is reset.

    The kernel's softdog would reset the machine on which the test runs. So this is a named pipe, of which Patroni's
    driver for tests knows how to set the time.
    """

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.machine, self.path = machine, machine.root + "/dev/watchdog"
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        os.mkfifo(self.path)
        shutil.chown(self.path, "postgres")
        self.pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.timeout, self.fed, self.armed = 60.0, 0.0, False

    def run(self):
        while True:
            time.sleep(0.1)
            try:
                said = os.read(self.pipe, 65536).decode()
            except BlockingIOError:
                said = ""
            for timeout in re.findall(r"Ctimeout=(\d+)\n", said):
                self.timeout = float(timeout)
            said = re.sub(r"Ctimeout=\d+\n", "1", said)
            if said:
                # A "V" is a farewell.
                self.armed, self.fed = not said.endswith("V"), time.monotonic()
            # A machine that is paused as a whole has a watchdog that is paused, too.
            if self.machine.frozen:
                self.fed = time.monotonic()
            elif not self.machine.on:
                self.armed = False
            elif self.armed and time.monotonic() - self.fed > self.timeout:
                self.armed = False
                self.machine.note(f"the watchdog resets {self.machine.name}")
                self.machine.resets += 1
                self.machine.power_off()
                threading.Timer(10, self.machine.power_on).start()


class Machine:
    """One machine: its folder, its network, its services."""

    def __init__(self, world, name, address):
        self.world, self.name, self.address = world, name, address
        self.root = f"{world.dir}/{name}"
        self.on, self.frozen, self.apart, self.resets = False, False, False, 0
        self.back = time.monotonic()  # since when it can be reached, after whatever happened to it
        self.services, self.running, self.due = {}, {}, {}
        self.lock = threading.RLock()
        self.netns, self.sessions = None, set()
        if not world.loopback:
            holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
            mine = os.readlink("/proc/self/ns/net")
            eventually("a network namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != mine, 5)
            self.holder, self.netns = holder.pid, os.readlink(f"/proc/{holder.pid}/ns/net")
            self.port = f"port-{name}"
            run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            run("ip", "link", "set", self.port, "master", "lan", "up")
            self.inside("ip", "link", "set", "lo", "up")
            self.inside("ip", "link", "set", "eth0", "up")
            self.inside("ip", "address", "add", f"{address}/24", "dev", "eth0")

    def note(self, text):
        self.world.note(text)

    def enter(self):
        return [] if self.world.loopback else ["nsenter", f"--net=/proc/{self.holder}/ns/net", "--"]

    def inside(self, *argv, **more):
        return run(*self.enter(), *argv, **more)

    def service(self, name, argv, user=None, env=None, restart=1.0):
        """Says how a service is started, and after how many seconds systemd would start it again."""
        command = self.enter() + (as_user(user) if user else []) + argv
        self.services[name] = (command, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})}, restart)

    def start(self, name):
        command, env, _ = self.services[name]
        with open(f"{self.world.dir}/logs/{self.name}-{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, start_new_session=True
            )
        self.sessions.add(self.running[name].pid)
        self.due.pop(name, None)

    def power_on(self, services=None):
        with self.lock:
            if self.on:
                return
            if not self.world.loopback and not self.apart:
                run("ip", "link", "set", self.port, "up")
            self.on, self.back = True, time.monotonic()
            for name in services or self.services:
                self.start(name)

    def power_off(self):
        """As if its plug were pulled: nothing is written and nothing is said any more."""
        with self.lock:
            self.on = False
            if not self.world.loopback:
                run("ip", "link", "set", self.port, "down")
            self.signal(signal.SIGKILL)
            for process in self.running.values():
                process.wait()
            self.running.clear()
            self.drop_virtual_address()

    def drop_virtual_address(self):
        if not self.world.loopback:
            virtual = [*self.enter(), "ip", "address", "delete", "10.0.0.10/24", "dev", "eth0"]
            subprocess.run(virtual, stderr=subprocess.DEVNULL, check=False)

    def kill(self):
        """All processes end at once; the kernel still says so to whoever is connected."""
        with self.lock:
            self.on = False
            self.signal(signal.SIGKILL)
            for process in self.running.values():
                process.wait()
            self.running.clear()
            self.drop_virtual_address()

    def cut(self):
        self.apart = True
        run("ip", "link", "set", self.port, "down")

    def heal(self):
        self.apart, self.back = False, time.monotonic()
        run("ip", "link", "set", self.port, "up")

    def freeze(self):
        with self.lock:
            self.frozen = True
            self.signal(signal.SIGSTOP)

    def wake(self):
        with self.lock:
            self.signal(signal.SIGCONT)
            self.frozen, self.back = False, time.monotonic()

    def pids(self):
        """The processes of this machine: those in its network namespace, or those that came from what was started."""
        every = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        found = set()
        if self.netns:
            for pid in every:
                try:
                    if os.readlink(f"/proc/{pid}/ns/net") == self.netns and pid != self.holder:
                        found.add(pid)
                except OSError:
                    pass
            return found
        parents, found = {}, set()
        for pid in every:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    _, parent, _, session = file.read().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            parents[pid] = int(parent)
            if int(session) in self.sessions:
                found.add(pid)
        # Patroni puts PostgreSQL into a session of its own.
        for path in glob.glob(f"{self.root}/var/lib/postgresql/*/nts/postmaster.pid"):
            with open(path, encoding="utf-8") as file:
                found.add(int(file.readline()))
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return found & set(parents)
            found |= more

    def signal(self, which):
        """To all processes, also to those that are made meanwhile."""
        for _ in range(3):
            for pid in self.pids():
                try:
                    os.kill(pid, which)
                except ProcessLookupError:
                    pass

    def supervise(self):
        """What systemd does: starts again what has ended."""
        with self.lock:
            if not self.on or self.frozen:
                return
            for name, process in list(self.running.items()):
                if process.poll() is not None:
                    due = self.due.setdefault(name, time.monotonic() + self.services[name][2])
                    if time.monotonic() >= due:
                        self.start(name)


class World:
    """Three machines, the backup machine, and the network between them. Buyers are in it, too."""

    def __init__(self, directory, loopback, asynchronous, note):
        self.dir, self.loopback, self.asynchronous, self.note = directory, loopback, asynchronous, note
        self.net = "127.0.0" if loopback else "10.0.0"
        self.virtual = f"{self.net}.10"
        self.pg = max(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4])).split("/")[4]
        os.makedirs(f"{directory}/logs")
        self.prepare()
        if not loopback:
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "add", "lan", "type", "bridge")
            run("ip", "link", "set", "lan", "up")
            for last in [1, *range(100, 180)]:
                run("ip", "address", "add", f"10.0.0.{last}/24", "dev", "lan")
        self.machines = [Machine(self, f"nts{n}", f"{self.net}.1{n}") for n in (1, 2, 3)]
        self.backup = Machine(self, "backup", f"{self.net}.20")
        self.tls = ssl.create_default_context(cafile=f"{directory}/out/ca/ca.crt")
        for machine in self.machines:
            self.equip(machine)
        self.equip_backup()
        threading.Thread(target=self.supervise, daemon=True).start()

    def prepare(self):
        """deploy/cluster/prepare, with the example's addresses where there are namespaces."""
        with open(f"{REPOSITORY}/deploy/cluster/cluster.env.example", encoding="utf-8") as file:
            text = file.read().replace("10.0.0.", f"{self.net}.")
        text = re.sub(r"(?m)^PG=.*", f"PG={self.pg}", text)
        with open(f"{self.dir}/cluster.env", "w", encoding="utf-8") as file:
            file.write(text)
        env = {**os.environ, "OUT": f"{self.dir}/out"}
        run(f"{REPOSITORY}/deploy/cluster/prepare", f"{self.dir}/cluster.env", env=env)
        self.secrets = settings(f"{self.dir}/out/secrets.env")
        for name in ("nts1", "nts2", "nts3", "backup"):
            shutil.copytree(f"{self.dir}/out/{name}", f"{self.dir}/{name}")
        for place in ("sandbox", "work"):
            os.makedirs(f"{self.dir}/{place}")
            shutil.chown(f"{self.dir}/{place}", "nobody")

    def supervise(self):
        while True:
            time.sleep(0.2)
            for machine in [*self.machines, self.backup]:
                machine.supervise()

    def adapt(self, machine):
        """Lets the files of a machine name its own folder instead of `/`; nothing else is changed in them."""
        for folder, _, names in os.walk(machine.root):
            for name in names:
                path = f"{folder}/{name}"
                if name.endswith((".crt", ".key", ".pem")):
                    continue
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                for place in PLACES:
                    text = re.sub(rf"(?<![\w.])({re.escape(place)})", rf"{machine.root}\1", text)
                # Where few files may be open, HAProxy would not start: it needs two for each connection.
                few = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2
                text = re.sub(r"(?m)^    maxconn (\d+)$", lambda found: f"    maxconn {min(int(found[1]), few)}", text)
                if self.loopback:
                    # All are on one machine: what is bound to all addresses, or to loopback, is bound to its own.
                    text = re.sub(r"bind :", f"bind {machine.address}:", text)
                    text = text.replace("127.0.0.1:", f"{machine.address}:")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)

    def equip(self, machine):
        root = machine.root
        ca = f"{self.dir}/out/ca"
        # The certificate that buyers see.
        pem, request = f"{root}/etc/haproxy/tickets.pem", f"{root}/etc/haproxy/request.pem"
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem,
            "-subj", f"/CN={HOST}", "-out", request)
        with open(f"{self.dir}/san", "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{HOST}\n")
        signed = run("openssl", "x509", "-req", "-in", request, "-CA", f"{ca}/ca.crt", "-CAkey", f"{ca}/ca.key",
                     "-days", "2", "-extfile", f"{self.dir}/san")
        with open(pem, "a", encoding="utf-8") as file:
            file.write(signed[signed.index("-----BEGIN"):])
        self.adapt(machine)
        for place in ("var/lib/postgresql", "var/run/postgresql", "run/haproxy", "var/lib/etcd"):
            os.makedirs(f"{root}/{place}", exist_ok=True)
        for place in ("var/lib/postgresql", "var/run/postgresql", "etc/cluster/machine.key"):
            shutil.chown(f"{root}/{place}", "postgres")
        os.chmod(f"{root}/etc/cluster/machine.key", 0o600)
        # The one line that the files of deploy/cluster do not have: the watchdog is played.
        patroni = f"{root}/etc/patroni/patroni.yml"
        with open(patroni, encoding="utf-8") as file:
            text = file.read() + "  driver: testing\n"
        if self.asynchronous:
            text = re.sub(r"(?m)^    synchronous_mode(_strict)?: .*\n", "", text)
        with open(patroni, "w", encoding="utf-8") as file:
            file.write(text)
        machine.watchdog = Watchdog(machine)
        machine.watchdog.start()

        machine.service("etcd", ["etcd"], env=settings(f"{root}/etc/default/etcd"))
        patroni = {**settings(f"{root}/etc/patroni/patroni.env"), "PYTHONPATH": f"{self.dir}/patroni",
                   "HOME": f"{root}/var/lib/postgresql"}
        machine.service("patroni", ["/usr/bin/python3", "-m", "patroni", f"{root}/etc/patroni/patroni.yml"],
                        user="postgres", env=patroni, restart=5)
        machine.service("etcd-leader", [f"{root}/usr/local/sbin/nts-etcd-leader"], restart=5)
        machine.service("haproxy", ["haproxy", "-db", "-f", f"{root}/etc/haproxy/haproxy.cfg"])
        if not self.loopback:
            pid = f"{root}/keepalived"
            machine.service("keepalived", [
                "keepalived", "--dont-fork", "--log-console", f"--use-file={root}/etc/keepalived/keepalived.conf",
                f"--pid={pid}.pid", f"--vrrp_pid={pid}-vrrp.pid", f"--checkers_pid={pid}-checkers.pid"])
        machine.service("nts", [f"{self.dir}/nts", "serve"], user="nobody", env=self.nts_env(machine))

    def nts_env(self, machine):
        """The settings of nts.env, and what a test without Stripe, with all buyers in one network, needs."""
        given = {name: value for name, value in settings(f"{machine.root}/etc/nts/nts.env").items() if value}
        limits = ["CLIENT_HOLDS", "CLIENT_PLACES", "CLIENT_SHARE", "CLIENT_PAYMENTS", "CLIENT_DECLINES", "DECLINED_PERCENT"]
        given.update({f"NTS_{limit}": "0" for limit in limits})
        if self.loopback:
            # The primary's certificate is for 127.0.0.1, where the HAProxy of the real thing is, and its own address.
            given["NTS_DATABASE"] = re.sub("sslmode=.*", "sslmode=require", given["NTS_DATABASE"])
        given["NTS_SANDBOX"] = f"{self.dir}/sandbox/nts.sandbox"
        return given

    def equip_backup(self):
        self.adapt(self.backup)
        for place in ("wal", "base"):
            os.makedirs(f"{self.backup.root}/{place}")
            shutil.chown(f"{self.backup.root}/{place}", "postgres")
        shutil.chown(self.backup.root, "postgres")
        self.backup_env = settings(f"{self.backup.root}/etc/nts-backup/backup.env")
        # What the units start, with what they set.
        wal = {**self.backup_env, "PGTARGETSESSIONATTRS": "read-write"}
        self.backup.service("wal", self.unit("nts-wal"), user="postgres", env=wal, restart=5)

    def unit(self, name):
        """The command of a unit of the backup machine, as words."""
        with open(f"{self.backup.root}/etc/systemd/system/{name}.service", encoding="utf-8") as file:
            command = re.search(r"(?m)^ExecStart=(.*)$", file.read())[1]
        return shlex.split(command.replace("%%", "%").replace("$$", "$"))

    def ask(self, address, port, path, timeout=2, headers=None):
        """Status and body of a GET; 0 without an answer. Port 8008 is Patroni's, which speaks TLS."""
        connection = None
        try:
            if port == 8008:
                connection = http.client.HTTPSConnection(address, port, timeout=timeout, context=self.tls)
            else:
                connection = http.client.HTTPConnection(address, port, timeout=timeout)
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            if connection:
                connection.close()

    def primary(self, among=None):
        """The machine whose Patroni says that it is the primary."""
        for machine in among or self.machines:
            if machine.on and not machine.frozen and self.ask(machine.address, 8008, "/primary")[0] == 200:
                return machine
        return None

    def members(self):
        """What Patroni knows of the members, by name."""
        for machine in self.machines:
            status, body = self.ask(machine.address, 8008, "/cluster")
            if status == 200:
                return {member["name"]: member for member in json.loads(body)["members"]}
        return {}

    def healthy(self):
        """A primary, two standbys that follow it, one of them synchronous, three nts that are ready, and etcd's leader elsewhere
        than the primary."""
        members = self.members()
        roles = sorted(member["role"] for member in members.values())
        follow = sum(member["state"] == "streaming" for member in members.values())
        synchronous = self.asynchronous or {"sync_standby", "quorum_standby"} & set(roles)
        if len(roles) != 3 or "leader" not in roles or follow != 2 or not synchronous:
            return False
        primary = next(machine for machine in self.machines if members[machine.name]["role"] == "leader")
        if self.leads_etcd(primary) is not False:
            return False
        return all(self.ask(machine.address, 9000, "/readyz")[0] == 200 for machine in self.machines)

    def leads_etcd(self, machine):
        """Whether etcd's leader is on this machine; None if it does not answer."""
        cluster = f"{machine.root}/etc/cluster"
        names = {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "ETCDCTL_CACERT": f"{cluster}/ca.crt",
                 "ETCDCTL_CERT": f"{cluster}/machine.crt", "ETCDCTL_KEY": f"{cluster}/machine.key"}
        ask = ["etcdctl", "--endpoints", f"https://{machine.address}:2379", "--command-timeout", "3s", "--write-out", "json"]
        try:
            told = machine.inside(*ask, "endpoint", "status", env=names)
            status = json.loads(told)[0]["Status"]
            return status["header"]["member_id"] == status["leader"]
        except (Failed, ValueError, LookupError, TypeError):
            return None

    def patronictl(self, *words):
        machine = next(machine for machine in self.machines if machine.on)
        patronictl = ["/usr/bin/python3", "-c", "from patroni.ctl import ctl; ctl()", "-c"]
        return machine.inside(*patronictl, f"{machine.root}/etc/patroni/patroni.yml", *words,
                              env={**os.environ, "PYTHONPATH": f"{self.dir}/patroni", "LANG": "C.UTF-8"})
