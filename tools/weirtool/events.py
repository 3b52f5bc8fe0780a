"""The events of a trace (weir/trace.h) as what the page shows: groups of tracks, each with its spans
in order and how deep they stand in each other, the curves of memory, and the flows of requests. Times
become nanoseconds since the first event; texts that occur often stand once, in a list."""

import json


def read(path):
    """One event to a line; a process that was killed leaves the array without its end."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            text = line.strip().lstrip("[").rstrip(",")
            if text.startswith("{"):
                try:
                    yield json.loads(text)
                except json.JSONDecodeError:
                    return  # the last line, cut off


class Texts:
    def __init__(self):
        self.all, self.places = [], {}

    def place(self, text):
        if text not in self.places:
            self.places[text] = len(self.all)
            self.all.append(text)
        return self.places[text]


def ns(event, key):
    return round(event.get(key, 0) * 1000)


def said(args):
    """What a span has to say, a line for each fact."""
    lines = []
    for key, value in args.items():
        if key == "operations":
            lines += value
        elif value not in ("", None) and key != "request":
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def sort(events):
    """By what they are: facts of tracks, spans by track, counters, flows, points."""
    facts, spans, counters, flows, points = {}, {}, {}, {}, []
    for e in events:
        place = (e["pid"], e["tid"])
        if e["ph"] == "M":
            value, = e["args"].values()
            facts[e["name"], e["pid"] if e["name"].startswith("process") else place] = value
        elif e["ph"] == "X":
            spans.setdefault(place, []).append(e)
        elif e["ph"] == "C":
            counters.setdefault(e["pid"], []).append(e)
        elif e["ph"] in "st":
            flows.setdefault(e["id"], []).append((e["ts"], place))
        elif e["ph"] == "i":
            points.append(e)
    return facts, spans, counters, flows, points


def track(spans, texts, start, requests_at):
    """Columns: begin, length, name, category, depth, what else is said, request."""
    spans.sort(key=lambda e: (e["ts"], -e["dur"]))
    columns, open_ends = [[] for _ in range(7)], []
    for e in spans:
        begin, length = ns(e, "ts") - start, ns(e, "dur")
        while open_ends and open_ends[-1] <= begin:
            open_ends.pop()
        request = e.get("args", {}).get("request") or requests_at.get(e["ts"], 0)
        for column, value in zip(columns, (begin, length, texts.place(e["name"]), texts.place(e["cat"]),
                                           len(open_ends), texts.place(said(e.get("args", {}))), request)):
            column.append(value)
        open_ends.append(begin + length)
    return {"spans": columns, "depth": max(columns[4], default=0) + 1}


def order(name, place):
    """The program's threads come before those of the library's."""
    return name.startswith("weir-"), name != "main", place


def calls_of(flows, spans):
    """The call around each point of a flow on a thread's track: by where it begins, its request."""
    calls = {}
    for request, points in flows.items():
        for at, place in points:
            around = [e for e in spans.get(place, ()) if e["cat"] == "thread" and e["ts"] <= at <= e["ts"] + e["dur"]]
            if around:
                calls.setdefault(place, {})[max(around, key=lambda e: e["ts"])["ts"]] = request
    return calls


def curve(counters, start):
    counters.sort(key=lambda e: e["ts"])
    return {"at": [ns(e, "ts") - start for e in counters], "live": [e["args"]["live"] for e in counters],
            "cached": [e["args"]["cached"] for e in counters]}


def labels(points):
    return {p["args"]["request"]: {"label": p["name"].removeprefix("request").strip(), "id": p["args"]["trace_id"]}
            for p in points if "trace_id" in p.get("args", {})}


def model(path, most):
    """The page's data; of more than `most` spans the first."""
    facts, spans, counters, flows, points = sort(read(path))
    every = sorted(e["ts"] for some in spans.values() for e in some)
    left_out = max(0, len(every) - most)
    if left_out:
        last = every[most]
        spans = {place: kept for place, some in spans.items() if (kept := [e for e in some if e["ts"] < last])}
    times = [e["ts"] for some in (*spans.values(), *counters.values()) for e in some]
    start = round(min(times, default=0) * 1000)
    end = max((ns(e, "ts") + ns(e, "dur") for some in spans.values() for e in some), default=start + 1)
    texts, calls, groups = Texts(), calls_of(flows, spans) if len(flows) < 2000 else {}, []
    for pid in sorted({pid for pid, _ in spans} | set(counters), key=lambda p: (facts.get(("process_sort_index", p), 9) or 99, p)):
        tracks = []
        for place in sorted((p for p in spans if p[0] == pid), key=lambda p: (
                facts.get(("thread_sort_index", p), 0), order(str(facts.get(("thread_name", p), "")), p))):
            one = track(spans[place], texts, start, calls.get(place, {}))
            one["name"] = str(facts.get(("thread_name", place), f"track {place[1]}"))
            tracks.append(one)
        groups.append({"name": str(facts.get(("process_name", pid), pid)), "tracks": tracks,
                       "device": pid in counters, "memory": curve(counters.get(pid, []), start)})
    ends = [p["args"] for p in points if p["name"] in ("lost", "end of trace")]
    return {"texts": texts.all, "groups": groups, "length": end - start, "requests": labels(points),
            "program": str(next((v for (fact, _), v in facts.items() if fact == "process_name" and ":" not in str(v)), "")),
            "lost": ends[-1]["lost"] if ends else 0, "left_out": left_out,
            "whole": any(p["name"] == "end of trace" for p in points)}


def busiest(data, n=5):
    """(name, times, ns) of the commands that took longest in all."""
    sums = {}
    for group in data["groups"]:
        for one in group["tracks"]:
            _, length, name, category, *_ = one["spans"]
            for i, place in enumerate(name):
                if data["texts"][category[i]] == "command":
                    times, total = sums.get(place, (0, 0))
                    sums[place] = times + 1, total + length[i]
    rows = sorted(((data["texts"][p], *s) for p, s in sums.items()), key=lambda row: -row[2])
    return rows[:n], sum(row[1] for row in rows)
