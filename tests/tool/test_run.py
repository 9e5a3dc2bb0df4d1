"""gyre run: lines of JSON in, lines of JSON out."""
import json
import os
import re

from support import ECHO, FAILED, KERNEL, OK, PICKY, ROOT, SLOW, USAGE, ToolTest, kernel, main

MANY = int(os.environ.get("GYRE_TEST_MESSAGES", "20000"))


class Answers(ToolTest):
    def test_every_line_has_its_answer_in_order(self):
        result = self.run_kernel(ECHO, [{"a": i * 7 % 1000} for i in range(MANY)])
        self.assert_exit(result, OK)
        self.assertEqual(self.answers(result),
                         [{"a": i * 7 % 1000, "_correlation": i + 1} for i in range(MANY)])

    def test_strict_and_live_give_the_same(self):
        lines = [{"a": i} for i in range(500)]
        outputs = set()
        for visibility in ("strict", "auto"):
            result = self.run_kernel(ECHO, lines, "--visibility", visibility)
            self.assert_exit(result, OK)
            outputs.add(result.stdout)
        self.assertEqual(len(outputs), 1)

    def test_strict_is_what_was_asked_for(self):
        result = self.run_kernel(ECHO, [{"a": 1}], "--visibility=strict")
        self.assert_exit(result, OK)
        self.assert_says(result, "strict, 0 seen live")

    def test_a_correlation_is_carried(self):
        lines = [{"a": 1, "_correlation": 9}, {"a": 2}, {"a": 3, "_correlation": 9}, {"a": 4, "_correlation": 0},
                 {"a": 5, "_correlation": 2**63 - 1}, {"a": 6, "_correlation": str(2**64 - 1)}]
        result = self.run_kernel(ECHO, lines)
        self.assert_exit(result, OK)
        self.assertEqual([answer["_correlation"] for answer in self.answers(result)],
                         [9, 2, 9, 0, 2**63 - 1, str(2**64 - 1)])
        self.assertEqual([answer["a"] for answer in self.answers(result)], [1, 2, 3, 4, 5, 6])

    def test_priorities_do_not_change_the_order_of_answers(self):
        lines = [{"a": i, "_priority": i * 37 % 256} for i in range(2000)]
        result = self.run_kernel(ECHO, lines)
        self.assert_exit(result, OK)
        self.assertEqual([answer["a"] for answer in self.answers(result)], list(range(2000)))

    def test_unordered_gives_the_same_answers(self):
        lines = [{"a": i, "_priority": i * 37 % 256} for i in range(2000)]
        result = self.run_kernel(ECHO, lines, "--unordered")
        self.assert_exit(result, OK)
        self.assertEqual(sorted((answer["a"], answer["_correlation"]) for answer in self.answers(result)),
                         [(i, i + 1) for i in range(2000)])

    def test_members_of_every_kind(self):
        text = kernel("""
            GYRE_OUT.f = GYRE_IN.f * 2.0;
            GYRE_OUT.v = GYRE_IN.v + 1.0;
            GYRE_OUT.p.x = -GYRE_IN.p.x;
            for (int i = 0; i < 3; ++i) { GYRE_OUT.list[i] = GYRE_IN.list[2 - i]; }
            gyre_send();
        """, input="float f; vec2 v; Point p; uint list[3];", output="float f; vec2 v; Point p; uint list[3];")
        text = text.replace("struct In", "struct Point { int x; };\nstruct In")
        result = self.run_kernel(text, [{"f": 0.25, "v": [1, 2.5], "p": {"x": 7}, "list": [1, 2, 3]}])
        self.assert_exit(result, OK)
        self.assertEqual(self.answers(result),
                         [{"f": 0.5, "v": [2, 3.5], "p": {"x": -7}, "list": [3, 2, 1], "_correlation": 1}])

    def test_several_answers_to_a_message_stay_together(self):
        text = kernel("""
            for (uint i = 0u; i < GYRE_IN.a; ++i) { GYRE_OUT.a = GYRE_IN.a * 10u + i; gyre_send(); }
        """, defines="#define GYRE_MAX_SENDS 3")
        counts = [3, 1, 0, 2, 2, 0, 0, 1, 3, 3] * 20
        expected = [(a * 10 + i, line + 1) for line, a in enumerate(counts) for i in range(a)]
        result = self.run_kernel(text, [{"a": a} for a in counts])
        self.assert_exit(result, OK)
        self.assertEqual([(answer["a"], answer["_correlation"]) for answer in self.answers(result)], expected)
        result = self.run_kernel(text, [{"a": a, "_priority": i % 256} for i, a in enumerate(counts)], "--unordered")
        self.assert_exit(result, OK)
        self.assertEqual(sorted((answer["a"], answer["_correlation"]) for answer in self.answers(result)),
                         sorted(expected))

    def test_urgent_answers_between_those_of_another_message(self):
        """Answers come to the host by their priority, so those of one message do not come together."""
        text = kernel("""
            for (uint i = 0u; i < 3u; ++i) { GYRE_OUT.a = GYRE_IN.a * 10u + i; gyre_send(); }
        """, defines="#define GYRE_MAX_SENDS 3")
        lines = [{"a": a, "_priority": a * 37 % 256} for a in range(5000)]
        expected = [(a * 10 + i, a + 1) for a in range(5000) for i in range(3)]
        result = self.run_kernel(text, lines)
        self.assert_exit(result, OK)
        self.assertEqual([(answer["a"], answer["_correlation"]) for answer in self.answers(result)], expected)
        result = self.run_kernel(text, lines, "--unordered")
        self.assert_exit(result, OK)
        self.assertEqual(sorted((answer["a"], answer["_correlation"]) for answer in self.answers(result)), expected)

    def test_the_queue_may_be_tiny(self):
        result = self.run_kernel(ECHO, [{"a": i} for i in range(300)], "--queue-size", "1")
        self.assert_exit(result, OK)
        self.assertEqual(len(self.answers(result)), 300)

    def test_files_instead_of_pipes(self):
        source = self.write("in.jsonl", '{"a": 1}\n{"a": 2}\n')
        target = self.folder / "out.jsonl"
        target.write_text("what was there before\n" * 100)
        result = self.gyre("run", self.write("k.comp", ECHO), "--input", source, "--output", str(target))
        self.assert_exit(result, OK)
        self.assertEqual(result.stdout, "")
        self.assertEqual(target.read_text(), '{"a": 1, "_correlation": 1}\n{"a": 2, "_correlation": 2}\n')

    def test_no_input_is_no_output(self):
        result = self.run_kernel(ECHO, [])
        self.assert_exit(result, OK)
        self.assertEqual(result.stdout, "")
        self.assert_says(result, "0 lines, 0 answers, 0 failed")


class Failures(ToolTest):
    def test_a_message_that_fails_is_named_and_the_rest_goes_on(self):
        result = self.run_kernel(PICKY, [{"a": 1}, {"a": 13}, {"a": 2}, {"a": 14}, {"a": 3}])
        self.assert_exit(result, FAILED)
        self.assert_says(result, "gyre: line 2: the handler called gyre_fail() (code 3)", "5 lines, 3 answers, 1 failed",
                         "1 without an answer")
        self.assertEqual(self.answers(result), [{"a": 2, "_correlation": 1}, {"a": 4, "_correlation": 3},
                                                {"a": 6, "_correlation": 5}])

    def test_a_message_without_an_answer_is_no_failure(self):
        result = self.run_kernel(PICKY, [{"a": 14}] * 50 + [{"a": 1}])
        self.assert_exit(result, OK)
        self.assertEqual(self.answers(result), [{"a": 2, "_correlation": 51}])

    def test_every_bad_line_is_named_and_the_rest_goes_on(self):
        bad = {
            2: "nonsense",
            3: "[1]",
            4: '{"a": "x"}',
            5: '{"a": 1.5}',
            6: '{"a": -1}',
            7: '{"a": 4294967296}',
            8: "{}",
            9: '{"a": 1, "b": 2}',
            10: '{"a": [1]}',
            11: '{"a": 1, "_priority": 256}',
            12: '{"a": 1, "_priority": "high"}',
            13: '{"a": 1, "_correlation": -1}',
            14: '{"a": 1, "_correlation": {}}',
            18: '{"a": 1, "_deadline": 0}',
            19: '{"a": 1, "_deadline": -1.5}',
            20: '{"a": 1, "_deadline": "5"}',
            21: '{"a": 1, "_deadline": null}',
            22: '{"a": 1, "_deadline": 1e300}',
            15: '{"a": 1',
            16: '{"a": 1} {"a": 2}',
            17: '\xff{"a": 1}',
        }
        lines = [bad.get(number, json.dumps({"a": number})) for number in range(1, 26)]
        result = self.run_kernel(ECHO, lines)
        self.assert_exit(result, FAILED)
        self.assertEqual([answer["a"] for answer in self.answers(result)],
                         [number for number in range(1, 26) if number not in bad])
        for number in bad:
            self.assert_says(result, f"gyre: line {number}: ")
        self.assertNotIn("line 23:", result.stderr)

    def test_other_keys_with_an_underscore_and_blank_lines_are_passed_over(self):
        result = self.run_kernel(ECHO, ['{"_label": [1, {}], "a": 1}', "", "  \t", '{"a": 2, "_x": null}'])
        self.assert_exit(result, OK)
        self.assertEqual(self.answers(result), [{"a": 1, "_correlation": 1}, {"a": 2, "_correlation": 4}])

    def test_an_input_that_ends_in_mid_line(self):
        path = self.write("k.comp", ECHO)
        result = self.gyre("run", path, input='{"a": 1}\n{"a": 2}')
        self.assert_exit(result, OK)
        self.assertEqual(len(self.answers(result)), 2)
        result = self.gyre("run", path, input='{"a": 1}\n{"a": ')
        self.assert_exit(result, FAILED)
        self.assertEqual(len(self.answers(result)), 1)
        self.assert_says(result, "line 2: ")

    def test_a_line_that_is_too_long(self):
        long = '{"a": 1, "_pad": "' + "x" * (17 << 20) + '"}'
        result = self.run_kernel(ECHO, ['{"a": 1}', long, '{"a": 3}'])
        self.assert_exit(result, FAILED)
        self.assertEqual([answer["a"] for answer in self.answers(result)], [1, 3])
        self.assert_says(result, "line 2: longer than 16 MiB")

    def test_quiet_says_only_what_is_wrong(self):
        result = self.run_kernel(ECHO, [{"a": 1}], "--quiet")
        self.assert_exit(result, OK)
        self.assertEqual(result.stderr, "")
        result = self.run_kernel(PICKY, [{"a": 13}], "--quiet")
        self.assert_exit(result, FAILED)
        self.assertEqual(result.stderr, "gyre: line 1: the handler called gyre_fail() (code 3)\n")

    def test_an_input_that_cannot_be_read(self):
        result = self.gyre("run", self.write("k.comp", ECHO), "--input", str(self.folder))
        self.assert_exit(result, USAGE)
        self.assert_says(result, "cannot read", "Is a directory")


class Losses(ToolTest):
    """More than the kernel can do, in a queue of one. Each line has its answer or is named, with the reason."""
    TIGHT = ("--queue-size", "1", "--window", "1")

    def check(self, result, count, words, least=1):
        """Gives the lines that were lost."""
        named = [int(number) for number in re.findall(r"^gyre: line (\d+): " + words + "$", result.stderr, re.M)]
        answered = [answer["_correlation"] for answer in self.answers(result)]
        self.assertEqual(answered, sorted(answered))
        self.assertEqual(sorted(answered + named), list(range(1, count + 1)))
        self.assertGreaterEqual(len(named), least)
        self.assert_exit(result, FAILED if named else OK)
        self.assert_says(result, f"{count} lines, {len(answered)} answers, {len(named)} failed")
        return named

    def test_reject_fails_lines_that_find_no_room(self):
        result = self.run_kernel(SLOW, [{"a": i} for i in range(1000)], "--backpressure=reject", *self.TIGHT)
        self.assertNotIn(1, self.check(result, 1000, "the queue is full"))

    def test_drop_oldest_keeps_the_newest(self):
        result = self.run_kernel(SLOW, [{"a": i} for i in range(1000)], "--backpressure=drop-oldest", *self.TIGHT)
        self.assertNotIn(1000, self.check(result, 1000, "the message was dropped"))

    def test_drop_oldest_keeps_what_is_more_urgent_than_the_newcomer(self):
        lines = [{"a": i, "_priority": 7 if i == 499 else 3} for i in range(1000)]
        result = self.run_kernel(SLOW, lines, "--backpressure=drop-oldest", *self.TIGHT)
        self.assertNotIn(500, self.check(result, 1000, "the message was dropped"))

    def test_block_loses_nothing(self):
        result = self.run_kernel(SLOW, [{"a": i} for i in range(200)], "--backpressure=block", *self.TIGHT)
        self.check(result, 200, ".*", least=0)
        self.assert_exit(result, OK)

    def test_a_deadline_passes_where_the_message_waits(self):
        """In the queue, which has room for all of them."""
        result = self.run_kernel(SLOW, [{"a": i} for i in range(1000)], "--window=1", "--deadline=0.5")
        self.check(result, 1000, "the message's deadline passed")

    def test_a_deadline_passes_while_a_line_waits_for_room(self):
        result = self.run_kernel(SLOW, [{"a": i} for i in range(1000)], "--deadline=0.01", *self.TIGHT)
        self.check(result, 1000, "the message's deadline passed")

    def test_a_line_may_have_its_own_deadline(self):
        short, long = {"a": 1, "_deadline": 1e-6}, {"a": 1, "_deadline": 600000}
        result = self.run_kernel(ECHO, [short, {"a": 1}, long, short])
        self.assertEqual(self.check(result, 4, "the message's deadline passed"), [1, 4])
        result = self.run_kernel(ECHO, [short, {"a": 1}, long, {"a": 1}], "--deadline=0.000001")
        self.assertEqual(self.check(result, 4, "the message's deadline passed"), [1, 2, 4])

    def test_a_deadline_that_is_far_off_changes_nothing(self):
        result = self.run_kernel(ECHO, [{"a": i} for i in range(2000)], "--deadline=600000")
        self.check(result, 2000, "the message's deadline passed", least=0)
        self.assert_exit(result, OK)


def members(text, struct):
    """The names of a struct's members in a header, the macro's of GYRE_EXIT_REASONS among them."""
    body = re.search(r"typedef struct " + struct + r" \{(.*?)\} " + struct + ";", text, re.S).group(1)
    if "GYRE_EXIT_REASONS(X)" in body:
        reasons = re.search(r"#define GYRE_EXIT_REASONS\(X\)((?:.*\\\n)*.*)", text).group(1)
        return re.findall(r"X\((\w+)\)", reasons)
    return re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", body, flags=re.S))


class Statistics(ToolTest):
    def stats(self, result):
        """The last line of stderr, checked for what always holds of a kernel that has terminated."""
        stats = json.loads(result.stderr.splitlines()[-1])
        self.assertEqual(stats["accepted"], stats["processed"] + stats["failed"] + stats["dropped"] + stats["expired"] +
                         stats["staged"] + stats["window"])
        self.assertEqual(stats["dropped"],
                         stats["dropped_oldest"] + stats["dropped_newest"] + stats["dropped_terminated"])
        self.assertEqual(stats["rejected"], stats["rejected_full"] + stats["rejected_invalid"])
        self.assertEqual(stats["residencies"], sum(stats["exits"].values()))
        self.assertEqual(stats["staged"] + stats["window"] + stats["unread"], 0)
        self.assertEqual(stats["fault"], "GYRE_OK")
        for name in ("queueing", "processing"):
            latency = stats[name]
            order = [latency[key] for key in ("min", "p50", "p99", "p999", "max")]
            self.assertEqual(order, sorted(order), name)
        self.assertGreaterEqual(stats["queueing"]["count"], stats["processing"]["count"])
        return stats

    def test_every_member_is_there_under_its_name(self):
        header = (ROOT / "include/gyre/telemetry.h").read_text()
        stats = self.stats(self.run_kernel(ECHO, [{"a": 1}], "--stats=json"))
        self.assertEqual(sorted(stats), sorted(members(header, "gyre_stats")))
        self.assertEqual(sorted(stats["exits"]), sorted(members(header, "gyre_exits")))
        for name in ("queueing", "processing"):
            self.assertEqual(sorted(stats[name]), sorted(members(header, "gyre_latency")))

    def test_counts_are_exact(self):
        result = self.run_kernel(PICKY, [{"a": i % 20} for i in range(2000)], "--stats=json")
        self.assert_exit(result, FAILED)
        stats = self.stats(result)
        expected = {"accepted": 2000, "processed": 1900, "failed": 100, "expired": 0, "dropped": 0, "received": 2000,
                    "corrupt": 0, "ticks": 0, "requests": 0, "last_error": "GYRE_ERROR_HANDLER", "last_error_code": 3}
        self.assertEqual({name: stats[name] for name in expected}, expected)
        self.assertGreater(stats["residencies"], 0)
        self.assertGreaterEqual(stats["residencies"], stats["submissions"])
        self.assertGreater(stats["uptime_ns"], 0)

    def test_latencies_are_of_every_message(self):
        stats = self.stats(self.run_kernel(SLOW, [{"a": i} for i in range(200)], "--stats=json"))
        self.assertEqual([stats[name]["count"] for name in ("queueing", "processing")], [200, 200])
        self.assertGreater(stats["processing"]["min"], 0)
        self.assertLess(stats["processing"]["max"], stats["uptime_ns"])

    def test_lost_messages_are_counted_by_their_cause(self):
        lines = [{"a": i} for i in range(1000)]
        for arguments, names, words in (
                (["--backpressure=reject"], ["rejected_full"], "the queue is full"),
                (["--backpressure=drop-oldest"], ["dropped_oldest"], "the message was dropped"),
                (["--deadline=0.5", "--queue-size=1000"], ["expired"], "the message's deadline passed")):
            with self.subTest(words):
                result = self.run_kernel(SLOW, lines, "--queue-size=1", "--window=1", *arguments, "--stats=json")
                self.assert_exit(result, FAILED)
                stats = self.stats(result)
                lost = result.stderr.count(": " + words + "\n")
                counted = sum(stats[name] for name in names)
                # What expires before it can be sent is the command's loss, not the kernel's.
                unsent = len(lines) - stats["accepted"] if names == ["expired"] else 0
                self.assertEqual(counted + unsent, lost)
                self.assertEqual(stats["processed"], len(lines) - lost)
                self.assertEqual(stats["accepted"], len(lines) - stats["rejected_full"] - unsent)

    def test_what_is_dropped_by_priority_is_counted_apart(self):
        lines = [{"a": i, "_priority": 0 if i % 10 else 9} for i in range(1000)]
        result = self.run_kernel(SLOW, lines, "--queue-size=1", "--window=1", "--backpressure=drop-oldest",
                                 "--stats=json")
        stats = self.stats(result)
        self.assertEqual(stats["accepted"], 1000)
        self.assertGreater(stats["dropped_newest"], 0)
        self.assertEqual(stats["dropped"], result.stderr.count(": the message was dropped\n"))
        self.assertEqual(len(self.answers(result)), 1000 - stats["dropped"])

    def test_a_table_for_people(self):
        result = self.run_kernel(PICKY, [{"a": i} for i in range(20)], "--stats")
        self.assert_exit(result, FAILED)
        rows = [line.split() for line in result.stderr.splitlines()]
        self.assertIn(["messages", "accepted", "20"], rows)
        self.assertIn(["processed", "19"], rows)
        self.assertIn(["failed", "1"], rows)
        self.assertIn(["answers", "received", "20"], rows)
        self.assertIn(["latency", "min", "p50", "p99", "p99.9", "max"], rows)
        self.assertIn("last error   the handler called gyre_fail() (code 3)", result.stderr.splitlines())
        self.assertNotIn("expired", result.stderr)

    def test_quiet_does_not_silence_what_was_asked_for(self):
        result = self.run_kernel(ECHO, [{"a": 1}], "--quiet", "--stats=json")
        self.assert_exit(result, OK)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertEqual(self.stats(result)["accepted"], 1)

    def test_a_run_that_did_not_begin_has_none(self):
        result = self.run_kernel("nonsense", [], "--stats=json")
        self.assert_exit(result, KERNEL)
        self.assertNotIn("accepted", result.stderr)


BIND = kernel("GYRE_OUT.a = table[GYRE_IN.a] + extra.offset; gyre_send();",
              globals="""
layout(std430, set = 1, binding = 0) readonly buffer Table { uint table[]; };
layout(std430, set = 1, binding = 3) readonly buffer Extra { uint offset; uint more[3]; } extra;
""")


class Binding(ToolTest):
    def setUp(self):
        super().setUp()
        self.table = self.write("table.bin", b"".join(i.to_bytes(4, "little") for i in (10, 20, 30)))
        self.extra = self.write("extra.bin", (5).to_bytes(16, "little"))

    def test_blocks_are_filled_from_files(self):
        result = self.run_kernel(BIND, [{"a": 2}, {"a": 0}], "--bind", "Table=" + self.table, "--bind",
                                 "Extra=" + self.extra)
        self.assert_exit(result, OK)
        self.assertEqual([answer["a"] for answer in self.answers(result)], [35, 15])

    def test_a_block_may_be_zeroes(self):
        result = self.run_kernel(BIND, [{"a": 1}], "--bind", "Table=" + self.table, "--bind", "Extra=")
        self.assert_exit(result, OK)
        self.assertEqual([answer["a"] for answer in self.answers(result)], [20])

    def test_what_is_wrong_with_a_binding_is_said(self):
        good = ["--bind", "Table=" + self.table, "--bind", "Extra=" + self.extra]
        odd = self.write("odd.bin", b"12345")
        empty = self.write("empty.bin", b"")
        cases = [
            (good[:2], "block Extra needs its data"),
            (good + ["--bind", "Nobody=" + self.table], "no block named Nobody"),
            (good[:2] + ["--bind", "Extra=" + self.table], "the block Extra needs 16"),
            (good[2:] + ["--bind", "Table=" + odd], "a multiple of 4"),
            (good[2:] + ["--bind", "Table=" + empty], "a multiple of 4"),
            (good[2:] + ["--bind", "Table="], "a file must say how long"),
            (good[2:] + ["--bind", "Table=" + str(self.folder / "none")], "No such file"),
            (good[2:] + ["--bind", "Table=" + str(self.folder)], "Is a directory"),
            (good + ["--bind", "Extra=/dev/zero"], "larger than the block Extra"),
            (good + ["--bind", "Table"], "BLOCK=FILE"),
            (good + ["--bind", "=x"], "BLOCK=FILE"),
        ]
        for arguments, words in cases:
            with self.subTest(words):
                result = self.run_kernel(BIND, [], *arguments)
                self.assert_exit(result, USAGE)
                self.assert_says(result, words)


class Check(ToolTest):
    def test_sizes_and_offsets_are_shown(self):
        text = kernel("GYRE_OUT.a = uint(GYRE_IN.b.y); gyre_send();", input="uint a; vec4 b; float c[5];", local_size=32)
        result = self.gyre("run", "--check", self.write("k.comp", text))
        self.assert_exit(result, OK)
        rows = [line.split() for line in result.stdout.splitlines()]
        self.assertIn(["local", "size", "32", "1", "1"], rows)
        self.assertIn(["0", "a", "uint"], rows)
        self.assertIn(["16", "b", "float[4]"], rows)
        self.assertIn(["32", "c", "float[5]"], rows)
        self.assertTrue(any(row[:2] == ["input", "64"] for row in rows), result.stdout)
        self.assertTrue(any(row[:2] == ["output", "4"] for row in rows), result.stdout)

    def test_no_input_is_read_and_no_output_written(self):
        target = self.folder / "out"
        target.write_text("kept")
        result = self.gyre("run", "--check", self.write("k.comp", BIND), "--input", "/nowhere", "--output", str(target))
        self.assert_exit(result, OK)
        self.assertIn("Table: set 1, binding 0, storage, 0 bytes + any number of 4", result.stdout)
        self.assertEqual(target.read_text(), "kept")


if __name__ == "__main__":
    main()
