"""What clients that write down what they saw have in common: how they connect, wait, and end.

A client waits for an answer no longer than PATIENCE. To end all clients, make /run/writer/end; when they have ended, there is
/run/writer/ended.
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
# Longer than a commit waits while a standby is replaced; a client that gives up does not know what became of its write.
PATIENCE = 4.0
# No statement_timeout: it would end the wait for the standby, and report a commit that only the primary has.
STRING = (
    f"host={os.environ['PGHOST']} dbname=postgres connect_timeout=2 tcp_user_timeout=3000"
    " keepalives_idle=1 keepalives_interval=1 keepalives_count=2"
)
FAILURES = (psycopg2.Error, TimeoutError)


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


def client(number, log, lock, attempt):
    chance, count, connection = random.Random(f"{os.environ['SEED']}-{number}"), 0, None
    while not os.path.exists(f"{FOLDER}/end"):
        time.sleep(chance.uniform(0.01, 0.06))
        try:
            connection = connection or connect()
        except FAILURES:
            connection = None
            continue
        count += 1
        seen, lives = attempt(connection, chance, number, count)
        if not lives:
            connection.close()
            connection = None
        if seen:
            with lock:
                print(json.dumps(seen), file=log, flush=True)


def run(attempt):
    """Runs as many clients as CLIENTS says; `attempt` returns what is to be written down, and whether the session lives on."""
    lock = threading.Lock()
    with open(f"{FOLDER}/history", "a") as log:
        numbers = range(int(os.environ["CLIENTS"]))
        clients = [threading.Thread(target=client, args=(n, log, lock, attempt)) for n in numbers]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
    open(f"{FOLDER}/ended", "w").close()
    # The history can be read as long as the container runs.
    signal.pause()
