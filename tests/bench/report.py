# SPDX-License-Identifier: MIT
"""From runs to tables: medians, spreads, ratios. Everything is printed as Markdown.

A run is a dict of measure.figures() plus its round. A ratio is taken within each round, between
two servers measured one after the other; what is shown is the median of the rounds' ratios.
"""

import dataclasses
import statistics
import subprocess
import typing


@dataclasses.dataclass(frozen=True)
class Target:
    text: str
    met: typing.Callable


def at_least(value):
    return Target(f"≥ {value}", lambda found: found >= value)


def at_most(value, unit=""):
    return Target(f"≤ {value}{unit}", lambda found: found <= value)


AHEAD = Target("> 1", lambda found: found > 1)

OURS = "chatroomd"

# title, figure, the other server, receivers, target, our server if it is not OURS
RATIOS = [
    ("deliveries/s ÷ raw epoll, one send", "rate", "one-send", (1000, 5000), at_least(3)),
    ("deliveries/s ÷ raw epoll, coalescing", "rate", "coalesce", (1000, 5000), at_least(0.5)),
    ("deliveries/s ÷ the seed in Python", "rate", "python", (1000,), at_least(100)),
    ("deliveries/s ÷ mosquitto", "rate", "mosquitto", (1000, 5000), AHEAD),
    ("deliveries/s ÷ nats-server", "rate", "nats", (1000, 5000), AHEAD),
    ("deliveries/s ÷ ngircd", "rate", "ngircd", (1000, 5000), None),
    ("CPU per delivery ÷ raw epoll, one send", "cost_us", "one-send", (1000, 5000), None),
    ("CPU per delivery ÷ raw epoll, coalescing", "cost_us", "coalesce", (1000, 5000), None),
    ("p50 at 20,000/s ÷ raw epoll, one send", "p50_ms", "one-send", (1000,), at_most(1.25)),
    ("p99 at 20,000/s ÷ raw epoll, one send", "p99_ms", "one-send", (1000,), at_most(1.25)),
    ("deliveries/s with history ÷ without", "rate", "no-history", (1000, 5000), at_least(0.8)),
    ("deliveries/s of v1 ÷ the seed's protocol", "rate", OURS, (1000, 5000), at_least(2), "v1"),
    ("the same, 64 messages under way", "rate", "chatroomd-deep", (1000,), at_least(2),
     "v1-deep"),
    ("deliveries/s of v1 ÷ ngircd", "rate", "ngircd", (1000, 5000), AHEAD, "v1"),
    ("p50 of v1 at 20,000/s ÷ raw epoll, one send", "p50_ms", "one-send", (1000,), None, "v1"),
    ("p99 of v1 at 20,000/s ÷ raw epoll, one send", "p99_ms", "one-send", (1000,), None, "v1"),
]

# title, figure, receivers, target, our server if it is not OURS
FIGURES = [
    ("KiB per joined client", "joined_kib", (1000, 5000, 10000), at_most(32)),
    ("KiB per joined client, v1", "joined_kib", (1000, 5000, 10000), at_most(32), "v1"),
    ("MiB before anybody joins", "base_mib", (1000,), at_most(20)),
    ("seconds until 5000 have joined", "join_s", (5000,), at_most(10)),
]

# part, title, the values of a round, target
EXTRA = [
    ("idle", "idle members, % of a core", lambda r: [100 * r["cores"]], at_most(1)),
    ("start", "start to READY, ms", lambda r: r["ms"], at_most(100)),
    ("users", "`chatctl users` in a saturated room, p50 ms", lambda r: [r["p50_ms"]], None),
    ("users", "`chatctl users` in a saturated room, p99 ms", lambda r: [r["p99_ms"]], at_most(50)),
    ("users", "calls of these", lambda r: [r["calls"]], at_least(200)),
    ("rejoin", "seconds from SIGTERM until all have rejoined", lambda r: [r["seconds"]],
     at_most(10)),
    ("rejoin", "of these, until the daemon had ended", lambda r: [r["stop_s"]], None),
    ("slow", "beside slow readers: p50 ÷ without", lambda r: [r["p50"]], at_most(1.25)),
    ("slow", "beside slow readers: p99 ÷ without", lambda r: [r["p99"]], at_most(1.25)),
    ("slow", "MiB more, until slow readers are cut", lambda r: [r["growth_mib"]], at_most(80)),
    ("hold", "memory after the last minute of traffic ÷ after the first",
     lambda r: [r["rss_mib"][-1] / r["rss_mib"][1]], at_most(1.05)),
]

# heading, figure, format
COLUMNS = [
    ("deliveries/s", "rate", lambda v: f"{v / 1000:.1f}k"),
    ("CPU µs/delivery", "cost_us", "{:.2f}".format),
    ("server cores", "server_cores", "{:.2f}".format),
    ("generator cores", "load_cores", "{:.2f}".format),
    ("p50 ms", "p50_ms", "{:.1f}".format),
    ("p99 ms", "p99_ms", "{:.1f}".format),
    ("CPU µs/delivery, steady", "steady_cost_us", "{:.1f}".format),
    ("KiB/client joined", "joined_kib", "{:.1f}".format),
    ("after load", "loaded_kib", "{:.1f}".format),
    ("base MiB", "base_mib", "{:.1f}".format),
]
SPREAD = ("rate", "p99_ms")  # these show their extremes too


def table(heading, rows):
    """Markdown whose columns also line up in a terminal."""
    rows = [heading] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def values(runs, server, receivers, figure):
    """By round."""
    return {run["round"]: run[figure] for run in runs
            if run["server"] == server and run["receivers"] == receivers and figure in run}


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(found):
    return f"{number(min(found))}–{number(max(found))}"


def verdict(target, found):
    if not target:
        return ["", ""]
    return [target.text, "yes" if target.met(found) else "NO"]


def judged(title, receivers, found, target):
    middle = statistics.median(found)
    return [title, receivers, number(middle), spread(found), *verdict(target, middle)]


def ratio_rows(runs):
    for title, figure, other, sizes, target, *who in RATIOS:
        for n in sizes:
            ours = values(runs, who[0] if who else OURS, n, figure)
            theirs = values(runs, other, n, figure)
            found = [ours[r] / theirs[r] for r in ours if theirs.get(r)]
            if found:
                yield judged(title, n, found, target)


def growth_row(runs):
    small, large = values(runs, OURS, 100, "cost_us"), values(runs, OURS, 5000, "cost_us")
    found = [large[r] / small[r] for r in large if r in small]
    if found:
        yield judged("cost per delivery, N = 5000 ÷ N = 100", "", found, at_most(1.5))


def figure_rows(runs):
    for title, figure, sizes, target, *who in FIGURES:
        for n in sizes:
            found = list(values(runs, who[0] if who else OURS, n, figure).values())
            if found:
                yield judged(title, n, found, target)


def extra_rows(extra):
    for part, title, found, target in EXTRA:
        rounds = extra.get(part)
        if rounds:
            yield judged(title, rounds[0].get("receivers", ""),
                         [value for one in rounds for value in found(one)], target)


def judgements(runs, extra):
    rows = [*ratio_rows(runs), *figure_rows(runs), *growth_row(runs), *extra_rows(extra)]
    return rows and table(["chatroomd", "N", "median", "rounds", "target", "met"], rows)


def cell(runs, server, n, figure, form):
    found = list(values(runs, server, n, figure).values())
    if not found:
        return ""
    text = form(statistics.median(found))
    if figure in SPREAD and len(found) > 1:
        text += f" ({form(min(found))}–{form(max(found))})"
    return text


def measurements(runs, servers):
    """The table of everything measured, by number of receivers."""
    rows = []
    for n in sorted({run["receivers"] for run in runs}):
        for server in servers:
            mine = [r for r in runs if r["server"] == server.name and r["receivers"] == n]
            if mine:
                rows.append([n, server.name, len(mine)] + [
                    cell(runs, server.name, n, figure, form) for _, figure, form in COLUMNS])
    return table(["N", "server", "rounds"] + [heading for heading, _, _ in COLUMNS], rows)


def held(extra):
    """Memory minute by minute: a paragraph each time that it was held."""
    for hold in extra.get("hold", ()):
        series = " ".join(f"{value:.1f}" for value in hold["rss_mib"])
        yield (f"{hold['receivers']} clients held, {hold['deliveries']} deliveries, every one "
               f"counted; resident MiB when joined and after each minute: {series}")


PLOT = """\
set terminal svg size 900,420 font 'sans,12' background 'white'
set output '{output}'
set multiplot layout 1,2
set datafile missing '?'
set logscale x
set xtics ({ticks})
set xrange [{left}:{right}]
set yrange [0:*]
set grid ytics
set key top left
set xlabel 'joined clients'
set title 'CPU µs per delivery, under load'
plot {costs}
set key top right
set title 'resident KiB per client, after load'
plot {memory}
"""


def plot(runs, names, output):
    """Draws cost and memory by number of clients. False: nothing to draw, or no gnuplot."""
    sizes = sorted({run["receivers"] for run in runs})
    names = [name for name in names if any(run["server"] == name for run in runs)]
    if not names:
        return False

    def curves(figure):
        blocks = []
        for name in names:
            found = [(n, list(values(runs, name, n, figure).values())) for n in sizes]
            blocks.append(f"${figure}_{names.index(name)} << EOD\n" + "".join(
                f"{n} {statistics.median(v)}\n" for n, v in found if v) + "EOD\n")
        use = ", ".join(f"${figure}_{i} using 1:2 with linespoints linewidth 2 title '{name}'"
                        for i, name in enumerate(names))
        return "".join(blocks), use

    cost_data, costs = curves("cost_us")
    memory_data, memory = curves("loaded_kib")
    script = cost_data + memory_data + PLOT.format(
        output=output, costs=costs, memory=memory, ticks=", ".join(map(str, sizes)),
        left=sizes[0] * 0.8, right=sizes[-1] * 1.25)
    try:
        subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=60)
    except (FileNotFoundError, subprocess.CalledProcessError) as why:
        print(f"No plot: {why}")
        return False
    return True
