import argparse
import sys
from pathlib import Path

from receipts.report import parse_receipt, render


def main(argv=None):
    parser = argparse.ArgumentParser("receipts")
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args(argv)
    receipts = []
    for path in sorted(args.folder.glob("*.txt")):
        try:
            receipts.append(parse_receipt(path.read_text(encoding="utf-8")))
        except ValueError as error:
            print("%s: %s" % (path.name, error), file=sys.stderr)
            return 1
    report = render(receipts)
    if args.output:
        args.output.write_text(report, encoding="utf-8")
    else:
        print(report, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
