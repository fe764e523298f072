"""Several clients write and read registers through a Service, and write down what they saw.

A register is a row. A read locks its row (FOR UPDATE), so it is a transaction that commits as a write does: it waits for the
synchronous standby, and a primary that was replaced without knowing it can't answer it.

Appends to /run/writer/history, one JSON object per operation:
    {"client": 1, "key": "a", "op": "write", "value": "7", "begin": 12, "end": 34}     acknowledged; nanoseconds
    {"client": 1, "key": "a", "op": "write", "value": "7", "begin": 12}                unknown: it may have been done
A read without an answer is not written down.
"""
import os
import time

from recording import FAILURES, operate, run

KEYS = [chr(ord("a") + n) for n in range(int(os.environ["KEYS"]))]
WRITE = "insert into register values (%s, %s) on conflict (key) do update set value = excluded.value"
READ = "select value from register where key = %s for update"


def attempt(connection, chance, number, count):
    key, is_write = chance.choice(KEYS), chance.random() < 0.5
    seen = {"client": number, "key": key, "op": "write" if is_write else "read", "begin": time.monotonic_ns()}
    try:
        if is_write:
            seen["value"] = f"{number}-{count}"
            operate(connection, WRITE, (key, seen["value"]))
        else:
            row = operate(connection, READ, (key,)).fetchone()
            seen["value"] = row[0] if row else ""
        seen["end"] = time.monotonic_ns()
        return seen, True
    except FAILURES:
        return (seen if "value" in seen else None), False


run(attempt)
