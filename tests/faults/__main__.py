"""`python -m tests.faults`: break the service on purpose, and show that nothing is lost.

Everything is drawn from one seed, which is printed first; `--seed` runs the same schedule again.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import report
from tests.faults.faults import FAULTS
from tests.faults.report import Result
from tests.faults.run import Fault, Run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--only", default="", help="faults by name, separated by commas")
    parser.add_argument("--long", action="store_true", help="the counts of a release")
    parser.add_argument("--times", type=int, default=0, help="how often each fault strikes")
    parser.add_argument("--until", default="", help="repeat with new seeds until HH:MM (UTC)")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--folder", type=Path, help="where to work; kept if given")
    parser.add_argument("--list", action="store_true", help="name the faults and their counts")
    return parser.parse_args()


def main() -> int:
    """Runs the chosen faults; 0 if nothing was lost, doubled or wrong."""
    given = _arguments()
    names = [name for name in given.only.split(",") if name]
    unknown = set(names) - {fault.name for fault in FAULTS}
    if unknown:
        print(f"no such fault: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 64
    chosen = [fault for fault in FAULTS if fault.name in names or not names]
    if given.list:
        for fault in chosen:
            print(f"{fault.name:16} {fault.few:>6} {fault.many:>8}  {fault.row:>6}  {fault.what}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, too
    results, seed = [], given.seed
    while True:
        results += _all(chosen, seed, given)
        if given.json:
            report.save(given.json, results, given.seed, sys.argv[1:])
        over = not given.until or time.strftime("%H:%M", time.gmtime()) >= given.until
        if over or "interrupted" in results[-1].notes:
            break
        seed += 1
    print(report.table(results, given.seed))
    print(report.details(results))
    return 0 if all(result.clean for result in results) else 1


def _all(chosen: list[Fault], seed: int, given: argparse.Namespace) -> list[Result]:
    results = []
    for fault in chosen:
        times = given.times or (fault.many if given.long else fault.few)
        if not times and not given.only:
            continue
        print(f"{fault.name}: {times or fault.many} times, seed {seed}", flush=True)
        results.append(_one(fault, seed, times or fault.many, given.folder))
        found = results[-1].findings
        print(
            f"  {results[-1].skipped or 'done'}: {results[-1].times} strikes, "
            f"{found.acknowledged:,} comments, {found.decisions:,} decisions, {found.lost} lost, "
            f"{found.doubled} doubled, {len(found.violations)} violations, "
            f"{results[-1].seconds:.0f} s",
            flush=True,
        )
        for what in found.violations[:10]:
            print(f"    ! {what}", flush=True)
        if "interrupted" in results[-1].notes:
            break
    return results


def _one(fault: Fault, seed: int, times: int, folder: Path | None) -> Result:
    """Runs one fault; whatever escapes it counts as a violation."""
    result = Result(fault=fault.name, kind=fault.what, at=report.stamp(), notes={"seed": seed})
    watch = report.Watch()
    with tempfile.TemporaryDirectory(prefix="winnow-faults-", ignore_cleanup_errors=True) as made:
        run = Run(seed, (folder or Path(made)) / str(seed), fault.name, keep=folder is not None)
        try:
            asyncio.run(fault.strike(run, result, times))
        except KeyboardInterrupt:
            result.note("interrupted")
        except Exception as error:  # reported, and the other faults still run
            result.complain(f"the harness stopped: {type(error).__name__}: {error}")
        finally:
            run.clear()
    result.seconds = watch()
    return result


if __name__ == "__main__":
    sys.exit(main())
