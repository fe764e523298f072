#!/usr/bin/python3
"""Patroni, but it looks ten times a second whether PostgreSQL has stopped, has been promoted or has read its configuration.

Patroni 4.1 looks once a second, and no setting changes that. In a switchover writes stand still meanwhile: up to a second
until it sees that the old primary has shut down, another until it sees that the new one is promoted and gives it the
label by which the Service finds it. After a reload it does nothing for a second, so that PostgreSQL has read the files when
it is asked which changes need a restart; PostgreSQL takes a millisecond. Everything else is Patroni's own.
"""
import sys
import time

EVERY = 0.1


class Clock:
    """The module `time`, whose pauses of a second (between a clean shutdown and the release of the leader key, while a standby
    becomes synchronous or starts, and after a reload) are shorter."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep(seconds):
        time.sleep(EVERY if seconds == 1 else seconds)


def shorten(module, name, replacement):
    # A Patroni without it is another Patroni than this was written for: better no image than a slow surprise.
    if not hasattr(module, name):
        sys.exit(f"{module.__name__} has no {name}: adapt {__file__} to this version of Patroni")
    setattr(module, name, replacement)


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

    shorten(patroni.postgresql, "STOP_POLLING_INTERVAL", EVERY)
    shorten(patroni.postgresql, "polling_loop", frequent_polling_loop)
    for module in (patroni.ha, patroni.postgresql, patroni.postgresql.bootstrap, patroni.postgresql.config):
        shorten(module, "time", Clock())


# Patroni starts PostgreSQL by a Python process that imports this file anew: it needs none of it.
if __name__ == "__main__":
    shorten_pauses()
    from patroni.__main__ import main

    main()
