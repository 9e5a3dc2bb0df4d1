"""What the tests of the command `gyre` share. They see it as a user does: arguments, files, pipes, exit codes.

Each test_*.py is a program of its own: GYRE_TOOL says where the command is, the environment which Vulkan driver.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GYRE = os.environ.get("GYRE_TOOL") or str(ROOT / "build/release/bin/gyre")
SANITIZED = os.environ.get("GYRE_SANITIZED", "OFF") == "ON"

OK, FAILED, USAGE, DEVICE, KERNEL, INTERRUPTED = 0, 1, 2, 3, 4, 130

HEAD = """#version 460
struct In {{ {input} }};
struct Out {{ {output} }};
{defines}
#define GYRE_INPUT In
#define GYRE_OUTPUT Out
#include "gyre/kernel.glsl"
{globals}
layout(local_size_x = {local_size}) in;
"""


def kernel(body, input="uint a;", output="uint a;", defines="", globals="", local_size=1):
    """The text of a kernel whose loop runs `body` for each message."""
    head = HEAD.format(input=input, output=output, defines=defines, globals=globals, local_size=local_size)
    return head + "void main() { while (gyre_receive()) { " + body + " } }\n"


ECHO = kernel("GYRE_OUT.a = GYRE_IN.a; gyre_send();")

# a == 13: fails with code 3; a == 14: no answer; else a doubled.
PICKY = kernel("""
    if (GYRE_IN.a == 13u) {
        gyre_fail(3u);
    } else if (GYRE_IN.a != 14u) {
        GYRE_OUT.a = GYRE_IN.a * 2u;
        gyre_send();
    }
""")

# Works on each message for a while: longer than the command takes to read a line.
SLOW = kernel("""
    uint x = GYRE_IN.a;
    for (uint i = 0u; i < 20000u; ++i) { x = x * 1664525u + 1013904223u; }
    GYRE_OUT.a = x == 1u ? 0u : GYRE_IN.a;
    gyre_send();
""")

# Never comes back once it has got 1. The driver may cut the loop.
STUCK = kernel("""
    uint x = GYRE_IN.a;
    while (x != 0u) { x = x * 3u | 1u; }
    GYRE_OUT.a = x;
    gyre_send();
""")


TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of the process so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gyre-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.processes = []
        self.addCleanup(self.reap)

    def reap(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                try:
                    if stream:
                        stream.close()
                except BrokenPipeError:
                    pass

    def write(self, name, content):
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        return str(path)

    def gyre(self, *arguments, input="", timeout=120, **options):
        """Runs the command to its end."""
        return subprocess.run([GYRE, *arguments], input=input, capture_output=True, text=True, timeout=timeout,
                              **options)

    def start(self, *arguments, **options):
        """Starts the command with pipes on all three."""
        for name in ("stdin", "stdout", "stderr"):
            options.setdefault(name, subprocess.PIPE)
        process = subprocess.Popen([GYRE, *arguments], **options)
        self.processes.append(process)
        return process

    def run_kernel(self, text, lines, *arguments, **options):
        """`gyre run` on a kernel's text and a list of messages (dicts, or lines as they stand)."""
        path = self.write("kernel.comp", text)
        rows = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        return self.gyre("run", path, *arguments, input="".join(row + "\n" for row in rows), **options)

    def answers(self, result):
        return [json.loads(line) for line in result.stdout.splitlines()]

    def assert_exit(self, result, code):
        self.assertEqual(result.returncode, code, f"stderr:\n{result.stderr}")

    def assert_says(self, result, *parts):
        for part in parts:
            self.assertIn(part, result.stderr)


def main():
    unittest.main(verbosity=2)
