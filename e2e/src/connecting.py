"""What the writer and its companions share: where their files are, and how they connect."""
import json
import os

import psycopg2

FOLDER = "/run/writer"
TIMEOUTS = "connect_timeout=2 tcp_user_timeout=2000 keepalives_idle=1 keepalives_interval=1 keepalives_count=2"


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def candidates():
    # What they say and the files that they name are taken from one folder, however often the link to it is changed.
    folder = os.path.realpath(f"{FOLDER}/tls")
    with open(f"{folder}/candidates.json") as strings:
        return [s.replace(f"{FOLDER}/tls/", f"{folder}/") for s in json.load(strings)]


def password():
    with open(f"{FOLDER}/tls/password") as file:
        return file.read()


def connect(string):
    connection = psycopg2.connect(f"{string} {TIMEOUTS}", password=password())
    connection.autocommit = True
    return connection
