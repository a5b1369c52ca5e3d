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

# title, figure, the other server, receivers, target
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
]

# title, figure, receivers, target
FIGURES = [
    ("KiB per joined client", "joined_kib", (1000, 5000, 10000), at_most(32)),
    ("MiB before anybody joins", "base_mib", (1000,), at_most(20)),
    ("seconds until 5000 have joined", "join_s", (5000,), at_most(10)),
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
    for title, figure, other, sizes, target in RATIOS:
        for n in sizes:
            ours, theirs = values(runs, OURS, n, figure), values(runs, other, n, figure)
            found = [ours[r] / theirs[r] for r in ours if theirs.get(r)]
            if found:
                yield judged(title, n, found, target)


def growth_row(runs):
    small, large = values(runs, OURS, 100, "cost_us"), values(runs, OURS, 5000, "cost_us")
    found = [large[r] / small[r] for r in large if r in small]
    if found:
        yield judged("cost per delivery, N = 5000 ÷ N = 100", "", found, at_most(1.5))


def figure_rows(runs):
    for title, figure, sizes, target in FIGURES:
        for n in sizes:
            found = list(values(runs, OURS, n, figure).values())
            if found:
                yield judged(title, n, found, target)


def extra_rows(extra):
    if "idle_cores" in extra:
        yield judged("idle members, % of a core", extra["idle_receivers"],
                     [100 * extra["idle_cores"]], at_most(1))
    if "start_ms" in extra:
        yield judged("start to READY, ms", "", extra["start_ms"], at_most(100))
    if "hold" in extra:
        rss = extra["hold"]["rss_mib"]
        yield judged(f"memory after {len(rss) - 1} minutes of traffic ÷ after the first",
                     extra["hold"]["receivers"], [rss[-1] / rss[1]], at_most(1.05))


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
    """Memory minute by minute."""
    hold = extra["hold"]
    series = " ".join(f"{value:.1f}" for value in hold["rss_mib"])
    return (f"{hold['receivers']} clients held, {hold['deliveries']} deliveries, every one "
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
