"""The public names of everything that installed packages document."""

import collections
import contextlib
import dataclasses
import gc

from tfxc.data.builtin.docstrings import Definition, signature_names
from tfxc.data.builtin.library import Library, is_public, module_name

# The docstrings of their public modules are generated and say nothing.
GENERATED = ("keras", "tensorflow")


@dataclasses.dataclass(frozen=True, slots=True)
class Documented:
    """One docstring, and all the names under which users reach it.

    Args:
        names: Sorted, such as `("keras.Model.fit", "keras.models.Model.fit")`.
        docstring: As written.
        arguments: Names of the parameters.
    """

    names: tuple
    docstring: str
    arguments: tuple


def documented_names(files):
    """Reads files, and names what they document as users know it.

    A function is often written in one module and offered in another. A name is
    public where no part of it starts with an underscore, and what a package
    imports from its own modules counts as the package's:
    `unittest.case.TestCase` becomes `unittest.TestCase`, and
    `keras.src.layers.core.dense.Dense` becomes `keras.layers.Dense`.

    Args:
        files: `{module: path}`, as `python_files` returns it.

    Returns:
        A list of `Documented`, sorted by their names.
    """
    library = Library(files)
    names = collections.defaultdict(set)  # {(module, symbol): public names}
    with garbage_kept():
        for name in files:
            if module_name(name) or name.endswith("._add_newdocs"):
                library.module(name)
        add_documented_elsewhere(library)
        for name in [n for n in files if module_name(n)]:
            add_offered(library, names, name)
        for name in sorted(library.modules):
            add_own(library, names, name)
        for (name, symbol), known in list(names.items()):
            if known and is_public(symbol):
                add_inherited(library, names, name, symbol, sorted(known))
    found = [*documented_modules(library)]
    for (name, symbol), known in names.items():
        public = tuple(sorted(filter(is_public, known)))
        docstring = public and library.docstring(name, symbol)
        if docstring:
            arguments = library.modules[name].definitions[symbol].arguments
            found.append(Documented(public, docstring, arguments))
    return sorted(found, key=lambda thing: thing.names)


@contextlib.contextmanager
def garbage_kept():
    """Stops the garbage collector: syntax trees hold no cycles, only time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def add_documented_elsewhere(library):
    """Gives what `add_newdoc` documents a place in the module it names."""
    for module in list(library.modules.values()):
        for place, symbol, docstring in module.added if module else ():
            target = library.module(place)
            if target and symbol not in target.definitions:
                arguments = signature_names(docstring)
                target.definitions[symbol] = Definition(docstring, arguments)


def add_offered(library, names, name):
    """Names what a module offers as its own although it stands elsewhere."""
    module = library.module(name)
    is_package = library.files[name].endswith("__init__.py")
    top = name.partition(".")[0]
    for symbol in sorted(filter(is_public, library.visible(name))):
        found = library.find(name, symbol)
        if not found or found == (name, symbol):
            continue
        source = found[0]
        inside = source == name or source.startswith(name + ".")
        hidden = not module_name(source)
        own = source.partition(".")[0] == top and (inside or hidden)
        listed = symbol in (module.public or ())
        starred = hidden and symbol not in module.imports
        if listed or starred or source == name or (is_package and own):
            names[found].add(f"{module_name(name)}.{symbol}")


def add_own(library, names, name):
    """Names a module's definitions by their own place, unless offered above."""
    module, shown = library.modules[name], module_name(name)
    for symbol in sorted(module.definitions) if module else ():
        known = names[name, symbol]
        head, dot, last = symbol.rpartition(".")
        if dot:  # sorted: a class comes before its methods
            known.update(f"{n}.{last}" for n in names[name, head])
            continue
        if shown:
            known.add(f"{shown}.{symbol}")
        for name_here in [n for n in known if n.rpartition(".")[0] == shown]:
            if any(is_above(n, name_here) for n in known):
                known.remove(name_here)


def is_above(name, other):
    """Whether a package offers under `name` what `other` names inside it."""
    (place, last), (inner, same) = (
        n.rpartition(".")[::2] for n in (name, other)
    )
    return last == same and inner.startswith(place + ".")


def add_inherited(library, names, name, symbol, owners, seen=frozenset()):
    """Names the methods that a public class has from one that is not."""
    definitions = library.module(name).definitions
    methods = documented_methods(definitions, symbol)
    for base in definitions[symbol].bases:
        found = library.find(name, base)
        if not found or names.get(found) or found == (name, symbol):
            continue
        source, parent = found
        inherited = library.module(source).definitions
        known = seen | methods
        for last in documented_methods(inherited, parent) - known:
            names[source, f"{parent}.{last}"].update(
                f"{owner}.{last}" for owner in owners
            )
        add_inherited(library, names, source, parent, owners, known)


def documented_methods(definitions, symbol):
    prefix = symbol + "."
    return {
        name[len(prefix) :]
        for name, definition in definitions.items()
        if name.startswith(prefix) and definition.docstring
    }


def documented_modules(library):
    for name, module in library.modules.items():
        shown = module_name(name)
        written = shown and name.partition(".")[0] not in GENERATED
        if written and module and module.docstring:
            yield Documented((shown,), module.docstring, ())
