"""The rules of the floor, read from the source: no package is imported here."""

import ast
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
APART = ("tests", "benchmarks")
PRODUCT = sorted(f.parent.name for f in ROOT.glob("*/__init__.py") if f.parent.name not in APART)
LONGEST, MEDIAN = 400, 160


def files_of(package):
    return sorted((ROOT / package).rglob("*.py"))


FILES = [file for package in PRODUCT for file in files_of(package)]


def name_of(file):
    """Return a file's dotted name; a package's is that of its __init__."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}


@cache
def nodes(file):
    return list(ast.walk(ast.parse(file.read_text(), str(file))))


@cache
def imports(file):
    """Return (dotted name, name it is bound to, line) of every import, inside functions too."""
    found = []
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found += [(a.name, a.asname or a.name.split(".")[0], node.lineno) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: name the package in full"
            found += [(f"{node.module}.{a.name}", a.asname or a.name, node.lineno)
                      for a in node.names]  # fmt: skip
    return found


def module_of(dotted):
    """Return the module of the product that a dotted name stands for or lies in, or None."""
    while dotted and dotted not in MODULES:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


@cache
def names_of(module):
    """Return the names that a module binds at its top level, and the modules below it."""
    body = [n for top in ast.parse(MODULES[module].read_text()).body for n in flat(top)]
    names = {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    names |= {n.id for n in body if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in body:  # a package's __getattr__ gives what its __all__ names
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names |= set(ast.literal_eval(node.value))
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {a.asname or a.name.split(".")[0] for a in node.names}
    return names | {name.split(".")[-1] for name in MODULES if name.rpartition(".")[0] == module}


def flat(node):
    """Return a node and all below it but the bodies of functions and classes."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node]
    return [node, *(below for child in ast.iter_child_nodes(node) for below in flat(child))]


def arrows(file):
    """Return the product's modules that a file imports."""
    return {module_of(dotted) for dotted, _, _ in imports(file)} - {None, name_of(file)}


def private(name):
    return name.startswith("_") and not name.endswith("__")


def variables(file):
    """Return the names that a file gives to values: variables and arguments."""
    given = [n for n in nodes(file) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return {n.id for n in given} | {n.arg for n in nodes(file) if isinstance(n, ast.arg)}


@cache
def own_private(file):
    """Return the private names that a file gives to something: functions, classes, attributes."""
    names = {n.name for n in nodes(file) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    given = [n for n in nodes(file) if isinstance(getattr(n, "ctx", None), ast.Store)]
    names |= {n.attr for n in given if isinstance(n, ast.Attribute)}
    return {name for name in names | variables(file) if private(name)}


def borrowed(file):
    """Yield a text for every private name that a file takes from another one of the product."""
    path = file.relative_to(ROOT)
    for dotted, _, line in imports(file):
        if module_of(dotted) and any(private(part) for part in dotted.split(".")):
            yield f"{path}:{line}: {dotted}"
    modules = {name for dotted, name, _ in imports(file) if module_of(dotted)}
    others = set().union(*map(own_private, FILES)) - own_private(file)
    for node in nodes(file):
        if not isinstance(node, ast.Attribute) or not private(node.attr):
            continue
        of_module = isinstance(node.value, ast.Name) and node.value.id in modules
        if of_module or node.attr in others:
            yield f"{path}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("package", PRODUCT)
def test_no_import_circle(package):
    own = {name for name in MODULES if name.split(".")[0] == package}
    graph = {name: arrows(MODULES[name]) & own for name in own}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" ← ".join(error.args[1]))


@pytest.mark.parametrize("package", PRODUCT)
def test_no_upward_import_and_no_private_name_of_another_file(package):
    forbidden = {*PRODUCT, *APART} - {"common", package}
    for file in files_of(package):
        taken = [dotted for dotted, _, _ in imports(file) if dotted.split(".")[0] in forbidden]
        assert not taken, file
        assert not list(borrowed(file))


@pytest.mark.parametrize("package", sorted({*PRODUCT, *APART}))
def test_imported_names_exist(package):
    """A name that moved is missed here, not in the hour in which a function first imports it."""
    missing = []
    for file in files_of(package):
        taken = [(dotted, line) for dotted, _, line in imports(file)]
        modules = {name: dotted for dotted, name, _ in imports(file) if dotted in MODULES}
        for name in variables(file) | {*PRODUCT, *APART}:  # after `import a.b`, a is a
            modules.pop(name, None)
        for node in nodes(file):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in modules and not node.attr.startswith("__"):
                    taken.append((f"{modules[node.value.id]}.{node.attr}", node.lineno))
        for dotted, line in taken:
            module = module_of(dotted)
            if module and module != dotted:
                name = dotted.removeprefix(f"{module}.").split(".")[0]
                if name not in names_of(module):
                    missing.append(f"{file.relative_to(ROOT)}:{line}: {dotted}")
    assert not missing


def test_files_are_short():
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in FILES}
    assert not {name: n for name, n in lengths.items() if n > LONGEST}
    assert median(lengths.values()) < MEDIAN


def test_packages_are_found_not_listed():
    """A new paper needs no line of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    found = tomllib.loads(text)["tool"]["setuptools"]["packages"]["find"]
    assert found == {"exclude": [f"{name}*" for name in APART], "namespaces": False}
    assert not [name for name in PRODUCT if name != "common" and f'"{name}' in text]
    folders = {file.parent for file in FILES}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]
