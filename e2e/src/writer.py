"""Commits rows through a Service and writes down what was acknowledged.

Reads /run/writer/tls/candidates.json before every connection: connection strings, the first that works is used.
Appends to /run/writer/log, one line per attempt:
    ok <id> <seconds> <candidate> <server address>
    err <seconds> <connect|commit> <message>
A connection is used for at most a second, so that a change of the server side is met soon.
"""
import os
import time

import psycopg2

from connecting import FOLDER, candidates, connect, one_line

LONGEST_USE = 1.0


def connect_somehow(log):
    for number, string in enumerate(candidates()):
        try:
            return connect(string), number
        except psycopg2.Error as error:
            print("err", time.time(), "connect", number, one_line(error), file=log)
    return None, None


def main():
    end = time.monotonic() + float(os.environ["SECONDS_TO_RUN"])
    cadence = float(os.environ["CADENCE"])
    identity, connection, opened, candidate = 0, None, 0.0, None
    with open(f"{FOLDER}/log", "a", buffering=1) as log:
        while time.monotonic() < end:
            begin = time.monotonic()
            if connection is not None and begin - opened > LONGEST_USE:
                connection.close()
                connection = None
            if connection is None:
                connection, candidate = connect_somehow(log)
                opened = time.monotonic()
            if connection is not None:
                identity += 1
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(
                            "insert into written (id) values (%s) returning host(inet_server_addr())", (identity,)
                        )
                        address = cursor.fetchone()[0]
                    print("ok", identity, time.time(), candidate, address, file=log)
                except psycopg2.Error as error:
                    print("err", time.time(), "commit", candidate, one_line(error), file=log)
                    connection.close()
                    connection = None
            time.sleep(max(0.0, begin + cadence - time.monotonic()))


main()
