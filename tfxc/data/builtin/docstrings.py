"""What one Python source file documents, read without running it."""

import ast
import dataclasses
import re
import warnings

BLOCKS = (ast.If, ast.Try, ast.TryStar, ast.With, ast.ExceptHandler)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass(slots=True)
class Definition:
    """A function, method or class.

    Args:
        docstring: As written; empty where there is none.
        arguments: Names of the parameters; those of `__init__` for a class.
        bases: The base classes of a class, as dotted expressions.
    """

    docstring: str
    arguments: tuple = ()
    bases: tuple = ()


@dataclasses.dataclass(slots=True)
class Module:
    """The definitions and imports of one file, by name.

    Args:
        docstring: That of the file itself.
        definitions: `{"Class.method": Definition}`, private ones included.
        aliases: `{name: name}` for assignments such as `run = _instance.run`.
        imports: `{name: (module, symbol)}`; the symbol is `None` where the
            name stands for the module itself.
        stars: Modules of which everything is imported.
        public: `__all__`, or `None` where it is absent or computed.
        borrowed: `{symbol: name}` for `symbol.__doc__ = name.__doc__`.
        added: `(module, symbol, docstring)` of each call of `add_newdoc`,
            which is how numpy documents what is written in C.
    """

    docstring: str = ""
    definitions: dict = dataclasses.field(default_factory=dict)
    aliases: dict = dataclasses.field(default_factory=dict)
    imports: dict = dataclasses.field(default_factory=dict)
    stars: list = dataclasses.field(default_factory=list)
    public: frozenset | None = None
    borrowed: dict = dataclasses.field(default_factory=dict)
    added: list = dataclasses.field(default_factory=list)


def read_module(source, package):
    """Reads a file's text with `ast`; nothing is imported or run.

    Args:
        source: The file's bytes.
        package: Dotted name that relative imports start from: the module
            itself for an `__init__.py`, else the package that it is in.

    Returns:
        A `Module`; an empty one if this Python cannot parse the text.
    """
    module = Module()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes, in others' code
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return module
    module.docstring = ast.get_docstring(tree, clean=False) or ""
    instances, names = {}, []  # `{name: class}` for `name = Class()`; `__all__`
    for node in statements(tree.body):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            define(module.definitions, node, "")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            read_import(module, node, package)
        elif isinstance(node, ast.Assign):
            read_assignment(module, node, instances)
        elif isinstance(node, ast.Expr):
            read_added(module, node.value)
        names += list_of_all(node)
    module.public = frozenset(names) if names and None not in names else None
    return module


def statements(body):
    """The statements of a body, those of its conditional blocks included."""
    for node in body:
        if isinstance(node, BLOCKS):
            for field in ("body", "handlers", "orelse", "finalbody"):
                yield from statements(getattr(node, field, ()))
        else:
            yield node


def define(definitions, node, prefix):
    """Adds a function, or a class and all that is in it."""
    name = prefix + node.name
    new = Definition(ast.get_docstring(node, clean=False) or "")
    if isinstance(node, FUNCTIONS):
        static = any(dotted(d) == "staticmethod" for d in node.decorator_list)
        names = [a.arg for a in node.args.posonlyargs + node.args.args]
        own = names[1:] if prefix and not static else names  # without `self`
        new.arguments = (*own, *(a.arg for a in node.args.kwonlyargs))
    else:
        new.bases = tuple(filter(None, map(dotted, node.bases)))
        for child in statements(node.body):
            if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                define(definitions, child, name + ".")
        start = definitions.get(name + ".__init__", Definition(""))
        new.arguments = start.arguments
        new.docstring = new.docstring or start.docstring
    # Overloads, setters and fallbacks repeat a name: the documented one counts.
    if name not in definitions or not definitions[name].docstring:
        definitions[name] = new


def read_import(module, node, package):
    if isinstance(node, ast.Import):
        for name in node.names:
            target = name.name if name.asname else name.name.split(".")[0]
            module.imports.setdefault(name.asname or target, (target, None))
        return
    parents = package.split(".")
    parents = parents[: len(parents) - node.level + 1] if node.level else []
    source = ".".join([*parents, *filter(None, [node.module])])
    for name in node.names:
        if name.name == "*":
            module.stars.append(source)
        else:
            local = name.asname or name.name
            module.imports.setdefault(local, (source, name.name))


def read_assignment(module, node, instances):
    """Follows `a = b`, `a = instance.method`, `a.__doc__ = b.__doc__`.

    And `a = decorate(...)(wrap(b))`, which is how tensorflow gives an operation
    its name in `tf.raw_ops`.
    """
    target, value = dotted(node.targets[0]) or "", node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Call):
        value = value.args[0] if value.args else value
        value = value.args[0] if getattr(value, "args", None) else value
    elif isinstance(value, ast.Call):
        instances[target] = dotted(value.func) or ""
    head, dot, rest = (dotted(value) or "").partition(".")
    source = instances.get(head, head) + dot + rest
    if target.endswith(".__doc__") and source.endswith(".__doc__"):
        module.borrowed[target[:-8]] = source[:-8]
    elif not target.isidentifier() or source in ("", target):
        return
    elif not dot or source in module.definitions:
        module.aliases[target] = source


def read_added(module, call):
    """Reads `add_newdoc(module, name, text)`, or with `(attribute, text)`."""
    if not isinstance(call, ast.Call) or len(call.args) < 3:
        return
    if dotted(call.func) != "add_newdoc":
        return
    place, name, texts = (strings(a) for a in call.args[:3])
    if place and name and len(texts) == 1:
        module.added.append((place[0], name[0], texts[0]))
    elif place and name:
        for attribute, text in zip(texts[::2], texts[1::2], strict=False):
            module.added.append((place[0], f"{name[0]}.{attribute}", text))


def signature_names(docstring):
    """Parameter names in a signature that opens a docstring, as numpy's do."""
    match = re.match(r"\s*\w+\(([^)]*)\)", docstring)
    parts = re.sub(r"[\[\]*/]", "", match[1] if match else "").split(",")
    names = [part.partition("=")[0].strip() for part in parts]
    return tuple(name for name in names if name.isidentifier())


def list_of_all(node):
    """The names that a statement puts in `__all__`, `None` if computed."""
    value = None
    if isinstance(node, (ast.Assign, ast.AugAssign)):
        target = node.targets[0] if hasattr(node, "targets") else node.target
        value = node.value if dotted(target) == "__all__" else None
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        added = (dotted(node.value.func) or "").startswith("__all__.")
        value = node.value.args[0] if added else None
    constant = isinstance(value, (ast.List, ast.Tuple, ast.Constant))
    return strings(value) if value is None or constant else [None]


def strings(node):
    """The string constants in an expression, from left to right."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, (ast.List, ast.Tuple)):
        return [text for item in node.elts for text in strings(item)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return strings(node.func.value)  # such as `"...".replace(a, b)`
    return []


def dotted(node):
    """`a.b.c` as a string, or `None` for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return head and f"{head}.{node.attr}"
    return None
