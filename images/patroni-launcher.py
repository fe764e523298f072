#!/usr/bin/python3
"""Patroni, with what a database that is to go on at once, and safely, needs beyond it. Everything else is Patroni's own.

It looks ten times a second whether PostgreSQL has stopped, has been promoted or has read its configuration.
Patroni 4.1 looks once a second, and no setting changes that. In a switchover writes stand still meanwhile: up to a second
until it sees that the old primary has shut down, another until it sees that the new one is promoted and gives it the
label by which the Service finds it. After a reload it does nothing for a second, so that PostgreSQL has read the files when
it is asked which changes need a restart; PostgreSQL takes a millisecond.

A Pod that was deleted without grace is gone for the API while its PostgreSQL still shuts down, and the next Pod of that name
may start beside it, on the same volume. PostgreSQL would not notice, as it can't see processes of another Pod. So a Pod waits
until it has the volume for itself. And whoever learns that his Pod is gone hands over at once: kubelet may take a second or more
to tell him, and the API server knows the token of a Pod that is gone for a few seconds only, without which nobody can release the
leader's key.

A primary that has shut down for a successor keeps the primary's label until the successor has it. Patroni takes it away some
tenths of a second earlier, and two things follow from a Service without an endpoint: kube-proxy has just written its rules and
leaves a second between two writes, so the successor's come that much later; and a client whose packet comes while they change
from none to one gets no answer, and TCP repeats its first packet after a second. With the label clients are refused meanwhile,
and try again at once.

A primary whose Pod is lost may be back, and primary again, within a second or two: with its name, and at another address. DNS
tells the former one for a while, and Patroni, which watches Pods, looks at them when its next turn comes only. Here a changed
address is its next turn, and members connect to the address that the Pod has (libpq's hostaddr; the name is what the certificate
is checked against, as before). While the Pod is gone, standbys stay with the address they have, so that they get what its
PostgreSQL sends until it has shut down.

Commits that wait for more standbys than stream do not wait for Patroni's next turn. With a quorum, a new primary begins by
waiting for all others, the lost one too, and Patroni leaves it at that for a turn, so that standbys have time to come.

What Patroni starts, PostgreSQL's WAL receiver among it, connects with the settings of pg_service.conf.

A standby that lost its primary in the middle of a record may never stream again: it finds in its own files that the record is
not whole, ends its WAL receiver for that, starts another one, and believes before that one has begun that what an earlier one
received is there. PostgreSQL knows what was received in memory only, so it is started anew.
"""
import fcntl
import os
import signal
import sys
import threading
import time

EVERY = 0.1

# Seconds that a standby may stand still: longer than any change of the leader takes; and when the leader was seen to go on.
STANDSTILL, STANDSTILL_OF_ONE = 30, 8

SERVICE_FILE, SERVICE = "/opt/patroni/pg_service.conf", "members"

# Beside the data directory; whoever has locked it has the volume.
LOCK_FILE = "in-use"

# Seconds between two looks whether commits wait for a standby that does not stream, and how many turns in a row that is worth.
SYNC_LOOK, SYNC_TURNS = 0.3, 10

# Longest time that a primary which has shut down keeps the label.
LONGEST = 10


class Clock:
    """The module `time`, whose pauses of a second (between a clean shutdown and the release of the leader key, while a standby
    becomes synchronous or starts, and after a reload) are shorter."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep(seconds):
        time.sleep(EVERY if seconds == 1 else seconds)


def replace(owner, name, replacement):
    # A Patroni without it is another Patroni than this was written for: better no image than a slow surprise.
    if not hasattr(owner, name):
        sys.exit(f"{owner.__name__} has no {name}: adapt {__file__} to this version of Patroni")
    setattr(owner, name, replacement)


def shorten_pauses():
    # In this order: patroni.ha can't be the first of the two, they import each other.
    import patroni.postgresql
    import patroni.ha
    import patroni.postgresql.bootstrap
    import patroni.postgresql.config
    from patroni.utils import polling_loop

    def frequent_polling_loop(timeout, interval=EVERY):
        """As Patroni's, whose default interval is a second."""
        return polling_loop(timeout, interval)

    replace(patroni.postgresql, "STOP_POLLING_INTERVAL", EVERY)
    replace(patroni.postgresql, "polling_loop", frequent_polling_loop)
    for module in (patroni.ha, patroni.postgresql, patroni.postgresql.bootstrap, patroni.postgresql.config):
        replace(module, "time", Clock())


class Label:
    """The primary's label on the Pod of a member that may have to give it away."""

    def __init__(self, dcs, touch):
        self.dcs, self.touch, self.kept_since = dcs, touch, None

    def touch_member(self, data):
        if self.is_kept(data):
            if self.kept_since is None:
                self.kept_since = time.monotonic()
                threading.Thread(target=self.wake_for_successor, daemon=True).start()
            return True
        self.kept_since = None
        return self.touch(self.dcs, data)

    def is_leader(self):
        leader = self.dcs.cluster and self.dcs.cluster.leader
        return bool(leader) and leader.name == self.dcs._name

    def is_kept(self, data):
        """PostgreSQL does not run here, nobody is labelled primary instead of us, and not for long."""
        is_late = self.kept_since is not None and time.monotonic() - self.kept_since > LONGEST
        is_down = data["state"] != "running" and not self.is_leader()
        return is_down and not is_late and self.primaries() == {self.dcs._name}

    def primaries(self):
        """Names of the Pods that are labelled primary, as Patroni's watch saw them last."""
        with self.dcs._condition:
            pods = self.dcs._pods.copy()
        key, value = self.dcs._role_label, self.dcs._leader_label_value
        return {name for name, pod in pods.items() if (pod.metadata.labels or {}).get(key) == value}

    def wake_for_successor(self):
        """Has Patroni's loop give the label away as soon as the successor has it: its own watch does not look at labels."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end and self.primaries() == {self.dcs._name}:
            time.sleep(EVERY)
        self.dcs.event.set()


def keep_the_label_for_the_successor():
    from patroni.dcs.kubernetes import Kubernetes

    original, labels = Kubernetes.touch_member, {}

    def touch_member(dcs, data):
        if dcs not in labels:
            labels[dcs] = Label(dcs, original)
        return labels[dcs].touch_member(data)

    replace(Kubernetes, "touch_member", touch_member)


def address_of(pod):
    """Where a member can be reached: its Pod's address, once it has noted that it is there; None before."""
    noted = pod and (pod.metadata.annotations or {}).get("status")
    return pod.status.pod_ip if noted and pod.status else None


def follow_members_to_their_addresses():
    from patroni.dcs.kubernetes import Kubernetes, ObjectCache
    from patroni.postgresql.config import ConfigHandler

    original_member, original_event = Kubernetes.member, ObjectCache._process_event
    original_dsn, original_check = ConfigHandler.format_dsn, ConfigHandler.check_recovery_conf

    def member(pod):
        found = original_member(pod)
        if found.conn_kwargs() and address_of(pod):
            found.data["conn_kwargs"]["hostaddr"] = address_of(pod)
        return found

    def process_event(cache, event):
        name = event["object"].get("metadata", {}).get("name")
        before = cache.get(name)
        original_event(cache, event)
        address = event["object"].get("kind") == "Pod" and address_of(cache.get(name))
        if address and address != address_of(before):
            cache._dcs.event.set()

    def format_dsn(handler, params):
        """As Patroni's, which leaves out what it does not know."""
        address = params.get("hostaddr")
        return original_dsn(handler, params) + (f" hostaddr={address}" if address else "")

    def check_recovery_conf(handler, leader):
        """As Patroni's, which takes the address away from a standby whose leader has no Pod for a moment."""
        is_gone = leader and leader.name != handler._postgresql.name and not leader.conn_url
        if is_gone and os.path.exists(handler._standby_signal):
            return False, False
        return original_check(handler, leader)

    replace(Kubernetes, "member", staticmethod(member))
    replace(ObjectCache, "_process_event", process_event)
    replace(ConfigHandler, "format_dsn", format_dsn)
    replace(ConfigHandler, "check_recovery_conf", check_recovery_conf)


class Standby:
    """How long a standby has been where it is. It is started anew once at each place; if that does not help, nothing is lost."""

    def __init__(self):
        self.place, self.since, self.leader_was_at, self.started_anew_at = None, time.monotonic(), None, None

    def stands_still(self, place, leader_is_at):
        if place is None or place != self.place:
            self.place, self.since, self.leader_was_at = place, time.monotonic(), leader_is_at
            return False
        limit = STANDSTILL if leader_is_at == self.leader_was_at else STANDSTILL_OF_ONE
        if place == self.started_anew_at or time.monotonic() - self.since < limit:
            return False
        self.started_anew_at = place
        return True


def place_behind(ha):
    """Where a standby is that runs, is behind its leader and does not stream; None for any other member."""
    postgresql, leader = ha.state_handler, ha.cluster and ha.cluster.leader
    if not leader or leader.name == postgresql.name or ha.is_paused() or ha._async_executor.busy:
        return None
    if postgresql.state != "running" or postgresql.is_primary() or postgresql.replay_paused():
        return None
    if postgresql.replication_state() == "streaming":
        return None
    place = (postgresql.receive_lsn(), postgresql.replay_lsn())
    return place if (ha.cluster.status.last_lsn or 0) > (place[1] or 0) else None


def free_standbys_that_stand_still():
    import logging
    from patroni import psycopg
    from patroni.exceptions import PatroniException
    from patroni.ha import Ha

    original, standby = Ha.run_cycle, Standby()

    def run_cycle(ha):
        outcome = original(ha)
        try:
            place = place_behind(ha)
        except (PatroniException, psycopg.Error):
            place = None
        if standby.stands_still(place, ha.cluster and ha.cluster.status.last_lsn):
            seconds = int(time.monotonic() - standby.since)
            logging.getLogger(__name__).warning(
                "received %s and replayed %s for %s s, and does not stream: starting PostgreSQL anew", *place, seconds
            )
            ha.restart({}, run_async=True)
        return outcome

    replace(Ha, "run_cycle", run_cycle)


def is_gone(dcs, uid):
    """Whether the Pod of this UID, our own, is not there any more. One that lost its labels left our watch, and is still there."""
    from patroni.dcs.kubernetes import k8s_client

    try:
        return dcs._api.read_namespaced_pod(dcs._name, dcs._namespace).metadata.uid != uid
    except k8s_client.rest.ApiException as error:
        # Unauthorized: a token ends with the Pod that it is bound to.
        return error.status in (401, 404)
    except Exception:
        return False


def hand_over_when_the_pod_is_gone():
    import logging
    from patroni.dcs.kubernetes import ObjectCache

    original = ObjectCache._process_event

    def process_event(cache, event):
        original(cache, event)
        metadata = event["object"].get("metadata", {})
        is_ours = event["object"].get("kind") == "Pod" and metadata.get("name") == cache._dcs._name
        if event["type"] == "DELETED" and is_ours and is_gone(cache._dcs, metadata.get("uid")):
            logging.getLogger(__name__).warning("this Pod was deleted without grace: shutting down before kubelet says so")
            os.kill(os.getpid(), signal.SIGTERM)

    replace(ObjectCache, "_process_event", process_event)


def lacks_standbys(ha):
    """Whether commits wait for more standbys than stream, while one does that could do instead."""
    from patroni.postgresql.sync import parse_sync_standby_names

    postgresql = ha.state_handler
    if not (ha.is_synchronous_mode() and ha.has_lock(False) and postgresql.is_primary()) or ha.is_paused():
        return False
    rows = postgresql.query(
        "SELECT pg_catalog.current_setting('synchronous_standby_names'), application_name"
        " FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'",
        retry=False,
    )
    if not rows:
        return False
    wanted = parse_sync_standby_names(rows[0][0])
    return not wanted.has_star and sum(name in wanted.members for _, name in rows) < wanted.num


def look_at_once_for_standbys_that_commits_wait_for():
    from patroni import psycopg
    from patroni.exceptions import PatroniException
    from patroni.ha import Ha

    original_watch, original_process = Ha.watch, Ha.process_sync_replication
    turns = 0

    def is_lacking(ha):
        try:
            return lacks_standbys(ha)
        except (PatroniException, psycopg.Error):
            # Also RetryFailedError, which a query without a retry raises while PostgreSQL restarts, and no PostgresException is:
            # what leaves this function ends Patroni, and PostgreSQL with it.
            return False

    def watch(ha, timeout):
        nonlocal turns
        end = time.monotonic() + timeout
        while ha.cluster and ha.is_synchronous_mode() and ha.has_lock(False) and end - time.monotonic() > SYNC_LOOK:
            if original_watch(ha, SYNC_LOOK):
                return True
            if not is_lacking(ha):
                turns = 0
            elif turns < SYNC_TURNS:
                turns += 1
                return True
        return original_watch(ha, max(end - time.monotonic(), 0))

    def process_sync_replication(ha):
        """As Patroni's, which after a promotion leaves a quorum as it is for loop_wait seconds, whoever streams by then."""
        if ha._promote_timestamp and is_lacking(ha):
            ha._promote_timestamp = 1
        original_process(ha)

    replace(Ha, "watch", watch)
    replace(Ha, "process_sync_replication", process_sync_replication)


def wait_for_the_volume():
    """Locks the volume for as long as the first process of this container lives, and all others end with that one."""
    path = os.path.join(os.path.dirname(os.environ["PGDATA"]), LOCK_FILE)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"the former Pod has not let go of the volume yet ({path} is locked): waiting for it", file=sys.stderr, flush=True)
            # The kernel gives the first process of a container no signal that it does not ask for.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            fcntl.flock(lock, fcntl.LOCK_EX)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            print("the former Pod has let go of the volume", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"going on without a lock of the volume: {error}", file=sys.stderr, flush=True)


def give_dead_addresses_up():
    if not os.access(SERVICE_FILE, os.R_OK):
        sys.exit(f"{SERVICE_FILE} can't be read, and nobody could connect without it")
    os.environ.update(PGSERVICEFILE=SERVICE_FILE, PGSERVICE=SERVICE)


# Patroni starts PostgreSQL by a Python process that imports this file anew: it needs none of it.
if __name__ == "__main__":
    shorten_pauses()
    give_dead_addresses_up()
    follow_members_to_their_addresses()
    hand_over_when_the_pod_is_gone()
    keep_the_label_for_the_successor()
    free_standbys_that_stand_still()
    look_at_once_for_standbys_that_commits_wait_for()
    if not any(argument.startswith("-") for argument in sys.argv[1:]):
        wait_for_the_volume()
    from patroni.__main__ import main

    main()
