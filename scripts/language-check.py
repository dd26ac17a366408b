#!/usr/bin/env python3
"""Finds wordings that a reader stumbles over in documents, chart texts, string literals and comments.

    python3 scripts/language-check.py [PATH…]     files or directories; without any, everything that people read

Prints file, line, words and what to write instead, and a count for each directory. Exit code 1 if anything is found.
Code in Markdown (`…` and fenced blocks) is left out, because it quotes messages and commands. CONTRIBUTING.md has the
rules; this list holds only what can be searched for.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

WORDS = [
    (r"\bhumbl[ye]\b", "name the limit"),
    (r"\bgravity\b|\bgravest\b", "severity; most severe"),
    (r"\bchatter", "say what the peer sends"),
    (r"\b(?:is|are|was) (?:not )?to be had\b|\bcannot be had\b", "cannot get …; is not available"),
    (r"\bso manieth\b", "every fourth, every n-th"),
    (r"\bbefell\b|\bbefall", "happened to; failed with"),
    (r"\bfor (?:their|its) number\b", "throttled; because there are too many"),
    (r"\bshar\w+ (?:a|one) silence\b", "share one timeout"),
    (r"\beverybody everything\b", "say who may read what"),
    (r"\bcame out otherwise\b|\botherwise than\b", "differently from; unexpected"),
    (r"\bwith a word about\b", "with a message about"),
    (r"(?<!ENHANCE_YOUR_)\bcalm", "say what is limited"),
    (r"\b(?:is|are|as) told\b|\btells? of\b", "is reported; is set; as configured"),
    (r"\b(?<!there )(?:is|are) no (?=(?:endpoint|host|region|role|number|text|mode|policy|pair|secret|token|list|name|whole|socket)\b)", "is not a …; has no …"),
    (r"\b(?:is|are|was) due\b", "expected …; is missing"),
    (r"[,;] for (?:it|he|she|they|we|there|nobody|whoever|all|what|that|this|then|those|others|most|some)\b", "because …"),
    (r"\bas whom\b|\bwhom\b", "which identity; which …"),
    (r"\bwhoever\b", "anyone who; the caller; the client that"),
    (r"\bnobody\b|\bsomebody\b", "name the program or the person"),
    (r"\bthe like\b|\bas ever\b", "leave it out"),
    (r"\bnor is\b|\bnor does\b|\bnor may\b", "and … not"),
    (r"\bmended?\b|\bmending\b", "fix, repair, correct"),
    (r"\bin step\b(?! with)|\bparts? ways\b", "agree; differ"),
    (r"\bshall\b", "must; will"),
    (r"\bto be about to\b|\bas it says\b", "write the remedy"),
    (r"\bhalf a pair\b", "one of the two keys"),
    (r"\bwants? it\b|\bbad days\b|\bof ours\b", "say it plainly"),
    (r"\bnot to be\b|\bis to be\b", "must (not) be; cannot be"),
    (r"\bmade anew\b|\banew\b", "again; a new …"),
    (r"\bBesides\b|\bthereof\b|\bwhereof\b", "also"),
    (r"\bfor want of\b|\bfor lack of\b", "because … is missing"),
    (r"\bwhat (?:few|many|some|others) (?:may|ask|do|use)\b|\bthe one question\b", "the standard term"),
    (r"\bnever in the way\b", "say what it costs"),
    (r"\bset (?:it|them) right\b", "correct; fix"),
    (r"\bis another \w+ than\b", "expected …, found …"),
    (r"\bwhere (?:KMS|OOS|STS|the instance metadata service) is\b", "… endpoint"),
    (r"\bhow long running\b", "grace period"),
    (r"\bfor the time being\b|\bhereby\b", "until …"),
]
CHINESE = [
    (r"[\u4e00-\u9fff][,;:!?](?!/)|[\u4e00-\u9fff]\(|[\u4e00-\u9fff]\)|\)[\u4e00-\u9fff]", "full-width punctuation beside Chinese text"),
    (r"(?<!KMS )(?<!自己的)(?<!该)(?<!加密)(?<!主)(?<!用的)密钥(?!管理|对)", "凭据 for a KMS secret, 加密参数 for an OOS parameter"),
]
DEFAULT = ["*.md", "docs", "charts", "deploy", "examples", ".github", "justfile", "src"]
TEXT = {".md", ".yaml", ".yml", ".tpl", ".json", ".txt"}
LITERAL = re.compile(r'//[^\n]*|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.DOTALL)
OURSELVES = {"scripts/language-check.py", "CONTRIBUTING.md"}


def blank(match):
    """As many lines, without words."""
    return "\n" * match[0].count("\n")


def prose(path, text):
    """What people read of a file, each line in its place."""
    if path.suffix == ".md":
        text = re.sub(r"(?ms)^ *```.*?^ *```", blank, text)
        return re.sub(r"(`+).+?\1", "`code`", re.sub(r"\]\([^)]*\)", "]", text))
    if path.suffix == ".rs":
        out, at = [], 0
        for match in LITERAL.finditer(text):
            out.append("\n" * text.count("\n", at, match.start()) + " " + match[0])
            at = match.end()
        return re.sub(r"`[^`\n]+`", "`code`", "".join(out))
    if path.suffix in {".sh", ".py", ""}:
        return "\n".join(line if re.match(r"\s*#|\s*\"\"\"", line) or '"' in line or "'" in line else "" for line in text.split("\n"))
    return text


def files(arguments):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *arguments],
                            check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        is_read = path.suffix in TEXT | {".rs", ".sh", ".py"} or path.name == "justfile"
        if is_read and path.exists() and name not in OURSELVES and "snapshots" not in path.parts and "official" not in path.parts:
            yield path


def main():
    words = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in WORDS]
    chinese = [(re.compile(pattern), better) for pattern, better in CHINESE]
    found, read = Counter(), 0
    for path in files(sys.argv[1:] or DEFAULT):
        read += 1
        rules = chinese if ".zh-CN." in path.name else words
        for number, line in enumerate(prose(path, path.read_text()).split("\n"), 1):
            for pattern, better in rules:
                for match in pattern.finditer(line):
                    print(f"{path}:{number}: {match[0].strip()!r}: {better}")
                    found[path.parts[0]] += 1
    for top, count in sorted(found.items()):
        print(f"{count:5} in {top}")
    print(f"{read} files, {found.total()} wordings to change")
    return 1 if found or not read else 0


sys.exit(main())
