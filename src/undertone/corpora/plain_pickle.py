"""Pickles that hold arrays, numbers, text and plain containers, read by a machine of our own.

In:  the path of a pickle, of any protocol.
Out: what it holds; arrays are read-only views of its bytes.

A pickle is a program for a machine that calls what it is told to. This one has no instruction that
calls anything of another package: what NumPy's arrays ask for are names of functions written here,
which make an array only of one of ``CODES`` and only of exactly as many bytes as its shape needs.
What else a pickle asks for is refused by name. Instructions, depth and keys are counted, so that
the time and the memory that a file costs are bounded by its own size.

Source of the instructions: ``pickletools`` of the standard library; of the states, ``ndarray
.__reduce__`` and ``dtype.__reduce__`` of NumPy.
"""

import math
import pickletools
import re
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from undertone.errors import UndertoneError, printable

MOST_INSTRUCTIONS = 5_000_000
MOST_KEYS = 10_000  # that are no text: their hashes can be made to meet
DEEPEST = 32  # containers in containers
LARGEST_TEXT = 100_000  # characters of one element of an array
PLAIN = (str, bytes, int, float, type(None))  # what a key may be, or hold
CODES = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU]\d{1,6})")
OBJECTS = re.compile(r"[<>|=]?O8?")
NUMPY = re.compile(r"numpy(\._?core\.(multiarray|numeric))?")


class RefusedError(Exception):
    """The name of what is refused."""


def load(path: Path) -> Any:
    """What a pickle holds.

    Raises:
        RefusedError: it asks for anything else.
        UndertoneError: it cannot be opened, or is no pickle.
    """
    try:
        with path.open("rb") as file:
            return _Machine().run(pickletools.genops(file))
    except RefusedError:
        raise
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read: {error.strerror}") from None
    except MemoryError:
        raise
    except Exception as error:  # a broken stream may fail anywhere in the machine that reads it
        raise UndertoneError(
            f"expected a pickle at {path}; it cannot be read: {printable(str(error))[:200]}. Is "
            "the download complete?"
        ) from None


class _Array:
    """An array that has a place, but no content yet."""

    content: np.ndarray | None = None


class _Kind:
    """The type of an array's elements."""

    def __init__(self, code: str) -> None:
        if not (CODES.fullmatch(code) or OBJECTS.fullmatch(code)):
            raise RefusedError(f"arrays of {code!r}")
        self.code = code

    def dtype(self) -> np.dtype:
        """Refuses objects: the bytes of a file are no addresses of them."""
        if OBJECTS.fullmatch(self.code):
            raise RefusedError("an array of objects made of bytes")
        return np.dtype(self.code)


class _Name:
    """A name that a pickle asks for: of a function here, or of nothing that can be called."""

    def __init__(self, text: str, function: Callable[..., Any] | None = None) -> None:
        self.text, self.function = text, function

    def __call__(self, *arguments: Any) -> Any:
        if self.function is None:
            raise RefusedError(f"a call of {self.text}")
        return self.function(*arguments)


class _Machine:
    """A stack, marks on it, and a memory, as every reader of pickles has."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}
        self.n_keys = 0

    def run(self, instructions: Iterable[tuple[Any, Any, Any]]) -> Any:
        for n, (opcode, argument, _) in enumerate(instructions):
            if n > MOST_INSTRUCTIONS:
                raise RefusedError(f"more than {MOST_INSTRUCTIONS:,} steps to be read")
            name = opcode.name
            if name == "STOP":
                return _Finish().of(self.stack.pop())
            if name in VALUES:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name]())
            elif (step := STEPS.get(name)) is not None:
                step(self, argument)
            elif name not in PASSED_OVER:
                raise RefusedError(f"the instruction {name}")
        raise ValueError("it has no end")

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        """Take what lies above the last mark."""
        first = self.marks.pop()
        items = self.stack[first:]
        del self.stack[first:]
        return items

    def drop(self, _: Any) -> None:
        self.stack.pop()

    def drop_since_mark(self, _: Any) -> None:
        self.since_mark()

    def put(self, place: int | None) -> None:
        number = len(self.memory) if place is None else int(place)
        if not 0 <= number <= MOST_INSTRUCTIONS:
            raise RefusedError(f"the place {place} in its memory")
        self.memory[number] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memory[int(place)])

    def take(self, n: int) -> list[Any]:
        items = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise RefusedError("items of what is no list")
        self.stack[-1].extend(items)

    def store(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise RefusedError("items of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][self.key(key)] = value

    def insert(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not set:
            raise RefusedError("items of what is no set")
        self.stack[-1].update(map(self.key, items))

    def key(self, key: Any) -> Hashable:
        """A key of a set or a dictionary; not many that are no text."""
        if isinstance(key, str | bytes):
            return key
        self.n_keys += 1
        parts = key if isinstance(key, tuple) else (key,)  # a deep one has no end to its hash
        plain = all(isinstance(part, PLAIN) for part in parts)
        if not plain or len(parts) > DEEPEST or self.n_keys > MOST_KEYS:
            raise RefusedError(f"more than {MOST_KEYS:,} keys that are no text, or odd ones")
        return key

    def name(self, text: str) -> None:
        """A name, as ``module name``."""
        module, _, name = text.partition(" ")
        functions = {
            "_reconstruct": _reconstruct,
            "scalar": _scalar,
            "_frombuffer": _from_buffer,
            "dtype": lambda code, *_: _Kind(_text(code)),
            "ndarray": None,
        }
        if NUMPY.fullmatch(module) and name in functions:
            self.stack.append(_Name(text, functions[name]))
        elif module in ("builtins", "__builtin__") and name in BUILTINS:
            self.stack.append(_Name(text, lambda *given: BUILTINS[name](self, *given)))
        elif (module, name) == ("_codecs", "encode"):
            self.stack.append(_Name(text, _encode))
        else:
            raise RefusedError(f"{module}.{name}")

    def reduce(self, _: Any) -> None:
        called, arguments = self.take(2)
        if type(called) is not _Name or type(arguments) is not tuple:
            raise RefusedError(f"a call of {called!r:.60}")
        self.stack.append(called(*arguments))

    def build(self, _: Any) -> None:
        """Fill the array or the type below with its state."""
        built, state = self.take(2)
        if type(built) is _Array:
            built.content = _content(state)
        elif type(built) is _Kind:
            _check_state(built, state)
        else:
            raise RefusedError(f"a state of {built!r:.60}")
        self.stack.append(built)


def _set_of(machine: _Machine, items: Iterable[Any] = ()) -> set[Any]:
    if type(items) not in (list, tuple, set):
        raise RefusedError("a set of what is no list")
    return {machine.key(item) for item in items}


def _bytes_of(machine: _Machine, text: Any = b"", encoding: str = "latin1") -> bytes:
    if type(text) not in (str, bytes):  # a number would ask for as many
        raise RefusedError("bytes of a number")
    return text if isinstance(text, bytes) else _encode(text, encoding)


def _complex_of(machine: _Machine, real: float, imaginary: float) -> complex:
    return complex(float(real), float(imaginary))


BUILTINS: dict[str, Callable[..., Any]] = {
    "set": _set_of,
    "frozenset": lambda machine, items=(): frozenset(_set_of(machine, items)),
    "bytes": _bytes_of,
    "bytearray": _bytes_of,
    "complex": _complex_of,
}
VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
PASSED_OVER = {"PROTO", "FRAME"}


def _new_dict(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    machine.store(items)


def _global_of_stack(machine: _Machine, _: Any) -> None:
    machine.name(" ".join(map(_text, machine.take(2))))


STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_since_mark,
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "LIST": lambda m, _: m.stack.append(m.since_mark()),
    "APPEND": lambda m, _: m.extend(m.take(1)),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.take(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.take(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.take(3))),
    "DICT": _new_dict,
    "SETITEM": lambda m, _: m.store(m.take(2)),
    "SETITEMS": lambda m, _: m.store(m.since_mark()),
    "ADDITEMS": lambda m, _: m.insert(m.since_mark()),
    "FROZENSET": lambda m, _: m.stack.append(frozenset(_set_of(m, m.since_mark()))),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _global_of_stack,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if not isinstance(value, str):
        raise RefusedError(f"a name that is {value!r:.60}")
    return value


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes, as protocol 2 writes them."""
    if encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"the encoding {encoding}")
    return text.encode("latin1")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if getattr(kind, "text", "").partition(" ")[2] != "ndarray":
        raise RefusedError("an array of another kind")
    return _Array()


def _check_state(kind: _Kind, state: Any) -> None:
    """Of ``dtype.__reduce__``: version, order of bytes, no parts, no fields, sizes."""
    order, parts = _text(state[1]), state[2:5]
    if order not in ("<", ">", "|", "=") or parts != (None, None, None):
        raise RefusedError("arrays of records")
    kind.code = order + kind.code.lstrip("<>|=")


def _content(state: Any) -> np.ndarray:
    """Of ``ndarray.__reduce__``: version, shape, type, whether by columns, and the content."""
    _, shape, kind, by_columns, content = state
    if type(kind) is not _Kind:
        raise RefusedError("an array without a type")
    if OBJECTS.fullmatch(kind.code):
        return _of_objects(shape, content)
    raw = content.encode("latin1") if isinstance(content, str) else content
    return _array(raw, kind.dtype(), shape, order="F" if by_columns else "C")


def _from_buffer(content: Any, kind: Any, shape: Any, order: str) -> np.ndarray:
    """Of ``ndarray.__reduce_ex__``."""
    if type(kind) is not _Kind or order not in ("C", "F"):
        raise RefusedError("an array without a type")
    return _array(content, kind.dtype(), shape, order=order)


def _scalar(kind: Any, content: Any) -> Any:
    if type(kind) is not _Kind:
        raise RefusedError("a number without a type")
    raw = content.encode("latin1") if isinstance(content, str) else content
    return _array(raw, kind.dtype(), (), order="C")[()]


def _array(content: Any, dtype: np.dtype, shape: Any, *, order: str) -> np.ndarray:
    """An array of these bytes, which are as many as it needs."""
    if not isinstance(content, bytes | bytearray):
        raise RefusedError("an array made of what are no bytes")
    _check_shape(shape)
    per_element = dtype.itemsize
    if not per_element or per_element > 4 * LARGEST_TEXT:
        raise RefusedError(f"an array of elements of {per_element} bytes")
    if math.prod(shape) * per_element != len(content):
        raise RefusedError(f"an array of shape {shape} and type {dtype} of {len(content)} bytes")
    if dtype.kind == "b":  # a truth is 0 or 1, whatever the byte
        found = np.frombuffer(content, np.uint8) != 0
    else:
        found = np.frombuffer(content, dtype)
    if dtype.kind == "U" and len(content):
        characters = np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if characters.max() > 0x10FFFF:
            raise RefusedError("text of characters that do not exist")
    return found.reshape(shape, order=order)


def _of_objects(shape: Any, items: Any) -> np.ndarray:
    _check_shape(shape)
    if type(items) is not list or math.prod(shape) != len(items):
        raise RefusedError(f"an array of shape {shape} that is no list of as many objects")
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array.reshape(shape)


def _check_shape(shape: Any) -> None:
    if type(shape) is not tuple or len(shape) > 8:
        raise RefusedError(f"an array of the shape {shape!r:.60}")
    if not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise RefusedError(f"an array of the shape {shape!r:.60}")


class _Finish:
    """Containers with their arrays in their places; bounded in depth and number."""

    def __init__(self) -> None:
        self.n_met = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """A value without anything that is still to be filled.

        Raises:
            RefusedError: containers lie in one another without end, or are met too often.
        """
        self.n_met += 1
        if depth > DEEPEST or self.n_met > MOST_INSTRUCTIONS:
            raise RefusedError(f"more than {DEEPEST} containers in one another, or too many")
        if isinstance(value, _Kind | _Name):
            raise RefusedError("a type or a name as a value")
        if type(value) is _Array:
            value = np.zeros(0) if value.content is None else value.content
        if isinstance(value, np.ndarray):
            return self._of_array(value, depth)
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(self.of(item, depth + 1) for item in value)
        if type(value) is dict:
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        return value

    def _of_array(self, array: np.ndarray, depth: int) -> np.ndarray:
        if array.dtype != object:
            return array
        finished = np.empty(array.shape, dtype=object)
        for place, item in np.ndenumerate(array):
            finished[place] = self.of(item, depth + 1)
        return finished
