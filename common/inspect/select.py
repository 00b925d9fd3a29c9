"""Rows of a catalogue by an expression over its columns, which runs no code."""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from functools import reduce

import numpy as np
import pandas as pd

from common.catalog import is_text
from common.errors import UsageError

COMPARE = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
JOIN = {ast.And: operator.and_, ast.Or: operator.or_}
JOIN_BITS = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_}
CALLS = {"abs": np.abs, "known": pd.notna}
EXAMPLES = (
    'p_z < 0.5; class == "QSO" and z > 2; class in ("A", "B"); "LOW_SNR" in warnings; '
    "known(z) and abs(z - 1) < 0.1"
)
MARK = "column_"  # a column may be called as a keyword of Python is


def chosen(table, expression):
    """Return which rows an expression holds for, ndarray of bool, shape (n,).

    Parameters
    ----------
    table : DataFrame
    expression : str
        Comparisons of columns, numbers and texts, joined by and, or, not; + - * /; `in` a list of
        values, or a text in a column of texts; abs(), and known() for what is not missing.
        A comparison with a missing value does not hold.

    Raises
    ------
    UsageError
        If it cannot be read, names another column, or does not say yes or no of each row.
    """
    columns = list(map(str, table.columns))
    try:
        tree = ast.parse(_marked(expression, columns), mode="eval")
        found = _value(tree.body, table, columns)
        found = np.asarray(found)
    except UsageError:
        raise
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        raise _refused(expression, "it is no expression") from None
    except TypeError:
        raise _refused(expression, "it compares texts with numbers") from None
    if found.dtype != bool or found.shape != (len(table),):
        raise _refused(expression, "it does not say yes or no of each row")
    return found


def _refused(expression, why):
    return UsageError(f"--select {expression!r}: {why}. Allowed: {EXAMPLES}.")


def _marked(expression, columns):
    """Return the expression with each column under a name that Python takes."""
    tokens = tokenize.generate_tokens(io.StringIO(expression.strip()).readline)
    words = [
        (t.type, MARK + str(columns.index(t.string)))
        if t.type == tokenize.NAME and t.string in columns and t.string not in CALLS
        else (t.type, t.string)
        for t in tokens
    ]
    return tokenize.untokenize(words)


def _value(node, table, columns):
    """Return the value of a part of an expression: an array a row each, or a constant."""

    def of(part):
        return _value(part, table, columns)

    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Name(id=name):
            if not name.startswith(MARK):
                raise UsageError(
                    f"--select: the catalogue has no column {name!r}. It has: {', '.join(columns)}."
                )
            series = table.iloc[:, int(name.removeprefix(MARK))]
            return series.astype(str).to_numpy(object) if is_text(series) else _numbers(series)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return [of(part) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            return reduce(JOIN[type(op)], (_truth(of(part)) for part in parts))
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=part):
            return ~_truth(of(part))
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -of(part)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in JOIN_BITS:
            return JOIN_BITS[type(op)](_truth(of(left)), _truth(of(right)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            with np.errstate(all="ignore"):
                return ARITHMETIC[type(op)](of(left), of(right))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [of(left), *map(of, others)]
            pairs = zip(values, ops, values[1:], strict=False)
            return reduce(operator.and_, (_compared(a, op, b) for a, op, b in pairs))
        case ast.Call(func=ast.Name(id=name), args=[part], keywords=[]) if name in CALLS:
            return CALLS[name](of(part))
    raise ValueError(node)


def _numbers(series):
    if pd.api.types.is_bool_dtype(series.dtype):
        return series.to_numpy(bool, na_value=False)
    return series.to_numpy(dtype=float, na_value=np.nan)


def _truth(value):
    """Return a part of a condition, which must be yes or no of each row."""
    if not isinstance(value, np.ndarray) or value.dtype != bool:
        raise ValueError("no condition")
    return value


def _compared(a, op, b):
    if isinstance(op, ast.In | ast.NotIn):
        found = _inside(a, b)
        return ~found if isinstance(op, ast.NotIn) else found
    texts = [isinstance(v, str) or _of_texts(v) for v in (a, b)]
    if texts[0] != texts[1] or not any(isinstance(v, np.ndarray) for v in (a, b)):
        raise TypeError("texts with numbers")
    return np.asarray(COMPARE[type(op)](a, b), dtype=bool)


def _inside(a, b):
    if isinstance(a, str) and _of_texts(b):
        return np.array([a in text for text in b], dtype=bool)
    if isinstance(a, np.ndarray) and isinstance(b, list):
        return np.isin(a.astype(str) if _of_texts(a) else a, b)
    raise ValueError("no list")


def _of_texts(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "O"
