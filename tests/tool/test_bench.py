"""gyre bench: what it prints. How fast things are is not for a test on a shared machine to say."""
import json

from support import FAILED, OK, USAGE, ToolTest, main

SINGLE = ["line", "floor", "dispatch", "roundtrip-1", "roundtrip-32", "wake"]
STREAMS = ["dispatch-batched", "stream-16B", "stream-64B", "stream-4KiB", "priority"]
CASES = SINGLE + STREAMS + ["pipeline"]
WITHOUT_GYRE = ("line", "floor", "dispatch", "dispatch-batched")
EACH = {"single, workgroup", "batch, workgroup", "single, invocation", "batch, invocation"}
VARIANTS = {
    "dispatch-batched": {"16 B", "64 B", "4 KiB"},
    "stream-16B": EACH, "stream-64B": EACH, "stream-4KiB": EACH,
    "priority": {"urgent", "load"},
    "pipeline": {"linked", "host", "linked, batch", "host, batch"},
}


class Bench(ToolTest):
    def bench(self, *arguments):
        result = self.gyre("bench", "--json", "--rounds", "1", *arguments)
        self.assert_exit(result, OK)
        return json.loads(result.stdout)

    def check(self, case):
        for key in ("messages", "verified", "rounds", "bytes", "p50_ns", "p99_ns", "p999_ns"):
            self.assertIsInstance(case[key], int)
            self.assertGreater(case[key], 0)
        self.assertEqual(case["messages"], case["verified"])
        self.assertLessEqual(case["p50_ns"], case["p99_ns"])
        self.assertLessEqual(case["p99_ns"], case["p999_ns"])
        self.assertGreater(case["rate_per_s"], 0)
        self.assertIn(case["visibility"],
                      (None,) if case["name"] in WITHOUT_GYRE or " dispatched" in str(case["variant"])
                      else ("live", "strict"))
        for key, value in (("p50_spread_ns", "p50_ns"), ("rate_spread_per_s", "rate_per_s")):
            low, high = case[key]
            self.assertLessEqual(low, case[value] + 1)  # a p50 is rounded down to a nanosecond
            self.assertLessEqual(case[value], high)

    def variants(self, bench, name):
        return {case["variant"] for case in bench["cases"] if case["name"] == name}

    def test_all_cases_but_scale(self):
        bench = self.bench()
        self.assertEqual({case["name"] for case in bench["cases"]}, set(CASES))
        for case in bench["cases"]:
            with self.subTest(case["name"], variant=case["variant"]):
                self.check(case)
        for name in CASES:
            self.assertEqual(self.variants(bench, name), VARIANTS.get(name, {None}))
        pairs = [(case["name"], case["variant"]) for case in bench["cases"]]
        self.assertEqual(len(pairs), len(set(pairs)))  # of two ways to wait one is shown
        for key in ("index", "name", "uuid", "type", "driver"):
            self.assertIn(key, bench["device"])
        self.assertRegex(bench["gyre"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(bench["date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.check_ratios({(case["name"], case["variant"]): case for case in bench["cases"]})

    def check_ratios(self, cases):
        """With one round a ratio is that of the two cases."""
        single, floor, dispatch = (cases[name, None] for name in ("roundtrip-1", "floor", "dispatch"))
        self.assertAlmostEqual(single["p50_of_floor"], single["p50_ns"] / floor["p50_ns"], delta=0.01 * single["p50_of_floor"])
        self.assertAlmostEqual(single["p50_of_dispatch"], single["p50_ns"] / dispatch["p50_ns"],
                               delta=0.01 * single["p50_of_dispatch"])
        for name, variant in (("stream-16B", "16 B"), ("stream-64B", "64 B"), ("stream-4KiB", "4 KiB")):
            batched = cases["dispatch-batched", variant]
            for how in EACH:
                stream = cases[name, how]
                self.assertEqual(stream["bytes"], batched["bytes"])
                self.assertAlmostEqual(stream["rate_of_batched"], stream["rate_per_s"] / batched["rate_per_s"], places=6)
        self.assertIn(dispatch["wait"], ("spin", "block"))
        self.assertIsNone(cases["priority", "load"]["rate_of_batched"])
        for suffix in ("", ", batch"):
            linked, host = cases["pipeline", "linked" + suffix], cases["pipeline", "host" + suffix]
            self.assertAlmostEqual(linked["rate_of_host"], linked["rate_per_s"] / host["rate_per_s"], places=6)

    def test_scale(self):
        bench = self.bench("--case", "scale")
        for case in bench["cases"]:
            with self.subTest(case["variant"]):
                self.assertEqual(case["name"], "scale")
                self.assertEqual(case["messages"], case["verified"])
        variants = self.variants(bench, "scale")
        self.assertEqual(len(variants), len(bench["cases"]))
        for variant in ("window 64", "window 65536", "0 idle kernels", "64 idle kernels", "payload 16",
                        "payload 65536", "batch 1", "batch 1024", "dispatched 1024", "1 producer", "4 producers"):
            self.assertIn(variant, variants)

    def test_quick(self):
        """Whatever the ratios are: that they are outside their bounds is said, and else it is no failure."""
        result = self.gyre("bench", "--quick", "--json", "--rounds=2")
        names = [case["name"] for case in json.loads(result.stdout)["cases"]]
        self.assertLess(len(names), 10)
        for name in ("line", "floor", "dispatch", "roundtrip-1", "stream-64B", "wake"):
            self.assertIn(name, names)
        self.assert_exit(result, FAILED if "and should be at" in result.stderr else OK)

    def test_one_case(self):
        for name in CASES:
            with self.subTest(name):
                bench = self.bench("--case", name)
                self.assertEqual({case["name"] for case in bench["cases"]}, {name})
        self.assertIsNone(self.bench("--case", "line", "--case", "floor")["device"])

    def test_for_humans(self):
        result = self.gyre("bench", "--rounds=1")
        self.assert_exit(result, OK)
        for name in CASES:
            self.assertIn("\n" + name + " ", result.stdout)
        for line in result.stdout.splitlines()[1:]:
            self.assertLessEqual(len(line), 110)


class Compare(ToolTest):
    """With files that are made up."""

    def file(self, name, *cases, device={"name": "one card", "driver": "one driver"}):
        return self.write(name, json.dumps({"gyre": "0.1.0", "date": "today", "device": device, "cases": cases}))

    def case(self, name, p50, rate, variant=None, spread=0.1):
        return {"name": name, "variant": variant, "p50_ns": p50, "rate_per_s": rate,
                "p50_spread_ns": [p50 * (1 - spread), p50 * (1 + spread)],
                "rate_spread_per_s": [rate * (1 - spread), rate * (1 + spread)]}

    def compare(self, a, b):
        return self.gyre("bench", "--compare", a, b)

    def test_ratios_and_spreads(self):
        a = self.file("a.json", self.case("wake", 1000, 500), self.case("stream", 100, 40, "batch"),
                      self.case("old", 1, 1))
        b = self.file("b.json", self.case("stream", 105, 10, "batch"), self.case("stream", 7, 7, "single"),
                      self.case("wake", 4000, 520), device={"name": "other card", "driver": "d"})
        result = self.compare(a, b)
        self.assert_exit(result, OK)
        lines = {line[:30].strip(): line[30:].split() for line in result.stdout.splitlines()}
        self.assertEqual(lines["wake"], ["1", "us", "4", "us", "4x", "apart", "500", "520", "1.04x", "overlap"])
        self.assertEqual(lines["stream batch"],
                         ["100", "ns", "105", "ns", "1.05x", "overlap", "40", "10", "0.25x", "apart"])
        self.assertEqual(lines["old"], ["only", "in", "A"])
        self.assertEqual(lines["stream single"], ["only", "in", "B"])
        self.assertIn("one card (one driver)", result.stdout)
        self.assertIn("other card (d)", result.stdout)
        for line in result.stdout.splitlines()[2:]:
            self.assertLessEqual(len(line), 110)

    def test_a_run_without_spreads_can_be_compared(self):
        one = {"name": "wake", "p50_ns": 10, "rate_per_s": 20}
        result = self.compare(self.file("a.json", one), self.file("b.json", self.case("wake", 20, 20), device=None))
        self.assert_exit(result, OK)
        self.assertIn(["wake", "10", "ns", "20", "ns", "2x", "-", "20", "20", "1x", "-"],
                      [line.split() for line in result.stdout.splitlines()])

    def test_what_the_benchmark_writes_can_be_compared(self):
        result = self.gyre("bench", "--json", "--rounds=2", "--case=line", "--case=floor")
        self.assert_exit(result, OK)
        path = self.write("run.json", result.stdout)
        result = self.compare(path, path)
        self.assert_exit(result, OK)
        lines = [line for line in result.stdout.splitlines() if line.startswith(("line ", "floor "))]
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertEqual(line.count("1x overlap"), 2)

    def test_files_that_are_something_else(self):
        good = self.file("good.json", self.case("wake", 1, 1))
        for text, words in (("", "not the JSON"), ("[]", "not the JSON"), ('{"gyre": "1"}', '"cases"'),
                            ('{"cases": []}', '"gyre"'), ('{"gyre": "1", "cases": [{"name": "a"}]}', "a case without"),
                            ('{"gyre": "1", "cases": []}', "no case in common"),
                            ('{"gyre": "1", "cases": [{"name": "a", "p50_ns": 0, "rate_per_s": 1}]}', "a case without")):
            bad = self.write("bad.json", text)
            for pair in ((good, bad), (bad, good)):
                with self.subTest(text, pair=pair):
                    result = self.compare(*pair)
                    self.assert_exit(result, USAGE)
                    self.assertIn(words, result.stderr)
        self.assert_exit(self.compare(good, str(self.folder / "none.json")), USAGE)
        self.assert_exit(self.gyre("bench", "--compare", good), USAGE)
        self.assert_exit(self.gyre("bench", "--quick", "--all"), USAGE)
        self.assert_exit(self.compare(good, good), OK)


if __name__ == "__main__":
    main()
