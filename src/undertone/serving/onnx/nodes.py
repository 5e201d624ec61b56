"""A graph of ONNX that is written as arithmetic.

In:  named inputs, arrays, operators.
Out: ``Graph.model()``, what onnxruntime runs.

A graph is put together node by node rather than traced from PyTorch: a traced GRU can be silently
another one (``linear_before_reset``, pytorch#189225), and a trace knows no recordings of several
lengths. ``Value`` is the output of a node with the type of its numbers; arrays on the other side of
an operator become constants of that type.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.errors import needs

OPSET = 20  # Gelu is an operator from here on; onnxruntime knows it from 1.17 on
IR_VERSION = 9  # of the same age
FLOAT, DOUBLE, WHOLE = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
YES_NO, HALF, BYTE = np.dtype(bool), np.dtype(np.float16), np.dtype(np.uint8)
Number = Any  # an array or a Python number


def check_installed() -> None:
    """Refuse to go on without the extra.

    Raises:
        UndertoneError: says which command installs it.
    """
    for package in ("onnx", "onnxruntime"):
        needs(package, extra="onnx", what="exported models")


class Graph:
    """Nodes, constants, inputs and outputs, in the order in which they were written."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], tuple[str, np.ndarray]] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._n = 0

    def input(self, name: str, kind: np.dtype, shape: Sequence[str | int]) -> "Value":
        """An input; axes that are words may have any length."""
        self._inputs.append(_described(name, kind, shape))
        return Value(self, name, kind)

    def output(self, name: str, value: "Value", shape: Sequence[str | int]) -> None:
        """Call a value an output."""
        self._nodes.append(_node("Identity", [value.name], [name]))
        self._outputs.append(_described(name, value.kind, shape))

    def constant(self, array: Number, kind: np.dtype | None = None) -> "Value":
        """An array as a value; the same array is kept once."""
        array = np.array(array, dtype=kind, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = (self._name("constant"), array)
        return Value(self, self._constants[key][0], array.dtype)

    def node(
        self, op: str, *inputs: "Value | None", kind: np.dtype | None = None, **attributes: Any
    ) -> "Value":
        """The output of an operator, in the type of its first input unless told otherwise."""
        name = self._name(op)
        names = ["" if value is None else value.name for value in inputs]
        self._nodes.append(_node(op, names, [name], **attributes))
        first = next(value for value in inputs if value is not None)
        return Value(self, name, kind or first.kind)

    def stacked(self, values: Sequence["Value"], axis: int) -> "Value":
        """Values behind each other along an axis."""
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=axis)

    def shape(self, *sizes: "Value | int") -> "Value":
        """A shape out of numbers and of values ()."""
        parts = [
            self.constant([size], WHOLE)
            if isinstance(size, int)
            else size.reshaped(self.constant([1], WHOLE))
            for size in sizes
        ]
        return self.stacked(parts, 0)

    def count(self, n: "Value") -> "Value":
        """0, 1, ..., n - 1 of a whole number ()."""
        return self.node("Range", self.constant(0, WHOLE), n, self.constant(1, WHOLE))

    def model(self) -> Any:
        """The ``onnx.ModelProto``, without what no output is made of."""
        import onnx

        import undertone

        nodes, read = self._needed()
        constants = [
            onnx.numpy_helper.from_array(array, name)
            for name, array in self._constants.values()
            if name in read
        ]
        graph = onnx.helper.make_graph(nodes, "undertone", self._inputs, self._outputs, constants)
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="undertone",
            producer_version=undertone.__version__,
        )
        onnx.checker.check_model(model)
        return model

    def _needed(self) -> tuple[list[Any], set[str]]:
        """The nodes that outputs are made of, and the names that these read."""
        read, nodes = {value.name for value in self._outputs}, []
        for node in reversed(self._nodes):
            if read & set(node.output):
                nodes.append(node)
                read |= set(node.input)
        return nodes[::-1], read

    def _name(self, what: str) -> str:
        self._n += 1
        return f"{what}_{self._n}"


@dataclass(frozen=True, eq=False)
class Value:
    """What a node gives.

    Attributes:
        graph: that holds the node.
        name: in the graph.
        kind: type of its numbers.
    """

    graph: Graph
    name: str
    kind: np.dtype

    def __add__(self, other: "Value | Number") -> "Value":
        return self._with("Add", other)

    def __sub__(self, other: "Value | Number") -> "Value":
        return self._with("Sub", other)

    def __mul__(self, other: "Value | Number") -> "Value":
        return self._with("Mul", other)

    def __truediv__(self, other: "Value | Number") -> "Value":
        """A quotient; of whole numbers that are not negative, rounded down."""
        return self._with("Div", other)

    def __matmul__(self, other: "Value | Number") -> "Value":
        return self._with("MatMul", other)

    def __lt__(self, other: "Value | Number") -> "Value":
        return self._with("Less", other, YES_NO)

    def __ge__(self, other: "Value | Number") -> "Value":
        return self._with("GreaterOrEqual", other, YES_NO)

    def __and__(self, other: "Value") -> "Value":
        return self._with("And", other)

    def at_least(self, other: "Value | Number") -> "Value":
        return self._with("Max", other)

    def at_most(self, other: "Value | Number") -> "Value":
        return self._with("Min", other)

    def rounded_up(self, divisor: "Value | int") -> "Value":
        """A quotient of whole numbers, rounded up."""
        return (self + divisor - 1) / divisor

    def to(self, kind: np.dtype) -> "Value":
        """The same numbers in another type."""
        if kind == self.kind:
            return self
        from onnx import helper

        return self.graph.node("Cast", self, kind=kind, to=helper.np_dtype_to_tensor_dtype(kind))

    def called(self, op: str, **attributes: Any) -> "Value":
        """An operator of this value alone."""
        return self.graph.node(op, self, **attributes)

    def where(self, condition: "Value", otherwise: "Value | Number") -> "Value":
        """This value where a condition holds."""
        return self.graph.node("Where", condition, self, self._other(otherwise), kind=self.kind)

    def reshaped(self, shape: "Value | Sequence[int]") -> "Value":
        """In another shape; of a list, 0 keeps an axis and -1 is what is left."""
        if not isinstance(shape, Value):
            shape = self.graph.constant(shape, WHOLE)
        return self.graph.node("Reshape", self, shape)

    def spread(self, shape: "Value") -> "Value":
        """Repeated until it has this shape."""
        return self.graph.node("Expand", self, shape)

    def turned(self, *axes: int) -> "Value":
        return self.called("Transpose", perm=list(axes))

    def with_axes(self, *axes: int) -> "Value":
        """With axes of length 1 at these places."""
        return self.graph.node("Unsqueeze", self, self.graph.constant(axes, WHOLE))

    def size(self, axis: int) -> "Value":
        """The length of an axis, ()."""
        length = self.called("Shape", kind=WHOLE, start=axis, end=axis + 1)
        return length.reshaped(self.graph.constant([], WHOLE))

    def rows(self, positions: "Value | Sequence[int]", axis: int = 0) -> "Value":
        """What is at some positions of an axis."""
        if not isinstance(positions, Value):
            positions = self.graph.constant(positions, WHOLE)
        return self.graph.node("Gather", self, positions, axis=axis)

    def part(self, start: int, stop: int, axis: int) -> "Value":
        """A stretch of an axis; a negative stop counts from the end."""
        ends = (self.graph.constant([end], WHOLE) for end in (start, stop, axis))
        return self.graph.node("Slice", self, *ends)

    def padded(self, before: "Sequence[Value | int]", after: "Sequence[Value | int]") -> "Value":
        """With zeros before and behind, an amount an axis."""
        return self.graph.node("Pad", self, self.graph.shape(*before, *after))

    def sum(self, *axes: int, keep: bool = False) -> "Value":
        return self._reduced("ReduceSum", axes, keep)

    def max(self, *axes: int, keep: bool = False) -> "Value":
        return self._reduced("ReduceMax", axes, keep)

    def exp(self) -> "Value":
        return self.called("Exp")

    def sqrt(self) -> "Value":
        return self.called("Sqrt")

    def softmax(self) -> "Value":
        """Over the last axis."""
        return self.called("Softmax", axis=-1)

    def gelu(self) -> "Value":
        return self.called("Gelu")

    def relu(self) -> "Value":
        return self.called("Relu")

    def _reduced(self, op: str, axes: Sequence[int], keep: bool) -> "Value":
        return self.graph.node(op, self, self.graph.constant(axes, WHOLE), keepdims=int(keep))

    def _with(self, op: str, other: "Value | Number", kind: np.dtype | None = None) -> "Value":
        return self.graph.node(op, self, self._other(other), kind=kind)

    def _other(self, other: "Value | Number") -> "Value":
        return other if isinstance(other, Value) else self.graph.constant(other, self.kind)


def _node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def _described(name: str, kind: np.dtype, shape: Sequence[str | int]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind), shape)
