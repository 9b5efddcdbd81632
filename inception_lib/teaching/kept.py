"""The file beside the notebooks that keeps what a learner wrote: my_googlenet.py."""

import ast
import builtins
import linecache
from pathlib import Path

from .exercise import is_blank

FILE = Path("my_googlenet.py")  # beside the notebooks, which is where they run
HEADER = '''\
"""My own GoogLeNet, as I wrote it in the notebooks: this file is mine to edit."""

import torch
import torch.nn.functional as F
from torch import nn

from inception_lib import GOOGLENET_WIDTHS, GoogLeNetOutputs
'''


def keep(cls: type) -> None:
    """Write the class, with what else its cell defines, into ``my_googlenet.py``.

    The file lies beside the notebooks and is yours: read it, edit it, import from it.
    What was kept before under the same names is replaced, the rest stays. Raises
    ValueError if the file can't be read as Python.
    """
    if is_blank(cls):
        print(f"○ {cls.__name__} is still empty: nothing to keep")
        return
    cell = linecache.getlines(cls.forward.__code__.co_filename)  # type: ignore[attr-defined]
    new = definitions("".join(cell))
    if cls.__name__ not in new:
        raise ValueError(f"keep {cls.__name__} from the cell that defines it")
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else HEADER
    try:
        old = definitions(text)
    except SyntaxError as error:
        raise ValueError(
            f"{FILE}, line {error.lineno}, isn't Python: mend it (or delete the file)"
        ) from None
    for name, source in new.items():
        if name in old:
            text = text.replace(old[name], source)
        else:
            text = f"{text.rstrip()}\n\n\n{source}\n"
    FILE.write_text(text, encoding="utf-8")
    print(f"kept in {FILE}: {', '.join(new)}")
    if unknown := undefined(text):
        print(f"add to the file what other cells define: {', '.join(unknown)}")


def definitions(text: str) -> dict[str, str]:
    """The source of each class and function of a file or a cell, by name."""
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }


def undefined(text: str) -> list[str]:
    """Names that a file uses and neither defines nor imports."""
    known, used = set(dir(builtins)), set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(name, ast.Load()):
                used.add(name)
            case ast.Name(name) | ast.arg(name):
                known.add(name)
            case ast.ClassDef(name) | ast.FunctionDef(name):
                known.add(name)
            case ast.alias(name, other):
                known.add(other or name.partition(".")[0])
    return sorted(used - known)
