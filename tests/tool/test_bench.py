"""gyre bench: what it prints. How fast things are is not for a test on a shared machine to say."""
import json

from support import OK, USAGE, ToolTest, main

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


if __name__ == "__main__":
    main()
