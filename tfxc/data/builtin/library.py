"""Source files as a library of modules that import from each other."""

from tfxc.data.builtin.docstrings import read_module

RENAMED = {  # private modules that stand for public ones
    "_collections_abc": "collections.abc",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "genericpath": "os.path",
    "posixpath": "os.path",
}
MAX_DEPTH = 20  # of imports from imports; ends those that go in a circle


def is_public(name):
    """Whether no part of a dotted name starts with an underscore."""
    return not name.startswith("_") and "._" not in name


def module_name(name):
    """The name by which users import a module; empty if they should not.

    Example:

    >>> module_name("tensorflow._api.v2.nn"), module_name("keras.src.layers")
    ('tensorflow.nn', '')
    """
    if name.startswith("tensorflow.") and "._api.v2." not in name:
        return ""
    shown = RENAMED.get(name, name).replace(
        "tensorflow._api.v2.", "tensorflow."
    )
    if f"{shown}.".startswith("keras.src.") or not is_public(shown):
        return ""
    return shown


class Library:
    """Modules by name, each read when it is first asked for.

    Args:
        files: `{module: path}`.
    """

    def __init__(self, files):
        self.files = files
        self.modules = {}

    def module(self, name):
        """The `Module` of that name, or `None` if it has no source file."""
        if name not in self.modules:
            path = self.files.get(name)
            package = name
            if path and not path.endswith("__init__.py"):
                package = name.rpartition(".")[0]
            self.modules[name] = path and read_module(read_bytes(path), package)
        return self.modules[name]

    def find(self, name, symbol, depth=0):
        """Where something that a module calls `symbol` is defined.

        Returns:
            `(module, symbol)`, or `None` where no source file defines it.
        """
        module = self.module(name)
        head, dot, rest = symbol.partition(".")
        if module is None or depth > MAX_DEPTH:
            return None
        if head in module.definitions:
            return (name, symbol) if symbol in module.definitions else None
        depth += 1
        if head in module.aliases:
            return self.find(name, module.aliases[head] + dot + rest, depth)
        if head in module.imports:
            source, target = module.imports[head]
            if target is None:
                return self.find(source, rest, depth)
            if f"{source}.{target}" in self.files:
                return self.find(f"{source}.{target}", rest, depth)
            return self.find(source, target + dot + rest, depth)
        offering = (s for s in module.stars if self.offers(s, head))
        places = (self.find(source, symbol, depth) for source in offering)
        return next(filter(None, places), None)

    def docstring(self, name, symbol):
        """The docstring of a definition, or the one that it borrows."""
        module = self.module(name)
        own = module.definitions[symbol].docstring
        source = module.borrowed.get(symbol)
        found = None if own or not source else self.find(name, source)
        if not found:
            return own
        return self.module(found[0]).definitions[found[1]].docstring

    def offers(self, name, symbol):
        """Whether `from name import *` may bring `symbol`."""
        public = getattr(self.module(name), "public", None)
        return is_public(symbol) if public is None else symbol in public

    def visible(self, name, depth=0):
        """The top-level names that a module defines, imports or makes."""
        module = self.module(name)
        if module is None or depth > MAX_DEPTH:
            return set()
        names = {n for n in module.definitions if "." not in n}
        names.update(module.aliases, module.imports)
        for source in module.stars:
            starred = self.visible(source, depth + 1)
            names.update(n for n in starred if self.offers(source, n))
        return names


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()
