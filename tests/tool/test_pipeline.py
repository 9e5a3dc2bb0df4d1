"""gyre run PIPELINE.json: several kernels and the links between them."""
import json
import os
import signal
import subprocess
import threading
import time

from support import (ECHO, FAILED, GYRE, INTERRUPTED, KERNEL, OK, PICKY, SANITIZED, STUCK, USAGE, ToolTest, cpu_seconds,
                     kernel, main)

PATIENCE = 10 if SANITIZED else 1

DOUBLE = kernel("GYRE_OUT.a = GYRE_IN.a * 2u; gyre_send();")
INCREMENT = kernel("GYRE_OUT.a = GYRE_IN.a + 1u; gyre_send();")
BY_PARITY = kernel("GYRE_OUT.a = GYRE_IN.a; gyre_send_to(GYRE_IN.a % 2u);")
THRICE = kernel("for (uint i = 0u; i < 3u; ++i) { GYRE_OUT.a = GYRE_IN.a * 10u + i; gyre_send(); }",
                defines="#define GYRE_MAX_SENDS 3")
# a times around, then to the host.
AROUND = kernel("GYRE_OUT.a = GYRE_IN.a == 0u ? gyre_message_hops() : GYRE_IN.a - 1u; "
                "gyre_send_to(GYRE_IN.a == 0u ? 0u : 1u);")


class PipelineTest(ToolTest):
    def pipeline(self, kernels, links=(), **rest):
        """Writes p.json and the kernels whose texts are given; gives the path."""
        named = {}
        for name, value in kernels.items():
            text, more = value if isinstance(value, tuple) else (value, None)
            self.write(name + ".comp", text)
            named[name] = {"file": name + ".comp", **more} if more else name + ".comp"
        return self.write("p.json", json.dumps({"kernels": named, "links": list(links), **rest}))

    def chain(self, *texts):
        names = "abcdefgh"[:len(texts)]
        return self.pipeline(dict(zip(names, texts)),
                             [{"from": first, "to": second} for first, second in zip(names, names[1:])])

    def feed(self, path, lines, *arguments, **options):
        return self.gyre("run", path, *arguments, input="".join(json.dumps(line) + "\n" for line in lines), **options)

    def pairs(self, result):
        return [(answer["_correlation"], answer["a"]) for answer in self.answers(result)]


class Answers(PipelineTest):
    def test_a_chain_of_three(self):
        path = self.chain(DOUBLE, INCREMENT, DOUBLE)
        expected = [(i + 1, (i * 2 + 1) * 2) for i in range(2000)]
        for visibility in ("strict", "auto"):
            for order in ("--ordered", "--unordered"):
                with self.subTest(visibility=visibility, order=order):
                    result = self.feed(path, [{"a": i} for i in range(2000)], "--visibility", visibility, order)
                    self.assert_exit(result, OK)
                    pairs = self.pairs(result)
                    self.assertEqual(pairs if order == "--ordered" else sorted(pairs), expected)
                    self.assertEqual(sorted(self.answers(result)[0]), ["_correlation", "a"])
                    self.assert_says(result, "2000 lines, 2000 answers, 0 failed;",
                                     "gyre: link a -> b: 2000 sent, 0 waiting, 0 lost",
                                     "gyre: link b -> c: 2000 sent, 0 waiting, 0 lost")

    def test_priorities_do_not_change_the_order_that_was_asked_for(self):
        path = self.chain(DOUBLE, INCREMENT)
        result = self.feed(path, [{"a": i, "_priority": i * 37 % 256} for i in range(2000)], "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.pairs(result), [(i + 1, i * 2 + 1) for i in range(2000)])

    def test_a_correlation_is_carried_to_the_end(self):
        result = self.feed(self.chain(DOUBLE, DOUBLE), [{"a": 1, "_correlation": 77}, {"a": 2}, {"a": 3, "_correlation": 77}],
                           "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.pairs(result), [(77, 4), (2, 8), (77, 12)])

    def test_a_key_decides_which_kernel_gets_a_message(self):
        path = self.pipeline({"a": DOUBLE, "b": INCREMENT, "c": INCREMENT},
                             [{"from": "a", "to": ["b", "c"], "spread": "key"}])
        result = self.feed(path, [{"a": i, "_key": i % 40} for i in range(800)])
        self.assert_exit(result, OK)
        answers = self.answers(result)
        self.assertEqual(sorted(self.pairs(result)), [(i + 1, i * 2 + 1) for i in range(800)])
        of_key = {}
        for answer in answers:
            of_key.setdefault((answer["_correlation"] - 1) % 40, set()).add(answer["_kernel"])
        self.assertEqual({len(kernels) for kernels in of_key.values()}, {1})
        self.assertEqual(set.union(*of_key.values()), {"b", "c"})

    def test_in_turn(self):
        path = self.pipeline({"a": DOUBLE, "b": INCREMENT, "c": INCREMENT},
                             [{"from": "a", "to": "b", "spread": "round-robin"},
                              {"from": "a", "to": "c", "spread": "round-robin"}])
        result = self.feed(path, [{"a": i} for i in range(100)])
        self.assert_exit(result, OK)
        kernels = [answer["_kernel"] for answer in self.answers(result)]
        self.assertEqual((kernels.count("b"), kernels.count("c")), (50, 50))

    def test_each_of_several_gets_a_copy(self):
        path = self.pipeline({"a": DOUBLE, "b": INCREMENT, "c": DOUBLE}, [{"from": "a", "to": ["b", "c"]}])
        result = self.feed(path, [{"a": i} for i in range(1000)], "--ordered")
        self.assert_exit(result, OK)
        answers = self.answers(result)
        self.assertEqual([answer["_correlation"] for answer in answers], [i + 1 for i in range(1000) for _ in "bc"])
        self.assertEqual(sorted((answer["_correlation"], answer["_kernel"], answer["a"]) for answer in answers),
                         sorted([(i + 1, "b", i * 2 + 1) for i in range(1000)] +
                                [(i + 1, "c", i * 4) for i in range(1000)]))

    def test_ports_lead_to_two_outputs(self):
        path = self.pipeline({"sort": BY_PARITY, "even": DOUBLE, "odd": INCREMENT},
                             [{"from": "sort", "to": "even"}, {"from": "sort", "port": 1, "to": "odd"}])
        result = self.feed(path, [{"a": i} for i in range(500)], "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.answers(result), [{"a": i + 1 if i % 2 else i * 2, "_correlation": i + 1,
                                                 "_kernel": "odd" if i % 2 else "even"} for i in range(500)])
        self.assert_says(result, "link sort -> even: 250 sent", "link sort.1 -> odd: 250 sent")

    def test_an_output_that_is_not_asked_for_is_not_printed(self):
        path = self.pipeline({"sort": BY_PARITY, "even": DOUBLE, "odd": INCREMENT},
                             [{"from": "sort", "to": "even"}, {"from": "sort", "port": 1, "to": "odd"}], output=["odd"])
        for order in ("--ordered", "--unordered"):
            result = self.feed(path, [{"a": i} for i in range(100)], order)
            self.assert_exit(result, OK)
            self.assertEqual(sorted(self.pairs(result)), [(i + 1, i + 1) for i in range(1, 100, 2)])
            self.assertNotIn("_kernel", self.answers(result)[0])
            self.assert_says(result, "100 lines, 50 answers, 0 failed, 50 answers not printed")

    def test_several_answers_to_a_line_stay_together_when_ordered(self):
        path = self.chain(INCREMENT, THRICE, THRICE)
        result = self.feed(path, [{"a": i, "_priority": i * 37 % 256} for i in range(500)], "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual([answer["_correlation"] for answer in self.answers(result)],
                         [i + 1 for i in range(500) for _ in range(9)])
        self.assertEqual(sorted(self.pairs(result)),
                         [(i + 1, (i + 1) * 100 + k * 10 + m) for i in range(500) for k in range(3) for m in range(3)])

    def test_a_message_may_go_around(self):
        path = self.pipeline({"a": AROUND, "b": ECHO}, [{"from": "a", "port": 1, "to": "b"}, {"from": "b", "to": "a"}],
                             input="a")
        lines = [{"a": i % 50} for i in range(300)]
        result = self.feed(path, lines, "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.pairs(result), [(i + 1, i % 50 * 2) for i in range(300)])

    def test_shards_own_the_keys(self):
        text = kernel("GYRE_OUT.a = gyre_shard(); gyre_send();")
        path = self.pipeline({"a": DOUBLE, "b": (text, {"shards": 3})}, [{"from": "a", "to": "b"}])
        result = self.feed(path, [{"a": i, "_key": i} for i in range(200)], "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.pairs(result), [(i + 1, i % 3) for i in range(200)])
        path = self.pipeline({"b": (text, {"shards": 3})})
        result = self.feed(path, [{"a": i, "_key": i} for i in range(200)], "--ordered")
        self.assert_exit(result, OK)
        self.assertEqual(self.pairs(result), [(i + 1, i % 3) for i in range(200)])

    def test_a_single_kernel_sees_the_key(self):
        result = self.run_kernel(kernel("GYRE_OUT.a = gyre_message_key(); gyre_send();"),
                                 [{"a": 0, "_key": 2**32 - 1}, {"a": 0}, {"a": 0, "_key": "7"}])
        self.assert_exit(result, OK)
        self.assertEqual([answer["a"] for answer in self.answers(result)], [2**32 - 1, 0, 7])

    def test_files_are_looked_for_next_to_the_pipeline(self):
        text = kernel("GYRE_OUT.a = gain * GYRE_IN.a; gyre_send();",
                      globals="layout(std430, set = 1, binding = 0) readonly buffer Gain { uint gain; };")
        (self.folder / "inner").mkdir()
        self.write("inner/gain.comp", text)
        self.write("inner/gain.u32", (7).to_bytes(4, "little"))
        kernels = {"a": {"file": "gain.comp", "bind": {"Gain": "gain.u32"}},
                   "b": {"file": "gain.comp", "bind": {"Gain": "gain.u32"}}}
        path = self.write("inner/p.json", json.dumps({"kernels": kernels, "links": [{"from": "a", "to": "b"}]}))
        for cwd, name in ((self.folder, "inner/p.json"), (self.folder / "inner", "p.json"), ("/", path)):
            result = self.feed(name, [{"a": 2}], cwd=cwd)
            self.assert_exit(result, OK)
            self.assertEqual(self.pairs(result), [(1, 98)])

    def test_no_input_is_no_output(self):
        result = self.feed(self.chain(DOUBLE, DOUBLE), [])
        self.assert_exit(result, OK)
        self.assertEqual(result.stdout, "")
        self.assert_says(result, "0 lines, 0 answers, 0 failed", "link a -> b: 0 sent, 0 waiting, 0 lost")

    def test_a_link_that_may_lose_messages_says_how_many(self):
        slow = kernel("uint x = GYRE_IN.a; for (uint i = 0u; i < 500u; ++i) { x = x * 1664525u + 1u; } "
                      "GYRE_OUT.a = x | 1u; gyre_send();")
        path = self.pipeline({"a": DOUBLE, "b": slow}, [{"from": "a", "to": "b", "lossy": True, "slots": 2}])
        for order in ("--ordered", "--unordered"):
            result = self.feed(path, [{"a": i} for i in range(1000)], order, "--stats=json")
            self.assert_exit(result, OK)
            link = json.loads(result.stderr.splitlines()[-1])["links"][0]
            self.assertEqual(link["sent"] + link["lost"], 1000)
            self.assertEqual((link["waiting"], link["slots"]), (0, 2))
            self.assertEqual(len(self.answers(result)), link["sent"])
            if link["lost"]:
                self.assert_says(result, f", {link['lost']} without an answer")


class Failures(PipelineTest):
    def test_a_stage_that_drops_and_one_that_fails(self):
        path = self.chain(ECHO, PICKY, ECHO)
        lines = [{"a": i % 20} for i in range(400)]
        expected = [(i + 1, i % 20 * 2) for i in range(400) if i % 20 not in (13, 14)]
        for order in ("--ordered", "--unordered"):
            result = self.feed(path, lines, order)
            self.assert_exit(result, FAILED)
            pairs = self.pairs(result)
            self.assertEqual(pairs if order == "--ordered" else sorted(pairs), expected)
            self.assert_says(result, "400 lines, 360 answers, 20 failed, 20 without an answer")
            said = [line for line in result.stderr.splitlines() if line.startswith("gyre: line ")
                    and line.endswith(": kernel b: the handler called gyre_fail() (code 3)")]
            self.assertEqual(sorted(int(line.split()[2].rstrip(":")) for line in said), list(range(14, 401, 20)))

    def test_the_first_stage_may_fail(self):
        result = self.feed(self.chain(PICKY, ECHO), [{"a": 1}, {"a": 13}, {"a": 14}, {"a": 2}], "--ordered")
        self.assert_exit(result, FAILED)
        self.assertEqual(self.pairs(result), [(1, 2), (4, 4)])
        self.assert_says(result, "gyre: line 2: kernel a: the handler called gyre_fail() (code 3)",
                         "4 lines, 2 answers, 1 failed, 1 without an answer")

    def test_a_port_that_leads_nowhere(self):
        path = self.pipeline({"a": DOUBLE, "b": kernel("GYRE_OUT.a = GYRE_IN.a; gyre_send_to(5u);")},
                             [{"from": "a", "to": "b"}])
        result = self.feed(path, [{"a": 1}, {"a": 2}])
        self.assert_exit(result, FAILED)
        self.assertEqual(result.stdout, "")
        for line in (1, 2):
            self.assert_says(result, f"gyre: line {line}: kernel b: the handler sent to a port that nothing is linked to")

    def test_a_bad_line_is_named_and_the_rest_goes_on(self):
        path = self.chain(DOUBLE, DOUBLE)
        rows = ['{"a": 1}', "nonsense", '{"a": 1, "_key": -1}', '{"a": 1, "_key": 4294967296}', '{"b": 1}', "", '{"a": 2}']
        result = self.gyre("run", path, "--ordered", input="\n".join(rows) + "\n")
        self.assert_exit(result, FAILED)
        self.assertEqual(self.pairs(result), [(1, 4), (7, 8)])
        self.assert_says(result, "line 2: not JSON", "line 3: _key: expected a whole number from 0 to 4294967295",
                         "line 4: _key", "line 5: b: no such member; there is a", "6 lines, 2 answers, 4 failed")

    def test_more_lines_without_an_answer_than_there_are_places(self):
        """65,536 lines may be under way; whether they are over is found out when the pipeline has run dry."""
        count = 70000
        path = self.chain(ECHO, kernel("if (GYRE_IN.a == 1u) { GYRE_OUT.a = 1u; gyre_send(); }"))
        text = '{"a": 0}\n' * count + '{"a": 1}\n'
        for order in ("--ordered", "--unordered"):
            result = self.gyre("run", path, order, "--visibility", "strict", input=text, timeout=280)
            self.assert_exit(result, OK)
            self.assertEqual(self.pairs(result), [(count + 1, 1)])
            self.assert_says(result, f"{count + 1} lines, 1 answers, 0 failed, {count} without an answer")


class BadFiles(PipelineTest):
    def refused(self, path, *words, code=USAGE, arguments=()):
        result = self.gyre("run", path, *arguments, input='{"a": 1}\n')
        self.assert_exit(result, code)
        self.assertEqual(result.stdout, "")
        self.assert_says(result, *words)

    def test_what_is_no_json(self):
        self.refused(str(self.folder / "none.json"), "cannot read the pipeline", "No such file")
        self.refused(str(self.folder), "Is a directory")
        for text, words in (("", "not JSON"), ("{", "p.json: line 1, column 1: not JSON"),
                            ('{\n"kernels":\n  nonsense}', "p.json: line 3, column 10: not JSON: invalid token"),
                            ('{"kernels": {}, "kernels": {}}', "duplicate object key"), ("{} {}", "not JSON")):
            self.refused(self.write("p.json", text), words)

    def test_every_bad_value_is_told_what_would_be_right(self):
        self.write("k.comp", ECHO)
        two = {"a": "k.comp", "b": "k.comp"}
        link = {"from": "a", "to": "b"}
        bind = {"kernels": {"a": {"file": "k.comp", "bind": {"Table": 5}}}}
        cases = [
            ([], "expected an object (kernels, links, input, output), got an array"),
            ({}, "kernels: expected at least one"),
            ({"kernels": []}, "kernels: expected at least one"),
            ({"kernels": {}}, "kernels: expected at least one"),
            ({"kernels": two, "linked": []}, 'there is no key "linked" here; there is kernels, links, input, output'),
            ({"kernels": {"a": 5}}, "kernels.a: expected an object (file, bind, shards, queue_size, weight, visibility), got a number"),
            ({"kernels": {"a": {}}}, 'kernels.a: expected "file"'),
            ({"kernels": {"a": ""}}, 'kernels.a: expected "file"'),
            ({"kernels": {"": "k.comp"}}, "a kernel's name has 1 to 63 bytes"),
            ({"kernels": {"a" * 64: "k.comp"}}, "a kernel's name has 1 to 63 bytes"),
            ({"kernels": {"a": {"file": "k.comp", "wait": 2}}}, 'kernels.a: there is no key "wait" here'),
            ({"kernels": {"a": {"file": "k.comp", "weight": 1025}}}, "kernels.a.weight: expected a whole number from 1 to 1024"),
            ({"kernels": {"a": {"file": "k.comp", "shards": 0}}}, "kernels.a.shards: expected a whole number from 1 to"),
            ({"kernels": {"a": {"file": "k.comp", "shards": "4"}}}, "kernels.a.shards: expected a whole number from 1 to 16777216, "
                                                                    "got a string"),
            ({"kernels": {"a": {"file": "k.comp", "queue_size": 1.5}}}, "kernels.a.queue_size: expected a whole number"),
            ({"kernels": {"a": {"file": "k.comp", "visibility": "some"}}},
             'kernels.a.visibility: expected one of auto, strict, live, got "some"'),
            ({"kernels": {"a": {"file": "k.comp", "bind": []}}}, "kernels.a.bind: expected an object"),
            (bind, "kernels.a.bind.Table: expected the name of a file"),
            ({"kernels": two, "links": {}}, "links: expected an array"),
            ({"kernels": two, "links": ["a"]}, "links[0]: expected an object (from, port, to, spread, slots, lossy), got a string"),
            ({"kernels": two, "links": [{"to": "b"}]}, "links[0].from: expected the name of a kernel"),
            ({"kernels": two, "links": [{"from": "a"}]}, "links[0].to: expected the name of a kernel"),
            ({"kernels": two, "links": [{"from": "a", "to": []}]}, "links[0].to: expected the name of a kernel, or several"),
            ({"kernels": two, "links": [link, {"from": "c", "to": "b"}]}, 'links[1].from: there is no kernel "c"; there is a, b'),
            ({"kernels": two, "links": [{"from": "a", "to": ["b", "c"]}]}, 'links[0].to[1]: there is no kernel "c"'),
            ({"kernels": two, "links": [{"from": "a", "to": ["b", 1]}]}, "links[0].to[1]: expected the name of a kernel, got a number"),
            ({"kernels": two, "links": [link, link]}, "links[1]: port 0 of a is linked to b already: leave one out"),
            ({"kernels": two, "links": [{"from": "a", "to": ["b", "b"]}]}, "links[0].to[1]: port 0 of a is linked to b already"),
            ({"kernels": {**two, "c": "k.comp"}, "links": [link, {"from": "a", "to": "c", "spread": "key"}]},
             'links[1]: port 0 of a has another "spread" already'),
            ({"kernels": two, "links": [{**link, "port": 64}]}, "links[0].port: expected a whole number from 0 to 63"),
            ({"kernels": two, "links": [{**link, "port": "1"}]}, "links[0].port: expected a whole number from 0 to 63, got a string"),
            ({"kernels": two, "links": [{**link, "spread": "all"}]},
             'links[0].spread: expected one of each, key, round-robin, got "all"'),
            ({"kernels": two, "links": [{**link, "slots": 0}]}, "links[0].slots: expected a whole number from 1 to"),
            ({"kernels": two, "links": [{**link, "lossy": 1}]}, "links[0].lossy: expected true or false, got a number"),
            ({"kernels": two, "links": [{**link, "weight": 1}]}, 'links[0]: there is no key "weight" here'),
            ({"kernels": two}, 'input: nothing is linked to a nor to b: say which one takes the lines, as in "input": "a"'),
            ({"kernels": two, "links": [link, {"from": "b", "to": "a"}]},
             'input: every kernel has a link to it: say which one takes the lines, as in "input": "a"'),
            ({"kernels": two, "links": [link], "input": "c"}, 'input: there is no kernel "c"; there is a, b'),
            ({"kernels": two, "links": [link], "input": ["a"]}, "input: expected the name of a kernel, got an array"),
            ({"kernels": two, "links": [link], "output": 1}, "output: expected an array of kernels' names, got a number"),
            ({"kernels": two, "links": [link], "output": ["c"]}, 'output[0]: there is no kernel "c"'),
            ({"kernels": two, "links": [link], "output": ["b", "b"]}, "output[1]: b is there twice: leave one out"),
        ]
        for content, words in cases:
            with self.subTest(content):
                self.refused(self.write("p.json", json.dumps(content)), "p.json: ", words)

    def test_files_that_are_not_there_or_do_not_fit(self):
        self.write("k.comp", ECHO)
        self.write("t.comp", kernel("GYRE_OUT.a = gain; gyre_send();",
                                    globals="layout(std430, set = 1, binding = 0) readonly buffer Gain { uint gain; };"))
        self.write("long", b"123456789012345678901234567890")
        def one(**kernel):
            return self.write("p.json", json.dumps({"kernels": {"a": kernel}}))
        self.refused(one(file="none.comp"), "cannot read the kernel", "none.comp: No such file")
        self.refused(one(file="none.spv"), "none.spv: No such file")
        self.refused(one(file="t.comp"), 'p.json: kernels.a.bind: the kernel\'s block Gain needs its data: "Gain": "FILE"')
        self.refused(one(file="t.comp", bind={"Gain": "none"}), "p.json: kernels.a.bind: cannot read", "none: No such file")
        self.refused(one(file="t.comp", bind={"Gain": "long"}), "larger than the block Gain of 4 bytes")
        self.refused(one(file="k.comp", bind={"Gain": "long"}), "p.json: kernels.a.bind: the kernel has no block named Gain")
        self.refused(one(file="k.comp"), "--bind is for a single kernel", arguments=["--bind", "Gain=long"])

    def test_kernels_that_do_not_compile_or_fit(self):
        self.refused(self.chain(ECHO, ECHO.replace("gyre_send", "gyre_sent")), "b.comp", "gyre_sent", code=KERNEL)
        wide = kernel("GYRE_OUT.a = GYRE_IN.a; gyre_send();", input="uint a; uint b; uint c;")
        self.refused(self.chain(ECHO, wide), "p.json: link a -> b: GYRE_OUTPUT of a has 4 bytes, GYRE_INPUT of b has 12",
                     code=KERNEL)

    def test_a_cycle_that_can_fill_up_for_good(self):
        path = self.pipeline({"a": THRICE, "b": ECHO}, [{"from": "a", "port": 1, "to": "b"}, {"from": "b", "to": "a"}],
                             input="a")
        self.refused(path, "b -> a: these links would make a cycle that can fill up for good",
                     code=KERNEL)

    def test_a_kernel_that_no_line_can_reach_is_warned_of(self):
        path = self.pipeline({"a": ECHO, "b": ECHO, "c": ECHO}, [{"from": "a", "to": "b"}], input="a")
        result = self.feed(path, [{"a": 1}])
        self.assert_exit(result, OK)
        self.assert_says(result, "warning:", "no link leads from a to c, which gets no messages")

    def test_a_run_that_cannot_begin_keeps_the_old_output(self):
        target = self.folder / "out"
        target.write_text("kept")
        self.refused(self.chain(ECHO, "nonsense"), "b.comp", code=KERNEL, arguments=["--output", str(target)])
        self.assertEqual(target.read_text(), "kept")


class Check(PipelineTest):
    def test_sizes_of_kernels_and_links(self):
        path = self.pipeline({"a": DOUBLE, "b": (INCREMENT, {"shards": 3}), "c": INCREMENT},
                             [{"from": "a", "to": "b", "slots": 100}, {"from": "b", "port": 2, "to": ["c"], "spread": "key",
                                                                       "lossy": True}])
        result = self.gyre("run", path, "--check")
        self.assert_exit(result, OK)
        for part in ("a: takes the lines\n", "b: answers\n", "c: answers\n", "shards      3\n",
                     "link        a -> b: 3 rings of 128 slots of 4 bytes\n",
                     "link        b.2 -> c: 3 rings of 256 slots of 4 bytes, spread by key, lossy\n", "device      "):
            self.assertIn(part, result.stdout)

    def test_it_finds_what_launching_and_linking_finds(self):
        wide = kernel("GYRE_OUT.a = GYRE_IN.a; gyre_send();", input="uint a; uint b; uint c;")
        self.assert_exit(self.gyre("run", self.chain(ECHO, wide), "--check"), KERNEL)

    def test_statistics(self):
        path = self.chain(ECHO, PICKY)
        result = self.feed(path, [{"a": i % 20} for i in range(200)], "--stats=json")
        self.assert_exit(result, FAILED)
        stats = json.loads(result.stderr.splitlines()[-1])
        a, b = stats["kernels"]["a"], stats["kernels"]["b"]
        self.assertEqual((a["accepted"], a["forwarded"], a["failed"]), (200, 200, 0))
        self.assertEqual((b["linked"], b["processed"], b["failed"], b["link_waiting"]), (200, 190, 10, 0))
        self.assertEqual({key: stats["links"][0][key] for key in ("from", "port", "to", "sent", "taken", "waiting", "lost")},
                         {"from": "a", "port": 0, "to": "b", "sent": 200, "taken": 200, "waiting": 0, "lost": 0})
        result = self.feed(path, [{"a": 1}], "--stats")
        self.assert_exit(result, OK)
        self.assert_says(result, "\na:\n", "\nb:\n", "by links among them", "sent to other kernels")


class Process(PipelineTest):
    def begin(self, path, *arguments, **options):
        process = self.start("run", path, *arguments, bufsize=0, **options)
        self.errors = b""
        def read():
            self.errors = process.stderr.read()
        drain = threading.Thread(target=read)
        drain.start()
        self.addCleanup(drain.join)
        self.drain = drain
        return process

    def ask(self, process, a):
        begin = time.monotonic()
        process.stdin.write(b'{"a": %d}\n' % a)
        answer = json.loads(process.stdout.readline())
        self.assertEqual(answer["a"], a * 2 + 1)
        return time.monotonic() - begin

    def test_each_line_is_answered_at_once_and_idleness_costs_nothing(self):
        process = self.begin(self.chain(DOUBLE, INCREMENT))
        self.ask(process, 0)
        times = sorted(self.ask(process, a) for a in range(30))
        self.assertLess(times[15], 0.1 * PATIENCE)
        time.sleep(1)
        before, begin = cpu_seconds(process.pid), time.monotonic()
        time.sleep(4)
        part = (cpu_seconds(process.pid) - before) / (time.monotonic() - begin)
        self.assertLess(part, 0.01 * PATIENCE, f"{part:.1%} of a core while idle")
        self.assertLess(self.ask(process, 2), 0.5 * PATIENCE)
        process.stdin.close()
        self.assertEqual(process.wait(timeout=60), OK)
        self.drain.join()
        self.assertIn(b"32 lines, 32 answers, 0 failed", self.errors)

    def test_a_line_without_an_answer_holds_the_next_ones_back_for_a_moment_only(self):
        process = self.begin(self.chain(ECHO, PICKY), "--ordered")
        process.stdin.write(b'{"a": 14}\n{"a": 14}\n{"a": 2}\n')
        begin = time.monotonic()
        self.assertEqual(json.loads(process.stdout.readline()), {"a": 4, "_correlation": 3})
        self.assertLess(time.monotonic() - begin, 2 * PATIENCE)
        process.stdin.close()
        self.assertEqual(process.wait(timeout=60), OK)

    def test_ctrl_c_while_idle_ends_in_order(self):
        process = self.begin(self.chain(DOUBLE, INCREMENT))
        self.ask(process, 1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), INTERRUPTED)
        self.drain.join()
        self.assertIn(b"gyre: stopped; 0 messages were dropped", self.errors)

    def write_on(self, process, count=1000000):
        def write():
            try:
                for i in range(count):
                    process.stdin.write(b'{"a": %d}\n' % (i % 1000))
                process.stdin.close()
            except (BrokenPipeError, ValueError):
                pass
        threading.Thread(target=write, daemon=True).start()

    def test_ctrl_c_under_load_writes_whole_answers_and_says_what_was_dropped(self):
        for order in ("--ordered", "--unordered"):
            process = self.start("run", self.chain(DOUBLE, INCREMENT, ECHO), order)
            self.write_on(process)
            lines = [process.stdout.readline() for _ in range(100)]
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            errors = process.stderr.read()
            self.assertEqual(process.wait(timeout=60), INTERRUPTED, errors)
            self.assertIn(b"messages were dropped", errors)
            self.assertTrue(rest == b"" or rest.endswith(b"\n"))
            lines = [json.loads(line) for line in lines + rest.splitlines()]
            for answer in lines:
                self.assertEqual(answer["a"], (answer["_correlation"] - 1) % 1000 * 2 + 1)
            seen = [answer["_correlation"] for answer in lines]
            self.assertEqual(len(set(seen)), len(seen))
            if order == "--ordered":
                self.assertEqual(seen, sorted(seen))

    def test_a_reader_that_has_had_enough_is_no_error(self):
        process = self.start("run", self.chain(DOUBLE, INCREMENT))
        self.write_on(process)
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        self.assertEqual(process.wait(timeout=60), OK)
        self.assertIn(b"then the reader was gone", process.stderr.read())

    def test_a_slow_reader_loses_nothing(self):
        process = self.start("run", self.chain(DOUBLE, INCREMENT), "--timeout", "1", stderr=subprocess.DEVNULL)
        self.write_on(process, 20000)
        process.stdout.read(1)
        time.sleep(3)
        self.assertEqual(len(process.stdout.read().splitlines()), 20000)
        self.assertEqual(process.wait(timeout=60), OK)

    def test_ctrl_c_when_nobody_reads_the_answers(self):
        process = self.start("run", self.chain(DOUBLE, THRICE), "--ordered")
        self.write_on(process)
        process.stdout.read(1)
        time.sleep(2)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), INTERRUPTED)
        self.assertLess(time.monotonic() - begin, 8 * PATIENCE)

    def test_a_stdin_that_is_closed_from_the_start(self):
        path = self.chain(DOUBLE, INCREMENT)
        command = ["sh", "-c", 'exec "$0" "$@" <&-', GYRE, "run", path]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assert_exit(result, USAGE)
        self.assert_says(result, "gyre: cannot read stdin: Bad file descriptor")

    def test_a_stage_that_never_comes_back_is_given_up(self):
        process = self.start("run", self.chain(ECHO, STUCK), "--timeout", "1")
        output, errors = process.communicate(b'{"a": 0}\n{"a": 1}\n', timeout=60)
        self.assertEqual(process.returncode, FAILED, errors)
        if b"the handler's loops exceed what the driver runs" in errors:
            self.assertIn(b"line 2: kernel b: ", errors)
        else:
            self.assertIn(b"gyre: no reply for 1 s", errors)
            self.assertIn(b"line 2: no answer", errors)


if __name__ == "__main__":
    main()
