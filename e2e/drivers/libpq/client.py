"""A client by libpq (psycopg); ../README.md tells what it does."""
import os
import time

import psycopg

FOLDER = os.environ["FOLDER"]
EVERY = 0.1


def connect(mode, authorities):
    options = {"sslrootcert": authorities, "channel_binding": "require"} if mode.startswith("verify") else {}
    return psycopg.connect(
        host=os.environ["HOST"],
        hostaddr=os.environ["ADDRESS"],
        port=os.environ["PORT"],
        user=os.environ["LOGIN"],
        password=os.environ["PASSWORD"],
        dbname="postgres",
        sslmode=mode,
        sslcert="/none",
        connect_timeout=5,
        autocommit=True,
        **options,
    )


def attempt(name, work):
    try:
        result = work()
        print(name, "ok", time.time(), flush=True)
        return result
    except psycopg.Error as error:
        print(name, "err", time.time(), " ".join(str(error).split()), flush=True)


def once(mode, authorities):
    with connect(mode, authorities) as connection:
        connection.execute("select 1")


def ask(session):
    session.execute("select 1")
    return session


def keep(mode, authorities):
    try:
        return connect(mode, authorities)
    except psycopg.Error:
        return None


def main():
    kept = None
    while not os.path.exists(f"{FOLDER}/end"):
        begin = time.monotonic()
        with open(f"{FOLDER}/profiles") as profiles:
            profiles = [line.split() for line in profiles]
        for name, mode, authorities in profiles:
            attempt(name, lambda: once(mode, authorities))
        _, mode, authorities = profiles[0]
        kept = attempt("kept", lambda: ask(kept)) if kept else keep(mode, authorities)
        time.sleep(max(0.0, begin + EVERY - time.monotonic()))


main()
