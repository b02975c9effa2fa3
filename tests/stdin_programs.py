"""Programs as models write them, each with tests and the share of them that it must pass."""

from dataclasses import dataclass

from spro.verify import Status

SUM = (("1 2\n", "3\n"), ("10 20\n", "30\n"), ("-1 1\n", "0\n"))
LINES = (("3\n1\n2\n3\n", "6"), ("1\n5\n", "5"), ("0\n", "0"))


@dataclass(frozen=True)
class Program:
    """``detail`` must occur in the verdict's."""

    name: str
    source: str
    tests: tuple[tuple[str, str], ...] = SUM
    score: float = 1.0
    status: Status = Status.CORRECT
    detail: str = ""


READING = [
    Program("input", "print(sum(map(int, input().split())))"),
    Program("sys.stdin.read", "import sys\nprint(sum(map(int, sys.stdin.read().split())))"),
    Program("sys.stdin.readline", "import sys\na, b = map(int, sys.stdin.readline().split())\nprint(a + b)"),
    Program("rebound input", "import sys\ninput = sys.stdin.readline\nprint(sum(map(int, input().split())))"),
    Program("sys.stdin.buffer", "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))"),
    Program("open(0)", "print(sum(map(int, open(0).read().split())))"),
    Program("os.read", "import os\nprint(sum(map(int, os.read(0, 10**6).split())))"),
    Program(
        "os.fstat idiom", "import io, os\nf = io.BytesIO(os.read(0, 10**6))\nprint(sum(map(int, f.readline().split())))"
    ),
    Program("fileinput", "import fileinput\nprint(sum(int(w) for line in fileinput.input() for w in line.split()))"),
    Program("lines of stdin", "import sys\nn, *xs = [int(line) for line in sys.stdin]\nprint(sum(xs[:n]))", LINES),
    Program("loop of input", "n = int(input())\nprint(sum(int(input()) for _ in range(n)))", LINES),
    Program(
        "until the end",
        "total = 0\ntry:\n    while True:\n        total += int(input())\nexcept EOFError:\n    print(total)",
        (("1\n2\n3", "6"), ("", "0"), ("4\n", "4")),
    ),
    Program("no newline at the end", "print(input()[::-1])", (("abc", "cba"), ("ä€😀", "😀€ä"))),
    Program("empty input", "import sys\nprint(len(sys.stdin.read()))", (("", "0"), ("\n", "1"))),
    Program(
        "carriage returns", "a = input().split()\nprint(*a, sep='\\r\\n')", (("1 2\r\n", "1\r\n2\r\n"), ("7\r\n", "7"))
    ),
    Program(
        "beyond the end",
        "print(int(input()) + int(input()))",
        (("1\n2\n", "3"), ("1\n", "1"), ("5\n5\n", "10"), ("", "0")),
        0.5,
        Status.PARTIAL,
        "2 of 4 tests passed; test 2: failed: EOFError",
    ),
    Program(
        "long input",
        "import sys\nxs = sys.stdin.read().split()\nprint(len(xs), xs[-1])",
        (("1 " * 400_000 + "2", "400001 2"),),
    ),
]

WRITING = [
    Program(
        "end and sep",
        "a, b = input().split()\nprint(a, b, sep='+', end='=')\nprint(int(a) + int(b), end='')",
        (("1 2", "1+2=3"), ("3 4", "3+4=7\n")),
    ),
    Program("blanks at the ends", "a, b = map(int, input().split())\nprint(a + b, ' ', end='  \\n\\n\\n')"),
    Program("sys.stdout.write", "import sys\na, b = map(int, input().split())\nsys.stdout.write(f'{a + b}\\n')"),
    Program(
        "sys.stdout.buffer", "import sys\na, b = map(int, input().split())\nsys.stdout.buffer.write(b'%d' % (a + b))"
    ),
    Program("os.write", "import os\nos.write(1, b'%d\\n' % sum(map(int, input().split())))"),
    Program(
        "stderr is no output", "import sys\nprint('debug', file=sys.stderr)\nprint(sum(map(int, input().split())))"
    ),
    Program("much stderr", "import sys\nsys.stderr.write('x' * 10**6)\nprint(sum(map(int, input().split())))"),
    Program(
        "buffered",
        "import io, sys\nout = io.StringIO()\nprint(sum(map(int, input().split())), file=out)\n"
        "sys.stdout.write(out.getvalue())",
    ),
    Program("unicode", "print('Grüße, ' + input() + ' 😀')", (("Welt", "Grüße, Welt 😀"), ("日本", "Grüße, 日本 😀"))),
    Program("floats", "n = float(input())\nprint(n / 3)", (("1", "0.333333333"), ("2", "0.66666667"), ("3", "1.0000"))),
    Program(
        "too few digits",
        "n = float(input())\nprint('%.2f' % (n / 3))",
        (("1", "0.333333333"), ("3", "1.0")),
        0.5,
        Status.PARTIAL,
        "1 of 2 tests passed; test 1: wrong output '0.33'",
    ),
    Program(
        "a float for an integer",
        "a, b = map(float, input().split())\nprint(a + b)",
        SUM,
        0.0,
        Status.WRONG,
        "test 1: wrong output '3.0' (expected a string of 2 characters)",
    ),
    Program("big integers", "n = int(input())\nprint(2 ** n)", (("64", str(2**64)), ("4000", str(2**4000)))),
    Program("no output", "input()", SUM, 0.0, Status.WRONG, "wrong output ''"),
    Program(
        "a prompt is output",
        "print(sum(map(int, input('two numbers: ').split())))",
        SUM,
        0.0,
        Status.WRONG,
        "wrong output 'two numbers: 3'",
    ),
    Program(
        "right words in another order",
        "print(*sorted(input().split(), reverse=True))",
        (("2 1", "2 1"), ("1 2", "1 2")),
        0.5,
        Status.PARTIAL,
    ),
    Program("one line for two", "print(*input().split())", (("1 2", "1\n2"), ("5", "5")), 0.5, Status.PARTIAL),
]

ENDING = [
    Program("sys.exit()", "import sys\nprint(sum(map(int, input().split())))\nsys.exit()\nprint('never')"),
    Program("sys.exit(0)", "import sys\nprint(sum(map(int, input().split())))\nsys.exit(0)"),
    Program("exit()", "print(sum(map(int, input().split())))\nexit()"),
    Program(
        "exit code 1",
        "import sys\nprint(sum(map(int, input().split())))\nsys.exit(1)",
        SUM,
        0.0,
        Status.WRONG,
        "failed",
    ),
    Program("os._exit(0) unflushed", "import os\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)"),
    Program(
        "exception on the third test",
        "a, b = map(int, input().split())\n1 // (a + b)\nprint(a + b)",
        SUM,
        2 / 3,
        Status.PARTIAL,
        "2 of 3 tests passed; test 3: failed: ZeroDivisionError",
    ),
    Program(
        "exception after the output",
        "print(sum(map(int, input().split())))\nraise ValueError('late')",
        SUM,
        0.0,
        Status.WRONG,
        "test 1: failed: ValueError: late",
    ),
    Program("syntax error", "print(sum(map(int, input().split()))", SUM, 0.0, Status.WRONG, "failed: SyntaxError"),
    Program(
        "numpy is not there",
        "import numpy as np\nprint(np.sum([int(x) for x in input().split()]))",
        SUM,
        0.0,
        Status.WRONG,
        "ModuleNotFoundError: No module named 'numpy'",
    ),
    Program("unknown name", "print(solve(input()))", SUM, 0.0, Status.WRONG, "NameError: name 'solve' is not defined"),
    Program(
        "assertion",
        "a, b = map(int, input().split())\nassert a + b > 0\nprint(a + b)",
        SUM,
        2 / 3,
        Status.PARTIAL,
        "test 3: failed: AssertionError",
    ),
    Program(
        "endless on one input",
        "a, b = map(int, input().split())\nwhile a == 10:\n    pass\nprint(a + b)",
        SUM,
        2 / 3,
        Status.PARTIAL,
        "2 of 3 tests passed; test 2: timeout",
    ),
    Program("endless on all", "while True:\n    pass", SUM, 0.0, Status.TIMEOUT, "test 1: timeout"),
    Program("asleep", "import time\ntime.sleep(1000)", SUM[:1], 0.0, Status.TIMEOUT, "test 1: timeout"),
    Program(
        "slow but fine", "n = sum(map(int, input().split()))\ns = 0\nfor i in range(3 * 10**6):\n    s += i\nprint(n)"
    ),
    Program("too much memory", "x = 'x' * (4 * 2**30)\nprint(len(x))", SUM, 0.0, Status.MEMORY, "test 1: memory"),
    Program(
        "recursion without end", "def f(n):\n    return f(n + 1)\nprint(f(0))", SUM, 0.0, Status.WRONG, "RecursionError"
    ),
    Program("endless output", "while True:\n    print('x' * 1000)", SUM, 0.0, Status.WRONG, "test 1: too much output"),
]

IDIOMS = [
    Program(
        "main guard", "def main():\n    print(sum(map(int, input().split())))\n\nif __name__ == '__main__':\n    main()"
    ),
    Program(
        "thread with a large stack",
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
        "def depth(n):\n    return 0 if n == 0 else 1 + depth(n - 1)\ndef main():\n    print(depth(int(input())))\n"
        "t = threading.Thread(target=main)\nt.start()\nt.join()",
        (("10", "10"), ("20000", "20000")),
    ),
    Program(
        "recursion limit",
        "import sys\nsys.setrecursionlimit(10**5)\ndef depth(n):\n    return 0 if n == 0 else 1 + depth(n - 1)\n"
        "print(depth(int(input())))",
        (("10", "10"), ("5000", "5000")),
    ),
    Program(
        "generators",
        "def evens(n):\n    for i in range(n):\n        if i % 2 == 0:\n            yield i\n"
        "print(*evens(int(input())))",
        (("5", "0 2 4"), ("1", "0")),
    ),
    Program(
        "classes",
        "class Solution:\n    def add(self, a, b):\n        return a + b\n\n"
        "print(Solution().add(*map(int, input().split())))",
    ),
    Program(
        "dataclasses",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\n"
        "p = P(*map(int, input().split()))\nprint(p.x + p.y)",
    ),
    Program(
        "heapq",
        "import heapq\nxs = list(map(int, input().split()))\nheapq.heapify(xs)\n"
        "print(*[heapq.heappop(xs) for _ in range(len(xs))])",
        (("3 1 2", "1 2 3"),),
    ),
    Program(
        "collections",
        "from collections import Counter, defaultdict, deque\nd = deque(input())\nd.rotate(1)\n"
        "print(''.join(d), Counter(d).most_common(1)[0][1])",
        (("aab", "baa 2"),),
    ),
    Program(
        "itertools",
        "from itertools import permutations\nprint(*map(''.join, permutations(input())), sep='\\n')",
        (("ab", "ab\nba"),),
    ),
    Program(
        "math",
        "import math\na, b = map(int, input().split())\nprint(math.gcd(a, b), math.comb(a, b), math.isqrt(a))",
        (("12 8", "4 495 3"),),
    ),
    Program(
        "bisect",
        "from bisect import bisect_left\nprint(bisect_left([1, 3, 5], int(input())))",
        (("3", "1"), ("4", "2")),
    ),
    Program(
        "fractions",
        "from fractions import Fraction\na, b = input().split()\nprint(Fraction(a) + Fraction(b))",
        (("1/3 1/6", "1/2"),),
    ),
    Program(
        "decimal",
        "from decimal import Decimal, getcontext\ngetcontext().prec = 50\nprint(Decimal(1) / Decimal(input()))",
        (("8", "0.125"), ("7", "0.14285714285714285714285714285714285714285714285714")),
    ),
    Program("re", "import re\nprint(*re.findall(r'\\d+', input()))", (("a1b22", "1 22"),)),
    Program(
        "functools",
        "from functools import lru_cache\n@lru_cache(None)\ndef fib(n):\n"
        "    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "print(fib(int(input())))",
        (("80", "23416728348467685"),),
    ),
    Program(
        "string, random, time, datetime, operator, copy, typing, statistics, bisect, array, cmath",
        "import string, random, time, datetime, operator, copy, typing, statistics, bisect, array, cmath\n"
        "random.seed(1)\nprint(sum(map(int, input().split())))",
    ),
    Program("a program that reads itself", "import sys\nprint(sum(map(int, input().split())), len(sys.argv) and '')"),
    Program(
        "globals start afresh for each test",
        "try:\n    n += 1\nexcept NameError:\n    n = 0\ninput()\nprint(n)",
        (("a", "0"), ("b", "0"), ("c", "0")),
    ),
]

PROGRAMS = [*READING, *WRITING, *ENDING, *IDIOMS]
