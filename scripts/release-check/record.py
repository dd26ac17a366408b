"""Writes the result of one check into its row of docs/checks.md: record.py TOPIC COMMIT SECONDS OUTPUT

The result is the last line that the check printed before its exit code."""

import sys
from datetime import datetime, timezone
from pathlib import Path

PAGE = Path("docs/checks.md")

topic, commit, seconds, output = sys.argv[1:]
lines = [line.strip() for line in Path(output).read_text().splitlines() if line.strip()]
code = lines.pop() if lines and lines[-1].startswith("exit code ") else "exit code unknown"
result = (lines[-1] if lines else "no output")[:300].replace("|", "\\|")
if code != "exit code 0":
    result = f"**failed** ({code}): {result}"
rows = PAGE.read_text().split("\n")
found = [at for at, row in enumerate(rows) if row.startswith(f"| {topic} |")]
if len(found) != 1:
    sys.exit(f"{PAGE}: expected one row that begins with | {topic} |, found {len(found)}")
command = rows[found[0]].split(" | ")[1]
date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
rows[found[0]] = f"| {topic} | {command} | {date} | {commit} | {result}; {int(seconds) // 60} min {int(seconds) % 60} s |"
PAGE.write_text("\n".join(rows))
