"""Several clients write and read registers through a Service, and write down what they saw.

A register is a row. A read locks its row (FOR UPDATE), so it is a transaction that commits as a write does: it waits for the
synchronous standby, and a primary that was replaced without knowing it can't answer it.

Appends to /run/writer/history, one JSON object per operation:
    {"client": 1, "key": "a", "op": "write", "value": "7", "begin": 12, "end": 34}     acknowledged; nanoseconds
    {"client": 1, "key": "a", "op": "write", "value": "7", "begin": 12}                unknown: it may have been done
A read without an answer is not written down. To end the clients, make /run/writer/end.
"""
import json
import os
import random
import select
import signal
import threading
import time

import psycopg2
from psycopg2 import extensions

FOLDER = "/run/writer"
KEYS = [chr(ord("a") + n) for n in range(int(os.environ["KEYS"]))]
# Longer than a commit waits while a standby is replaced; a client that gives up does not know what became of its write.
PATIENCE = 4.0
# No statement_timeout: it would end the wait for the standby, and report a commit that only the primary has.
STRING = (
    f"host={os.environ['PGHOST']} dbname=postgres connect_timeout=2 tcp_user_timeout=3000"
    " keepalives_idle=1 keepalives_interval=1 keepalives_count=2"
)
WRITE = "insert into register values (%s, %s) on conflict (key) do update set value = excluded.value"
READ = "select value from register where key = %s for update"


def wait(connection, end):
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        if time.monotonic() > end:
            raise TimeoutError
        files = [connection.fileno()]
        reads, writes = (files, []) if state == extensions.POLL_READ else ([], files)
        select.select(reads, writes, [], max(0.0, min(0.2, end - time.monotonic())))


def connect():
    connection = psycopg2.connect(STRING, async_=True)
    wait(connection, time.monotonic() + PATIENCE)
    return connection


def operate(connection, statement, values):
    cursor = connection.cursor()
    cursor.execute(statement, values)
    wait(connection, time.monotonic() + PATIENCE)
    return cursor


def client(number, log, lock):
    chance, count, connection = random.Random(f"{os.environ['SEED']}-{number}"), 0, None
    while not os.path.exists(f"{FOLDER}/end"):
        time.sleep(chance.uniform(0.01, 0.06))
        try:
            connection = connection or connect()
        except (psycopg2.Error, TimeoutError):
            connection = None
            continue
        key, is_write = chance.choice(KEYS), chance.random() < 0.5
        count += 1
        seen = {"client": number, "key": key, "op": "write" if is_write else "read", "begin": time.monotonic_ns()}
        try:
            if is_write:
                seen["value"] = f"{number}-{count}"
                operate(connection, WRITE, (key, seen["value"]))
            else:
                row = operate(connection, READ, (key,)).fetchone()
                seen["value"] = row[0] if row else ""
            seen["end"] = time.monotonic_ns()
        except (psycopg2.Error, TimeoutError):
            connection.close()
            connection = None
        if "value" in seen:
            with lock:
                print(json.dumps(seen), file=log, flush=True)


def main():
    lock = threading.Lock()
    with open(f"{FOLDER}/history", "a") as log:
        clients = [threading.Thread(target=client, args=(n, log, lock)) for n in range(int(os.environ["CLIENTS"]))]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
    open(f"{FOLDER}/ended", "w").close()
    # The history can be read as long as the container runs.
    signal.pause()


main()
