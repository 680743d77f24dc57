"""Compilers and what they made: run it, and look into it."""

import re
import shutil
import subprocess

import numpy as np
import pytest

GCC = shutil.which("gcc")
RISCV = shutil.which("riscv64-unknown-elf-gcc")
QEMU = shutil.which("qemu-riscv32")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]

needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed")
needs_objdump = pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
needs_riscv = pytest.mark.skipif(RISCV is None, reason="gcc-riscv64-unknown-elf is not installed")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed")

# Debian's bare-metal compiler has no C library: this is all that the program needs of a system.
START = """
#include "{name}.h"
void _start(void);
static long call(long number, long a, const void *b, unsigned long c)
{{
    register long a0 __asm__("a0") = a;
    register const void *a1 __asm__("a1") = b;
    register unsigned long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}}
static uint32_t input[{NAME}_INPUTS];
static int32_t output[{NAME}_OUTPUTS];
void _start(void)
{{
    for (;;) {{
        unsigned long have = 0;
        while (have < sizeof input) {{
            const long got = call(63, 0, (char *)input + have, sizeof input - have);
            if (got <= 0) call(93, 0, 0, 0);
            have += (unsigned long)got;
        }}
        if ({name}_run(input, output) != 0) call(93, 1, 0, 0);
        call(64, 1, output, sizeof output);
    }}
}}
"""


def name_of(export):
    return next(name for name in export.files if name.endswith(".h"))[:-2]


def build(export, *options):
    """Compile the export's own test program; its path."""
    program = f"{export.folder}/net"
    sources = [f"{export.folder}/{name_of(export)}.c", f"{export.folder}/stdin.c"]
    subprocess.run([GCC, *STRICT, *options, "-o", program, *sources], check=True)
    return program


def run(program, composed, x):
    """Integers the program prints."""
    bits = np.asarray(x, "<f4").tobytes()
    done = subprocess.run([program], input=bits, stdout=subprocess.PIPE, check=True)
    return np.array(done.stdout.split(), np.int64).reshape(len(x), *composed.program.output_shape)


def run_riscv(export, composed, x):
    """Integers of the network on rv32i, an instruction set without multiplication, linked with no library."""
    name = name_of(export)
    with open(f"{export.folder}/start.c", "w") as file:
        file.write(START.format(name=name, NAME=name.upper()))
    target = [
        "-march=rv32i",
        "-mabi=ilp32",
        "-ffreestanding",
        "-nostdlib",
        "-Wl,--no-relax",
        "-O2",
        "-std=gnu99",
    ]
    sources = [f"{export.folder}/{name}.c", f"{export.folder}/start.c"]
    subprocess.run([RISCV, *target, "-o", f"{export.folder}/riscv", *sources], check=True)
    bits = np.asarray(x, "<f4").tobytes()
    done = subprocess.run([QEMU, f"{export.folder}/riscv"], input=bits, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, "<i4").reshape(len(x), *composed.program.output_shape)


def assembly(export, compiler, *options):
    """``(mnemonics, undefined symbols)`` of the network's object."""
    source, made = f"{export.folder}/{name_of(export)}.c", f"{export.folder}/object.o"
    subprocess.run([compiler, "-std=c99", *options, "-c", "-o", made, source], check=True)
    tools = compiler.removesuffix("gcc")
    dump = _output(f"{tools}objdump", "-d", "--no-show-raw-insn", made)
    symbols = _output(f"{tools}nm", "-u", made).split()
    return set(re.findall(r"^\s+[0-9a-f]+:\s+(\S+)", dump, re.MULTILINE)), set(symbols) - {"U"}


def _output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


FORBIDDEN = re.compile(
    r"mul|div|^rem|^v?pmadd|^f[a-z]|^v?(add|sub|cvt|sqrt|min|max|u?comi)\w*(ss|sd|ps|pd)$|^v?cvt"
)
"""Multiplication, division, and floating point, on x86-64 and RISC-V."""


def forbidden(mnemonics):
    return {name for name in mnemonics if FORBIDDEN.search(name) and name != "fence"}
