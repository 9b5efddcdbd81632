"""TeX to MathML while the site is built: a browser shows it without any script."""

import re

from docutils import nodes
from latex2mathml.converter import convert

# Code is left alone: a fenced block, a `span`. What remains is $$block$$ or $inline$.
CODE_OR_MATHS = re.compile(
    r"(```.*?```|`[^`\n]+`)|\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+)\$", re.DOTALL
)


def mathml(tex: str, block: bool = False) -> str:
    """One formula as a <math> element; TeX that isn't understood is an exception."""
    return convert(tex, display="block" if block else "inline")


def replace_maths(markdown: str) -> str:
    """The same Markdown with a <math> element instead of each formula."""

    def replace(match: re.Match) -> str:
        code, block, inline = match.groups()
        return code or mathml(block or inline, bool(block))

    return CODE_OR_MATHS.sub(replace, markdown)


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    # A wide formula scrolls in its own box, also by keyboard.
    formula = mathml(node.astext(), block=True)
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app) -> dict:
    """The file is a Sphinx extension: html_math_renderer = "mathml"."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
