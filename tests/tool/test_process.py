"""gyre run as a process: idle, interrupted, with readers and writers that stop, with a handler that never returns."""
import json
import os
import signal
import subprocess
import threading
import time

from support import (ECHO, FAILED, GYRE, INTERRUPTED, OK, SANITIZED, STUCK, USAGE, ToolTest, cpu_seconds, kernel,
                     main)

SLOW = 10 if SANITIZED else 1


class Interactive(ToolTest):
    def setUp(self):
        super().setUp()
        self.process = self.start("run", self.write("k.comp", ECHO), bufsize=0)
        self.stderr = b""
        self.drain = threading.Thread(target=self.read_stderr)
        self.drain.start()
        self.addCleanup(self.drain.join)

    def read_stderr(self):
        self.stderr = self.process.stderr.read()

    def ask(self, a):
        """Writes a line, waits for its answer; gives the seconds it took."""
        begin = time.monotonic()
        self.process.stdin.write(json.dumps({"a": a}).encode() + b"\n")
        answer = json.loads(self.process.stdout.readline())
        self.assertEqual(answer["a"], a)
        return time.monotonic() - begin

    def finish(self, code=OK):
        self.process.stdin.close()
        self.assertEqual(self.process.wait(timeout=60), code)
        self.assertEqual(self.process.stdout.read(), b"")
        self.drain.join()

    def test_each_line_is_answered_at_once(self):
        self.ask(0)
        times = sorted(self.ask(a) for a in range(50))
        self.assertLess(times[25], 0.05 * SLOW)
        self.finish()
        self.assertIn(b"51 lines, 51 answers, 0 failed", self.stderr)

    def test_an_idle_kernel_costs_nothing_and_wakes_up(self):
        self.ask(1)
        time.sleep(1)
        before, begin = cpu_seconds(self.process.pid), time.monotonic()
        time.sleep(4)
        used = cpu_seconds(self.process.pid) - before
        part = used / (time.monotonic() - begin)
        self.assertLess(part, 0.01 * SLOW, f"{part:.1%} of a core while idle")
        self.assertLess(self.ask(2), 0.5 * SLOW)
        self.finish()

    def test_ctrl_c_while_idle_ends_in_order(self):
        self.ask(1)
        begin = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(timeout=30), INTERRUPTED)
        self.assertLess(time.monotonic() - begin, 4 * SLOW)
        self.drain.join()
        self.assertIn(b"gyre: stopped; 0 messages were dropped", self.stderr)

    def test_a_termination_signal_does_the_same(self):
        self.ask(1)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=30), INTERRUPTED)


class Streams(ToolTest):
    def feed(self, process, count=1000000):
        """Writes lines from a thread until somebody stops."""
        def write():
            try:
                for i in range(count):
                    process.stdin.write(b'{"a": %d}\n' % (i % 1000))
                process.stdin.close()
            except (BrokenPipeError, ValueError):
                pass
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def test_ctrl_c_under_load_writes_whole_answers_and_says_what_was_dropped(self):
        process = self.start("run", self.write("k.comp", ECHO))
        self.feed(process)
        lines = [process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        errors = process.stderr.read()
        self.assertEqual(process.wait(timeout=60), INTERRUPTED, errors)
        self.assertIn(b"messages were dropped", errors)
        self.assertTrue(rest == b"" or rest.endswith(b"\n"))
        lines += rest.splitlines()
        self.assertEqual([json.loads(line)["_correlation"] for line in lines], list(range(1, len(lines) + 1)))

    def test_ctrl_c_when_nobody_reads_the_answers(self):
        process = self.start("run", self.write("k.comp", ECHO))
        self.feed(process)
        process.stdout.read(1)
        time.sleep(2)  # the pipe is full by now
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), INTERRUPTED)
        self.assertLess(time.monotonic() - begin, 6 * SLOW)

    def test_a_slow_reader_loses_nothing(self):
        process = self.start("run", self.write("k.comp", ECHO), "--timeout", "1", stderr=subprocess.DEVNULL)
        self.feed(process, 20000)
        process.stdout.read(1)
        time.sleep(3)
        rest = process.stdout.read()
        self.assertEqual(len(rest.splitlines()), 20000)
        self.assertEqual(process.wait(timeout=60), OK)

    def test_a_reader_that_has_had_enough_is_no_error(self):
        process = self.start("run", self.write("k.comp", ECHO))
        self.feed(process)
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        self.assertEqual(process.wait(timeout=60), OK)
        errors = process.stderr.read()
        self.assertIn(b"then the reader was gone", errors)
        self.assertNotIn(b"cannot write", errors)

    def with_closed(self, stream, **options):
        command = ["sh", "-c", f'exec "$0" "$@" {stream}&-', GYRE, "run", self.write("k.comp", ECHO)]
        return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, **options)

    def test_a_stdout_that_is_closed_from_the_start(self):
        result = self.with_closed(">", input='{"a": 1}\n')
        self.assert_exit(result, FAILED)
        self.assert_says(result, "gyre: cannot write stdout: Bad file descriptor")

    def test_a_stdin_that_is_closed_from_the_start(self):
        result = self.with_closed("<", stdout=subprocess.PIPE)
        self.assert_exit(result, USAGE)
        self.assert_says(result, "gyre: cannot read stdin: Bad file descriptor")

    def test_a_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        lines = "".join('{"a": %d}\n' % i for i in range(50000))
        result = self.gyre("run", self.write("k.comp", ECHO), "--output", "/dev/full", input=lines)
        self.assert_exit(result, FAILED)
        self.assert_says(result, "gyre: cannot write /dev/full: No space left on device")

    def test_an_output_that_cannot_be_opened(self):
        result = self.gyre("run", self.write("k.comp", ECHO), "--output", str(self.folder / "no" / "out"))
        self.assert_exit(result, USAGE)
        self.assert_says(result, "cannot write", "No such file or directory")


class Stuck(ToolTest):
    """A handler that never returns. Where the driver cuts loops, its message fails by name instead."""

    def check(self, code, errors, expected, *words):
        if b"the handler's loops exceed what the driver runs" in errors:
            self.assertEqual(code, FAILED, errors)
            return
        self.assertEqual(code, expected, errors)
        for word in words:
            self.assertIn(word, errors)

    def test_a_timeout_ends_it(self):
        process = self.start("run", self.write("k.comp", STUCK), "--timeout", "1")
        begin = time.monotonic()
        output, errors = process.communicate(b'{"a": 0}\n{"a": 1}\n', timeout=60)
        self.assertLess(time.monotonic() - begin, 15 * SLOW)
        self.check(process.returncode, errors, FAILED, b"gyre: no reply for 1 s", b"line 2: no answer")
        self.assertEqual(json.loads(output.splitlines()[0]), {"a": 0, "_correlation": 1})

    def test_ctrl_c_ends_it(self):
        process = self.start("run", self.write("k.comp", STUCK))
        process.stdin.write(b'{"a": 1}\n')
        process.stdin.flush()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        errors = process.stderr.read()
        code = process.wait(timeout=60)
        if code != INTERRUPTED:
            self.check(code, errors, INTERRUPTED)

    def test_a_second_ctrl_c_ends_at_once(self):
        process = self.start("run", self.write("k.comp", STUCK))
        process.stdin.write(b'{"a": 1}\n')
        process.stdin.flush()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        self.assertEqual(process.wait(timeout=60), INTERRUPTED)
        self.assertLess(time.monotonic() - begin, 1.5 * SLOW)


class Order(ToolTest):
    def test_a_slow_message_holds_back_the_answers_behind_it_and_no_more(self):
        """The first line has the lowest priority, so it is answered last of what is staged with it."""
        text = kernel("""
            uint x = GYRE_IN.a;
            for (uint i = 0u; i < 2000u; ++i) { x = x * 1664525u + 1013904223u; }
            GYRE_OUT.a = x | 1u;
            gyre_send();
        """)
        lines = [{"a": 1, "_priority": 0}] + [{"a": i, "_priority": 255} for i in range(5000)]
        result = self.run_kernel(text, lines)
        self.assert_exit(result, OK)
        self.assertEqual([answer["_correlation"] for answer in self.answers(result)], list(range(1, 5002)))


if __name__ == "__main__":
    main()
