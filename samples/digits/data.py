#!/usr/bin/env python3
"""Writes digits.jsonl from the copy of the UCI digits that scikit-learn ships.

    python3 data.py .../sklearn/datasets/data/digits.csv.gz > digits.jsonl

README.md says where the file comes from. Each of its lines is 64 pixels and the digit.
"""

import csv
import gzip
import json
import sys


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: data.py DIGITS.csv.gz > digits.jsonl")

    with gzip.open(sys.argv[1], "rt", newline="") as table:
        for row in csv.reader(table):
            *pixels, label = (int(cell) for cell in row)
            if len(pixels) != 64 or not all(0 <= pixel <= 16 for pixel in pixels):
                sys.exit(f"{sys.argv[1]}: not the table of the digits")
            packed = json.dumps(pixels, separators=(",", ":"))
            print(f'{{"pixels": {packed}, "_label": {label}}}')


if __name__ == "__main__":
    main()
