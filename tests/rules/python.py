#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each import and function of a Python test is used: one that nobody calls tests nothing."""
import ast
import os
import pathlib
import sys

# What the classes of the standard library that tests derive from call by name.
CALLED_BACK = ("do_", "handle", "log_message", "redirect_request", "run", "__")


def unused_names(path):
    named, used = {}, set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named.update({(alias.asname or alias.name).split(".")[0]: node.lineno for alias in node.names})
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            named[node.name] = node.lineno
        elif isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
    return [f"{path}:{line}: nothing uses {name}" for name, line in named.items()
            if name not in used and not name.startswith(CALLED_BACK)]


os.chdir(os.environ.get("srcdir", "."))
found = [text for path in sorted(pathlib.Path("tests").rglob("*_test.py")) for text in unused_names(path)]
print("\n".join(found))
sys.exit(1 if found else 0)
