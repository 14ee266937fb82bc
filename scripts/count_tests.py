"""Adds up the counts of JUnit XML files and prints them as `N passed, M failed, K skipped`."""

import sys
import xml.etree.ElementTree as ET


def counts(path: str) -> tuple[int, int, int]:
    """Returns (passed, failed, skipped) of one file."""
    passed = failed = skipped = 0
    for case in ET.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main() -> int:
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        one = counts(path)
        name = path.rsplit("/", 1)[-1].removesuffix(".xml")
        print(f"   {name}: {one[0]} passed, {one[1]} failed, {one[2]} skipped")
        total = [a + b for a, b in zip(total, one)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
