"""Names of a package whose modules are imported when they are first used."""

import importlib


def on_first_use(package, modules):
    """A module's `__getattr__`, which then finds some more names.

    Args:
        package: Its `__name__`.
        modules: `{name: module in the package}`; other than the name.

    Returns:
        Function of a name.
    """

    def find(name):
        if name not in modules:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module = importlib.import_module(f"{package}.{modules[name]}")
        found = getattr(module, name)
        setattr(importlib.import_module(package), name, found)
        return found

    return find
