#!/usr/bin/env python3
"""Sums a build directory's last `meson test`: reads meson-logs/testlog.json, prints what failed in
full, and 'N passed, N failed'.

An executable of unit tests counts by its own last line, and fails if it ran none; one without such
a line counts as one test. What the sanitizers print counts as a failure also where the test went on
or its exit status hid it (Criterion's children do not report leaks).
"""

import json
import re
import sys

SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+)")
SANITIZERS = re.compile(
    r"ERROR: (?:Address|Leak|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error: "
)


def main():
    passed = failed = 0
    with open(sys.argv[1] + "/meson-logs/testlog.json", encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            output = test.get("stdout", "") + test.get("stderr", "")
            counts = SYNTHESIS.findall(output)
            good = sum(int(p) for _, p in counts)
            bad = sum(int(t) for t, _ in counts) - good
            clean = test["result"] == "OK" and not SANITIZERS.search(output)
            if not counts and clean:
                good = 1
            if bad == 0 and (not clean or good == 0):
                bad = 1
            passed += good
            failed += bad
            if bad:
                print("==== %s: %s" % (test["name"], test["result"]))
                print(output)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
