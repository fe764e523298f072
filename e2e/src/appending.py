"""Several clients append rows through a Service, and write down where in the WAL each acknowledged row is.

Appends to /run/writer/history, one JSON object per acknowledged row:
    {"id": "1-7", "timeline": 2, "before": "0/3000060", "after": "0/30000F8", "end": 34}
"after" is absent when the session was gone by then.
"""
import time

from recording import FAILURES, operate, run

INSERT = """insert into appended values (%s)
    returning pg_current_wal_insert_lsn(), pg_walfile_name(pg_current_wal_insert_lsn())"""
AFTER = "select pg_current_wal_insert_lsn()"


def attempt(connection, chance, number, count):
    row = {"id": f"{number}-{count}"}
    try:
        before, segment = operate(connection, INSERT, (row["id"],)).fetchone()
        row.update(before=before, timeline=int(segment[:8], 16), end=time.monotonic_ns())
        row["after"] = operate(connection, AFTER, ()).fetchone()[0]
        return row, True
    except FAILURES:
        return (row if "end" in row else None), False


run(attempt)
