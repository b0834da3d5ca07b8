"""Templates, put together once for each language: what one always says or includes is a part of it from then on."""

from threading import RLock
from typing import Any, cast

from flask.templating import Environment
from jinja2 import BaseLoader, Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer

from . import i18n
from .i18n import Language

SAYING = {"_", "gettext"}


class Templates(Environment):
    """Finds each template in the language of the page that is being made."""

    language: Language | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.code_generator_class = Compiler
        self.one_at_a_time = RLock()  # those who come first together would put it together each for himself
        self._by_language: dict[Language, Templates] = {}

    def get_template(self, name: str | Template, *args: Any, **options: Any) -> Template:
        here = self if self.language else self._of(i18n.language())
        with here.one_at_a_time:
            return super(Templates, here).get_template(name, *args, **options)

    def tree(self, name: str) -> nodes.Template:
        source, filename, _ = cast(BaseLoader, self.loader).get_source(self, name)
        return self.parse(source, name, filename)

    def _of(self, language: Language) -> "Templates":
        if language not in self._by_language:
            made = self.overlay()
            made.language, made.one_at_a_time = language, RLock()
            self._by_language[language] = made
        return self._by_language[language]


class Compiler(CodeGenerator):
    environment: Templates

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        if language := self.environment.language:
            Filled(self.environment, language).visit(node)
        super().visit_Template(node, frame)


class Filled(NodeTransformer):
    """A template whose own words stand in a language, and that holds those that it includes."""

    def __init__(self, templates: Templates, language: Language) -> None:
        self._templates = templates
        self._language = language

    def visit_Include(self, node: nodes.Include) -> nodes.Node:
        return nodes.Scope(self.visit(self._templates.tree(node.template.as_const())).body, lineno=node.lineno)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        match node:
            case nodes.Call(node=nodes.Name(name=name), args=[nodes.Const(value=words)], kwargs=[]) if name in SAYING:
                said = self._language.catalogue.gettext(words)
                return nodes.MarkSafe(nodes.Const(said % {}), lineno=node.lineno)  # as Jinja's own takes %%
            case _:
                return self.generic_visit(node)
