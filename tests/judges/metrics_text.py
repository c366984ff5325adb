#!/usr/bin/env python3
"""Reads the metrics of a server with the official parsers (PyPI `prometheus-client`).

Usage: metrics_text.py openmetrics|prometheus < TEXT

Prints one JSON object: {"families": {NAME: TYPE}, "samples": [{"name", "labels", "value"}]}. Text
that breaks the format's rules ends in an error.
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

PARSERS = {
    "openmetrics": openmetrics_parser.text_string_to_metric_families,
    "prometheus": parser.text_string_to_metric_families,
}


def main():
    families, samples = {}, []
    for family in PARSERS[sys.argv[1]](sys.stdin.read()):
        if not family.documentation:
            raise ValueError(f"{family.name} has no description")
        families[family.name] = family.type
        for sample in family.samples:
            value = {"name": sample.name, "labels": sample.labels, "value": sample.value}
            samples.append(value)
    print(json.dumps({"ok": True, "families": families, "samples": samples}))


if __name__ == "__main__":
    main()
