#!/usr/bin/env python3
"""Attacks a daemon as a hostile client would and prints a table: attack, before, after, target.

    benches/hostile/run.py [--binary target/release/cleanplate] [--before OLDER_BINARY] [--only NAME]... [--list]

Every attack is a file of its own in attacks/: `TITLE`, `TARGET` (what is promised, in words) and `attack(start)`. `start`
starts a daemon on a data folder of its own (see daemon.py); the attack returns an `Outcome`: a figure in words, and whether
the target is met. All of them are bounded in time and sockets and touch nothing but the loopback addresses. Without
--before the older figures are those of the file of results, so that a mended daemon is compared with what it was.

The exit code is 0 when every target is met.
"""

import argparse
import importlib
import json
import pathlib
import resource
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "benches/results/hostile.json"
sys.path.insert(0, str(HERE))

import daemon  # noqa: E402


def attacks(only):
    names = sorted(path.stem for path in (HERE / "attacks").glob("*.py") if path.stem != "__init__")
    unknown = set(only) - set(names)
    if unknown:
        sys.exit(f"no attack named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return {name: importlib.import_module(f"attacks.{name}") for name in names if not only or name in only}


def measure(module, binary):
    """The outcome of an attack on this binary, as it is kept in the file of results."""
    begun = time.monotonic()
    daemons = daemon.Daemons(binary)
    try:
        outcome = module.attack(daemons.start)
        figure, met = outcome.figure, outcome.met
    except Exception as error:  # one attack that breaks must not hide the others
        traceback.print_exc()
        figure, met = f"the attack broke: {error}", False
    finally:
        daemons.stop()
    return {"figure": figure, "met": met, "seconds": round(time.monotonic() - begun, 1)}


def table(rows):
    head = ("attack", "before", "after", "target", "")
    lines = [head] + [
        (row["title"], row.get("before", {}).get("figure", "-"), row.get("after", {}).get("figure", "-"), row["target"],
         "met" if row.get("after", {}).get("met") else "MISSED")
        for row in rows.values()
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/release/cleanplate", type=pathlib.Path)
    parser.add_argument("--before", type=pathlib.Path)
    parser.add_argument("--no-after", action="store_true", help="measure the older binary only")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = attacks(options.only)
    if options.list:
        for name, module in chosen.items():
            print(f"{name}: {module.TITLE}")
        return 0
    # A daemon must not outlive its attack.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows = json.loads(RESULTS.read_text())["attacks"] if RESULTS.exists() else {}
    for name, module in chosen.items():
        row = rows.setdefault(name, {})
        row.update(title=module.TITLE, target=module.TARGET)
        for side, binary in (("before", options.before), ("after", None if options.no_after else options.binary)):
            if binary is not None:
                print(f"{name}: {side} ...", file=sys.stderr, flush=True)
                row[side] = measure(module, binary)
                print(f"{name}: {side}: {row[side]['figure']}", file=sys.stderr, flush=True)
        RESULTS.write_text(json.dumps({"command": "benches/hostile/run.py", "attacks": rows}, indent=1, sort_keys=True) + "\n")
    shown = {name: rows[name] for name in chosen}
    print(table(shown))
    return 0 if all(row.get("after", {}).get("met") for row in shown.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
