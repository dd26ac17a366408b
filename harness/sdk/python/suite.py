"""The official Python SDKs, unmodified, against the fake cloud; run by ../run.sh."""

import logging
import sys

import classic
import identities
import operations

logging.disable(logging.CRITICAL)


def main():
    parts = {"operations": operations.run, "identities": identities.run, "classic": classic.run}
    wanted = sys.argv[1:] or parts
    results = [parts[name]() for name in wanted]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
