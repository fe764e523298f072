"""Two more applications beside the writer, for as long as it runs.

Both read /run/writer/tls/candidates.json before every connection: the strings that the writer uses, as of those files.

The prober opens new connections as the first candidate says, but only while that asks for verify-full. Half of them take
the CAs that the candidate names, half all CAs that were ever named: a client that once took the bundle of a change of
issuer, and keeps it. One line each in /run/writer/probes or /run/writer/held:
    ok <seconds>
    err <seconds> <message>
The reader asks a standby for the newest row, if there is a standby Service (STANDBY); one line each in /run/writer/reads.
"""
import os
import threading
import time

import psycopg2

from connecting import FOLDER, candidates, connect, one_line

PROBERS = 8
PROBE_EVERY = 0.28
READ_EVERY = 0.05
LONGEST_USE = 1.0


def pace(begin, every):
    time.sleep(max(0.0, begin + every - time.monotonic()))


class HeldCAs:
    """A bundle that only grows."""

    def __init__(self, path):
        self.path, self.all, self.lock = path, [], threading.Lock()

    def instead_of_those_in(self, string):
        name = next(word for word in string.split() if word.startswith("sslrootcert="))
        with open(name.removeprefix("sslrootcert=")) as bundle, self.lock:
            bundle = bundle.read()
            if bundle not in self.all:
                self.all.append(bundle)
                with open(f"{self.path}.new", "w") as held:
                    held.write("\n".join(self.all))
                os.replace(f"{self.path}.new", self.path)
        return string.replace(name, f"sslrootcert={self.path}")


def probe(log, held, end, delay):
    time.sleep(delay)
    while time.monotonic() < end:
        begin = time.monotonic()
        string = candidates()[0]
        if "sslmode=verify-full" in string:
            try:
                connect(held.instead_of_those_in(string) if held else string).close()
                print(f"ok {time.time()}\n", end="", file=log)
            except psycopg2.Error as error:
                print(f"err {time.time()} {one_line(error)}\n", end="", file=log)
        pace(begin, PROBE_EVERY)


def connect_to_standby(primary, standby):
    first = None
    for string in candidates():
        try:
            return connect(string.replace(f"host={primary}.", f"host={standby}.", 1))
        except psycopg2.Error as error:
            # What the AppBinding says counts; the fallback after it fails for other reasons.
            first = first or error
    raise first


def read(log, end, primary, standby):
    connection, opened = None, 0.0
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            if connection is None or begin - opened > LONGEST_USE:
                if connection is not None:
                    connection.close()
                    connection = None
                connection = connect_to_standby(primary, standby)
                opened = begin
            with connection.cursor() as cursor:
                cursor.execute("select max(id) from written")
                cursor.fetchone()
            print(f"ok {time.time()}\n", end="", file=log)
        except psycopg2.Error as error:
            print(f"err {time.time()} {one_line(error)}\n", end="", file=log)
            if connection is not None:
                connection.close()
            connection = None
        pace(begin, READ_EVERY)


def record(name):
    return open(f"{FOLDER}/{name}", "a", buffering=1)


def main():
    end = time.monotonic() + float(os.environ["SECONDS_TO_RUN"])
    primary, standby = os.environ["PRIMARY"], os.environ.get("STANDBY", "")
    cas = HeldCAs(f"{FOLDER}/held.crt")
    with record("probes") as probes, record("held") as held, record("reads") as reads:
        kinds = [(probes, None), (held, cas)]
        threads = [
            threading.Thread(target=probe, args=(*kinds[number % 2], end, number * PROBE_EVERY / PROBERS))
            for number in range(PROBERS)
        ]
        if standby:
            threads.append(threading.Thread(target=read, args=(reads, end, primary, standby)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


main()
