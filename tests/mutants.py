"""Programs with one thing changed: nearly right, and so what a grader of programs is tried with."""

import ast
import random
from collections.abc import Callable, Iterator

COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
ARITHMETIC: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Add(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.FloorDiv(),
    ast.Pow: ast.Mult(),
}

Change = Callable[[], None]


def mutant(source: str, seed: int) -> tuple[str, str] | None:
    """The source with one change and the change's kind; ``None`` where there is nothing to change.

    The kind is drawn first, so that the many constants do not crowd out the rest.
    """
    tree = ast.parse(source)
    sites: dict[str, list[Change]] = {}
    for kind, change in changes(tree):
        sites.setdefault(kind, []).append(change)
    if not sites:
        return None
    generator = random.Random(seed)
    kind = generator.choice(sorted(sites))
    generator.choice(sites[kind])()
    return ast.unparse(ast.fix_missing_locations(tree)), kind


def changes(tree: ast.Module) -> Iterator[tuple[str, Change]]:
    for node in ast.walk(tree):
        match node:
            case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARISONS:
                yield "comparison", setting(node.ops, COMPARISONS[type(operator)])
            case ast.BinOp(op=operation) | ast.AugAssign(op=operation) if type(operation) in ARITHMETIC:
                yield "arithmetic", attribute(node, "op", ARITHMETIC[type(operation)])
            case ast.BoolOp(op=ast.And()):
                yield "boolean", attribute(node, "op", ast.Or())
            case ast.BoolOp(op=ast.Or()):
                yield "boolean", attribute(node, "op", ast.And())
            case ast.Constant(value=bool() as truth):
                yield "boolean", attribute(node, "value", not truth)
            case ast.Constant(value=int() as number):
                yield "constant", attribute(node, "value", number + 1)
                yield "constant", attribute(node, "value", number - 1)


def setting(items: list[ast.cmpop], value: ast.cmpop) -> Change:
    def change() -> None:
        items[0] = value

    return change


def attribute(node: ast.AST, name: str, value: object) -> Change:
    return lambda: setattr(node, name, value)
