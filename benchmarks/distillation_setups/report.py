"""The tables of the benchmark, from its runs."""

from __future__ import annotations

from statistics import fmean, stdev

import numpy as np

from polytask.comparison.statistics import delta_m, mean_ranks, paired_tests
from polytask.comparison.statistics.paired import sign_flip_p
from sets_and_seeds import interval

from .methods import METHODS, SINGLE
from .runs import Runs
from .setups import SETUPS

#: Methods of equal standing are ranked and tested; variants of SCD are compared with SCD alone.
MAIN = [name for name, method in METHODS.items() if not method.tuned_as or method.elsewhere or name == "scd_converge"]
#: What the paper of SCD claims for its average performance, per cent above.
CLAIMED = {"mtlkd": 3.72, "okd": 12.95}

#: Methods with settings of their own that are compared on the set-ups that have them, by what with.
ALONE = {"scd": ("okd",), "outputs": ("outputs_where_better",)}

#: Gain over single-task models in per cent, by set-up, method and seed.
Gains = dict[str, dict[str, dict[int, float]]]


def report(runs: Runs) -> str:
    """A table per set-up, one over all with paired tests, and two of variants."""
    gains, ranks, lines = {}, {}, []
    for setup in SETUPS:
        found = {name: own for name in METHODS if (own := runs.of_method(setup, name))}
        if SINGLE not in found or "scd" not in found:
            continue
        seeds = sorted(set.intersection(*(set(found[name]) for name in MAIN if name in found)))
        if not seeds:
            continue
        higher, names = found[SINGLE][seeds[0]]["higher"], list(found[SINGLE][seeds[0]]["test"])

        def tests(name: str, seed: int, found=found, names=names) -> list[float]:
            return [found[name][seed]["test"][task] for task in names]

        gains[setup] = {
            name: {seed: float(delta_m(tests(name, seed), tests(SINGLE, seed), higher).value)
                   for seed in seeds if seed in found[name]}
            for name in found
        }  # fmt: skip
        main = [name for name in MAIN if name in found]
        each = np.mean([mean_ranks([tests(name, seed) for name in main], higher) for seed in seeds], 0)
        ranks[setup] = dict(zip(main, each, strict=True))
        lines += ["", f"{setup}: {len(names)} tasks, {len(seeds)} seeds", "",
                  "| method | mean of the test metrics | gain over single-task | mean rank | seconds, teachers |",
                  "|---|---:|---:|---:|---:|"]  # fmt: skip
        for name in main:
            values = list(gains[setup][name].values())
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            own = [found[name][seed] for seed in seeds]
            lines.append(
                f"| {name} | {fmean(fmean(tests(name, seed)) for seed in seeds):.4f} | {fmean(values):+.2f} %{spread} "
                f"| {ranks[setup][name]:.2f} | {fmean(run['seconds'] for run in own):.0f}, "
                f"{fmean(run['teaching'] for run in own):.0f} |"
            )
    if not gains:
        return "no set-up has the runs of all methods yet"
    variants = [line for base in ALONE for line in _variants(gains, base)]
    return "\n".join([*_over_all(gains, ranks), *variants, *lines])


def _over_all(gains: Gains, ranks: dict[str, dict[str, float]]) -> list[str]:
    """Mean rank and gain over all set-ups, and SCD against every other method; a set-up is one pair."""
    main = [name for name in MAIN if all(name in ranks[setup] for setup in ranks)]
    others = [name for name in main if name != "scd"]
    levels = {name: np.array([fmean(gains[setup][name].values()) for setup in gains]) for name in main}
    tested = dict(zip(others, paired_tests([levels[name] for name in others], levels["scd"]), strict=True))
    lines = [f"All {len(gains)} set-ups ({', '.join(gains)}), {len(gains[next(iter(gains))]['scd'])} seeds each", "",
             "| method | mean rank | gain over single-task | SCD is better by | p | p, Holm | claimed |",
             "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name in sorted(main, key=lambda name: fmean(ranks[setup][name] for setup in ranks)):
        line = f"| {name} | {fmean(ranks[setup][name] for setup in ranks):.2f} | {levels[name].mean():+.2f} % |"
        if name in tested:
            claim = f"{CLAIMED[name]:+.2f} %" if name in CLAIMED else ""
            line += f" {interval(levels['scd'] - levels[name], 2)} | {tested[name].p:.3f} | {tested[name].p_holm:.3f} |"
            line += f" {claim} |"
        lines.append(line if name in tested else f"{line} | | | |")
    return lines


def _variants(gains: Gains, base: str) -> list[str]:
    """What each method that takes the setting of another one changes, in points of the gain, and okd, which has a
    setting of its own; a set-up that has both is one pair."""
    lines = ["", f"Against {base}, in points of the gain", ""]
    lines += [f"| method | {' | '.join(gains)} | mean | set-ups | p |", f"|---|{'---:|' * (len(gains) + 3)}"]
    for name in METHODS:
        if METHODS[name].tuned_as != base and name not in ALONE[base]:
            continue
        here = {setup: fmean(own[name].values()) - fmean(own[base].values())
                for setup, own in gains.items() if name in own}  # fmt: skip
        if len(here) > 1:
            cells = [f"{here[setup]:+.2f}" if setup in here else "" for setup in gains]
            p = sign_flip_p(np.array(list(here.values())))
            lines.append(
                f"| {name} | {' | '.join(cells)} | {interval(list(here.values()), 2)} | {len(here)} | {p:.3f} |"
            )
    return lines
