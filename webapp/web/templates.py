"""Templates, put together once for each language: what one always says is a part of it, and looked up no more."""

from typing import Any

from flask.templating import Environment
from jinja2 import Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer

from . import i18n
from .i18n import Language

SAYING = {"_", "gettext"}


class Translator(NodeTransformer):
    """Puts words of a language in place of the calls that always return them."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        match node:
            case nodes.Call(node=nodes.Name(name=name), args=[nodes.Const(value=words)], kwargs=[]) if name in SAYING:
                said = self._language.catalogue.gettext(words)
                return nodes.MarkSafe(nodes.Const(said % {}), lineno=node.lineno)  # as Jinja's own takes %%
            case _:
                return self.generic_visit(node)


class InLanguage(CodeGenerator):
    environment: "Templates"

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        if language := self.environment.language:
            Translator(language).visit(node)
        super().visit_Template(node, frame)


class Templates(Environment):
    """Finds each template in the language of the page that is being made."""

    code_generator_class = InLanguage
    language: Language | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._by_language: dict[Language, Templates] = {}

    def get_template(self, name: str | Template, *args: Any, **options: Any) -> Template:
        here = self if self.language else self._of(i18n.language())
        return super(Templates, here).get_template(name, *args, **options)

    def _of(self, language: Language) -> "Templates":
        if language not in self._by_language:
            made = self.overlay()
            made.language = language
            self._by_language[language] = made
        return self._by_language[language]
