"""Loops over arrays written in Python and compiled by LLVM when they are first called: no compiler is needed for it.

A function is written once, with vectors of any width, and compiled for the processor that runs it. Values have Python's
operators, arrays are read and written by place; a number in Python is a constant of the type that it meets.

    f = Function(module, "double", {"x": FLOAT, "count": None})
    with f.loop(f["count"]) as i:
        f["x"][i] = f["x"][i] * 2.0

A parameter is an array of the type given, or a 64-bit integer where that is None.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeAlias

import llvmlite.binding as llvm
from llvmlite import ir

SHORT, INT, LONG = (ir.IntType(bits) for bits in (16, 32, 64))
FLOAT = ir.FloatType()
Number: TypeAlias = "Value | int | float"

COMPILING = RLock()
"""Held while LLVM is at work, which has a lock of its own: no fork leaves that one locked in the child."""
os.register_at_fork(before=COMPILING.acquire, after_in_parent=COMPILING.release, after_in_child=COMPILING.release)

_engines: list[Any] = []
"""They own the machine code, which stays as long as the process."""


def vector(element: ir.Type, lanes: int) -> ir.VectorType:
    """Return the type of `lanes` numbers that are computed at once."""
    return ir.VectorType(element, lanes)


def lanes_of_processor() -> int:
    """Return how many 32-bit numbers this processor computes at once; 0 where it is none that this code is made for.

    Code that says more than a processor has is right there too, and slower.
    """
    with COMPILING:
        triple = llvm.get_process_triple()
        features = llvm.get_host_cpu_features() if triple.startswith("x86_64") else {}
    if triple.startswith(("aarch64", "arm64")):
        return 8
    if not (features.get("avx2") and features.get("fma")):
        return 0
    return 16 if features.get("avx512bw") else 8


class Value:
    """A number, or a vector of them, that the function computes."""

    def __init__(self, function: Function, value: ir.Value) -> None:
        self.function, self.value = function, value

    @property
    def type(self) -> ir.Type:
        """Return its type in LLVM."""
        return self.value.type

    @property
    def _real(self) -> bool:
        kind = self.type
        return isinstance(kind.element if isinstance(kind, ir.VectorType) else kind, ir.FloatType)

    def _combined(self, real: str, whole: str, other: Number, *, swapped: bool = False) -> Value:
        pair = (self.value, self.function.number(other, self.type).value)
        build = getattr(self.function.code, real if self._real else whole)
        return Value(self.function, build(*reversed(pair)) if swapped else build(*pair))

    def __add__(self, other: Number) -> Value:
        return self._combined("fadd", "add", other)

    def __sub__(self, other: Number) -> Value:
        return self._combined("fsub", "sub", other)

    def __rsub__(self, other: Number) -> Value:
        return self._combined("fsub", "sub", other, swapped=True)

    def __mul__(self, other: Number) -> Value:
        return self._combined("fmul", "mul", other)

    def __truediv__(self, other: Number) -> Value:
        return self._combined("fdiv", "sdiv", other)

    def __mod__(self, other: Number) -> Value:
        return self._combined("frem", "srem", other)

    __radd__, __rmul__ = __add__, __mul__

    def _compared(self, sign: str, other: Number) -> Value:
        pair = (self.value, self.function.number(other, self.type).value)
        code = self.function.code
        return Value(self.function, (code.fcmp_ordered if self._real else code.icmp_signed)(sign, *pair))

    def __lt__(self, other: Number) -> Value:
        return self._compared("<", other)

    def __gt__(self, other: Number) -> Value:
        return self._compared(">", other)

    def __le__(self, other: Number) -> Value:
        return self._compared("<=", other)

    def equals(self, other: Number) -> Value:
        """Tell whether both are the same number."""
        return self._compared("==", other)

    def differs(self, other: Number) -> Value:
        """Tell whether they are two numbers."""
        return self._compared("!=", other)

    def shifted_right(self, bits: Number) -> Value:
        """Return the upper bits of a whole number."""
        return Value(self.function, self.function.code.lshr(self.value, self.function.number(bits, self.type).value))

    def masked(self, mask: Number) -> Value:
        """Return the bits that a mask has too."""
        return Value(self.function, self.function.code.and_(self.value, self.function.number(mask, self.type).value))

    def to(self, kind: ir.Type) -> Value:
        """Convert: whole numbers to longer or shorter ones or to float; float to the nearest 32-bit whole number."""
        code = self.function.code
        lanes = self.type.count if isinstance(self.type, ir.VectorType) else 0
        wanted = vector(kind, lanes) if lanes else kind
        if isinstance(kind, ir.FloatType):
            return Value(self.function, code.sitofp(self.value, wanted))
        if self._real:
            nearest = self.function.intrinsic("roundeven", self)
            return Value(self.function, code.fptosi(nearest.value, wanted))
        width = (self.type.element if lanes else self.type).width
        return Value(self.function, (code.sext if width < kind.width else code.trunc)(self.value, wanted))

    def spread(self, lanes: int) -> Value:
        """Return a vector that has this number in each lane."""
        kind = vector(self.type, lanes)
        code, anything = self.function.code, ir.Constant(kind, ir.Undefined)
        first = code.insert_element(anything, self.value, ir.Constant(INT, 0))
        return Value(self.function, code.shuffle_vector(first, anything, ir.Constant(vector(INT, lanes), None)))

    def lane(self, number: int) -> Value:
        """Return one number of a vector."""
        return Value(self.function, self.function.code.extract_element(self.value, ir.Constant(INT, number)))

    def as_type(self, kind: ir.Type) -> Value:
        """Read the same bits as another type."""
        return Value(self.function, self.function.code.bitcast(self.value, kind))


class Array:
    """Numbers in memory, from a place on."""

    def __init__(self, function: Function, address: ir.Value, element: ir.Type) -> None:
        self.function, self.address, self.element = function, address, element

    def _at(self, place: Number) -> ir.Value:
        number = self.function.number(place, LONG).value
        return self.function.code.gep(self.address, [number], source_etype=self.element)

    def __getitem__(self, place: Number) -> Value:
        return self._read(place, self.element)

    def __setitem__(self, place: Number, value: Value | int | float) -> None:
        number = self.function.number(value, self.element)
        self.function.code.store(number.value, self._at(place), align=self._bytes)

    def several(self, place: Number, lanes: int) -> Value:
        """Read a vector of numbers that follow one another."""
        return self._read(place, vector(self.element, lanes))

    def set_several(self, place: Number, values: Value) -> None:
        """Write a vector of numbers that follow one another."""
        self.function.code.store(values.value, self._at(place), align=self._bytes)

    def from_(self, place: Number) -> Array:
        """Return the array that begins at a place of this one."""
        return Array(self.function, self._at(place), self.element)

    def seen_as(self, element: ir.Type) -> Array:
        """Return the same memory as numbers of another type."""
        return Array(self.function, self.address, element)

    def _read(self, place: Number, kind: ir.Type) -> Value:
        return Value(self.function, self.function.code.load(self._at(place), typ=kind, align=self._bytes))

    @property
    def _bytes(self) -> int:
        return 4 if isinstance(self.element, ir.FloatType) else int(self.element.width) // 8


class Variable:
    """What changes from one turn of a loop to the next."""

    def __init__(self, function: Function, start: Value) -> None:
        self.function, self.type = function, start.type
        with function.code.goto_entry_block():
            self.slot = function.code.alloca(start.type)
        self.set(start)

    def get(self) -> Value:
        """Return its value now."""
        return Value(self.function, self.function.code.load(self.slot, typ=self.type))

    def set(self, value: Value) -> None:
        """Give it another value."""
        self.function.code.store(value.value, self.slot)


class Function:
    """A function that is being written; it returns nothing but what it writes into arrays, none of which overlap."""

    def __init__(self, module: ir.Module, name: str, parameters: Mapping[str, ir.Type | None]) -> None:
        kinds = [LONG if element is None else ir.PointerType() for element in parameters.values()]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.module, self.function, self.code = module, function, ir.IRBuilder(function.append_basic_block())
        self.parameters: dict[str, Any] = {}
        for argument, (key, element) in zip(function.args, parameters.items(), strict=True):
            if element is None:
                self.parameters[key] = Value(self, argument)
            else:
                argument.add_attribute("noalias")
                self.parameters[key] = Array(self, argument, element)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def call(self, other: Function, *arguments: Array | Value) -> None:
        """Call another function of the module with its parameters, in their order."""
        values = [given.address if isinstance(given, Array) else given.value for given in arguments]
        self.code.call(other.function, values)

    def number(self, value: Number, kind: ir.Type) -> Value:
        """Return a value as it is, and a number of Python as a constant of a type, in each lane of a vector."""
        if isinstance(value, Value):
            return value
        if isinstance(kind, ir.VectorType):
            return Value(self, ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count))
        return Value(self, ir.Constant(kind, value))

    def zeros(self, element: ir.Type, lanes: int) -> Value:
        """Return a vector of zeros."""
        return Value(self, ir.Constant(vector(element, lanes), None))

    def variable(self, start: Value) -> Variable:
        """Return a variable; within a loop it starts anew in each turn."""
        return Variable(self, start)

    @contextmanager
    def loop(self, stop: Number, *, start: Number = 0, step: int = 1) -> Iterator[Value]:
        """Do what a `with` block writes for each number from `start`, as `range` does."""
        before, first, last = self.code.block, self.number(start, LONG), self.number(stop, LONG)
        head, body, after = (self.code.append_basic_block() for _ in range(3))
        self.code.branch(head)
        self.code.position_at_end(head)
        counter = self.code.phi(LONG)
        counter.add_incoming(first.value, before)
        self.code.cbranch(self.code.icmp_signed("<", counter, last.value), body, after)
        self.code.position_at_end(body)
        yield Value(self, counter)
        counter.add_incoming((Value(self, counter) + step).value, self.code.block)
        self.code.branch(head)
        self.code.position_at_end(after)

    @contextmanager
    def repeat_while(self, condition: Callable[[], Value]) -> Iterator[None]:
        """Do what a `with` block writes as long as a condition, which is asked each time before, holds."""
        head, body, after = (self.code.append_basic_block() for _ in range(3))
        self.code.branch(head)
        self.code.position_at_end(head)
        self.code.cbranch(condition().value, body, after)
        self.code.position_at_end(body)
        yield
        self.code.branch(head)
        self.code.position_at_end(after)

    def where(self, condition: Value, yes: Number, no: Value) -> Value:
        """Return one of two values, lane by lane."""
        return Value(self, self.code.select(condition.value, self.number(yes, no.type).value, no.value))

    def both(self, one: Value, other: Value) -> Value:
        """Tell whether two conditions hold."""
        return Value(self, self.code.and_(one.value, other.value))

    def intrinsic(self, name: str, *values: Value) -> Value:
        """Call what LLVM has for every processor, such as `fma`; all values, and the result, have the same type."""
        kind = values[0].type
        kind_name = f"v{kind.count}f32" if isinstance(kind, ir.VectorType) else "f32"
        return self._call(f"llvm.{name}.{kind_name}", kind, values)

    def fma(self, a: Value, b: Number, c: Number) -> Value:
        """Return a b + c, rounded once: the same digits on every processor."""
        return self.intrinsic("fma", a, self.number(b, a.type), self.number(c, a.type))

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Return the sum of powers of x, each by its coefficient, that of x**0 first."""
        *lower, value = (self.number(coefficient, x.type) for coefficient in coefficients)
        for coefficient in reversed(lower):
            value = self.fma(value, x, coefficient)
        return value

    def bounded(self, x: Value, least: float, most: float) -> Value:
        """Return x between two bounds."""
        lower = self.intrinsic("minnum", x, self.number(most, x.type))
        return self.intrinsic("maxnum", lower, self.number(least, x.type))

    def reduced(self, name: str, x: Value) -> Value:
        """Return the `fmax` of all lanes."""
        lanes = x.type.count
        return self._call(f"llvm.vector.reduce.{name}.v{lanes}f32", FLOAT, [x])

    def products_of_pairs(self, a: Value, b: Value) -> Value:
        """Multiply 16-bit numbers and add each two products that stand side by side: half as many of 32 bits."""
        lanes = a.type.count // 2
        own = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}.get(lanes)
        if own and llvm.get_process_triple().startswith("x86_64") and lanes <= lanes_of_processor():
            return self._call(own, vector(INT, lanes), [a, b])

        def each_second(x: Value, first: int) -> Value:
            places = ir.Constant(vector(INT, lanes), [ir.Constant(INT, 2 * i + first) for i in range(lanes)])
            return Value(self, self.code.shuffle_vector(x.value, ir.Constant(x.type, ir.Undefined), places)).to(INT)

        return each_second(a, 0) * each_second(b, 0) + each_second(a, 1) * each_second(b, 1)

    def fetch(self, array: Array, place: Number) -> None:
        """Ask for a line of memory that will soon be read."""
        hints = [ir.Constant(INT, hint) for hint in (0, 3, 1)]  # to read, to keep, data
        kinds = [ir.PointerType(), INT, INT, INT]
        fetch = self._declared("llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), kinds))
        self.code.call(fetch, [array.from_(place).address, *hints])

    def _call(self, name: str, result: ir.Type, values: Any) -> Value:
        kind = ir.FunctionType(result, [value.type for value in values])
        return Value(self, self.code.call(self._declared(name, kind), [value.value for value in values]))

    def _declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        known = self.module.globals.get(name)
        return known if known is not None else ir.Function(self.module, kind, name)


def compiled(module: ir.Module, functions: Mapping[str, Function]) -> dict[str, Callable[..., None]]:
    """Compile functions for this processor.

    Returns:
        each by its name; it takes addresses of arrays and whole numbers, and lets other threads of Python run.
    """
    for function in functions.values():
        function.code.ret_void()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    code = llvm.parse_assembly(str(module))
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False  # they are written as meant
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(code, passes)
    engine = llvm.create_mcjit_compiler(code, machine)
    engine.finalize_object()
    _engines.append(engine)
    kinds = {name: [ctypes.c_int64] * len(function.parameters) for name, function in functions.items()}
    return {name: ctypes.CFUNCTYPE(None, *kinds[name])(engine.get_function_address(name)) for name in functions}
