#!/usr/bin/env python3
"""Draws the Grafana dashboard's panels as a picture for the documentation, with what a real Prometheus answers to their queries.

    pip install matplotlib requests
    hack/dashboard_picture.py --prometheus http://127.0.0.1:9090 --minutes 10 docs/images/dashboard.svg

Grafana itself draws more finely. Titles, places, queries and legends are the dashboard's; a query that fails ends the program.
"""

import argparse
import json
import math
import pathlib
import time

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"font.size": 7, "svg.hashsalt": "dashboard", "svg.fonttype": "none", "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402
import requests  # noqa: E402

DASHBOARD = pathlib.Path(__file__).parent.parent / "charts/provisioner/files/dashboard.json"
COLUMNS = 24
STEP = 5  # seconds between points
RATE_INTERVAL = "1m"
LEGEND = 4  # entries


class Prometheus:
    def __init__(self, address, minutes):
        self.address, self.minutes, self.now = address, minutes, time.time()

    def expression(self, text):
        for name, value in [("namespace", ".*"), ("database", ".*"), ("__rate_interval", RATE_INTERVAL), ("__range", f"{self.minutes}m")]:
            text = text.replace(f"${name}", value)
        return text

    def get(self, path, **query):
        answer = requests.get(f"{self.address}/api/v1/{path}", params=query, timeout=30).json()
        if answer["status"] != "success":
            raise SystemExit(f"{query['query']}: {answer}")
        return answer["data"]["result"]

    def at_once(self, expression):
        found = self.get("query", query=self.expression(expression), time=self.now)
        return [(series["metric"], float(series["value"][1])) for series in found]

    def over_time(self, expression):
        start = self.now - 60 * self.minutes
        found = self.get("query_range", query=self.expression(expression), start=start, end=self.now, step=STEP)
        return [(series["metric"], [((t - start) / 60, float(v)) for t, v in series["values"]]) for series in found]


def legend(target, metric):
    text = target.get("legendFormat") or json.dumps(metric)
    for name, value in metric.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def spoken(value, unit):
    if math.isnan(value):
        return "-"
    if unit != "s":
        return f"{value:.4g}"
    for limit, size, name in [(120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")]:
        if abs(value) < limit:
            return f"{value / size:.3g} {name}"
    return f"{value / 86400:.3g} d"


def colour(panel, value):
    chosen = "tab:blue"
    for step in panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            chosen = step["color"]
    return chosen


def numbers(axes, panel, entries, unit):
    axes.axis("off")
    for place, (name, value) in enumerate(entries):
        x = (place + 0.5) / len(entries)
        axes.text(x, 0.55, spoken(value, unit), ha="center", va="center", fontsize=16, color=colour(panel, value))
        axes.text(x, 0.2, name, ha="center", va="center", fontsize=6)


def bars(axes, panel, entries, unit):
    entries = sorted(entries, key=lambda entry: entry[1], reverse=True)[:12]
    names = [name for name, _ in entries]
    values = [0 if math.isnan(value) else value for _, value in entries]
    axes.barh(range(len(entries)), values, color=[colour(panel, value) for value in values])
    axes.set_yticks(range(len(entries)), names, fontsize=5)
    axes.invert_yaxis()
    axes.set_xticks([])
    for row, value in enumerate(values):
        axes.text(value, row, f" {spoken(value, unit)}", va="center", fontsize=6)


def lines(axes, series, unit, minutes):
    for name, points in series:
        axes.plot([t for t, _ in points], [v for _, v in points], linewidth=0.9, label=name)
    axes.set_xlim(0, minutes)
    axes.set_xlabel("minutes", fontsize=5)
    axes.yaxis.set_major_formatter(lambda value, _: spoken(value, unit))
    if series:
        top = max((value for _, points in series for _, value in points if not math.isnan(value)), default=0)
        axes.set_ylim(0, 1.5 * top or 1)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[:LEGEND], labels[:LEGEND], fontsize=4.5, framealpha=0.6, edgecolor="none", loc="upper left")


def panel_into(axes, panel, prometheus):
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    axes.set_title(panel["title"], loc="left", fontsize=7.5, fontweight="bold")
    ask = prometheus.over_time if panel["type"] == "timeseries" else prometheus.at_once
    found = [(legend(target, metric), values) for target in panel["targets"] for metric, values in ask(target["expr"])]
    if not found:
        axes.axis("off")
        axes.text(0.5, 0.5, "none", ha="center", color="grey")
    elif panel["type"] == "timeseries":
        lines(axes, found, unit, prometheus.minutes)
    elif panel["type"] == "bargauge":
        bars(axes, panel, found, unit)
    else:
        numbers(axes, panel, found, unit)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--prometheus", default="http://127.0.0.1:9090")
    arguments.add_argument("--minutes", type=int, default=10)
    arguments.add_argument("output")
    given = arguments.parse_args()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = pyplot.figure(figsize=(14, rows * 0.3))
    prometheus = Prometheus(given.prometheus, given.minutes)
    for panel in panels:
        place = panel["gridPos"]
        left, top = place["x"] / COLUMNS, 1 - place["y"] / rows
        width, height = place["w"] / COLUMNS, place["h"] / rows
        if panel["type"] == "row":
            figure.text(0.01, top - height * 0.8, panel["title"], fontsize=10, fontweight="bold", color="tab:blue")
            continue
        indent = 0.12 if panel["type"] == "bargauge" else 0.035
        box = [left + indent, top - height * 0.83, width - indent - 0.02, height * 0.66]
        panel_into(figure.add_axes(box), panel, prometheus)
    figure.savefig(given.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
