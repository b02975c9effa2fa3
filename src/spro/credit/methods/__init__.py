"""Credit methods by name; to add one, write its file in this folder."""

from importlib import import_module
from pkgutil import iter_modules

from spro.credit.methods.method import Credit, Method


def _find_methods() -> dict[str, type[Method]]:
    """Every named ``Method`` that a file of this folder defines."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    defined = [value for module in modules for value in vars(module).values() if _is_defined_in(value, module.__name__)]
    methods = {method.name: method for method in defined}
    assert len(methods) == len(defined), "two credit methods share a name"
    return methods


def _is_defined_in(value: object, module: str) -> bool:
    is_method = isinstance(value, type) and issubclass(value, Method)
    return is_method and value.__module__ == module and "name" in vars(value)


METHODS = _find_methods()

__all__ = ["METHODS", "Credit", "Method"]
