"""What READMEs and the docstrings of scripts tell a reader to type: blocks, commands, what stands in backticks."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[!.]*/README.md")), *sorted(ROOT.glob("jobs/*/README.md"))]
SCRIPTS = [path for path in sorted(ROOT.glob("jobs/**/*.py")) if path.name != "__init__.py"]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)


@dataclass(frozen=True)
class Written:
    """Something that is written somewhere."""

    where: str
    """Page or script, and line."""
    text: str
    language: str = ""
    """Of a block."""

    def __str__(self):
        return f"{self.where} {self.text}"


def blocks(page):
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        yield Written(place(page, text, match.start()), dedent(match[3]), match[2])


def spans(page):
    """What stands in backticks within the sentences of a page."""
    text = BLOCK.sub(lambda match: "\n" * match[0].count("\n"), page.read_text("utf-8"))
    for match in re.finditer(r"`([^`]+)`", text):
        yield Written(place(page, text, match.start()), " ".join(match[1].split()))


def examples(script):
    """The commands in the docstring of a script."""
    docstring = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    for match in re.finditer(r"^    (python (?:.*\\\n)*.*)$", docstring, re.M):
        yield Written(str(script.relative_to(ROOT)), match[1], "bash")


def place(page, text, position):
    return f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, position) + 1}"


def commands(written):
    """The commands of lines of a shell, as lists of words; what follows `--` of `ray job submit` is one of its own."""
    for line in written.text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        words.whitespace_split = True
        command = []
        for word in [*words, ";"]:
            if word in ("&&", "||", "|", ";"):
                yield from nested(written.where, without_redirection(command))
                command = []
            else:
                command.append(word)


def nested(where, words):
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]  # a variable
    if words[:3] == ["ray", "job", "submit"] and "--" in words:
        rest = words[words.index("--") + 1 :]
        words = words[: words.index("--")]
        yield from nested(where, rest)
    if words:
        yield Written(where, shlex.join(words))


def without_redirection(words):
    return words[: words.index(">")] if ">" in words else words
